"""Who is asked about jobs, and when; what it means that one of them does not answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import State
from anybatch.errors import CommandFailed, CommandTimeout
from anybatch.host import Command, Completed
from anybatch.records import JobStatus, Limits, Transfer, Unreachable
from anybatch.testing import ScriptedHost
from anybatch_htcondor import sources
from anybatch_htcondor.plugin import HTCondor
from anybatch_htcondor.render import system_log_path

from .captured import TOKEN, batch, failed, said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anybatch.records import Batch

DATA = Path(__file__).parent / "data"
MIXED = [f"54.{proc}" for proc in range(8)]
OPEN = MIXED[5:]  #: those that run where the captured log of the mixed cluster ends
NOBODY = Completed(0)
NOBODY_EVER = said("history empty-json")


def ours(name: str) -> Completed:
    """An answer about jobs as it was captured, of our submission's jobs."""
    ads = json.loads(said(name).stdout or "[]")
    return Completed(0, json.dumps([{**ad, "AnybatchToken": TOKEN} for ad in ads]))


QUEUE = "condor_q -json"
HISTORY = "condor_history -json"
AWAY = [failed("q stopped"), failed("q crashed"), failed("q hung"), Completed(0, "Welcome!\n")]


class Clock:
    """Stands in for the module `time`; it goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 5000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sources, "time", made)
    return made


def events(name: str, native: str = "") -> list[str]:
    """The events of a captured log, or those of one of its jobs."""
    parts = (DATA / f"eventlog-25.14-{name}.log").read_text().split("...\n")
    cluster, _, proc = native.partition(".")
    mark = f"({int(cluster):03}.{int(proc):03}." if native else ""
    return [f"{part}...\n" for part in parts if part.strip() and mark in part]


def write_log(folder: Path, *parts: str, number: int = 0) -> Path:
    """The event log of a submission."""
    folder.mkdir(exist_ok=True)
    path = folder / f"htcondor-{number}.log"
    with path.open("a") as log:
        log.writelines(parts)
    return path


def ads(*jobs: tuple[str, int], **facts: Any) -> Completed:
    """An answer about jobs: ids and their JobStatus."""
    made = []
    for native, number in jobs:
        cluster, _, proc = native.partition(".")
        ids = {"ClusterId": int(cluster), "ProcId": int(proc), "JobStatus": number}
        made.append({**ids, "AnybatchToken": TOKEN, **facts})
    return Completed(0, json.dumps(made))


def ended(*natives: str) -> Completed:
    """An answer of the history: they ended with 0."""
    return ads(*((n, 4) for n in natives), ExitBySignal=False, ExitCode=0)


class Pool(ScriptedHost):
    """A host with a pool, and the plugin of a session on it.

    Attributes:
        by_number: what the queue answers that is asked for jobs by their numbers alone.
    """

    def __init__(self, *steps: tuple[str, Any]) -> None:
        super().__init__(*steps)
        self.plugin = HTCondor(self)
        self.by_number = NOBODY

    def run(self, command: Command) -> Completed:
        if any("UserLog" in word for word in command.argv):
            return self.by_number
        return super().run(command)


def ask(pool: Pool, ids: Sequence[str], folder: Path) -> dict[str, JobStatus | Unreachable]:
    """What the plugin answers of a run's first submission."""
    return ask_all(pool, batch(ids, folder=folder))


def ask_all(pool: Pool, *batches: Batch) -> dict[str, JobStatus | Unreachable]:
    """What the plugin answers; all that the script expects is asked for."""
    answers = pool.plugin.anybatch_status(batches)
    assert not pool.steps, f"it did not ask: {pool.steps}"
    return {
        native: answer[native]
        for one, answer in zip(batches, answers, strict=True)
        for native in one.ids
        if native in answer
    }


def mine(which: str = "true") -> str:
    return f'(AnybatchToken == "{TOKEN}" && ({which}))'


def states(answers: Mapping[str, JobStatus | Unreachable]) -> dict[str, State | None]:
    return {native: getattr(one, "state", None) for native, one in answers.items()}


def then(host: Pool, *steps: tuple[str, Any]) -> Pool:
    """The script goes on."""
    host.steps += steps
    return host


# -- the log knows


