"""The engine of a session: one lock, one thread that watches, and everything that is watched.

The lock guards the states of runs, and nothing slow is done while it is held: what a plugin is
asked is gathered under the lock, asked without it, and the answer applied under it again. Nobody
waits because one batch system answers slowly. Each has a thread that asks and one that submits.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from anybatch.errors import FolderError
from anybatch.runs import accounting, stopping
from anybatch.runs.bells import Bells
from anybatch.runs.inquiry import Inquiry
from anybatch.runs.journal import Journal
from anybatch.runs.looking import Looks
from anybatch.runs.notifier import Notifier
from anybatch.runs.observers import Observers
from anybatch.runs.questions import Questions
from anybatch.runs.reopening import Reopening
from anybatch.runs.roster import Roster
from anybatch.runs.rounds import Rounds
from anybatch.runs.totals import Totals
from anybatch.runs.watched import WatchedRun, read_state, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any

    from anybatch.host import Host
    from anybatch.planning.plan import RunLimit
    from anybatch.plugins.calls import Hooks
    from anybatch.runs.index import Index
    from anybatch.runs.observation import RunObservation
    from anybatch.runs.rerun import Rerun, Wanted
    from anybatch.runs.state import RunState
    from anybatch.runs.stopping import Termination
    from anybatch.runs.store import RunFile
    from anybatch.runs.total_limit import TotalLimit

CLOSE_PATIENCE = 3.0  #: seconds


class Engine:
    """Submits, watches and stops the runs of a session.

    Args:
        index: learns which runs have ended.
        settings: the tables of the plugins' settings, for observers.
        poll_interval, lost_after, submit_timeout: in seconds.
        limits: of all runs of this user.
        find_run: opens another run, for jobs that wait for it.
        on_notice: told what somebody should know.
    """

    def __init__(
        self,
        hooks: Hooks,
        index: Index,
        *,
        settings: Callable[[str], Mapping[str, Any]],
        poll_interval: float,
        lost_after: float,
        submit_timeout: float,
        limits: TotalLimit,
        find_run: Callable[[str], WatchedRun],
        on_notice: Callable[[str], None],
    ) -> None:
        self.mutex = threading.RLock()
        self._hooks = hooks
        self.host: Host = hooks.plugins.host
        self.notifier = Notifier(self.host, self.mutex, on_notice)
        self.reopening = Reopening(
            hooks, self.host, self.mutex, index, self.notifier, self._take_in
        )
        self.observers = Observers(hooks, settings)
        self._lost_after = lost_after
        self._submit_timeout = submit_timeout
        self._find_run = find_run
        self.on_notice = on_notice
        self._roster = Roster(self.mutex, on_notice, self.wake)
        self._questions = Questions(hooks, poll_interval, on_notice)
        self._looks = Looks(self._roster, self._questions, self.observers, self.mutex, on_notice)
        self._inquiry = Inquiry(self._roster, self._questions, self._looks, self.mutex)
        self._totals = Totals(
            self._roster,
            index,
            limits,
            self._looks,
            find_run=find_run,
            put_away=self.put_away,
            mutex=self.mutex,
            on_notice=on_notice,
        )
        self._rounds = Rounds(
            self._roster,
            looks=self._looks,
            questions=self._questions,
            inquiry=self._inquiry,
            totals=self._totals,
            mutex=self.mutex,
            announce=self._announce,
            wake=self.wake,
        )
        self._bells = Bells()
        self._follows = False

    # -- runs come and go

    def open(
        self,
        file: RunFile,
        writer: str,
        restore_types: Callable[[Mapping[str, Any]], Any],
        *,
        new: bool = False,
    ) -> WatchedRun:
        """A run's state, read from its journal; it is watched until it has ended.

        Args:
            new: it is watched from `submit` on.

        Raises:
            FolderError: the journal cannot be read.
        """
        with self.mutex:
            state = read_state(file, Journal(file.folder, writer, self.host), restore_types)
            run = watch(
                state,
                share=self._totals.share(state),
                mutex=self.mutex,
                hooks=self._hooks,
                host=self.host,
                submit_timeout=self._submit_timeout,
                lost_after=self._lost_after,
                look=self._look_now,
                on_notice=self.on_notice,
            )
            if not new:
                self._take_in(run)
        for text in state.take_unreadable():
            self.on_notice(f"run {state.id}: {text}")
        return run

    def _take_in(self, run: WatchedRun) -> None:
        """Watch a run, also one that could not be watched before, or had ended."""
        if not run.state.finished:
            run.accounted = False
            self._roster.add(run)
            self._questions.pace(run.system).begin()

    def get(self, name: str) -> WatchedRun | None:
        """The run called *name*, while it is watched."""
        return self._roster.get(name)

    def submit(self, run: WatchedRun, register: Callable[[], None]) -> None:
        """Submit what is due of a new run, in this thread.

        Args:
            register: puts the run on record, where other processes find it. They submit nothing of
                it before this has ended.

        Raises:
            FolderError: nothing was submitted, and nothing will be.
        """
        with run.right.held():
            try:
                register()
                self._take_in(run)
                self._totals.see_others(run.system)
                run.submitter.step()
            except FolderError as error:
                if run.untouched:
                    self._roster.drop(run, error)
                    raise
                self._roster.give_up(run, error)
        self._looks.settle(run)

    def limit_all(self, system: str, changed: Mapping[str, int | None]) -> RunLimit:
        """Change how many jobs of all runs on a batch system there may be; what holds then.

        Raises:
            UsageError: it cannot be.
            AnybatchError: it cannot be read, or put on record.
        """
        if changed:
            self._totals.change(system, changed)
            for run in self._roster.active([system]):
                self.hand_over(run, force=True)
            self._announce()
        return self._totals.limit(system)

    def rerun(self, run: WatchedRun, wanted: Wanted, *, dry: bool = False) -> Rerun:
        """Run jobs again (`Reopening.rerun`), and hand over what is due."""
        made = self.reopening.rerun(run, wanted, dry=dry)
        if made.count and not dry:
            self.hand_over(run)
        return made

    # -- looking

    def step(
        self, systems: Collection[str] | None = None, *, force: bool = False, submit: bool = True
    ) -> None:
        """Look once, now, in this thread: exit records, what is due to be submitted, the systems.

        Args:
            systems: only these; None: all.
            force: ask the batch systems whether it is time or not.
            submit: what waits for it is submitted; else submissions are only looked up.
        """
        with self.mutex:  # in a forked child it refuses
            runs = self._roster.active(systems)
        for run in runs:
            self._roster.guarded(run, lambda one: one.submitter.step(submit=submit))
        with self.mutex:
            due = [
                name
                for name in {run.system for run in self._roster.all}
                if (systems is None or name in systems)
                and (force or self._questions.pace(name).due)
            ]
        self._looks.look(systems, asked=due)
        self._rounds.workers.all_at_once([partial(self._inquiry.ask, system) for system in due])
        self._looks.look(due)
        self._announce()

    def _look_now(self, name: str, asked: bool) -> tuple[RunState, RunObservation]:
        """A run's evidence as it is now; if *asked*, the batch system is asked for it as well."""
        run = self._find_run(name)
        self._looks.look_at(run, thorough=True)
        if asked:
            self._inquiry.ask(run.system)
        return run.state, run.seen

    def _announce(self) -> None:
        """Let runs go that have ended, and wake who waits."""
        over = self._roster.take_ended()
        for run in over:
            self._looks.settle(run)
        self.put_away(over)
        self.wake()

    def put_away(self, runs: Iterable[WatchedRun]) -> None:
        """Note which of these runs have ended in the index."""
        for run in runs:
            if run.state.finished:
                self.reopening.end(run, told=self._follows and run.followed)

    # -- in the background

    def watch(self, *, follows: bool = False) -> None:
        """Begin to watch in the background, if that has not begun.

        Args:
            follows: this program looks itself how its runs end, so they count as told.
        """
        self._follows |= follows
        self._rounds.begin()

    # -- stopping, and what is asked when all is over

    def terminate(
        self, run: WatchedRun, indices: Collection[int], signal: str | None, reason: str | None
    ) -> Termination:
        """Stop jobs that have not ended, or send them a signal."""
        self._roster.guarded(run, lambda one: self._looks.look_at(one, thorough=True))
        if run.seen.records:  # some may have ended already, as only the batch system can tell
            self._inquiry.ask(run.system)
        told = stopping.stop(run.state, self._hooks, self.mutex, indices, signal, reason)
        if signal is None:
            step = partial(run.submitter.step, submit=False, force=True)
            look_up = partial(stopping.look_up, mutex=self.mutex, indices=[*indices], step=step)
            self._roster.guarded(run, lambda one: look_up(one.state))
        self._looks.settle(run)
        self._announce()
        with self.mutex:
            told = stopping.recounted(told, run.state, indices)
        if told.in_doubt:
            self.on_notice(f"run {run.state.id}: {stopping.words_of_doubt(told.in_doubt)}")
        return told

    def tell(self, run: WatchedRun) -> None:
        """Note that somebody was told how a run has ended."""
        self.reopening.end(run, told=True)

    def hand_over(self, run: WatchedRun, *, force: bool = False) -> None:
        """Submit what is due of a run, in this thread; *force*: what waits after a failure, too."""
        self._roster.guarded(run, lambda one: one.submitter.step(force=force))
        self._looks.settle(run)

    def account(self, run: WatchedRun) -> None:
        """Fill in what only accounting knows of a run that somebody has waited for."""
        self.tell(run)
        accounting.fill_in(run, self._hooks, self.mutex)

    # -- waiting

    def wait_until(
        self,
        ready: Callable[[], bool],
        timeout: float | None = None,
        runs: Iterable[WatchedRun] = (),
    ) -> bool:
        """See `Session.wait_until`; *runs* are what is waited for.

        Raises:
            FolderError: the journal of one of *runs* cannot be written any more.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        runs = list(runs)
        for run in runs:
            if run.broken is not None:
                self._take_in(run)
        self.watch()
        return self._bells.wait(
            ready, deadline, lambda: (self._rounds.broken, *(run.broken for run in runs))
        )

    def wake(self) -> None:
        """Have every `wait_until` look again."""
        self._bells.ring()

    # -- the end

    def close(self) -> None:
        """Stop watching; jobs go on. Notices of ends are sent before this returns."""
        self._stop()
        self.notifier.close()

    def _stop(self) -> None:
        ended = self._rounds.end(CLOSE_PATIENCE)
        self.observers.close(CLOSE_PATIENCE)
        self._hooks.close()
        if not ended:
            return  # in a command that hangs; it ends with this process
        for run in self._roster.all:
            run.right.lease.leave()
