"""Stopping jobs that have not ended, or sending them a signal."""

from __future__ import annotations

import signal as signals
import time
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import UsageError, did_you_mean, shown
from anybatch.model import Reason, State
from anybatch.ranges import write_ranges
from anybatch.records import Batch, Unreachable
from anybatch.runs.entries import Phase

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Sequence

    from anybatch.plugins.calls import Hooks
    from anybatch.runs.entries import JobRecord, SubmissionState
    from anybatch.runs.state import RunState

LOOK_UP = 10.0  #: seconds for which `terminate` waits to learn which jobs were submitted
_PAUSE = 2.5  #: seconds between two look-ups
_LONGEST = 1000  #: characters of a reason


@attrs.frozen(kw_only=True)
class Termination:
    """What came of asking for the end of jobs, or of sending them a signal.

    Attributes:
        accepted: how many jobs the batch system has accepted it for.
        ended: how many had not been submitted, and thus ended at once.
        pending: how many wait to be submitted together with others, and are stopped then.
        in_doubt: the numbers of jobs of which nobody knows yet whether they were submitted. They
            are being looked up, by each process that looks at the run, and stopped when found.
        unreached: why some could not be told from here, a text for each. They are told by the next
            process that looks at the run and can.
        refused: why the others go on, a text for each.
    """

    accepted: int = 0
    ended: int = 0
    pending: int = 0
    in_doubt: tuple[int, ...] = ()
    unreached: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@attrs.frozen
class Told:
    """What a batch system answered that was told to stop jobs.

    Attributes:
        accepted: how many jobs it accepted it for.
        settled: the jobs that need not be told again: it accepted or refused.
        unreached, refused: as in `Termination`.
    """

    accepted: int
    settled: tuple[Batch, ...]
    unreached: tuple[str, ...]
    refused: tuple[str, ...]


def read_signal(text: str) -> str:
    """`USR1` for `SIGusr1`, whichever system is asked.

    Raises:
        UsageError: this machine knows no such signal.
    """
    if not isinstance(text, str):
        raise UsageError(f"signal must be a name such as 'USR1', not {shown(text)}")
    known = [name.removeprefix("SIG") for name in signals.Signals.__members__]
    name = text.upper().removeprefix("SIG")
    if name not in known:
        raise UsageError(f"unknown signal {shown(text)}{did_you_mean(name, known)}")
    return name


def check_reason(reason: str | None, signal: str | None) -> None:
    """See that a reason for stopping jobs can be kept.

    Raises:
        UsageError: it is no line of text, or jobs are not stopped.
    """
    if reason is None:
        return
    if signal is not None:
        raise UsageError("a reason is kept for jobs that are stopped, not for a signal")
    if not isinstance(reason, str) or not reason.strip() or not reason.isprintable():
        raise UsageError(f"reason must be a line of text, not {shown(reason)}")
    if len(reason) > _LONGEST:
        raise UsageError(f"reason has {len(reason)} characters; {_LONGEST} are allowed")


def stop(
    run: RunState,
    hooks: Hooks,
    mutex: threading.RLock,
    indices: Iterable[int],
    signal: str | None,
    reason: str | None = None,
) -> Termination:
    """Stop jobs that have not ended, or send them a signal."""
    with mutex:
        indices, torn = _whole_packs(run, indices)
    with run.telling:
        ended, batches, refused = _note(run, mutex, indices, signal, reason)
        refused = [*torn, *refused]
        told = tell(run.file.system, hooks, batches, signal)
        if signal is None:
            with mutex:
                run.record_stopped(told.settled)
    if signal is not None:  # nobody sends it later
        told = attrs.evolve(told, unreached=(), refused=(*told.refused, *told.unreached))
    return Termination(
        accepted=told.accepted,
        ended=ended,
        unreached=told.unreached,
        refused=(*refused, *told.refused),
    )


def _whole_packs(run: RunState, indices: Iterable[int]) -> tuple[list[int], list[str]]:
    """The jobs that can be told, and why others cannot: a pack ends, or is signalled, whole."""
    wanted = list(indices)
    if not run.packed:
        return wanted, []
    told, refused, asked = [], [], set(wanted)
    for one in run.submissions:
        places = {index: place for place, index in enumerate(one.planned.indices)}
        for index in wanted:
            job = run.jobs[index]
            if job.submission != one.planned.submission.number or job.state.final:
                continue
            mates = one.planned.pack.mates(one.planned.indices, places[index])
            others = [mate for mate in mates if mate not in asked and not _is_over(run, mate, job)]
            if others:
                refused.append(
                    f"job {run.id}:{index} shares a pack with {write_ranges(others)}, which would "
                    f"end too; name them all, or wait for it"
                )
            else:
                told.append(index)
    return told, refused


def _is_over(run: RunState, mate: int, job: JobRecord) -> bool:
    """Whether a job has ended, or is run again in another pack."""
    return run.jobs[mate].state.final or run.jobs[mate].submission != job.submission


