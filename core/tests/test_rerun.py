"""`Run.rerun`: jobs that have ended, once more in the same run, and exactly once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import (
    AnybatchError,
    CommandTimeout,
    FolderError,
    NotSubmitted,
    RunNotFound,
    UsageError,
)
from anybatch.hookspecs import hookimpl
from anybatch.host import Command
from anybatch.model import Job, Reason, Resources, Retry, State
from anybatch.nodes import NodeKind
from anybatch.runs.index import Index
from anybatch.runs.rerun import Wanted
from anybatch.worker.exit_records import ExitFolder

from .toy import Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session

    Start = Callable[..., Session]

TRUE = ["true"]
AWAY = CommandTimeout(Command(("toysub",)), "no answer within 120 s")


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def start(new_session: Callable[..., Session], toy: Toy, clock: Clock) -> Start:
    """Sessions of several processes on one system."""
    return lambda: new_session("toy", plugins=plugins_of(toy=toy), host=local_host())


def look(run: Run) -> None:
    run._engine.step(force=True)


def end(run: Run, *codes: int, attempt: int = 0) -> None:
    """End the run's jobs, from the first on, with these exit codes."""
    for index, code in enumerate(codes):
        leave_record(run.folder, f"{index}.{attempt}.0.command.exit-{code}")
    look(run)


def states(run: Run) -> list[str]:
    return [job.state.value for job in run.jobs]


# -- which jobs, and as what


def test_what_is_not_done_is_run_again_as_one_submission(start: Start, toy: Toy) -> None:
    """Jobs of several submissions go into one, with their indices and a further attempt."""
    run = start().submit([Job(["echo", str(n)], retry=int(n == 1)) for n in range(4)])
    end(run, 1, 0, 0, 2)
    assert run.rerun() == 2
    again = toy.calls["submit"][-1]
    assert (again.count, again.token) == (2, f"ab-{run.id}-2")
    assert states(run) == ["queued", "done", "done", "queued"]
    assert [job.attempt for job in run.jobs] == [1, 0, 0, 1]
    lines = (run.folder / "tasks/2.0").read_text().splitlines()
    assert [
        line.startswith(f"ab_index={n} ab_attempt=1;")
        for line, n in zip(lines, (0, 3), strict=True)
    ] == [True, True]
    assert lines[1].endswith("echo 3")
    end(run, 0, 0, 0, 0, attempt=1)
    assert states(run) == ["done"] * 4


def test_each_attempt_stays_on_record_with_its_logs(start: Start, toy: Toy) -> None:
    """Retries and reruns, for a process that comes later too."""
    run = start().submit(Job(TRUE, retry=1))
    for attempt, code in enumerate((3, 4, 0)):
        if attempt == 2:
            assert run.rerun() == 1
        end(run, code, attempt=attempt)
    for one in (run, start().attach(run.id)):
        found = one.attempts(0)
        assert [(o.attempt, o.exit_code, o.state.value) for o in found] == [
            (0, 3, "failed"),
            (1, 4, "failed"),
            (2, 0, "done"),
        ]
        assert len({o.stderr for o in found}) == 3


def test_a_rerun_has_all_its_retries_again(start: Start) -> None:
    """How often a job was run before is not held against it."""
    run = start().submit(Job(TRUE, retry=1))
    for attempt in range(2):
        end(run, 1, attempt=attempt)
    run.rerun()
    end(run, 1, attempt=2)
    look(run)
    assert (states(run), run.jobs[0].attempt) == (["queued"], 3)
    end(run, 1, attempt=3)
    assert states(run) == ["failed"]


def test_done_and_lost_are_run_again_only_where_they_are_named(
    start: Start, toy: Toy, clock: Clock, notices: list[str]
) -> None:
    """A lost job may still run, and that is said."""
    run = start().submit([Job(TRUE)] * 3)
    leave_record(run.folder, "0.0.0.command.exit-0")
    leave_record(run.folder, "1.0.0.command.exit-1")
    toy.answers.clear()
    for _ in range(2):
        clock.now += 1e5
        look(run)
    assert states(run) == ["done", "failed", "lost"]
    assert run.plan_rerun().count == 1
    assert run.plan_rerun(states=["lost"]).count == 1
    assert run.rerun([0, 2]) == 2
    assert any("job 2 is lost: what may still run then runs twice" in text for text in notices)
    assert states(run) == ["queued", "failed", "queued"]


