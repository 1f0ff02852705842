"""The table of jobs and its journal: no process is started here."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import FolderError
from anybatch.local import waiting
from anybatch.local.events import Booted, Ended, Event, Started, Stopping, Submitted
from anybatch.local.jobs import Job, Submission, Table
from anybatch.local.journal import Journal
from anybatch.local.states import Word
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

FACTS = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 8), st.booleans())


def submitted(number: int, count: int = 1, **more: Any) -> Submitted:
    facts = {"cores": 1, "memory": 0, "max_cores": 4, "max_memory": 8, "time": None} | more
    return Submitted(
        number=number, at=float(number), machine="m", token=f"t{number}", count=count,
        command=("/bin/sh", "job.sh"), log="log", kill_wait=1.0, **facts,
    )  # fmt: skip


def table_of(*events: Event) -> Table:
    table = Table()
    for event in events:
        table.apply(event)
    return table


def start_all(table: Table) -> list[str]:
    """Start what may start."""
    started = []
    while job := table.next_to_start():
        table.apply(Started(job.id, 0.0, 1, 1))
        started.append(job.id)
    return started


def end(table: Table, native: str, word: Word = Word.DONE, at: float = 0.0) -> None:
    table.apply(Ended(native, at, word))


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_order_of_submission() -> None:
    """Jobs start first come, first served."""
    table = table_of(submitted(1, 3), submitted(2, 3))
    assert start_all(table) == ["1.1@m", "1.2@m", "1.3@m", "2.1@m"]
    end(table, "1.2@m")
    assert start_all(table) == ["2.2@m"]


def test_nobody_passes_a_big_job() -> None:
    """A big job that does not fit yet keeps later ones waiting, so they cannot starve it."""
    table = table_of(submitted(1), submitted(2, cores=4), submitted(3))
    assert start_all(table) == ["1.1@m"]
    end(table, "1.1@m")
    assert start_all(table) == ["2.1@m"]


def test_the_most_urgent_start_first() -> None:
    """Also before those that came earlier; of equal urgency, first come, first served."""
    table = table_of(
        submitted(1, 4),
        *(submitted(n, urgency=urgency) for n, urgency in ((2, -1), (3, 0), (4, 5), (5, 5))),
    )
    assert start_all(table) == ["4.1@m", "5.1@m", "1.1@m", "1.2@m"]
    table.apply(submitted(6, urgency=1))  # while a submission has begun
    for native in ("4.1@m", "5.1@m", "1.1@m", "1.2@m"):
        end(table, native)
    assert start_all(table) == ["6.1@m", "1.3@m", "1.4@m", "3.1@m"]


def test_nobody_of_its_urgency_or_less_passes_a_big_job() -> None:
    """Who is more urgent does, and has to be the user's own wish."""
    table = table_of(submitted(1), submitted(2, cores=4, urgency=3))
    assert start_all(table) == ["2.1@m"]
    table = table_of(submitted(1, urgency=9), submitted(2, cores=4, urgency=3))
    assert start_all(table) == ["1.1@m"]
    for number, urgency in ((3, 3), (4, 0), (5, -100)):
        table.apply(submitted(number, urgency=urgency))
        assert start_all(table) == []
    table.apply(submitted(6, urgency=4))
    assert start_all(table) == ["6.1@m"]
    end(table, "1.1@m")
    end(table, "6.1@m")
    assert start_all(table) == ["2.1@m"]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 3), st.integers(1, 4)), max_size=9))
def test_one_at_a_time_they_start_by_urgency_and_number(
    submissions: list[tuple[int, int, int]],
) -> None:
    """Whatever their sizes, and also for a supervisor that reads its journal again."""
    events = [
        submitted(number, count, cores=cores, urgency=urgency)
        for number, (urgency, count, cores) in enumerate(submissions, 1)
    ]
    table, order = table_of(*events), []
    while job := table.next_to_start():
        order.append((-job.submission.event.urgency, job.submission.event.number, job.task))
        table.apply(Started(job.id, 0.0, 1, 1))
        table.apply(Ended(job.id, 0.0, Word.DONE))
        table = table_of(*table.events())
    assert order == sorted(order)
    assert len(order) == sum(count for _, count, _ in submissions)


def test_memory_is_shared_out() -> None:
    """Jobs that ask for memory wait for it."""
    table = table_of(submitted(1, 3, memory=4))
    assert start_all(table) == ["1.1@m", "1.2@m"]