def test_jobs_that_the_log_has_seen_end_cost_no_command(tmp_path: Path) -> None:
    """The schedd is not bothered."""
    write_log(tmp_path, *events("mixed"))
    answers = ask(Pool(), MIXED, tmp_path)
    assert states(answers) == {
        **{"54.0": State.DONE, **dict.fromkeys(MIXED[1:5], State.FAILED)},
        **dict.fromkeys(OPEN, State.TERMINATED),
    }


def test_a_log_that_knows_all_is_checked_once_a_minute(tmp_path: Path, clock: Clock) -> None:
    """One condor_q for the jobs that have not ended, whatever the pace of the questions."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, ours("q running")))
    for second in range(0, 60, 5):
        clock.now = 5000.0 + second
        answers = ask(host, MIXED, tmp_path)
        assert {*states(answers).values()} - {State.DONE, State.FAILED} == {State.RUNNING}
    assert host.option("-constraint") == mine("(ClusterId == 54 && ((ProcId >= 5 && ProcId <= 7)))")
    clock.now = 5060.0
    ask(then(host, (QUEUE, ours("q running"))), MIXED, tmp_path)
    clock.now = 5061.0
    ask(host, MIXED, tmp_path)
    assert host.commands == {"condor_q": 2}


def test_what_only_the_schedd_knows_is_kept_until_the_log_goes_on(
    tmp_path: Path, clock: Clock
) -> None:
    """A job that is submitted on hold has no event that says so."""
    write_log(tmp_path, *events("held-submitted"))
    host = Pool((QUEUE, ours("q held-submitted")))
    for clock.now in (5000.0, 5002.0, 5030.0):
        [one] = ask(host, ["91.0"], tmp_path).values()
        assert one is not None
        assert (one.state, one.source) == (State.HELD, "condor_q")
        assert one.message == "submitted on hold at user's request (hold code 15, subcode 0)"
    write_log(tmp_path, *[part.replace("(054.000", "(091.000") for part in events("mixed", "54.0")])
    assert states(ask(host, ["91.0"], tmp_path)) == {"91.0": State.DONE}


def test_logs_of_several_runs_are_read_each_for_its_jobs(tmp_path: Path, clock: Clock) -> None:
    """And a run may have several submissions; the folders of runs are not looked through."""
    one, two = tmp_path / "one", tmp_path / "two"
    write_log(one, *events("mixed"))
    write_log(one, *events("late"), number=1)
    write_log(two, *events("transfer"))
    (two / "logs").mkdir()
    (two / "htcondor-1.sub").write_text("no log")
    pool = Pool((QUEUE, ads(("77.0", 1))))
    answers = ask_all(
        pool,
        batch(["54.0"], folder=one),
        batch(["11.1"], folder=one, number=1),
        batch(["92.0"], folder=two),
        batch(["77.0"], folder=tmp_path / "gone"),
    )
    assert states(answers) == {
        **{"54.0": State.DONE, "11.1": State.FAILED},
        **{"92.0": State.DONE, "77.0": State.QUEUED},
    }
    assert pool.option("-constraint") == mine("(ClusterId == 77 && (ProcId == 0))")


def test_a_log_is_believed_of_its_own_submission_alone(tmp_path: Path, clock: Clock) -> None:
    """A log that tells of a job of this id, and belongs to another submission, tells nothing."""
    write_log(tmp_path, *events("mixed"))
    pool = Pool((QUEUE, ads(("54.0", 2))))
    answers = ask_all(pool, batch(["54.0"], folder=tmp_path, number=1))
    assert states(answers) == {"54.0": State.RUNNING}


def test_what_is_watched_no_more_is_forgotten(tmp_path: Path, clock: Clock) -> None:
    """A session may live for months: when the job is asked about again its log is read anew."""
    write_log(tmp_path, *events("held-submitted"))
    pool = Pool((QUEUE, ours("q held-submitted")))
    [one] = ask(pool, ["91.0"], tmp_path).values()
    assert one is not None
    assert one.source == "condor_q"
    then(pool, (QUEUE, ads(("77.0", 1))))
    ask(pool, ["77.0"], tmp_path / "other")
    [again] = ask(pool, ["91.0"], tmp_path).values()
    assert again is not None
    assert again.source == "event log"


def test_accounting_is_what_the_log_tells(tmp_path: Path) -> None:
    """CPU time and memory without any command."""
    write_log(tmp_path, *events("mixed"))
    [told] = Pool().plugin.anybatch_account([batch(["54.0", "99.0"], folder=tmp_path)])
    assert {native: one.max_memory for native, one in told.items()} == {"54.0": 4960 * 1024}


# -- the log does not know


def test_jobs_without_a_log_are_asked_for_at_every_question(tmp_path: Path, clock: Clock) -> None:
    """Its folder may have been full when the log was to be made."""
    host = Pool()
    for clock.now in (5000.0, 5002.0):
        then(host, (QUEUE, ours("q running")))
        assert states(ask(host, OPEN, tmp_path)) == dict.fromkeys(OPEN, State.RUNNING)


def test_many_ids_are_asked_for_by_their_submission(tmp_path: Path) -> None:
    """A list of ten thousand numbers would be no command line; more than asked for may match."""
    ids = [f"7.{proc}" for proc in range(0, 1400, 2)] + ["9.0"]
    host = Pool((QUEUE, ads(("7.1", 2), ("9.0", 2))), (HISTORY, ended("7.0", "7.1")))
    assert ask(host, ids, tmp_path).keys() == {"7.0", "9.0"}
    assert mine() in host.ran[0].argv
    assert host.option("-constraint") == mine()
    assert host.option("-match") is None


def test_many_submissions_are_asked_for_by_their_mark(tmp_path: Path) -> None:
    """Of thousands of runs of one job each; of those alike only those asked about are told."""
    batches = [
        batch([f"{n}.0"], folder=tmp_path, number=n, token=f"ab-{n}") for n in range(1, 6000)
    ]
    answer = [ads((f"{n}.0", 1), AnybatchToken=f"ab-{n}").stdout[1:-1] for n in range(1, 6000)]
    host = Pool((QUEUE, Completed(0, f"[{','.join(answer)}]")))
    assert len(ask_all(host, *batches)) == 5999
    assert host.option("-constraint") == "AnybatchToken =!= undefined"
    assert max(len(word) for command in host.ran for word in command.argv) < 100_000


# -- whose job it is

NAME = "condor_q -constraint false"
HERE = (
    NAME,
    Completed(0, "\n\n-- Schedd: sid : <198.51.100.1:19618?... @ 11/28/26 10:19:38\nOWNER"),
)
OTHER = (NAME, Completed(0, "\n\n-- Schedd: second@sid : <198.51.100.1:19618?...\n"))
ELSEWHERE = (
    "this is the schedd 'second@sid', and the jobs are in 'sid'; set _CONDOR_SCHEDD_HOST=sid to "
    "reach them"
)
AT_SID = Limits(render_context={"schedd": "sid"})


def test_a_job_of_the_same_number_is_somebody_elses(tmp_path: Path) -> None:
    """The queue was lost and numbers begin again, or another user's tool made it."""
    for token in ("ab-other-0", None):
        stranger = ads(("54.0", 2), ("54.1", 2), AnybatchToken=token)
        host = Pool((QUEUE, stranger), HERE, (HISTORY, stranger))
        answers = host.plugin.anybatch_status([batch(["54.0"], folder=tmp_path, limits=AT_SID)])
        assert (answers, host.steps) == ([{}], [])