def test_what_is_run_again_may_need_more(start: Start, toy: Toy) -> None:
    """Resources and settings change as if they had been planned so; the others stay."""
    settings = {"toy": {"partition": "short", "size": "1 MB"}}
    run = start().submit(Job(TRUE, resources=Resources(cores=2, time="1h"), settings=settings))
    end(run, 1)
    run.rerun(resources={"memory": "4 GiB", "time": "8h"}, settings={"toy": {"partition": "long"}})
    first, again = toy.calls["submit"]
    assert again.resources == Resources(cores=2, memory="4 GiB", time="8h")
    assert again.settings == {**first.settings, "partition": "long"}
    assert start().attach(run.id).submissions == [first, again]


@pytest.mark.parametrize(
    "wanted",
    [
        {"resources": {"cores": 0}},
        {"resources": {"memory": "much"}},
        {"resources": {"kores": 1}},
        {"settings": {"toy": {"partitoin": "long"}}},
        {"settings": {"toi": {"partition": "long"}}},
        {"settings": {"anybatch": {"lost_after": "1h"}}},
        {"states": ["failed", "faild"]},
        {"states": ["running"]},
        {"indices": "0"},
    ],
)
def test_what_cannot_be_changes_nothing(start: Start, toy: Toy, wanted: dict[str, Any]) -> None:
    """It is an error before anything is on record."""
    run = start().submit(Job(TRUE))
    end(run, 1)
    with pytest.raises(UsageError):
        run.rerun(**wanted)
    assert states(run) == states(start().attach(run.id)) == ["failed"]
    assert len(toy.calls["submit"]) == 1


class Small(Toy):
    """A system whose nodes have 1 GiB."""

    @hookimpl
    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind]:
        return [NodeKind(count=2, cores=4, memory=2**30)]


def test_what_no_node_can_run_is_refused(new_session: Callable[..., Session]) -> None:
    """As when it is planned, with both numbers, and before anything is on record."""
    session = new_session("toy", plugins=plugins_of(toy=Small()), host=local_host())
    run = session.submit(Job(TRUE, resources=Resources(memory="1 GiB")))
    end(run, 1)
    with pytest.raises(UsageError, match=r"2 GiB.*1 GiB"):
        run.rerun(resources={"memory": "2 GiB"})
    assert states(run) == ["failed"]


def test_a_plan_of_it_changes_nothing(start: Start, toy: Toy) -> None:
    """It tells the submissions with their task files, none of which is written."""
    run = start().submit([Job(TRUE)] * 2)
    end(run, 1, 1)
    before = sorted(run.folder.rglob("*"))
    (one,) = run.plan_rerun(resources={"cores": 3}).submissions
    assert (one.planned.indices, one.planned.submission.resources.cores) == ((0, 1), 3)
    assert [file.path.name for file in one.files] == ["1.0"]
    assert sorted(run.folder.rglob("*")) == before
    assert states(run) == ["failed"] * 2


def test_many_are_run_again_within_the_system_s_limits(start: Start, toy: Toy) -> None:
    """More jobs than an array may have become several submissions, all of them on record."""
    run = start().submit([Job(TRUE)] * 250)
    end(run, *[1] * 250)
    assert run.rerun() == 250
    assert [one.count for one in toy.calls["submit"][3:]] == [100, 100, 50]
    assert states(start().attach(run.id)) == ["queued"] * 250


@pytest.mark.parametrize("gone", ["job.sh", "tasks"])
def test_jobs_whose_files_are_gone_are_not_run_again(start: Start, toy: Toy, gone: str) -> None:
    """The message names what cannot be read; nothing has changed."""
    run = start().submit(Job(TRUE))
    end(run, 1)
    (run.folder / gone).rename(run.folder / "gone")
    with pytest.raises(FolderError, match=f"because '{run.folder / gone}.*' cannot be read"):
        run.rerun()
    assert (states(run), len(toy.calls["submit"])) == (["failed"], 1)