def test_each_submission_brings_its_limit() -> None:
    """A submission with a lower limit waits until less than that is in use."""
    table = table_of(submitted(1, 2), submitted(2, max_cores=2))
    assert start_all(table) == ["1.1@m", "1.2@m"]
    end(table, "1.1@m")
    assert start_all(table) == ["2.1@m"]


def test_dependent_waits_without_being_in_the_way() -> None:
    """A job that waits for others starts when all are done; later ones do not wait with it."""
    table = table_of(submitted(1, 2), submitted(2, after=("1.1@m", "1.2@m", "1.2@m")), submitted(3))
    assert start_all(table) == ["1.1@m", "1.2@m", "3.1@m"]
    end(table, "1.1@m")
    assert start_all(table) == []
    end(table, "1.2@m")
    assert start_all(table) == ["2.1@m"]


@pytest.mark.parametrize("word", [word for word in Word if word not in list(Word)[:3]])
def test_dependent_is_doomed(word: Word) -> None:
    """A job never starts after one that ended in any other way than done."""
    table = table_of(submitted(1), submitted(2, 2, after=("1.1@m",)))
    start_all(table)
    end(table, "1.1@m", word)
    doomed = [(job.id, cause) for job, cause in table.take_doomed()]
    assert doomed == [("2.1@m", "1.1@m"), ("2.2@m", "1.1@m")]
    assert table.take_doomed() == []
    assert start_all(table) == []


def test_dependency_that_ended_before() -> None:
    """Jobs may depend on jobs that are over."""
    table = table_of(submitted(1, 2))
    end(table, "1.1@m")
    end(table, "1.2@m", Word.FAILED)
    table.apply(submitted(2, after=("1.1@m",)))
    table.apply(submitted(3, after=("1.1@m", "1.2@m")))
    assert start_all(table) == ["2.1@m"]
    assert [(job.id, cause) for job, cause in table.take_doomed()] == [("3.1@m", "1.2@m")]


def test_time_limit_and_patience() -> None:
    """A job is over time at its age, and killed by the time since boot, whatever the clock says."""
    table = table_of(submitted(1, time=10.0))
    start_all(table)
    job = table.jobs["1.1@m"]
    assert not job.over_time(9.0)
    assert job.over_time(10.0)
    assert not job.to_be_killed(11.0)
    table.apply(Stopping(job.id, 7000.0, Word.TIME_LIMIT, uptime=10.0))
    assert not job.to_be_killed(10.5)
    assert job.to_be_killed(11.0)
    assert job.word_at_end(Word.DONE) is Word.TIME_LIMIT


def test_old_jobs_are_forgotten_and_numbers_stay_used() -> None:
    """A submission is dropped as a whole, and no number is used twice."""
    table = table_of(submitted(1), submitted(2, 2), submitted(3))
    start_all(table)
    for native, at in (("1.1@m", 5.0), ("2.1@m", 1.0), ("3.1@m", 1.0)):
        end(table, native, at=at)
    assert table.forget(before=4.0)
    assert list(table.jobs) == ["1.1@m", "2.1@m", "2.2@m"]
    assert table.find("t3") is None
    assert table_of(*table.events()).next_number == 4


def test_dependency_that_was_forgotten() -> None:
    """A job goes on waiting for the others when one that was done is forgotten."""
    table = table_of(submitted(1), submitted(2), submitted(3, after=("1.1@m", "2.1@m")))
    start_all(table)
    end(table, "1.1@m")
    table.forget(before=1.0)
    table = table_of(*table.events())
    assert start_all(table) == []
    end(table, "2.1@m")
    assert start_all(table) == ["3.1@m"]


