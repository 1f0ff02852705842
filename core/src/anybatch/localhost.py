"""`LocalHost`: this machine. The one module that starts processes for hooks."""

from __future__ import annotations

import atexit
import contextlib
import fnmatch
import functools
import getpass
import os
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from anybatch.encoding import as_given, to_bytes
from anybatch.errors import CommandNotFound, CommandTimeout, shorten
from anybatch.host import Completed
from anybatch.localfiles import LocalFiles
from anybatch.locallease import LocalLease

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Command

_KILL_AFTER = 5.0


class LocalHost(LocalFiles):
    """This machine, as hooks see it.

    Args:
        environ: stands in for the environment of this process.

    Every command runs in a session of its own, so that Ctrl-C on the terminal does not cut a
    submission in two, under `LC_ALL=C.UTF-8`: program texts in English, file names whole.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ: Mapping[str, str] = dict(os.environ if environ is None else environ)
        self.name = socket.gethostname()
        self.user = _user()
        self.commands: Counter[str] = Counter()
        self._inherited = threading.local()
        self._count = threading.Lock()
        self._running = 0

    def lease(self, folder: Path) -> LocalLease:
        """See `Host.lease`."""
        return LocalLease(folder, self._inherited)

    def run(self, command: Command) -> Completed:
        """See `Host.run`."""
        with self._count:
            self.commands[os.path.basename(command.argv[0])] += 1
        with self._at_work():
            return self._run(command)

    def _run(self, command: Command) -> Completed:
        started = time.monotonic()
        text = to_bytes(command.stdin)
        process = self._start(command)
        try:
            out, err = process.communicate(text, timeout=command.timeout.total_seconds())
        except subprocess.TimeoutExpired as error:
            _end(process)
            said = " ".join(
                _text(out or b"").strip() for out in (error.stdout, error.stderr)
            ).strip()
            problem = f"timed out after {command.timeout.total_seconds():g} s and was killed"
            printed = f"; it had printed: {shorten(said)}" if said else ""
            raise CommandTimeout(command, problem + printed) from None
        except BaseException:
            _end(process)
            raise
        return Completed(process.returncode, _text(out), _text(err), time.monotonic() - started)

    def _start(self, command: Command) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [as_given(command.argv[0]), *map(to_bytes, command.argv[1:])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=command.cwd,
                # Keys, too: Popen looks up PATH by one kind of key.
                env={to_bytes(n): as_given(v) for n, v in self._environment(command).items()},
                start_new_session=True,
                pass_fds=getattr(self._inherited, "descriptors", ()),
            )
        except FileNotFoundError as error:
            missing = command.cwd if command.cwd and not command.cwd.is_dir() else None
            what = f"folder {str(missing)!r} does not exist" if missing else "program not found"
            raise CommandNotFound(command, what) from error
        except OSError as error:
            raise CommandNotFound(command, f"cannot be started: {error}") from error

    def _environment(self, command: Command) -> dict[str, str]:
        names = list(self.environ)
        if command.only_env is not None:
            names = [name for name in names if matches(name, command.only_env)]
        kept = {n: self.environ[n] for n in names if not matches(n, command.hide_env)}
        return {**kept, "LC_ALL": "C.UTF-8", **command.env}

    @property
    def busy(self) -> bool:
        """See `Host`."""
        return self._running > 0

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        with self._count:
            self._running += 1
        try:
            yield
        finally:
            with self._count:
                self._running -= 1

    def secret(self, prompt: str) -> str | None:
        """See `Host.secret`."""
        with self._at_work():
            return self._secret(prompt)

    def _secret(self, prompt: str) -> str | None:
        try:
            with open("/dev/tty", encoding="utf-8") as terminal:
                # A process in the background that reads from its terminal is stopped.
                if os.tcgetpgrp(terminal.fileno()) != os.getpgrp():
                    return None
                # Who ends the program while a thread waits here gets a terminal that echoes.
                shown = functools.partial(
                    termios.tcsetattr, terminal, termios.TCSADRAIN, termios.tcgetattr(terminal)
                )
                atexit.register(shown)
                try:
                    return getpass.getpass(prompt)
                finally:
                    atexit.unregister(shown)
        except (OSError, EOFError, termios.error):
            return None

    def which(self, program: str) -> str | None:
        """See `Host.which`."""
        return shutil.which(program, path=self.environ.get("PATH"))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a variable's *name* is one of *patterns* (`LANG`, `LC_*`)."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM, then KILL, for the command and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.communicate(timeout=_KILL_AFTER)
        except subprocess.TimeoutExpired:
            continue
        return
    # What has left the session may hold the pipes open for as long as it likes.
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
