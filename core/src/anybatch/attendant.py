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
_LOOK = 2.0  #: seconds that nobody needs to look whether there is one
_AWAY = 86_400.0  #: seconds for which runs that cannot be read are waited for


class Attendant:
    """The attendant of this user on this host: whether there is one, and how it begins and ends.

    Attributes:
        log: what it has to say.
    """

    def __init__(self) -> None:
        base = platformdirs.user_state_path("anybatch").absolute()
        self._folders = base, base / "watch", base / "watch" / socket.gethostname()
        self.log = self._folders[-1] / "log"
        self._lock = self._folders[-1] / "lock"

    @property
    def process(self) -> int | None:
        """The number of its process; None: there is none, or none that can be seen."""
        with contextlib.suppress(OSError), self._lock.open("rb") as file:
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
            FolderError: its folder cannot be made, or is not this user's alone.
            AnybatchError: it ends at once.
        """
        self._make_folders()
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
        told, deadline = None, time.monotonic() + _PATIENCE
        while (number := self.process) is not None:
            if number and number != told:
                told = _end(number)
            if time.monotonic() > deadline:
                raise AnybatchError(f"process {number}, which watches, does not end")
            time.sleep(0.05)
        return told is not None

    def serve(self, idle: float = IDLE) -> None:
        """Be it, until no run may change any more for *idle* seconds, or SIGTERM comes.

        Raises:
            FolderError: its folder cannot be made, or is not this user's alone.
        """
        self._make_folders()
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)  # let go of by our end alone
        if not _lock(lock):
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
        watch(self._say, idle=idle, wanted=lambda: wanted, patience=_AWAY)
        self._say(f"process {os.getpid()} ends: {'nothing is left to do' if wanted else 'told to'}")

    def _say(self, text: str) -> None:
        """Add a line to the log, if there is room: watching is worth more than telling of it."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".old"))
        line = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} {text}\n"
        with contextlib.suppress(OSError):
            LocalFiles().append(self.log, line.encode("utf-8", "backslashreplace"), durable=False)

    def _make_folders(self) -> None:
        try:
            for one in self._folders:
                LocalFiles().make_private(one)
        except FolderError as error:
            raise FolderError(f"{error} (set XDG_STATE_HOME to use another state folder)") from None


def _lock(descriptor: int) -> bool:
    """Lock a file, unless another attendant has; who only looks has it for a moment."""
    deadline = time.monotonic() + _LOOK
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _end(number: int) -> int:
    """Tell an attendant to end; machines, and containers, may share a name and a home.

    Raises:
        AnybatchError: a process of this number is none.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if b"anybatch" not in Path(f"/proc/{number}/cmdline").read_bytes():
            raise AnybatchError(
                f"process {number} is no attendant, so the one that watches runs on another "
                f"machine, or in another container, of this name; end it there"
            )
        os.kill(number, signal.SIGTERM)
    return number


def watch(
    say: Callable[[str], None],
    *,
    idle: float = 0.0,
    wanted: Callable[[], bool] = lambda: True,
    shown: Callable[[list[Run]], None] = lambda _: None,
    patience: float = 0.0,
) -> None:
    """Watch all of this user's runs, new ones too, until none may change for *idle* seconds.

    Args:
        say: told what somebody should know.
        wanted: whether to go on.
        shown: is given the runs at each look.
        patience: seconds for which runs that cannot be read now are waited for.

    Raises:
        FolderError: the index cannot be read, for longer than *patience*.
    """
    with Session(folder=Path("/"), on_notice=say) as session:
        used, problem = time.monotonic(), ""
        while wanted():
            try:
                runs = session.runs()
                hidden = any(isinstance(one, FolderError) for one in session.unreadable.values())
            except FolderError as error:
                if time.monotonic() - used >= patience:
                    raise
                if str(error) != problem:
                    say(problem := str(error))
                runs, hidden = [], True
            shown(runs)
            if runs:
                used = time.monotonic()
                number = len(runs)
                session.wait_until(
                    lambda: not wanted() or sum(run.finished for run in runs) == number,  # noqa: B023
                    _ROUND,
                )
            elif time.monotonic() - used >= (max(idle, patience) if hidden else idle):
                return
            else:
                time.sleep(min(0.25, idle))


if __name__ == "__main__":
    Attendant().serve()