# -- order


def test_a_dependant_waits_for_the_rerun_of_what_it_depends_on(start: Start, toy: Toy) -> None:
    """It ended because of that, counts as not done, and runs after it."""
    first = Job(TRUE)
    run = start().submit([Job(TRUE, after=first), first])
    index = 1
    leave_record(run.folder, f"{index}.0.0.command.exit-1")
    look(run)
    look(run)
    assert [o and o.reason for o in run.outcomes] == [Reason.DEPENDENCY, Reason.EXIT_CODE]
    assert run.rerun() == 2
    assert states(run) == ["new", "queued"]
    leave_record(run.folder, f"{index}.1.0.command.exit-0")
    look(run)
    look(run)
    assert states(run) == ["queued", "done"]


def test_a_dependant_of_what_is_not_run_again_is_left_out(start: Start, notices: list[str]) -> None:
    """It would only end for the same reason once more."""
    first = Job(TRUE)
    middle = Job(TRUE, after=first)
    run = start().submit([first, middle, Job(TRUE, after=middle)])
    end(run, 1)
    for _ in range(3):
        look(run)
    assert states(run) == ["failed", "terminated", "terminated"]
    assert run.rerun([1, 2]) == 0
    assert "job 1 is left out: it runs after job 0, which is failed" in notices[-2]
    assert run.rerun() == 3


# -- stopping


def test_what_was_terminated_runs_again_until_somebody_ends_it_anew(start: Start, toy: Toy) -> None:
    """The old wish for its end is over, and the next one holds, whoever reads both."""
    run = start().submit([Job(TRUE)] * 2)
    assert run.terminate() == 2
    look(run)
    assert states(run) == ["terminated"] * 2
    assert run.rerun() == 2
    look(run)
    later = start().attach(run.id)
    look(later)
    assert states(run) == states(later) == ["queued"] * 2
    assert len(toy.calls["terminate"]) == 1
    assert later.terminate([1]) == 1
    look(later)
    assert states(later) == ["queued", "terminated"]
    assert states(start().attach(run.id)) == ["queued", "terminated"]


# -- exactly once


def test_what_was_never_submitted_is_submitted_once_when_it_is_run_again(
    start: Start, toy: Toy, clock: Clock
) -> None:
    """The submission that it was planned for at first is over, in whichever process."""
    toy.scripted["submit"] = [NotSubmitted("too many jobs")]
    run = start().submit([Job(TRUE)] * 2)
    assert run.terminate() == 2
    assert states(run) == ["terminated"] * 2
    assert run.rerun() == 2
    for one in (run, start().attach(run.id)):
        for _ in range(20):
            clock.now += 10
            look(one)
    assert [one.number for one in toy.calls["submit"]] == [0, 1]
    assert states(run) == ["queued"] * 2