def test_two_submissions_of_one_number_get_each_its_own_answer(tmp_path: Path) -> None:
    """Run A's 54.0 was forgotten by the schedd, and B's 54.0 has the number now."""
    batches = [batch(["54.0"], folder=tmp_path / token, token=token) for token in ("ab-a", "ab-b")]
    host = Pool((QUEUE, ads(("54.0", 2), AnybatchToken="ab-b")), (HISTORY, NOBODY_EVER))
    first, second = host.plugin.anybatch_status(batches)
    assert first == {}
    assert states(dict(second)) == {"54.0": State.RUNNING}


def test_another_schedd_says_nothing_of_a_job(tmp_path: Path) -> None:
    """The jobs are neither gone nor looked for in its history; a message says where they are."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool()
    for _ in range(3):
        then(host, (QUEUE, NOBODY), OTHER)
        [answers] = host.plugin.anybatch_status([batch(OPEN, folder=tmp_path, limits=AT_SID)])
        assert host.steps == []
        for one in answers.values():
            assert isinstance(one, JobStatus)
            assert (one.state, one.message) == (State.RUNNING, ELSEWHERE)
    then(host, (QUEUE, ours("q running")))
    answers = host.plugin.anybatch_status([batch(OPEN, folder=tmp_path, limits=AT_SID)])
    assert states(dict(answers[0])) == dict.fromkeys(OPEN, State.RUNNING)


def test_jobs_of_another_schedd_do_not_silence_those_of_this_one(tmp_path: Path) -> None:
    """Those tell by their log, with a word on where they are; without one nothing is said."""
    write_log(tmp_path / "there", *events("mixed-running"))
    there = Limits(render_context={"schedd": "second@sid"})
    batches = [
        batch(["7.0", "7.1"], folder=tmp_path, token="ab-here", limits=AT_SID),
        batch(["54.5", "54.99"], folder=tmp_path / "there", limits=there),
    ]
    queue = ads(("7.0", 2), AnybatchToken="ab-here")
    host = Pool((QUEUE, queue), HERE, (HISTORY, NOBODY_EVER))
    here, other = host.plugin.anybatch_status(batches)
    assert states(dict(here)) == {"7.0": State.RUNNING}
    assert states(dict(other)) == {"54.5": State.RUNNING, "54.99": None}
    words = (
        "this is the schedd 'sid', and the jobs are in 'second@sid'; set "
        "_CONDOR_SCHEDD_HOST=second@sid to reach them"
    )
    assert getattr(other["54.5"], "message", "") == words
    assert other["54.99"] == Unreachable(words)


@pytest.mark.parametrize("logged", [True, False])
def test_a_job_whose_token_was_changed_is_not_gone(
    tmp_path: Path, clock: Clock, logged: bool
) -> None:
    """With the user's name and our event log it is ours, runs, and is told with what is odd."""
    if logged:
        write_log(tmp_path, *events("mixed-running"))
    changed = {"AnybatchToken": "mine", "Owner": "alice", "Iwd": str(tmp_path)}
    host = Pool()
    host.by_number = ads(("54.5", 2), UserLog="htcondor-0.log", **changed)
    for _ in range(3):
        then(host, (QUEUE, NOBODY), (HISTORY, NOBODY_EVER))
        [told] = ask(host, ["54.5"], tmp_path).values()
        odd = told.reason if isinstance(told, Unreachable) else told.message
        assert odd == "its token was changed to 'mine'; it is left alone until it has its own again"
        assert isinstance(told, JobStatus) is logged
    for stranger in (
        {"UserLog": "other.log", "Owner": "alice"},
        {"UserLog": "htcondor-0.log", "Owner": "eve"},
    ):
        host.by_number = ads(("54.5", 2), Iwd=str(tmp_path), AnybatchToken="x", **stranger)
        then(host, (QUEUE, NOBODY), (HISTORY, NOBODY_EVER))
        assert ask(host, ["54.5"], tmp_path) == {}


