"""Faults to put into a correct plugin, one at a time, at its hooks."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.errors import CommandError, Rejected
from anybatch.host import Command, Completed
from anybatch.model import State
from anybatch.records import Batch, Environment, JobStatus, Rendered, Unreachable
from anybatch.testing import submission as plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anybatch.model import Job
    from anybatch.records import Submission

    Statuses = Sequence[Mapping[str, JobStatus | Unreachable]]

LATE = timedelta(hours=3)
#: A command that asks accounting, by its first words.
ACCOUNTING = (("sacct",), ("tinyq", "past"))


class SpoiltHost:
    """The machine, whose accounting knows nothing while `no_accounting` is true."""

    def __init__(self, host: Any) -> None:
        self.host, self.no_accounting = host, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    def run(self, command: Command) -> Completed:
        asked = any(command.argv[: len(words)] == words for words in ACCOUNTING)
        return Completed(0) if asked and self.no_accounting else self.host.run(command)


def each(answers: Statuses, change: Callable[[JobStatus], JobStatus | None]) -> list[Any]:
    """Answers with each status changed; those that become None are left out."""
    changed = [
        {n: s if isinstance(s, Unreachable) else change(s) for n, s in one.items()}
        for one in answers
    ]
    return [{n: status for n, status in one.items() if status} for one in changed]


def as_state(status: JobStatus, old: State, new: State) -> JobStatus:
    """A status that says one thing for another."""
    return attrs.evolve(status, state=new, never_started=False) if status.state is old else status


def later(status: JobStatus) -> JobStatus:
    """As told by a clock in another time zone."""
    names = ("submitted", "started", "ended")
    times = {name: getattr(status, name) for name in names}
    return attrs.evolve(status, **{name: value + LATE for name, value in times.items() if value})


def in_bits(status: JobStatus) -> JobStatus:
    """Memory and time in a wrong unit."""
    memory, cpu = status.max_memory, status.cpu_time
    return attrs.evolve(status, max_memory=memory and memory * 8, cpu_time=cpu and cpu * 8)


def with_texts(rendered: Rendered, change: Callable[[str], str]) -> Rendered:
    """The texts of files, and the words of the command, changed."""
    files = [attrs.evolve(file, text=change(file.text)) for file in rendered.files]
    return attrs.evolve(rendered, files=files)


def with_words(rendered: Rendered, words: Sequence[str]) -> Rendered:
    """Another command."""
    return attrs.evolve(rendered, command=attrs.evolve(rendered.command, argv=tuple(words)))


def again_at_99(text: str) -> str:
    """A script that runs the job again where it ends with 99."""
    text = re.sub(r"^command -v bash.*\n", "", text, flags=re.MULTILINE)
    loop = r"while :; do\n/bin/sh \1\nab_end=$?\ntest $ab_end = 99 || exit $ab_end\nsleep 1\ndone"
    return re.sub(r"^exec /bin/sh (.*)$", loop, text, flags=re.MULTILINE)


def spoil(base: type[Any], kind: str, words: Mapping[str, Any]) -> type[Any]:
    """A plugin's class with a fault.

    Args:
        words: the words that the system has, as keys.
    """
    known: dict[str, list[str]] = {}
    needs = {"memory": None, "time": None, "queue": None, "cores": 1}

    class Spoilt(base):  # type: ignore[misc]
        def __init__(self, host: Any) -> None:
            super().__init__(SpoiltHost(host))

        def anybatch_environment(
            self, job: Job, settings: Mapping[str, Any], system: str, base_dir: Path
        ) -> Environment:
            if kind == "no_scrub":
                return Environment()
            return super().anybatch_environment(job, settings, system, base_dir)

        def anybatch_render(self, submission: Submission) -> Rendered:
            field = kind.removesuffix("_not_asked")
            if field in needs:
                needed = attrs.evolve(submission.resources, **{field: needs[field]})
                submission = attrs.evolve(submission, resources=needed)
            if kind == "settings_ignored":
                settings = plain(base, limits=submission.limits).settings
                submission = attrs.evolve(submission, settings=settings)
            return self._spoilt(submission, super().anybatch_render(submission))

        def _spoilt(self, submission: Submission, rendered: Rendered) -> Rendered:
            argv = rendered.command.argv
            folder = f"{submission.folder}/"
            if kind == "exit_99_reschedules":
                return with_texts(rendered, again_at_99)
            if kind == "render_impure":
                return with_texts(rendered, lambda text: f"{text}# {time.time_ns()}\n")
            if kind == "exports_environment" and argv[0] == "tinyq":
                return with_words(rendered, (*argv[:2], "-V", *argv[2:]))
            if kind == "exports_environment":
                command = attrs.evolve(rendered.command, only_env=None, hide_env=())
                return attrs.evolve(rendered, command=command)
            if kind == "log_to_dev_null":
                log = re.compile(r'"?[^\s"]*logs/\\*system\.log"?')
                changed = with_words(rendered, [log.sub("/dev/null", word) for word in argv])
                return with_texts(changed, lambda text: log.sub("/dev/null", text))
            if kind == "name_raw" and argv[0] == "tinyq":
                return with_words(rendered, ("sh", "-c", " ".join(argv)))
            if kind == "name_raw":
                raw = f"--job-name={submission.name}\n"
                return with_texts(
                    rendered, lambda text: re.sub(r"--job-name=.*\n", lambda _: raw, text)
                )
            if kind == "paths_without_folder":
                return with_words(rendered, [word.replace(folder, "") for word in argv])
            return rendered

        def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
            try:
                ids = list(super().anybatch_submit(submission, rendered))
            except CommandError as error:
                if kind == "always_rejected":
                    raise Rejected(str(error)) from error
                raise
            except Rejected as error:
                if kind == "never_rejected":
                    raise CommandError(rendered.command, str(error)) from error
                raise
            known[submission.token] = ids
            return ids[::-1] if kind == "ids_reversed" else ids

        def anybatch_find(self, submission: Submission) -> Sequence[str]:
            if kind == "find_nothing":
                return []
            if kind == "find_prefix_of_token":
                found = [ids for token, ids in known.items() if token.startswith(submission.token)]
                if found:
                    return found[0]
            self.host.no_accounting = kind == "find_queue_only"
            try:
                ids = list(super().anybatch_find(submission))
            finally:
                self.host.no_accounting = False
            return {"find_one_id": ids[:1], "ids_reversed": ids[::-1]}.get(kind, ids)

        def anybatch_status(self, batches: Sequence[Batch]) -> Statuses:
            self.host.no_accounting = kind == "no_accounting_in_status"
            try:
                return self._spoilt_statuses(batches)
            except CommandError:
                if kind == "status_swallows_failure":
                    return [{} for _ in batches]
                raise
            finally:
                self.host.no_accounting = False

        def _spoilt_statuses(self, batches: Sequence[Batch]) -> Statuses:
            if kind == "status_one_command_each":
                return [
                    {n: status for one in batch.ids for n, status in self._one(batch, one).items()}
                    for batch in batches
                ]
            if kind == "status_slow":
                time.sleep(3)
            answers = super().anybatch_status(batches)
            if kind == "unknown_is_running":
                running = JobStatus(state=State.RUNNING, native_state="?", source="?")
                missing = [dict.fromkeys(batch.ids, running) for batch in batches]
                return [{**one, **said} for one, said in zip(missing, answers, strict=True)]
            if kind == "pending_ranges_dropped":
                return [one_of_those_that_wait(answer) for answer in answers]
            changes: dict[str, Callable[[JobStatus], JobStatus | None]] = {
                "unknown_word_done": lambda s: (
                    s if s.native_state in words else attrs.evolve(s, state=State.DONE)
                ),
                "pending_hidden": lambda s: None if s.state is State.QUEUED else s,
                "held_is_queued": lambda s: as_state(s, State.HELD, State.QUEUED),
                "held_is_failed": lambda s: as_state(s, State.HELD, State.FAILED),
                "times_off_by_hours": later,
                "stopped_is_done": lambda s: as_state(s, State.TERMINATED, State.DONE),
                "ended_left_out": lambda s: None if s.state.final else s,
                "accounting_in_bits": in_bits,
            }
            return each(answers, changes[kind]) if kind in changes else answers

        def _one(self, batch: Batch, native: str) -> Mapping[str, JobStatus | Unreachable]:
            [answer] = super().anybatch_status([attrs.evolve(batch, ids=(native,))])
            return answer

        def anybatch_account(self, batches: Sequence[Batch]) -> Any:
            if kind == "account_raises":
                raise KeyError("maxvmem")
            answers = super().anybatch_account(batches)
            changes = {"accounting_in_bits": in_bits, "times_off_by_hours": later}
            return each(answers, changes[kind]) if kind in changes else answers

        def anybatch_terminate(self, batches: Sequence[Batch], signal: str | None) -> Any:
            if kind == "signal_ignored" and signal:
                return None
            if kind == "terminate_first_only":
                first = attrs.evolve(batches[0], ids=batches[0].ids[:1])
                return [*(super().anybatch_terminate([first], signal) or [{}]), *({},) * 9][
                    : len(batches)
                ]
            if kind == "terminate_gone_is_error":
                for batch, answer in zip(batches, super().anybatch_status(batches), strict=True):
                    for status in map(answer.get, batch.ids):
                        if isinstance(status, Unreachable):
                            continue
                        if status is None or status.state.final:
                            raise CommandError(Command(("stop", *batch.ids)), "no such job")
            return super().anybatch_terminate(batches, signal)

    return Spoilt


def one_of_those_that_wait(
    answer: Mapping[str, JobStatus | Unreachable],
) -> dict[str, JobStatus | Unreachable]:
    """As if `7[1-9]` were read as one job."""
    waiting = [n for n, one in answer.items() if getattr(one, "state", None) is State.QUEUED]
    return {n: status for n, status in answer.items() if n not in waiting[1:]}


#: Without a fault all tests pass.
NONE = "none"
KINDS = (
    *("status_swallows_failure", "unknown_word_done", "pending_hidden", "pending_ranges_dropped"),
    *("find_nothing", "find_queue_only", "find_one_id", "find_prefix_of_token"),
    *("always_rejected", "never_rejected", "exit_99_reschedules", "no_scrub"),
    *("memory_not_asked", "time_not_asked", "queue_not_asked", "cores_not_asked"),
    *("held_is_queued", "held_is_failed", "terminate_first_only", "terminate_gone_is_error"),
    *("times_off_by_hours", "stopped_is_done", "render_impure", "no_accounting_in_status"),
    *("ended_left_out", "accounting_in_bits", "account_raises", "exports_environment"),
    *("unknown_is_running", "status_slow", "log_to_dev_null", "name_raw", "ids_reversed"),
    *("signal_ignored", "settings_ignored", "paths_without_folder", "status_one_command_each"),
)
