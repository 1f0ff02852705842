"""Watching all of a user's runs: in this process, or in one that stays when nobody is logged in.

The attendant hands over what waits and sees how jobs end, for every run of its user that this
machine knows. There is one for each user and host. It may work beside any other process that
watches: who submits for a run is decided by the run's lease.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from anybatch.errors import AnybatchError, FolderError
from anybatch.localfiles import LocalFiles
from anybatch.localhost import LocalHost
from anybatch.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.run import Run

IDLE = 60.0  #: seconds without a run that may change, after which the attendant ends
LOG_LIMIT = 1_000_000  #: bytes; then the log is begun anew, and the one before is kept
_ROUND = 5.0  #: seconds between two looks for new runs
_PATIENCE = 30.0  #: seconds that one has to begin or to end


class Attendant:
    """The attendant of this user on this host: whether there is one, and how it begins and ends.

    Attributes:
        log: what it has to say.

    Raises:
        FolderError: its folder cannot be made, or is not this user's alone.
    """

    def __init__(self) -> None:
        base = platformdirs.user_state_path("anybatch").absolute()
        folder = base / "watch" / socket.gethostname()
        try:
            for one in (base, folder.parent, folder):
                LocalFiles().make_private(one)
        except OSError as error:
            raise FolderError(
                f"cannot make the folder {str(folder)!r}: {error.strerror}; set XDG_STATE_HOME to "
                f"use another"
            ) from error
        self.log = folder / "log"
        self._lock = folder / "lock"

    @property
    def process(self) -> int | None:
        """The number of its process; None: there is none."""
        with contextlib.suppress(FileNotFoundError), self._lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read(20)
                return int(text) if text.strip().isdigit() else 0
        return None

    def start(self) -> int:
        """Have one, in a session of its own; the number of its process.

        It gets the environment of this process, and with it its programs and credentials.

        Raises:
            AnybatchError: it ends at once.
        """
        if known := self.process:
            return known
        child = os.fork()
        if child == 0:
            self._become()
        _, status = os.waitpid(child, 0)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and not status:
            if number := self.process:
                return number
            time.sleep(0.05)
        raise AnybatchError(f"watching did not begin; its log is {str(self.log)!r}")

    def _become(self) -> None:
        """In the child: go on as a process that nobody waits for."""
        try:
            os.setsid()
            if os.fork() == 0:
                nowhere = os.open(os.devnull, os.O_RDONLY)
                log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                for descriptor, target in ((nowhere, 0), (log, 1), (log, 2)):
                    os.dup2(descriptor, target)
                os.closerange(3, 256)
                os.chdir("/")  # where nobody else has put modules
                words = [sys.executable, "-m", "anybatch.attendant"]
                os.execve(sys.executable, words, dict(LocalHost().environ))
            os._exit(0)
        finally:
            os._exit(1)

    def stop(self) -> bool:
        """End it; jobs go on. Whether there was one.

        Raises:
            AnybatchError: it does not end.
        """
        number = self.process
        if number is None:
            return False
        if number:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while self.process is not None:
            if time.monotonic() > deadline:
                raise AnybatchError(f"process {number}, which watches, does not end")
            time.sleep(0.05)
        return True

    def serve(self, idle: float = IDLE) -> None:
        """Be it, until no run may change any more for *idle* seconds, or SIGTERM comes."""
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)  # let go of by our end alone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        wanted = True

        def end(*_: object) -> None:
            nonlocal wanted
            wanted = False

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._say(f"process {os.getpid()} watches")
        watch(self._say, idle=idle, wanted=lambda: wanted)
        self._say(f"process {os.getpid()} ends: {'nothing is left to do' if wanted else 'told to'}")

    def _say(self, text: str) -> None:
        """Add a line to the log."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".old"))
        line = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} {text}\n"
        LocalFiles().append(self.log, line.encode("utf-8", "backslashreplace"), durable=False)


def watch(
    say: Callable[[str], None],
    *,
    idle: float = 0.0,
    wanted: Callable[[], bool] = lambda: True,
    shown: Callable[[list[Run]], None] = lambda _: None,
) -> None:
    """Watch all of this user's runs, new ones too, until none may change for *idle* seconds.

    Args:
        say: told what somebody should know.
        wanted: whether to go on.
        shown: is given the runs at each look.
    """
    with Session(folder=Path("/"), on_notice=say) as session:
        used = time.monotonic()
        while wanted():
            runs = session.runs()
            shown(runs)
            if runs:
                used = time.monotonic()
                number = len(runs)
                session.wait_until(
                    lambda: not wanted() or sum(run.finished for run in runs) == number,  # noqa: B023
                    _ROUND,
                )
            elif time.monotonic() - used >= idle:
                return
            else:
                time.sleep(min(0.25, idle))


if __name__ == "__main__":
    Attendant().serve()