# -- what else is told


def test_where_files_travel_a_removed_job_has_not_delivered(tmp_path: Path) -> None:
    """It may have been held because of them; what completes has brought them all."""
    write_log(tmp_path, *events("mixed"))
    for transfer in Transfer:
        one = batch(MIXED, folder=tmp_path, transfer=transfer)
        [answers] = Pool().plugin.anybatch_status([one])
        undelivered = {
            native for native, status in answers.items() if status and status.undelivered
        }
        assert undelivered == ({*OPEN} if transfer is Transfer.SYSTEM else set())


def test_what_the_system_printed_is_the_message_of_a_failure(tmp_path: Path) -> None:
    """A job wrapper failed: its words are the only ones. What is empty is taken away."""
    write_log(tmp_path, *events("mixed"))
    for task, text in (
        (1, "banner\n"),
        (2, "\0\0\0001\n2\nwrapper: no\nscratch disk\n\n"),
        (3, "\n"),
    ):
        path = system_log_path(tmp_path, 0, task)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    answers = ask(Pool(), MIXED, tmp_path)
    messages = [answers[native] and answers[native].message for native in MIXED[:4]]
    assert messages == [None, "2\nwrapper: no\nscratch disk", None, None]
    assert not system_log_path(tmp_path, 0, 3).exists()


