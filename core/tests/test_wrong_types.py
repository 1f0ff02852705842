"""What a session and its runs do with values of wrong types: an error names what to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError, UnknownSystem, UsageError
from anybatch.model import Job
from anybatch.session import Session

from .toy import Toy, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def start(new_session: Callable[..., Session]) -> Callable[..., Session]:
    """Makes sessions on the toy system."""

    def make(toy: Toy, **more: Any) -> Session:
        return new_session("toy", plugins=plugins_of(toy=toy), host=local_host(), **more)

    return make


@pytest.mark.parametrize("jobs", [["true"], "true", None, 3, [None], [["true"]], b"true"])
def test_what_is_no_job_is_refused(start: Callable[..., Session], jobs: Any) -> None:
    """Texts and the like in the place of jobs are named, with an example of what to give."""
    with pytest.raises(JobError, match=r"must be a Job.*write Job\("):
        start(Toy()).submit(jobs)


def test_an_unknown_system_is_refused_at_once(anybatch_home: Path) -> None:
    """A session for a system that is not installed is never made; other types neither."""
    with pytest.raises(UnknownSystem, match="no batch system named 'nosuch'"):
        Session("nosuch", plugins=plugins_of(toy=Toy()), host=local_host())
    with pytest.raises(UsageError, match="system must be a batch system's name, not 3"):
        Session(3, plugins=plugins_of(toy=Toy()), host=local_host())  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [3, {"toy": 3}, {3: {}}, {"toy": {3: 3}}, ["a"]])
def test_settings_that_are_no_tables_are_refused(
    start: Callable[..., Session], settings: Any
) -> None:
    """The error shows what settings look like."""
    with pytest.raises(UsageError, match="settings must be dicts by plugin, such as"):
        start(Toy(), settings=settings)


@pytest.mark.parametrize("index", [None, "0", 1.0, True, -1, 1, 10**30])
def test_a_job_that_is_not_there(start: Callable[..., Session], index: Any) -> None:
    """An index is a whole number of a job of the run, wherever one is taken."""
    run = start(Toy()).submit(Job(["true"]))
    for use in (run.outcome, run.logs, lambda index: run.terminate([index], "USR1")):
        with pytest.raises(UsageError):
            use(index)


@pytest.mark.parametrize("name", [None, 3, b"x", ["x"]])
def test_a_run_is_named_by_a_text(start: Callable[..., Session], name: Any) -> None:
    """Anything else is refused by name."""
    session = start(Toy())
    for use in (session.attach, session.find):
        with pytest.raises(UsageError, match="a run is named by a text"):
            use(name)


def test_a_signal_is_a_name(start: Callable[..., Session]) -> None:
    """With or without SIG, in either case; what is none is refused, also when all has ended."""
    toy = Toy()
    run = start(toy).submit(Job(["true"]))
    assert [run.terminate(signal=name) for name in ("USR1", "SIGUSR1", "usr1")] == [1, 1, 1]
    assert {signal for _, signal in toy.calls["terminate"]} == {"USR1"}
    run.terminate()
    for wrong in (10, "", "FOO", "9", " USR1", b"USR1", True):
        with pytest.raises(UsageError, match="signal"):
            run.terminate(signal=wrong)  # type: ignore[arg-type]


def test_a_view_of_a_job_is_no_job(start: Callable[..., Session]) -> None:
    """Who names a job of an earlier run by its view is told the text that names it."""
    run = start(Toy()).submit(Job(["true"]))
    with pytest.raises(JobError, match=f"by the text '{run.id}:0'"):
        Job(["true"], after=run.jobs)
