"""The index: where this user's runs are.

A folder of small files under the user's state folder, one for each run, with the path of the
run's folder and what is listed of it (`summary.py`): `active` for runs that may still change,
`untold` for those that have ended while nobody waited for them, `ended` for the others. A run
leaves it by `remove` alone: that its folder cannot be seen now tells nothing of the run.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import platformdirs

from anybatch.errors import FolderError, RunNotFound
from anybatch.localfiles import LocalFiles
from anybatch.ownership import distrust
from anybatch.runs import summary

if TYPE_CHECKING:
    from pathlib import Path

    from anybatch.runs.summary import Summary

_KINDS = ("active", "untold", "ended")
CHECKED_FOR = 1.0  #: seconds for which a folder of the index is believed without another look
_LONGEST = 65_536  #: bytes of an entry


class Index:
    """Where this user's runs are.

    Args:
        folder: of the index; default: `runs` in platformdirs' user state folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or platformdirs.user_state_path("anybatch") / "runs"
        self._files = LocalFiles()
        self._checked: dict[str, float] = {}

    def add(self, run: str, start: Summary) -> None:
        """Remember a run, before anything is submitted.

        Raises:
            FolderError: the state folder cannot be written, or is not this user's alone.
        """
        path = self._folder / "active" / run
        try:
            for one in (self._folder.parent, self._folder, path.parent):
                self._files.make_private(one)
            self._files.write(path, summary.write_start(start))
        except FolderError as error:
            raise FolderError(
                f"cannot register the run in the state folder: {error} (set XDG_STATE_HOME to use "
                f"another state folder)"
            ) from error

    def end(self, run: str, *, told: bool, line: str = "") -> None:
        """Note that the run will not change any more. Best effort: it is only slower without.

        Args:
            told: somebody has waited for it; else the next `anybatch wait` tells how it ended.
            line: how it ended, by `summary.write_end`.
        """
        after = self._folder / ("ended" if told else "untold")
        active = self._folder / "active" / run
        with contextlib.suppress(OSError, FolderError):
            self._files.make_private(after)
            with contextlib.suppress(FileNotFoundError):
                if line:
                    self._append(active, line)
                active.rename(after / run)
                os.utime(after / run)
                return
            if told:
                (self._folder / "untold" / run).rename(after / run)

    def _append(self, path: Path, line: str) -> None:
        """Add a line to an entry that is there, if it has lines and is not a path alone."""
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with contextlib.suppress(OSError):  # such as a full disk
            descriptor = os.open(path, flags)
            with open(descriptor, "ab") as file:
                if os.pread(descriptor, 1, 0) == b"{" and file.tell() < _LONGEST // 2:
                    file.write(f"\n{line}".encode())  # a line before it may have been cut

    def reopen(self, run: str) -> None:
        """Note that a run that has ended may change again.

        Raises:
            RunNotFound: it was removed.
            FolderError: the state folder cannot be written.
        """
        try:
            self._files.make_private(self._folder / "active")
            for kind in ("untold", "ended"):
                with contextlib.suppress(FileNotFoundError):
                    (self._folder / kind / run).rename(self._folder / "active" / run)
        except OSError as error:
            raise FolderError(
                f"cannot register run {run} in {str(self._folder)!r}: {error.strerror}"
            ) from error
        if not os.path.lexists(self._folder / "active" / run):
            raise RunNotFound(f"run {run} was removed meanwhile")

    def remove(self, run: str) -> None:
        """Drop a run, as its user wants.

        Raises:
            FolderError: the state folder cannot be written.
        """
        for kind in _KINDS:
            path = self._folder / kind / run
            self._files.remove(path)  # it may be a folder that somebody has put there
            if os.path.lexists(path):
                raise FolderError(f"cannot remove {str(path)!r}")

    def active(self) -> list[str]:
        """The runs that may still change, oldest first.

        Raises:
            FolderError: the index cannot be read, or is not this user's alone.
        """
        return self._names("active")

    def untold(self) -> list[str]:
        """The runs that have ended while nobody waited for them, oldest first.

        Raises:
            FolderError: the index cannot be read, or is not this user's alone.
        """
        return self._names("untold")

    def ended(self, since: float | None = None) -> list[str]:
        """The runs that have ended, those first that were submitted last.

        Args:
            since: only those whose end was noticed then or later; seconds since 1970.

        Raises:
            FolderError: the index cannot be read, or is not this user's alone.
        """
        found = [(name, kind) for kind in _KINDS[1:] for name in self._names(kind)]
        return [
            name
            for name, kind in sorted(found, reverse=True)
            if since is None or self._changed(kind, name) >= since
        ]

    def _changed(self, kind: str, name: str) -> float:
        with contextlib.suppress(OSError):
            return os.lstat(f"{self._folder}/{kind}/{name}").st_mtime
        return 0.0  # it was removed a moment ago

    def known(self) -> list[str]:
        """All runs, those that may still change first.

        Raises:
            FolderError: the index cannot be read, or is not this user's alone.
        """
        return [name for kind in _KINDS for name in self._names(kind)]

    def summary(self, run: str) -> Summary:
        """What the index knows of the run with this ID.

        Raises:
            RunNotFound: there is no such run.
            FolderError: the index or the run's entry cannot be read, or is not believed.
        """
        for kind in _KINDS:
            self._check(kind)
            path = self._folder / kind / run
            try:
                return self._read(path)
            except FileNotFoundError:
                if path.is_symlink():
                    raise _bad_entry(path, "it is a link that leads nowhere") from None
                continue  # it has ended meanwhile
            except OSError as error:
                raise _bad_entry(path, str(error.strerror)) from error
        raise RunNotFound(f"no run matches {run!r}. (`anybatch status --all` lists all runs)")

    def _read(self, path: Path) -> Summary:
        """What an entry tells; it may be anything that somebody has put there."""
        why = distrust(path)
        data = b"" if why else self._files.read_from(path, -_LONGEST)
        found = summary.read(data) if len(data) < _LONGEST else None
        if found is None:
            raise _bad_entry(path, why or "it holds no path")
        return found

    def has(self, run: str) -> bool:
        """Whether there is an entry of this very name; without listing all of them."""
        plain = run and not run.startswith(".") and not {"/", "\0"} & set(run)
        return bool(plain) and any(os.path.lexists(self._folder / k / run) for k in _KINDS)

    def _names(self, kind: str) -> list[str]:
        try:
            self._check(kind)
            names = os.listdir(self._folder / kind)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise FolderError(
                f"cannot read the index of runs in {str(self._folder / kind)!r}: {error.strerror}"
            ) from error
        return sorted(name for name in names if not name.startswith("."))  # others are half written

    def _check(self, kind: str) -> None:
        """See that nobody else can put an entry there; at most once a second."""
        now = time.monotonic()
        if now - self._checked.get(kind, -CHECKED_FOR) < CHECKED_FOR:
            return
        for folder in (self._folder.parent, self._folder, self._folder / kind):
            with contextlib.suppress(FileNotFoundError):
                if why := distrust(folder):
                    raise FolderError(f"the index of runs in {str(folder)!r} is not used: {why}")
        self._checked[kind] = now


def _bad_entry(path: Path, why: str) -> FolderError:
    return FolderError(f"the entry {str(path)!r} in the index of runs cannot be used: {why}")