def test_of_several_who_want_the_same_one_gets_it(start: Start, toy: Toy) -> None:
    """The others are told that the job has not ended; it is submitted once."""
    run = start().submit([Job(TRUE)] * 2)
    end(run, 1, 1)
    others = [start().attach(run.id) for _ in range(4)]
    told: list[object] = []

    def again(one: Run) -> None:
        try:
            told.append(one.rerun([0]))
        except UsageError as error:
            told.append(str(error))

    threads = [threading.Thread(target=again, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count(1) == 1
    assert sum("job 0 is not ended" in str(text) for text in told) == 3
    assert [one.count for one in toy.calls["submit"]] == [2, 1]
    assert {one.rerun() for one in others[:1]} == {1}
    assert [one.rerun() for one in others[1:]] == [0, 0, 0]


def test_who_dies_before_the_submission_leaves_it_to_the_next(start: Start, toy: Toy) -> None:
    """What is on record is handed over by whoever waits for the run, once."""
    session = start()
    run = session.submit(Job(TRUE))
    end(run, 1)
    session._engine.reopening.rerun(run.watched, Wanted(known=session.settings))  # and killed here
    del session, run
    found = start().runs()
    assert [states(one) for one in found] == [["new"]]
    for _ in range(3):
        look(found[0])
    assert [one.count for one in toy.calls["submit"]] == [1, 1]


def test_who_dies_before_the_record_has_changed_nothing(
    start: Start, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one runs the jobs again, under the same number."""
    run = start().submit(Job(TRUE))
    end(run, 1)

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run.watched.state, "record_rerun", kill)
        with pytest.raises(Killed):
            run.rerun()
    assert states(start().attach(run.id)) == ["failed"]
    assert start().attach(run.id).rerun() == 1
    assert [one.number for one in toy.calls["submit"]] == [0, 1]


def test_a_system_that_is_away_is_handed_the_jobs_later(
    start: Start, toy: Toy, clock: Clock
) -> None:
    """They are on record as not submitted yet, and why."""
    run = start().submit(Job(TRUE))
    end(run, 1)
    toy.scripted["submit"] = [AWAY]
    assert run.rerun() == 1
    assert (states(run), run.jobs[0].message) == (["new"], f"not submitted yet: {AWAY}")
    for _ in range(10):
        clock.now += 5
        look(run)
    assert states(run) == ["queued"]


def test_who_submits_for_the_run_is_waited_for_and_named(start: Start) -> None:
    """It does not take forever: the user is told who has the right."""
    session = start()
    run = session.submit(Job(TRUE))
    end(run, 1)
    other = start().attach(run.id)
    with other.watched.right.held() as mine:
        assert mine
        with (
            pytest.raises(AnybatchError, match=r"process \d+ is submitting its jobs at the moment"),
            run.watched.right.awaited(0.0),
        ):
            pass
    assert run.rerun() == 1


# -- who knows of it


def test_a_run_that_has_ended_is_active_again(start: Start, toy: Toy) -> None:
    """Also for a process that has seen its end, which does not put it away again."""
    run = start().submit(Job(TRUE))
    seer = start()
    stale = seer.attach(run.id)
    end(run, 1)
    look(stale)
    assert stale.finished
    assert Index().active() == []
    assert run.rerun() == 1
    assert Index().active() == [run.id]
    stale.wait()
    assert Index().active() == [run.id]
    assert [one.id for one in seer.runs()] == [run.id]
    assert states(stale) == ["queued"]
    leave_record(run.folder, "0.1.0.command.exit-0")
    assert [one.state for one in stale.wait(timeout=60)] == [State.DONE]


def test_a_run_that_is_removed_meanwhile_is_not_brought_back(start: Start, toy: Toy) -> None:
    """Nothing is submitted for a folder that is gone."""
    run = start().submit(Job(TRUE))
    end(run, 1)
    Index().remove(run.id)
    with pytest.raises(RunNotFound, match="was removed meanwhile"):
        run.rerun()
    assert len(toy.calls["submit"]) == 1


def test_records_of_a_later_attempt_survive_who_tidies_up_late(
    start: Start, tmp_path: Path
) -> None:
    """A process that was stopped as the run ended removes only what it has the verdict on."""
    run = start().submit([Job(TRUE)] * 2)
    end(run, 1, 0)
    run.rerun()
    leave_record(run.folder, "0.1.0.command.exit-0")
    ExitFolder(run.folder, local_host()).fold(0, lambda index: 0)
    assert [path.name for path in (run.folder / "exit/0").iterdir()] == ["0.1.0.command.exit-0"]
    assert len([*(run.folder / "start/0").iterdir()]) == 1
    look(run)
    assert states(run) == ["done", "done"]


def test_old_verdicts_do_not_end_a_later_attempt(start: Start, toy: Toy) -> None:
    """What a batch system still says of the attempt before concerns nobody."""
    run = start().submit(Job(TRUE, retry=Retry(0)))
    end(run, 1)
    run.rerun()
    toy.answers["1.1"] = said(State.FAILED, exit_code=1)
    toy.answers["2.1"] = said(State.RUNNING)
    look(run)
    assert states(run) == ["running"]
    assert run.jobs[0].submitted is not None
    assert run.jobs[0].ended is None