def test_why_no_machine_is_found_is_told_of_all_jobs_alike(tmp_path: Path, clock: Clock) -> None:
    """The negotiator writes it down for one of those that need the same."""
    write_log(tmp_path, *events("mixed-running"))
    answer = json.loads(ads(("54.5", 1), ("54.6", 1), AutoClusterId=7).stdout)
    answer[0] |= {"LastRejMatchReason": "no match found", "LastRejMatchTime": 1795861300}
    [*more] = json.loads(ads(("54.7", 1), AutoClusterId=8).stdout)
    host = Pool((QUEUE, Completed(0, json.dumps([*answer, *more]))))
    answers = ask(host, OPEN, tmp_path)
    words = "no match found; `anybatch show` of the job tells which machines could run it"
    told = [answers[native] and answers[native].message for native in OPEN]
    assert told == [words, words, None]


# -- gone


def test_what_has_left_the_queue_is_looked_up_in_the_history(tmp_path: Path, clock: Clock) -> None:
    """The log has lost its end; when it is known nobody is asked any more."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, said("q token-none")), (HISTORY, ours("history removed")))
    for clock.now in (5000.0, 5100.0):
        assert states(ask(host, OPEN, tmp_path)) == dict.fromkeys(OPEN, State.TERMINATED)


def test_what_nobody_knows_any_more_is_left_out_and_stays_left_out(
    tmp_path: Path, clock: Clock
) -> None:
    """Its log says that it runs; an old line does not bring it back between two questions."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, ours("q running")))
    assert ask(host, OPEN, tmp_path).keys() == set(OPEN)
    clock.now += 60
    then(host, (QUEUE, ads(("54.5", 2))), (HISTORY, NOBODY_EVER))
    assert states(ask(host, OPEN, tmp_path)) == {"54.5": State.RUNNING}
    assert host.option("-constraint") == mine("(ClusterId == 54 && ((ProcId >= 6 && ProcId <= 7)))")
    for clock.now in (5062.0, 5064.0):
        then(host, (QUEUE, NOBODY), (HISTORY, NOBODY_EVER))
        assert states(ask(host, OPEN, tmp_path)) == {"54.5": State.RUNNING}
        assert host.option("-constraint") == mine(
            "(ClusterId == 54 && ((ProcId >= 6 && ProcId <= 7)))"
        )


def test_what_was_gone_and_is_found_again_is_back(tmp_path: Path, clock: Clock) -> None:
    """A schedd that has just started may not know its jobs for a moment."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, NOBODY), (HISTORY, NOBODY_EVER))
    assert ask(host, OPEN, tmp_path) == {}
    clock.now += 2
    then(host, (QUEUE, ours("q running")))
    assert states(ask(host, OPEN, tmp_path)) == dict.fromkeys(OPEN, State.RUNNING)
    clock.now += 2
    assert states(ask(host, OPEN, tmp_path)) == dict.fromkeys(OPEN, State.RUNNING)
    assert host.commands == {"condor_q": 2, "condor_history": 1}


def test_an_end_that_is_logged_while_the_schedd_is_asked_counts(
    tmp_path: Path, clock: Clock
) -> None:
    """The queue knows the job no more, and the history need not be searched."""
    write_log(tmp_path, *events("mixed", "54.0")[:2])
    late = events("mixed", "54.0")[2:]

    def end_meanwhile() -> Completed:
        write_log(tmp_path, *late)
        return NOBODY

    host = Pool((QUEUE, end_meanwhile))
    assert states(ask(host, ["54.0"], tmp_path)) == {"54.0": State.DONE}


def test_an_end_that_is_logged_after_the_history_was_searched_counts(
    tmp_path: Path, clock: Clock
) -> None:
    """What was missing a moment ago is known at the next question, without any command."""
    write_log(tmp_path, *events("mixed", "54.0")[:2])
    host = Pool((QUEUE, NOBODY), (HISTORY, NOBODY_EVER))
    assert ask(host, ["54.0"], tmp_path) == {}
    write_log(tmp_path, *events("mixed", "54.0")[2:])
    assert states(ask(host, ["54.0"], tmp_path)) == {"54.0": State.DONE}


def test_jobs_that_are_not_materialized_yet_are_not_gone(tmp_path: Path, clock: Clock) -> None:
    """Neither queue nor history knows them, and nobody looks for them in the history."""
    text = "".join(events("late"))
    write_log(tmp_path, text[: text.index("005 (011.0")])
    ids = [f"11.{proc}" for proc in range(6)]
    host = Pool((QUEUE, ours("q late")))
    answers = ask(host, ids, tmp_path)
    assert [one and one.native_state for one in answers.values()] == [
        *["running"] * 2,
        *["to be materialized"] * 4,
    ]


# -- not being able to ask


@pytest.mark.parametrize("answer", AWAY, ids=["stopped", "crashed", "hung", "garbage"])
def test_a_schedd_that_is_away_leaves_what_the_log_tells(
    answer: Completed, tmp_path: Path, clock: Clock
) -> None:
    """And nothing is said of jobs that the log does not know: they are not gone."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, answer))
    answers = ask(host, ["54.0", "54.5", "54.99"], tmp_path)
    assert states(answers) == {"54.0": State.DONE, "54.5": State.RUNNING, "54.99": None}
    clock.now += 2
    then(host, (QUEUE, ads(("54.5", 5))), (HISTORY, NOBODY_EVER))
    answers = ask(host, ["54.0", "54.5", "54.99"], tmp_path)
    assert states(answers) == {"54.0": State.DONE, "54.5": State.HELD}