def _note(
    run: RunState,
    mutex: threading.RLock,
    indices: Iterable[int],
    signal: str | None,
    reason: str | None,
) -> tuple[int, list[Batch], list[str]]:
    """Put on record that jobs are to end. What was never submitted ends here.

    Returns:
        How many have ended so; those that the batch system has; and of which others nothing more
        can be said than that their end is wanted. To be signalled, a job has to be there.
    """
    with mutex:
        run.catch_up()
        jobs = [job for job in (run.jobs[index] for index in indices) if not job.state.final]
        if signal is None and jobs:
            ranges = write_ranges(job.index for job in jobs)
            run.record("terminate", durable=True, jobs=ranges, why=reason)
            # Whoever announces a submission after this was written reads it before he goes on.
            run.catch_up()
            _end_unsubmitted(run, jobs)
        left = [job for job in jobs if not job.state.final]
        nameless = [
            f"job {run.id}:{job.index}: its ID is not known" for job in left if job.native_id == ""
        ]
        return len(jobs) - len(left), run.batches(left), nameless


def _end_unsubmitted(run: RunState, jobs: Sequence[JobRecord]) -> None:
    evidence = ("never submitted",)
    outcomes = [
        run.outcome(job, State.TERMINATED, Reason.TERMINATED, evidence=evidence)
        for job in jobs
        if is_unwanted(run, run.submissions[job.submission])
        and run.submissions[job.submission].phase is Phase.WAITING
    ]
    if outcomes:
        run.record_ended(outcomes)


def end_unwanted(run: RunState, one: SubmissionState) -> None:
    """End the jobs whose end somebody asked for of a submission that others are handed over of.

    Only who has the right to submit may do so, and only before it is announced.
    """
    jobs = [run.jobs[index] for index in run.left(one) if run.jobs[index].terminated]
    evidence = ("never submitted",)
    if one.parted and jobs:
        run.record_ended(
            [
                run.outcome(job, State.TERMINATED, Reason.TERMINATED, evidence=evidence)
                for job in jobs
            ]
        )


def is_unwanted(run: RunState, one: SubmissionState) -> bool:
    """Whether somebody asked for the end of each of its jobs, or they have ended."""
    return all(run.jobs[index].terminated for index in run.left(one))


def unstopped(run: RunState) -> list[Batch]:
    """The jobs whose end was asked for before the batch system could be told."""
    return run.batches(
        job for job in run.jobs if job.terminated and not job.stopped and not job.state.final
    )


def in_doubt(run: RunState, indices: Iterable[int]) -> list[int]:
    """The jobs of which nobody knows whether they were submitted."""
    return [
        index
        for index in indices
        if not run.jobs[index].state.final
        and run.submissions[run.jobs[index].submission].phase is Phase.SUBMITTING
    ]


def look_up(
    run: RunState, mutex: threading.RLock, indices: Sequence[int], step: Callable[[], None]
) -> None:
    """Look up what may have been submitted, until that is decided, for some seconds.

    Args:
        step: looks up what is due now, and stops what is found and nobody wants.
    """

    def undecided() -> bool:
        with mutex:
            return bool(in_doubt(run, indices))

    deadline = time.monotonic() + LOOK_UP
    while undecided():
        step()
        if not undecided() or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE)


def words_of_doubt(indices: Iterable[int]) -> str:
    """What to tell of jobs of which nobody knows whether they were submitted."""
    return (
        f"whether jobs {write_ranges(indices)} were submitted is still being looked up; they will "
        f"be stopped when they are found, by any command that looks at the run (`anybatch wait`)"
    )


def recounted(told: Termination, run: RunState, indices: Collection[int]) -> Termination:
    """With those whose end is wanted, and of whom nobody could be told yet."""
    doubtful = frozenset(in_doubt(run, indices))
    jobs = (run.jobs[index] for index in indices)
    wanted = [job.index for job in jobs if job.native_id is None and job.terminated]
    left = [index for index in wanted if not run.jobs[index].state.final]
    return attrs.evolve(
        told,
        pending=sum(index not in doubtful for index in left),
        in_doubt=tuple(index for index in left if index in doubtful),
    )


def tell(system: str, hooks: Hooks, batches: Sequence[Batch], signal: str | None) -> Told:
    """Tell the batch system to stop jobs, or to send them a signal."""
    answers = hooks.terminate(system, batches, signal) if batches else []
    accepted, settled = 0, []
    unreached: list[str] = []
    refused: list[str] = []
    for batch, answer in zip(batches, answers, strict=True):
        why = {native_id: answer[native_id] for native_id in batch.ids if native_id in answer}
        later = {n: one.reason for n, one in why.items() if isinstance(one, Unreachable)}
        accepted += len(batch.ids) - len(why)
        settled.append(attrs.evolve(batch, ids=tuple(n for n in batch.ids if n not in later)))
        unreached += [f"job {native_id}: {reason}" for native_id, reason in later.items()]
        refused += [f"job {n}: {one}" for n, one in why.items() if n not in later]
    whole = tuple(batch for batch in settled if batch.ids)
    return Told(accepted, whole, tuple(unreached), tuple(refused))
