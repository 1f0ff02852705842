"""The program `anybatch`, also `python -m anybatch`: Ctrl-C ends it quietly from the first line on.

Nothing is imported at the top: until the command line is there, nothing is at stake.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a background job of a shell
    if not ignored:
        signal.signal(signal.SIGINT, _leave)
    _speak_utf_8()
    from anybatch.cli import main as run

    if not ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:  # while a shell completes a word, or within an error
        sys.exit(INTERRUPTED)
    finally:
        if not ignored:
            signal.signal(signal.SIGINT, _leave)  # while Python tidies up


def _speak_utf_8() -> None:
    """Begin anew where the locale has another encoding: Latin-1, or ASCII that Python is to keep.

    Job scripts, TOML and JSON are UTF-8. Words that are other bytes stay what they are (PEP 540).
    """
    if sys.getfilesystemencoding() != "utf-8":
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONUTF8": "1"})


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
