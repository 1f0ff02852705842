"""Handing a run's submissions to the batch system, each exactly once.

A submission's token is on record before its submit command runs. After a time-out, an error or
the death of a process the token is looked up, and only what is certainly not there is submitted
again. One process at a time submits for a run: the one that holds its lease.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from anybatch.errors import (
    AnybatchError,
    FolderError,
    NoRoom,
    NotSubmitted,
    Rejected,
    UnknownSystem,
    UsageError,
)
from anybatch.model import Reason, State
from anybatch.runs import stopping
from anybatch.runs.dependencies import Dependencies
from anybatch.runs.entries import Phase
from anybatch.runs.gate import Gate
from anybatch.runs.grown import why_never
from anybatch.runs.late_stops import LateStops
from anybatch.runs.lookup import Lookup
from anybatch.runs.moments import now
from anybatch.runs.parts import take_part
from anybatch.runs.refusals import Refusals
from anybatch.runs.skipping import end_skipped
from anybatch.runs.throttling import Throttling
from anybatch.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from anybatch.host import Host
    from anybatch.plugins.calls import Hooks
    from anybatch.records import Rendered, Submission
    from anybatch.runs.dependencies import Look
    from anybatch.runs.entries import SubmissionState
    from anybatch.runs.right import SubmitRight
    from anybatch.runs.share import Share
    from anybatch.runs.state import RunState

#: Pauses before a submit command that failed is tried again.
PAUSES = (1.0, 3.0, 9.0, 30.0, 60.0, 120.0, 300.0)
#: So many equal refusals, over so many seconds, after each of which nothing had arrived, are final.
EQUAL_REFUSALS = 5
EQUAL_FOR = 90.0


class _Taken(Exception):
    """Other runs have taken the room meanwhile for which jobs were meant."""


class Submitter:
    """Submits for one run. No plugin is called while *mutex* is held.

    Args:
        run: its state.
        right: to submit.
        share: of what limits several runs together.
        mutex: is held where the state is read or changed.
        timeout: how long a submit command may take, in seconds.
        look: reads the evidence of another run, for jobs that run after it (`Dependencies`).
        on_submitted: told which jobs the system has taken.
        on_notice: told about what goes wrong and is tried again.
    """

    def __init__(
        self,
        run: RunState,
        right: SubmitRight,
        share: Share,
        *,
        mutex: threading.RLock,
        hooks: Hooks,
        host: Host,
        timeout: float,
        look: Look,
        on_submitted: Callable[[Iterable[int]], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self._run = run
        self._right = right
        self._share = share
        self._mutex = mutex
        self._hooks = hooks
        self._host = host
        self._timeout = timeout
        self._on_submitted = on_submitted
        self._on_notice = on_notice
        self._dependencies = Dependencies(run, mutex=mutex, look=look)
        self._stepping = threading.Lock()
        self._failures: dict[int, int] = {}
        self._not_before: dict[int, float] = {}
        self._gate = Gate(run, share)
        self._refusals = Refusals(run, mutex=mutex, on_notice=on_notice)
        self._late_stops = LateStops(run, mutex=mutex, hooks=hooks, on_notice=on_notice)
        self._throttling = Throttling(run, share, mutex=mutex, hooks=hooks, on_notice=on_notice)
        self._lookup = Lookup(run, mutex=mutex, hooks=hooks, host=host)

    @property
    def pending(self) -> bool:
        """Whether anything is left to be submitted or looked up."""
        return any(self._open())

    @property
    def due(self) -> bool:
        """Whether a step may do something now."""
        some = any(map(self._is_due, self._open()))
        return some or self._late_stops.due or self._throttling.due

    def _is_due(self, one: SubmissionState) -> bool:
        if time.monotonic() < self._not_before.get(one.planned.submission.number, 0.0):
            return False
        if stopping.is_unwanted(self._run, one):
            return True
        if one.rest(now()) > 0:
            return False
        return one.phase is not Phase.WAITING or self._gate.is_open(one)

    def step(self, *, submit: bool = True, force: bool = False) -> None:
        """Submit all that is due now, if this process may; one thread at a time does.

        Errors of the batch system are told to the user and tried again at a later step.

        Args:
            submit: False: submissions that were announced are looked up, nothing is submitted.
            force: also before the pause after a failure is over.

        Raises:
            FolderError: the run's folder cannot be written any more.
        """
        if not self._stepping.acquire(blocking=False):
            return
        try:
            if force:
                self._not_before.clear()
                self._late_stops.not_before = 0.0
            with self._mutex:
                due = self.due
            with self._right.held(wanted=due) as mine:
                if mine:
                    self._step(submit=submit)
        finally:
            self._stepping.release()

    def _step(self, *, submit: bool) -> None:
        with self._mutex:
            self._run.catch_up()
        if submit:
            self._throttling.step()
        with self._mutex:
            waiting = deque(sorted(self._open(), key=_order))
        while waiting:
            one = waiting.popleft()
            try:
                if not self._is_due(one):
                    continue
                if one.phase is Phase.SUBMITTING and not self._looked_up(one):
                    continue
                if submit or stopping.is_unwanted(self._run, one):
                    waiting.extendleft(self._advance(one))
            except FolderError:
                raise
            except _Taken:
                break
            except AnybatchError as error:
                self._failed(one, error)
                break  # the others have their turn at the next step
        self._late_stops.step()

    def _failed(self, one: SubmissionState, error: AnybatchError) -> None:
        number = one.planned.submission.number
        failures = max(self._failures.get(number, 0), len(one.failures) - 1)
        pause = PAUSES[min(failures, len(PAUSES) - 1)]
        self._failures[number] = failures + 1
        self._not_before[number] = time.monotonic() + pause
        self._on_notice(f"submission failed, retrying in {pause:g} s: {error}")

    def _open(self) -> Iterator[SubmissionState]:
        return (
            one
            for one in self._run.submissions
            if one.phase in (Phase.WAITING, Phase.SUBMITTING) and not self._is_over(one)
        )

    def _is_over(self, one: SubmissionState) -> bool:
        """Whether its jobs have their verdict already, or are in parts of it."""
        return not self._run.left(one)

    def _advance(self, one: SubmissionState) -> Sequence[SubmissionState]:
        """Hand over what may be; the submissions that are to be looked at next, the last first."""
        with self._mutex:
            if self._given_up(one):
                return ()
        verdict = self._dependencies.ready(one)
        if isinstance(verdict, str):
            with self._mutex:
                self._refusals.refuse(one, Reason.DEPENDENCY, verdict, State.TERMINATED)
        elif verdict is not None and one.planned.skipped:
            with self._mutex:
                end_skipped(self._run, one)
        elif verdict is not None:
            with self._mutex:
                stopping.end_unwanted(self._run, one)
                portion = self._gate.portion(one)
                if len(portion.jobs) < len(one.planned.indices):
                    if not portion.jobs or not self._right.claim_next(len(self._run.submissions)):
                        return ()
                    return (one, take_part(self._run, one, portion.jobs, self._host))
            self._submit(one, verdict, portion.most)
            if one.phase is Phase.WAITING and self._gate.refused:
                return (one,)  # fewer of its jobs
        return ()

    def _given_up(self, one: SubmissionState) -> bool:
        """Refuse what nobody wants any more, or what is refused again and again."""
        count, seconds = one.equal_refusals()
        if stopping.is_unwanted(self._run, one):
            text = "terminated before it was submitted"
            self._refusals.refuse(one, Reason.TERMINATED, text, State.TERMINATED)
        elif count >= EQUAL_REFUSALS and seconds >= EQUAL_FOR:
            span = format_duration(timedelta(seconds=round(seconds)))
            text = f"refused {count} times within {span}: {one.trouble}"
            self._refusals.refuse(one, Reason.REJECTED, text, State.FAILED)
        else:
            return False
        return True

    # -- exactly once

    def _looked_up(self, one: SubmissionState) -> bool:
        """Look for jobs of an announced submission; whether it may be submitted (again)."""
        found = self._lookup.look(one)
        if isinstance(found, float):
            self._not_before[one.planned.submission.number] = time.monotonic() + found
        elif found:
            self._submitted(one, found)
        return one.phase is Phase.WAITING

    def _submit(self, one: SubmissionState, after: tuple[str, ...], most: int | None) -> None:
        avoid = () if one.unavoiding else one.planned.submission.avoid
        planned = attrs.evolve(one.planned.submission, max_running=most)
        submission = attrs.evolve(planned, after=after, avoid=avoid)
        system = self._run.file.system
        if why := why_never(self._run, one, self._hooks):
            with self._mutex:
                self._refusals.refuse(one, Reason.REJECTED, why, State.FAILED)
            return
        try:
            rendered = self._rendered(submission)
        except UnknownSystem:
            raise
        except UsageError as error:  # such as memory that has grown beyond what there is
            self._refusals.for_good(one, submission, error)
            return
        if not self._announced(one, rendered, most):
            return
        begun = time.monotonic()
        try:
            ids = self._hooks.submit(system, submission, rendered, self._right.lease.inherited())
        except NotSubmitted as error:
            self._refusals.note(one, error)
            with self._mutex:
                self._run.record("not_found", durable=True, s=submission.number, n=one.tries)
            if not isinstance(error, NoRoom):
                raise
            self._note_no_room(submission, error)
        except (Rejected, UsageError) as error:
            self._refusals.for_good(one, submission, error)
        except AnybatchError as error:
            self._refusals.note(one, error)
            raise
        else:
            self._gate.take(submission.count, time.monotonic() - begun)
            self._submitted(one, list(ids))
            for text in ids.notices:
                self._on_notice(f"run {self._run.id}: {text}")

    def _note_no_room(self, submission: Submission, error: NoRoom) -> None:
        """Fewer are tried, or, where a single one is refused, none before some have ended."""
        was_full = self._gate.full
        self._gate.refuse(submission.count)
        if self._gate.full and not was_full:
            left = sum(len(self._run.left(one)) for one in self._open())
            jobs = "1 job waits" if left == 1 else f"{left} jobs wait"
            self._on_notice(f"run {self._run.id}: {jobs} for room: {error}")

    def _rendered(self, submission: Submission) -> Rendered:
        """What the plugin renders; its files are written."""
        rendered = self._hooks.render(self._run.file.system, submission)
        for file in rendered.files:
            self._host.write(file.path, file.text, file.mode)
        limit = timedelta(seconds=self._timeout) + rendered.extra_timeout
        return attrs.evolve(rendered, command=attrs.evolve(rendered.command, timeout=limit))

    def _announced(self, one: SubmissionState, rendered: Rendered, most: int | None) -> bool:
        """Put on record that a submit command is about to run; whether it still may.

        Raises:
            _Taken: other runs have taken the room.
        """
        number, tries = one.planned.submission.number, one.tries + 1
        there = {"host": self._host.name, "lasts": rendered.command.timeout.total_seconds()}
        with self._share.counting(), self._mutex:
            if not self._gate.holds(one, most):
                raise _Taken
            if not self._right.claim(f"submit-{number}.{tries}"):
                self._not_before[number] = time.monotonic() + PAUSES[0]
                return False  # a process of another machine is at it, which will be seen
            self._run.record("submitting", durable=True, s=number, n=tries, most=most, **there)
            # Who asked for the end of its jobs before this was written may have taken them for
            # jobs that are not submitted.
            self._run.catch_up()
            if stopping.is_unwanted(self._run, one):
                self._run.record("not_found", durable=True, s=number, n=tries)
                return not self._given_up(one)
        return True

    def _submitted(self, one: SubmissionState, ids: list[str]) -> None:
        number = one.planned.submission.number
        with self._mutex:
            self._run.record("submitted", durable=True, s=number, ids=ids)
            # Whoever asked for their end meanwhile may be another process.
            self._run.catch_up()
        self._on_submitted(one.planned.indices)
        self._failures.pop(number, None)
        self._late_stops.step()


def _order(one: SubmissionState) -> tuple[bool, int]:
    """What was taken apart waits for its parts; of the others the most urgent come first."""
    return one.parted, -one.planned.submission.urgency
