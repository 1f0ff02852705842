"""A `local` of its own for each test: the real supervisor, in a state folder of the test's."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anybatch
import attrs
import pytest
from anybatch.local import plugin
from anybatch.localhost import LocalHost
from anybatch.model import Resources
from anybatch.records import Batch, JobStatus, Submission, Unreachable
from anybatch.testing import await_that

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


SOURCES = str(Path(anybatch.__file__).parents[1])


def runs(pid: int, *words: str) -> bool:
    """Whether a process has these words in its command line: numbers are used again."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return all(os.fsencode(word) in line for word in words)


def is_gone(pid: int) -> bool:
    """Whether no living process has that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@attrs.define
class Local:
    """The plugin, called as the core calls it.

    Attributes:
        tmp: the test's folder; jobs find it as the folder above their script's.
        state: the supervisor's folder.
    """

    host: LocalHost
    tmp: Path
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    @property
    def plugin(self) -> plugin.Local:
        return plugin.Local(self.host)

    @property
    def state(self) -> Path:
        base = Path(self.host.environ["XDG_STATE_HOME"])
        return base / "anybatch" / "local" / self.host.name

    @property
    def supervisor(self) -> int:
        """The supervisor's process."""
        return int((self.state / "lock").read_text())

    def kill_supervisor(self) -> None:
        pid = self.supervisor
        os.kill(pid, signal.SIGKILL)
        await_that(lambda: is_gone(pid))

    def submission(self, script: str = "", count: int = 1, **more: Any) -> Submission:
        """A submission of jobs that run *script*, with `$TMP` for the test's folder."""
        number = next(self._numbers)
        folder = self.tmp / f"run {number}"
        (folder / "logs").mkdir(parents=True)
        (folder / "job.sh").write_text(f"TMP='{self.tmp}'\n{script}\n")
        settings = {"cores": 2, "memory": None, "kill_wait": timedelta(seconds=10)}
        more["settings"] = settings | more.get("settings", {})
        facts: dict[str, Any] = {"token": f"token-{number}", "resources": Resources()} | more
        return Submission(run="run", number=number, folder=folder, count=count, name="job", **facts)

    def submit(self, script: str = "", count: int = 1, **more: Any) -> list[str]:
        return self.hand_over(self.submission(script, count, **more))

    def hand_over(self, submission: Submission) -> list[str]:
        """What the core does with a submission."""
        rendered = self.plugin.anybatch_render(submission)
        for file in rendered.files:
            self.host.write(file.path, file.text, file.mode)
        return list(self.plugin.anybatch_submit(submission, rendered))

    def status(self, ids: Sequence[str]) -> list[JobStatus]:
        known = self.known(ids)
        statuses = [known[native_id] for native_id in ids]
        assert all(isinstance(status, JobStatus) for status in statuses)
        return [status for status in statuses if isinstance(status, JobStatus)]

    def known(self, ids: Sequence[str]) -> Mapping[str, JobStatus | Unreachable]:
        """What the plugin says of jobs, whose submission does not matter to it."""
        [answer] = self.plugin.anybatch_status([self.batch(ids)])
        return answer

    def batch(self, ids: Sequence[str]) -> Batch:
        submission = Submission(
            token="any", run="run", number=0, folder=self.tmp, count=len(ids), name="job"
        )
        return Batch(submission=submission, ids=tuple(ids))

    def words(self, ids: Sequence[str]) -> list[str]:
        return [status.native_state for status in self.status(ids)]

    def terminate(self, ids: Sequence[str], signal: str | None = None) -> None:
        self.plugin.anybatch_terminate([self.batch(ids)], signal)

    def wait(self, ids: Sequence[str]) -> list[JobStatus]:
        """The last status of jobs, once all have ended."""
        await_that(lambda: all(status.state.final for status in self.status(ids)))
        return self.status(ids)

    def lines(self, name: str) -> list[str]:
        """What jobs have written to a file of the test's folder so far, whole lines only."""
        path = self.tmp / name
        return path.read_text().splitlines() if path.exists() else []

    def clean_up(self) -> None:
        """End everything that the test has left."""
        with contextlib.suppress(OSError):  # there is none
            if runs(self.supervisor, "anybatch.local", "serve"):
                self.kill_supervisor()
        journal = "".join(self.lines(str(self.state / "journal.jsonl")))
        for pid in map(int, re.findall(r'"pid": (\d+)', journal)):
            if runs(pid, str(self.tmp)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": SOURCES}
    made = Local(LocalHost(environ), tmp_path)
    yield made
    made.clean_up()
