"""A batch system in memory, through the hooks that every plugin has, and a clock to go with it."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from anybatch.errors import NoRoom
from anybatch.hookspecs import hookimpl
from anybatch.host import Command
from anybatch.localhost import LocalHost
from anybatch.model import State
from anybatch.plugins.registry import Plugins
from anybatch.records import (
    Detection,
    Environment,
    JobStatus,
    Kind,
    Limits,
    Rendered,
    RenderedFile,
    Setting,
    Transfer,
)
from anybatch.session import Session
from anybatch.worker.layout import page_of_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.model import Job
    from anybatch.records import Batch, Submission

#: The modules of `anybatch.runs` that a `Clock` stands in for the time of.
TIMED = (
    *(
        "moments",
        "state",
        "submitter",
        "gate",
        "system_room",
        "late_stops",
        "stopping",
        "throttling",
        "totals",
        "total_limit",
        "polling",
    ),
    "observation",
)
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=timezone.utc)


def said(state: State, native: str = "", **facts: Any) -> JobStatus:
    """What the toy system says of a job."""
    return JobStatus(
        state=state, native_state=native or state.value.upper(), source="toystat", **facts
    )


class Toy:
    """A batch system that keeps its jobs in a table.

    Attributes:
        answers: what it says of each job, by native id; a job that is taken out is unknown.
        tokens: the ids of each submission that it took, by token.
        most: how many jobs of a submission it lets run at once, by token.
        capacity: how many jobs it takes at once; None: any number.
        calls: the arguments of each call, by hook.
        longer: what it asks for beside the time limit of a submit command.
        usual: by hook, a function that answers in place of the table.
        scripted: by hook, what stands in for its next answers: an error is raised, a function
            called with no argument, anything else is the answer.
    """

    def __init__(
        self,
        *,
        array: int = 100,
        dependencies: bool = False,
        facts: Mapping[str, str] | None = None,
        environment: Environment | None = None,
        transfer: Transfer = Transfer.SHARED,
        reruns: bool = False,
        max_running: bool = False,
        late_arrival: timedelta = timedelta(0),
        fetches: tuple[str, ...] = (),
    ) -> None:
        self.answers: dict[str, JobStatus] = {}
        self.extra_timeout = timedelta(0)
        self.tokens: dict[str, list[str]] = {}
        self.calls: dict[str, list[Any]] = defaultdict(list)
        self.scripted: dict[str, list[Any]] = defaultdict(list)
        self.usual: dict[str, Callable[[], Any]] = {}
        self._limits = Limits(
            array=array,
            dependencies=dependencies,
            reruns=reruns,
            max_running=max_running,
            late_arrival=late_arrival,
            fetches=fetches,
            render_context=facts or {},
        )
        self.most: dict[str, int] = {}
        self.capacity: int | None = None
        self._environment = environment
        self._transfer = transfer

    def take(self, submission: Submission) -> list[str]:
        """Queue the jobs of a submission."""
        number = len(self.tokens) + 1
        ids = [f"{number}.{task}" for task in range(1, submission.count + 1)]
        self.tokens[submission.token] = ids
        self.answers.update(dict.fromkeys(ids, said(State.QUEUED)))
        if submission.max_running is not None:
            self.most[submission.token] = submission.max_running
        return ids

    def able(self) -> int:
        """How many jobs may run at once."""
        return sum(
            min(self.most.get(token, len(ids)), len(self.alive(ids)))
            for token, ids in self.tokens.items()
        )

    def alive(self, ids: Sequence[str] | None = None) -> list[str]:
        """The jobs, of some or all, that have not ended."""
        known = self.answers if ids is None else ids
        return [one for one in known if not self.answers[one].state.final]

    def _next(self, hook: str, usual: Callable[[], Any]) -> Any:
        if not self.scripted[hook]:
            return self.usual.get(hook, usual)()
        answer = self.scripted[hook].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer

    @hookimpl
    def anybatch_settings(self) -> Sequence[Setting]:
        return [
            Setting(name="partition", help="Where."),
            Setting(name="options", kind=Kind.TABLE),
            Setting(name="grace", kind=Kind.DURATION, default="5s"),
            Setting(name="size", kind=Kind.SIZE),
        ]

    @hookimpl
    def anybatch_detect(self) -> Detection:
        answer: Detection = self._next("detect", lambda: Detection(available=True, reason="toy"))
        return answer

    @hookimpl
    def anybatch_limits(self, settings: Mapping[str, Any]) -> Limits:
        self.calls["limits"].append(settings)
        answer: Limits = self._next("limits", lambda: self._limits)
        return answer

    @hookimpl
    def anybatch_environment(self, job: Job) -> Environment | None:
        self.calls["environment"].append(job)
        return self._environment

    @hookimpl
    def anybatch_transfer(self) -> Transfer:
        return self._transfer

    @hookimpl
    def anybatch_render(self, submission: Submission) -> Rendered:
        text = f"{submission.name} {submission.count} after {' '.join(submission.after)}\n"
        path = submission.folder / f"submit-{submission.number}"
        command = Command(("toysub", submission.token, str(path)))
        return Rendered(
            files=(RenderedFile(path, text),), command=command, extra_timeout=self.extra_timeout
        )

    @hookimpl
    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        self.calls["submit"].append(submission)
        self.calls["limit"].append(rendered.command.timeout)
        if self.capacity is not None and len(self.alive()) + submission.count > self.capacity:
            raise NoRoom(f"more than {self.capacity} jobs")
        answer: Sequence[str] = self._next("submit", lambda: self.take(submission))
        return answer

    @hookimpl
    def anybatch_find(self, submission: Submission) -> Sequence[str]:
        self.calls["find"].append(submission.token)
        answer: Sequence[str] = self._next("find", lambda: self.tokens.get(submission.token, []))
        return answer

    @hookimpl
    def anybatch_status(self, batches: Sequence[Batch]) -> Sequence[Mapping[str, JobStatus]]:
        ids = [native_id for batch in batches for native_id in batch.ids]
        self.calls["status"].append(ids)
        self.calls["status of"].append(list(batches))
        answer: Mapping[str, JobStatus] = self._next(
            "status", lambda: {n: self.answers[n] for n in ids if n in self.answers}
        )
        return answer if isinstance(answer, list) else [answer] * len(batches)

    @hookimpl
    def anybatch_terminate(
        self, batches: Sequence[Batch], signal: str | None
    ) -> Sequence[Mapping[str, str]] | None:
        ids = [native_id for batch in batches for native_id in batch.ids]
        self.calls["terminate"].append((ids, signal))
        self.calls["terminate of"].append(list(batches))
        answer: Sequence[Mapping[str, str]] | None = self._next("terminate", lambda: None)
        if signal is None:
            self.answers.update(dict.fromkeys(ids, said(State.TERMINATED)))
        return answer


class ThrottledToy(Toy):
    """One that keeps the number of a submission's jobs that run at once."""

    def __init__(self, **more: Any) -> None:
        super().__init__(max_running=True, **more)

    @hookimpl
    def anybatch_throttle(self, batch: Batch, most: int) -> bool:
        self.calls["throttle"].append((batch.submission.number, most))

        def usual() -> bool:
            self.most[batch.submission.token] = most
            return True

        answer: bool = self._next("throttle", usual)
        return answer