@given(st.lists(FACTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_everything_runs_once_within_the_limits(facts: list[Any], chance: Any) -> None:
    """Whatever is submitted: all jobs run once, in order, never too many at a time."""
    table, started = Table(), []
    for number, (count, cores, memory, depends) in enumerate(facts, 1):
        after = (f"{number - 1}.1@m",) if depends and number > 1 else ()
        table.apply(submitted(number, count, cores=cores, memory=memory, after=after))
    while table.unfinished:
        started += start_all(table)
        use = [job.submission.event for job in table.running.values()]
        assert sum(event.cores for event in use) <= 4
        assert sum(event.memory for event in use) <= 8
        end(table, chance.choice(list(table.running)))
    assert sorted(started) == sorted(table.jobs)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def append(path: Path, *events: Event) -> None:
    with closing(Journal(path)) as journal:
        journal.append(*events)


def read(path: Path) -> list[Event]:
    with closing(Journal(path)) as journal:
        return list(journal.read())


def test_journal_keeps_events(path: Path) -> None:
    """What was written is read, in order, by the next one that opens the file."""
    events: list[Event] = [
        Booted("b", 1), submitted(1, after=("0.1@m",)), Started("1.1@m", 1.5, 7, 8),
        Stopping("1.1@m", 2.0, Word.TERMINATED), Ended("1.1@m", 3.0, Word.GONE, message="é"),
    ]  # fmt: skip
    append(path, *events)
    assert read(path) == events


@given(st.text(), st.text())
def test_journal_takes_any_text(tmp_path_factory: pytest.TempPathFactory, a: str, b: str) -> None:
    """Paths and messages of any characters come back as they were, one event a line."""
    path = tmp_path_factory.mktemp("journal") / "journal"
    events: list[Event] = [Ended("1.1@m", 0.0, Word.GONE, message=a), Booted(b, 1)]
    append(path, *events)
    assert path.read_bytes().count(b"\n") == len(events)
    assert read(path) == events


def test_journal_torn_line(path: Path) -> None:
    """A last line that was not written to its end is cut off, and others follow."""
    append(path, Booted("first", 1))
    path.write_bytes(path.read_bytes() + path.read_bytes()[:20])
    assert read(path) == [Booted("first", 1)]
    append(path, Booted("second", 1))
    assert read(path) == [Booted("first", 1), Booted("second", 1)]


@pytest.mark.parametrize("line", ["{", "[]", '{"event": "ended"}', '{"event": "unheard"}'])
def test_journal_damaged_line(path: Path, line: str) -> None:
    """A line within that makes no sense is an error that names file and line."""
    path.write_text(f"{line}\n")
    with pytest.raises(FolderError, match=rf"{path}, line 1 is damaged"):
        read(path)


def test_journal_is_rewritten_in_one_step(path: Path) -> None:
    """After rewriting, the new events are all there is, and more can follow."""
    with closing(Journal(path)) as journal:
        journal.append(Booted("old", 1))
        journal.rewrite([Booted("new", 2)])
        journal.append(Booted("newer", 3))
    assert read(path) == [Booted("new", 2), Booted("newer", 3)]


# -- why a job waits


def why(table: Table, token: str) -> str:
    submission = table.find(token)
    assert submission
    return waiting.why(table, submission)


@pytest.mark.parametrize(
    ("others", "own", "told"),
    [
        ({"cores": 3}, {"cores": 2}, "waits for 2 of 4 cores"),
        ({"memory": 8}, {"memory": 1}, "waits for 1 B of 8 B of memory"),
        ({"cores": 4, "memory": 8}, {"memory": 1}, "waits for 1 of 4 cores and 1 B of 8 B of"),
        ({}, {"max_cores": 1}, "waits for 1 of 1 core"),
    ],
)
def test_what_a_job_waits_for_is_told(
    others: dict[str, Any], own: dict[str, Any], told: str
) -> None:
    """How much it needs of what there is, which is the same for as long as it waits."""
    table = table_of(submitted(1, **others), submitted(2, **own))
    start_all(table)
    assert told in why(table, "t2")


def test_who_could_pass_waits_for_its_turn() -> None:
    """A job that would fit waits behind one that does not."""
    table = table_of(submitted(1, cores=2), submitted(2, cores=4), submitted(3))
    start_all(table)
    assert why(table, "t2") == "waits for 4 of 4 cores"
    assert why(table, "t3") == "jobs that come before it wait for room"
    late = Submission.of(submitted(4))
    assert waiting.why(table, late) == "jobs that come before it wait for room"
    assert waiting.why(table, Submission.of(submitted(4, urgency=1))) == ""


def test_other_reasons_to_wait() -> None:
    """Jobs that come first, and the run's own limit; no reason where a job is about to start."""
    table = table_of(submitted(1, 3, max_running=1), submitted(2, after=("1.1@m", "1.3@m")))
    assert why(table, "t1") == ""
    start_all(table)
    assert why(table, "t1") == "as many jobs of its run as may (1) run at once"
    assert why(table, "t2") == "waits for job 1.3@m and others"
    end(table, "1.1@m")
    assert why(table, "t2") == "waits for job 1.3@m"