@pytest.mark.parametrize("answer", AWAY, ids=["stopped", "crashed", "hung", "garbage"])
def test_a_schedd_that_is_away_and_no_log_is_an_error(answer: Completed, tmp_path: Path) -> None:
    """No job's state changes, and the user is told."""
    host = Pool((QUEUE, answer))
    with pytest.raises(CommandFailed):
        host.plugin.anybatch_status([batch(["54.0"], folder=tmp_path)])
    assert host.steps == []


@pytest.mark.parametrize(
    "broken",
    [
        Completed(1, stderr="Error: cannot open history"),
        Completed(0, "[\n{"),
        CommandTimeout(Command(("condor_history",)), "no answer in 60 s"),
    ],
    ids=["failed", "cut off", "timeout"],
)
def test_a_history_that_cannot_be_read_makes_no_job_unknown(
    broken: Any, tmp_path: Path, clock: Clock
) -> None:
    """The job has left the queue; how it ended is asked for again, a minute later."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, NOBODY), (HISTORY, broken))
    assert states(ask(host, ["54.5"], tmp_path)) == {"54.5": State.RUNNING}
    clock.now += 60
    then(host, (QUEUE, NOBODY), (HISTORY, ours("history removed")))
    assert states(ask(host, ["54.5"], tmp_path)) == {"54.5": State.TERMINATED}


def test_a_job_that_was_gone_is_open_while_the_schedd_is_away(tmp_path: Path, clock: Clock) -> None:
    """Neither what the log told long ago nor that it is gone."""
    write_log(tmp_path, *events("mixed-running"))
    host = Pool((QUEUE, NOBODY), (HISTORY, NOBODY_EVER))
    assert ask(host, ["54.5"], tmp_path) == {}
    then(host, (QUEUE, failed("q stopped")))
    assert states(ask(host, ["54.5"], tmp_path)) == {"54.5": None}


def test_an_answer_with_an_ad_that_makes_no_sense_leaves_that_job_to_the_history(
    tmp_path: Path,
) -> None:
    """It is not known where it is, and nothing is made up."""
    host = Pool((QUEUE, ads(("54.5", 99), ("54.6", 2))), (HISTORY, NOBODY_EVER))
    assert states(ask(host, ["54.5", "54.6"], tmp_path)) == {"54.6": State.RUNNING}


def test_commands_do_not_take_a_jobs_variables_for_their_own(tmp_path: Path) -> None:
    """Anybatch may run in a job of the same pool."""
    host = Pool((QUEUE, ours("q running")), (HISTORY, NOBODY_EVER))
    ask(host, [*OPEN, "54.99"], tmp_path)
    for command in host.ran:
        assert "_CONDOR_SLOT" in command.hide_env
        assert "_CONDOR_SCRATCH_DIR" in command.hide_env
        assert command.only_env is None


def test_each_host_has_sources_of_its_own(tmp_path: Path, clock: Clock) -> None:
    """What one was told a moment ago is no answer for another."""
    write_log(tmp_path, *events("mixed-running"))
    hosts = [Pool((QUEUE, ours("q running"))) for _ in range(2)]
    for host in hosts:
        ask(host, OPEN, tmp_path)
        assert host.commands == {"condor_q": 1}
