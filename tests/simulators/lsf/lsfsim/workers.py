"""The execution host: which folders it sees, and what is copied there and back (`bsub -f`)."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

_LSRCP = Path(__file__).parents[1] / "bin" / "lsrcp"
_SYNTAX = re.compile(r"\s*(\S+)\s+(><|<>|<<|>|<)(?:\s+(\S+))?\s*")
#: $1: the host's own /tmp or nothing, $2: where the job begins, $3: its script; hidden folders.
_ENTER = """
[ -z "$1" ] || mount --bind "$1" /tmp || exit 255
cwd=$2 script=$3
shift 3
for hidden; do
    [ ! -d "$hidden" ] || mount -t tmpfs none "$hidden" || exit 255
done
cd "$cwd" && exec "$script"
"""


@dataclass
class Copy:
    """A file that is copied: `-f "local operator remote"`."""

    local: str
    operator: str
    remote: str

    @property
    def there(self) -> bool:
        """Whether it is copied before the job."""
        return ">" in self.operator

    @property
    def back(self) -> bool:
        """Whether it is copied after the job."""
        return "<" in self.operator


def read_copy(text: str, cwd: str) -> Copy:
    """The value of `-f`; a relative local path begins where bsub ran.

    Raises:
        ValueError: it is none.
    """
    match = _SYNTAX.fullmatch(text)
    if not match:
        raise ValueError(text)
    local, operator, remote = match.groups()
    return Copy(os.path.join(cwd, local), operator, remote or local)


class Worker:
    """The host that jobs run on: this machine, but for some folders.

    Args:
        hidden: folders that are empty there.
        tmp: what it has as /tmp; empty: the same as everybody.
    """

    def __init__(self, hidden: list[str], tmp: str) -> None:
        self._hidden = hidden
        self._tmp = tmp
        if tmp:
            Path(tmp).mkdir(parents=True, exist_ok=True)

    def begins(self, cwd: str) -> str:
        """Where a job runs that was submitted in *cwd*."""
        outside = self._outside(cwd)
        return cwd if outside and os.access(outside, os.X_OK) else "/tmp"

    def words(self, script: str, cwd: str) -> list[str]:
        """What runs a script there, as one process."""
        if not self._hidden and not self._tmp:
            return [script]
        if self._tmp:
            name = Path(script).name
            shutil.copy(script, Path(self._tmp) / f"lsbatch-{name}")
            script = f"/tmp/lsbatch-{name}"
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        enter = ["sh", "-c", _ENTER, "enter", self._tmp, cwd, script, *self._hidden]
        return ["unshare", *user, "--mount", *enter]

    def bring(self, copies: list[Copy], cwd: str, user: str, *, old: bool) -> list[str]:
        """Shell lines that copy files there; the job follows, in the same process."""
        lines = []
        for copy in copies:
            words = self._lsrcp(copy, cwd, user, back=False)
            what = f"file <{copy.local}> from submission host to file <{copy.remote}>"
            said = f"echo {shlex.quote(f'LSF: Failed to copy {what} on execution host')} >&2"
            lines.append(f"{words} || {said}" if old else f"{words} || {{ {said}; exit 255; }}")
        return lines

    def fetch(self, copies: list[Copy], cwd: str, user: str) -> list[str]:
        """Shell lines that copy files back."""
        return [self._lsrcp(copy, cwd, user, back=True) for copy in copies]

    def _lsrcp(self, copy: Copy, cwd: str, user: str, *, back: bool) -> str:
        local = f"{user}@here:{copy.local}"
        remote = self._outside(os.path.join(cwd, copy.remote))
        if remote is None:
            return "false"  # what was there went with the job
        words = [remote, local] if back else [local, remote]
        append = ["-a"] if back and copy.operator == "<<" else []
        return shlex.join([str(_LSRCP), *append, *words])

    def _outside(self, path: str) -> str | None:
        """The path by which this machine has a file of that host; None: only its jobs have it."""
        path = os.path.normpath(path)
        if self._tmp and _is_below(path, "/tmp"):
            return self._tmp + path.removeprefix("/tmp")
        return None if any(_is_below(path, one) for one in self._hidden) else path


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
