"""Public calls with values of every wrong kind: an error of ours, and nothing is submitted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import aio
from anybatch.errors import UsageError
from anybatch.executor import Executor
from anybatch.history import Wanted
from anybatch.jobfile import read_job
from anybatch.model import Job, Resources, Retry
from anybatch.packing import Pack
from anybatch.retries import RetryRule
from anybatch.session import Session
from anybatch.tidying import Which, plan_removal, remove, sizes

from .toy import Toy, local_host, plugins_of, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anybatch.run import Run

WRONG = {
    "None": None,
    "3": 3,
    "text": "x",
    "object": object(),
    "nan": math.nan,
    "inf": math.inf,
    "negative": -1,
    "bytes": b"x",
    "list": [object()],
    "dict": {"x": 3},
    "large": 10**5000,
    "NUL": "a\0b",
    "surrogate": "\ud800",
    "type": int,
}
JOB_FIELDS = (
    *("name", "workdir", "env", "env_script", "setup", "resources", "inputs", "flat", "outputs"),
    *("output_dir", "stdin", "stdout", "stderr", "container", "settings", "after", "retry"),
    *("labels", "optional_outputs", "setup_once", "cleanup", "scratch", "params", "template"),
    *("copy_inputs", "skip_existing", "checkpoint", "input_list"),
)
SESSION = ("system", "settings", "folder", "host", "plugins", "on_notice")
RESOURCES = (*("nodes", "tasks", "cores", "gpus", "memory", "disk", "time", "queue", "exclusive"),)


def _session(field: str) -> Callable[[Any, Run, Session], object]:
    def call(value: Any, run: Run, session: Session) -> object:
        return Session(**{"system": "toy", "plugins": session.plugins, field: value}).close()

    return call


def _executor(field: str) -> Callable[[Any, Run, Session], object]:
    def call(value: Any, run: Run, session: Session) -> object:
        return Executor(**{"system": "toy", "plugins": session.plugins, field: value}).shutdown()

    return call


def _aio_session(field: str) -> Callable[[Any, Run, Session], object]:
    async def call(value: Any, session: Session) -> None:
        async with aio.Session(**{"system": "toy", "plugins": session.plugins, field: value}):
            pass

    return lambda value, run, session: asyncio.run(call(value, session))


def _in_aio(use: Callable[[aio.Session, Any], Any]) -> Callable[[Any, Run, Session], object]:
    async def call(value: Any, session: Session) -> None:
        async with aio.Session("toy", plugins=session.plugins) as own:
            await use(own, value)

    return lambda value, run, session: asyncio.run(call(value, session))


def _shut_down(value: Any, run: Run, session: Session) -> None:
    pool = Executor("toy", plugins=session.plugins)
    pool.shutdown(value)


async def _aio(run: Run, session: Session, use: Callable[[aio.Run], Any]) -> object:
    async for _ in use(aio.Run(run, session)):
        return None
    return None


#: What is called with a wrong value; *run* has ended.
CALLS: dict[str, Callable[[Any, Run, Session], object]] = {
    "Job": lambda value, run, session: Job(value),
    **{
        f"Job.{field}": lambda value, run, session, field=field: Job(["true"], **{field: value})
        for field in JOB_FIELDS
    },
    **{
        f"Resources.{field}": lambda value, run, session, field=field: Resources(**{field: value})
        for field in RESOURCES
    },
    **{
        f"sweep.{name}": lambda value, run, session, name=name: Job(["true"]).sweep(
            {"seed": [1]}, **{name: value}
        )
        for name in ("zip", "jobs", "seed2")
    },
    "sweep": lambda value, run, session: Job(["true"]).sweep(value),
    "sweep.each": lambda value, run, session: Job(["true"]).sweep(seed=[1, value]),
    "sweep.name": lambda value, run, session: Job(["true"]).sweep(
        {value if isinstance(value, Hashable) else object(): [1]}
    ),
    "sweep.command": lambda value, run, session: Job.sweep(value, seed=[1]),
    "split": lambda value, run, session: Job(["true"]).split(value, jobs=1),
    "split.each": lambda value, run, session: Job(["true"]).split(["a", value], jobs=1),
    "split.per_job": lambda value, run, session: Job(["true"]).split(["a"], per_job=value),
    "split.jobs": lambda value, run, session: Job(["true"]).split(["a"], jobs=value),
    "split.values": lambda value, run, session: Job(["true"]).split(["a"], value, jobs=1),
    "from_dict": lambda value, run, session: Job.from_dict(value),
    **{
        f"from_dict.{name}": lambda value, run, session, name=name: Job.from_dict(
            {"command": ["true"], name: value}
        )
        for name in (*JOB_FIELDS, "command", "input_list", "checkpoint")
    },
    **{
        f"RetryRule.{name}": lambda value, run, session, name=name: RetryRule(
            **{"reason": "exit_code", "times": 1, name: value}
        )
        for name in ("reason", "times", "codes", "memory", "time", "most", "pause", "avoid_host")
    },
    "Retry.rules": lambda value, run, session: Retry(1, rules=value),
    "terminate.reason": lambda value, run, session: run.terminate(reason=value),
    "plan.side_by_side": lambda value, run, session: session.plan(
        Job(["true"]), pack=Pack(2, value)
    ),
    "Retry.times": lambda value, run, session: Retry(value),
    "Retry.on": lambda value, run, session: Retry(1, on=value),
    "Session.system": _session("system"),
    "Session.settings": _session("settings"),
    "Session.folder": _session("folder"),
    "Session.on_notice": _session("on_notice"),
    "Session.host": _session("host"),
    "Session.plugins": _session("plugins"),
    **{f"Executor.{field}": _executor(field) for field in SESSION},
    **{f"aio.Session.{field}": _aio_session(field) for field in SESSION},
    **{
        f"Pack.{field}": lambda value, run, session, field=field: Pack(**{field: value})
        for field in ("jobs", "side_by_side")
    },
    **{
        f"Wanted.{field}": lambda value, run, session, field=field: session.history(
            Wanted(**{field: value})
        )
        for field in ("ended", "limit", "name", "states", "system", "label")
    },
    **{
        f"Which.{field}": lambda value, run, session, field=field: plan_removal(
            session, which=Which(**{field: value})
        )
        for field in ("ended_before", "states", "over", "largest")
    },
    "plan_removal.names": lambda value, run, session: plan_removal(session, value),
    "plan_removal.which": lambda value, run, session: plan_removal(session, which=value),
    "plan_removal.session": lambda value, run, session: plan_removal(value),
    "remove": lambda value, run, session: remove(session, value),
    "sizes": lambda value, run, session: sizes(value),
    "plan": lambda value, run, session: session.plan(value),
    "submit": lambda value, run, session: session.submit(value),
    "submit_plan": lambda value, run, session: session.submit_plan(value),
    "attach": lambda value, run, session: session.attach(value),
    "find": lambda value, run, session: session.find(value),
    "runs.label": lambda value, run, session: session.runs(label=value),
    "history": lambda value, run, session: session.history(value),
    "select": lambda value, run, session: session.select(value),
    "plan.pack": lambda value, run, session: session.plan(Job(["true"]), pack=value),
    "plan.max_running": lambda value, run, session: session.plan(Job(["true"]), max_running=value),
    "plan.max_queued": lambda value, run, session: session.plan(Job(["true"]), max_queued=value),
    "try_to_terminate": lambda value, run, session: run.try_to_terminate(value),
    "description": lambda value, run, session: run.description(value),
    "limit": lambda value, run, session: run.limit(max_queued=value),
    "plan_rerun.indices": lambda value, run, session: run.plan_rerun(value),
    "plan_rerun.states": lambda value, run, session: run.plan_rerun(states=value),
    "plan_rerun.resources": lambda value, run, session: run.plan_rerun(resources=value),
    "plan_rerun.settings": lambda value, run, session: run.plan_rerun(settings=value),
    "attempts": lambda value, run, session: run.attempts(value),
    "poll": lambda value, run, session: session.poll(value),
    "wait_until.ready": lambda value, run, session: session.wait_until(value, 0),
    "wait_until.timeout": lambda value, run, session: session.wait_until(lambda: True, value),
    "wait_until.runs": lambda value, run, session: session.wait_until(lambda: True, 0, value),
    "wait": lambda value, run, session: run.wait(value),
    "as_completed": lambda value, run, session: list(run.as_completed(value)),
    "outcome": lambda value, run, session: run.outcome(value),
    "logs": lambda value, run, session: run.logs(value),
    "has_label": lambda value, run, session: run.has_label(value),
    "terminate.indices": lambda value, run, session: run.terminate(value),
    "terminate.signal": lambda value, run, session: run.terminate(signal=value),
    "read_job": lambda value, run, session: read_job(value),
    "aio.submit": _in_aio(lambda own, value: own.submit(value)),
    "aio.attach": _in_aio(lambda own, value: own.attach(value)),
    "aio.Session.limit": _in_aio(lambda own, value: own.limit(max_running=value)),
    "aio.limit": lambda value, run, session: asyncio.run(
        aio.Run(run, session).limit(max_running=value)
    ),
    "aio.wait": lambda value, run, session: asyncio.run(aio.Run(run, session).wait(value)),
    "aio.as_completed": lambda value, run, session: asyncio.run(
        _aio(run, session, lambda one: one.as_completed(value))
    ),
    "aio.terminate": lambda value, run, session: asyncio.run(
        aio.Run(run, session).terminate(value)
    ),
}


@pytest.fixture
def ended(isolated: Path) -> Iterator[tuple[Run, Session, Toy]]:
    """A run that was stopped, its session, and the batch system."""
    toy = Toy()
    with session_of(isolated, toy) as session:
        run = session.submit(Job(["true"]))
        run.terminate()
        run.refresh()
        assert run.finished
        yield run, session, toy


def came_of(call: Callable[..., object], *values: object) -> Exception | None:
    """The error of a call; None: it is none."""
    try:
        call(*values)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_value_is_an_error_of_ours(ended: tuple[Run, Session, Toy], call: str) -> None:
    """Or the value is one that the call takes; no other error comes from the depth."""
    run, session, toy = ended
    told = []
    for name, value in WRONG.items():
        error = came_of(CALLS[call], value, run, session)
        assert error is None or isinstance(error, UsageError), f"{call}({name}): {error!r}"
        told += [name] if error else []
    assert "object" in told
    assert len(toy.calls["submit"]) == 1


def test_futures_of_what_is_no_job_fail(isolated: Path) -> None:
    """Each by itself, with the kind of the value; nothing is submitted."""
    toy = Toy()
    with Executor("toy", plugins=plugins_of(toy=toy), host=local_host(), folder=isolated) as pool:
        futures = [pool.submit(value) for value in WRONG.values()]
        for future in futures:
            error = future.exception(30)
            assert isinstance(error, UsageError)
            assert isinstance(error, TypeError)
            assert "an executor takes a Job" in str(error)
        for wrong in (3, "x", None, [Job(["true"]), 3]):
            with pytest.raises(UsageError, match="must be a Job"):
                pool.map(wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="timeout must be a number of seconds"):
            pool.map([], timeout="x")  # type: ignore[arg-type]
    assert toy.calls["submit"] == []


@pytest.mark.parametrize("timeout", [math.inf, 10**400, 1e300, None, 60, 60.5])
def test_any_number_of_seconds_is_taken(ended: tuple[Run, Session, Toy], timeout: Any) -> None:
    """Also more than a clock of the system counts."""
    run, session, _ = ended
    assert len(run.wait(timeout)) == 1
    assert len(list(run.as_completed(timeout))) == 1
    assert session.wait_until(lambda: True, timeout, [run])


def test_a_time_that_is_over_is_told_at_once(isolated: Path) -> None:
    """Less than nothing is nothing."""
    with session_of(isolated, Toy()) as session:
        run = session.submit(Job(["true"]))
        for timeout in (0, -1, -math.inf):
            with pytest.raises(TimeoutError):
                run.wait(timeout)
            assert not session.wait_until(lambda: False, timeout)