class Clock:
    """Stands in for the module `time`; it goes on when it is told to.

    Attributes:
        now: what nobody sets; seconds.
        set_by: seconds that the wall clock is before it.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.set_by = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + self.set_by

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def plugins_of(*, host: Host | None = None, **objects: object) -> Plugins:
    """The given plugins, by name, which see this host."""
    plugins = Plugins(host or local_host())
    for name, plugin in objects.items():
        plugins.add(name, plugin)
    assert [plugin.problem for plugin in plugins.found] == [None] * len(objects)
    return plugins


def local_host(**environ: str) -> LocalHost:
    """This machine, with nothing in its environment but PATH and what is given."""
    return LocalHost({"PATH": os.environ["PATH"], **environ})


class FailingHost(LocalHost):
    """This machine, whose files fail at the n-th of some calls, and at some after it.

    Attributes:
        left: calls until the first that fails; 0: none fails.
        lasts: how many fail.
        number: why (errno).
    """

    def __init__(self, number: int = errno.EIO, left: int = 0, lasts: int = 1) -> None:
        super().__init__({"PATH": os.environ["PATH"]})
        self.number, self.left, self.lasts = number, left, lasts

    def _count_down(self) -> None:
        if self.left > 1:
            self.left -= 1
        elif self.left == 1:
            self.lasts -= 1
            self.left = int(self.lasts > 0)
            raise OSError(self.number, os.strerror(self.number))

    def append(self, *args: Any, **more: Any) -> None:
        self._count_down()
        super().append(*args, **more)

    def list_changed(self, *args: Any, **more: Any) -> Any:
        self._count_down()
        return super().list_changed(*args, **more)

    def read_from(self, *args: Any, **more: Any) -> bytes:
        self._count_down()
        return super().read_from(*args, **more)

    def changed_at(self, *args: Any, **more: Any) -> Any:
        self._count_down()
        return super().changed_at(*args, **more)


def session_of(folder: Path, toy: Toy, **more: Any) -> Session:
    """A session on the toy system."""
    host: Host = more.pop("host", None) or local_host()
    others = more.pop("others", {})
    plugins = more.pop("plugins", None) or plugins_of(host=host, toy=toy, **others)
    return Session("toy", plugins=plugins, host=host, folder=folder, **more)


def leave_record(run_folder: Path, name: str, *, host: str = "node1") -> None:
    """What the script of a job leaves: `0.0.0.command.exit-0`."""
    key = ".".join(name.split(".")[:3])
    page = str(page_of_job(int(name.partition(".")[0])))
    (run_folder / "start" / page / f"{key}.1767355200.{host}").touch()
    (run_folder / "exit" / page / name).touch()
