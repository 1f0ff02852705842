"""The one place that calls hooks: errors are wrapped and answers checked here, once for all.

A method for each hook. What a plugin raises on purpose (`AnybatchError`) passes through; whatever
else goes wrong in it is a `PluginError` that names the plugin and its distribution.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from anybatch.commands import Submitted
from anybatch.errors import AnybatchError, CommandError, PluginError
from anybatch.model import Job
from anybatch.nodes import NodeKind
from anybatch.plugins.guard import PATIENCE, Guard, NoAnswerError
from anybatch.plugins.registry import one_line
from anybatch.records import (
    Alias,
    Detection,
    Environment,
    JobStatus,
    Limits,
    Rendered,
    Transfer,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anybatch.plugins.registry import InstalledPlugin, Plugins
    from anybatch.records import Batch, Change, Submission

T = TypeVar("T")
Tables = Mapping[str, Mapping[str, Any]]  #: the settings of each plugin, by its name


class Hooks:
    """The hooks of the plugins in use.

    Args:
        plugins: which.
        patience: seconds without an answer in which no command runs, for a hook to be given up.
    """

    def __init__(self, plugins: Plugins, patience: float = PATIENCE) -> None:
        self.plugins = plugins
        self._host = plugins.host
        self._guard = Guard(plugins.host, patience)

    def close(self) -> None:
        """Keep no thread; later calls make new ones."""
        self._guard.close()

    # -- what is there

    def settings(self) -> Iterator[tuple[InstalledPlugin, list[object]]]:
        """What each plugin declares, not checked; a broken one is recorded and passed over."""
        for plugin in self.plugins.implementing("anybatch_settings"):
            with contextlib.suppress(PluginError):
                answer = self._call(plugin.name, "anybatch_settings")
                yield plugin, self._list(plugin.name, "anybatch_settings", answer, object)

    def detect(self, name: str, settings: Mapping[str, Any], *, choosing: bool) -> Detection | None:
        """Whether a plugin is usable here."""
        answer = self._call(name, "anybatch_detect", settings=settings, choosing=choosing)
        if answer is None and not self.plugins.get(name).is_system:
            return None
        return self._is(name, "anybatch_detect", answer, Detection)

    def alias(self, name: str) -> Alias | None:
        """What a plugin's name means as a system's."""
        answer = self._call(name, "anybatch_alias")
        return None if answer is None else self._is(name, "anybatch_alias", answer, Alias)

    def limits(self, system: str, settings: Mapping[str, Any]) -> Limits:
        """What a system allows jobs with these settings."""
        answer = self._call(system, "anybatch_limits", settings=settings)
        return Limits() if answer is None else self._is(system, "anybatch_limits", answer, Limits)

    def nodes(self, system: str, settings: Mapping[str, Any]) -> list[NodeKind]:
        """The nodes that jobs with these settings may run on; none where that is not known."""
        try:
            answer = self._call(system, "anybatch_nodes", settings=settings)
        except CommandError:
            return []  # the submission will tell
        return [] if answer is None else self._list(system, "anybatch_nodes", answer, NodeKind)

    # -- from a job to text

    def expand(self, system: str, job: Job, settings: Mapping[str, Any], base: Path) -> list[Job]:
        """The jobs that a system makes of one."""
        hook = "anybatch_expand"
        answer = self._call(system, hook, job=job, settings=settings, base_dir=base)
        made = [job] if answer is None else self._list(system, hook, answer, Job)
        if not made:
            raise self._wrong(system, hook, answer)
        return made

    def environments(
        self, system: str, job: Job, tables: Tables, base: Path
    ) -> Iterator[Environment]:
        """The batch system's contribution, then those of others.

        Others wrap no command that the system itself runs in a container.
        """
        hook = "anybatch_environment"
        contained = False
        for plugin in self.plugins.plugins_for(system, hook):
            given = attrs.evolve(job, container=None) if contained else job
            with contextlib.suppress(PluginError):
                answer = self._call(
                    plugin.name,
                    hook,
                    job=given,
                    settings=tables[plugin.name],
                    system=system,
                    base_dir=base,
                )
                if answer is None:
                    continue
                one = self._is(plugin.name, hook, answer, Environment)
                yield attrs.evolve(one, wrapper=(), forbidden_names=()) if contained else one
                contained = contained or (plugin.name == system and one.runs_container)

    def transfer(self, system: str, job: Job, tables: Tables) -> Transfer:
        """Who moves a job's files: the first answer, the batch system's before all others."""
        hook = "anybatch_transfer"
        for plugin in self.plugins.plugins_for(system, hook):
            with contextlib.suppress(PluginError):
                answer = self._call(plugin.name, hook, job=job, settings=tables[plugin.name])
                if answer is not None:
                    return self._is(plugin.name, hook, answer, Transfer)
        return Transfer.SHARED

    def render(self, system: str, submission: Submission) -> Rendered:
        """A submission as text.

        Raises:
            UsageError: it cannot be written for this system.
        """
        answer = self._call(system, "anybatch_render", submission=submission)
        return self._is(system, "anybatch_render", answer, Rendered)

    def check(self, system: str, submission: Submission, rendered: Rendered) -> str | None:
        """What the system says of jobs that are not submitted; None: it cannot be asked.

        Raises:
            Rejected: it would refuse them.
            CommandError, NotSubmitted: it could not be asked now.
        """
        hook = "anybatch_check"
        answer = self._call(system, hook, submission=submission, rendered=rendered)
        return None if answer is None else self._is(system, hook, answer, str)

    # -- jobs in the batch system

    def submit(
        self,
        system: str,
        submission: Submission,
        rendered: Rendered,
        held: contextlib.AbstractContextManager[object],
    ) -> Submitted:
        """The ids of the jobs that were submitted, and what the system said beside them.

        Args:
            held: is entered around the call, in its thread.
        """
        hook = "anybatch_submit"
        given = {"submission": submission, "rendered": rendered}
        answer = self._call(system, hook, held, **given)
        ids = self._ids(system, hook, answer, submission.count)
        return Submitted(ids, answer.notices if isinstance(answer, Submitted) else ())

    def find(self, system: str, submission: Submission) -> list[str]:
        """The ids of the jobs that carry a submission's token; empty: there are none."""
        answer = self._call(system, "anybatch_find", submission=submission)
        return self._ids(system, "anybatch_find", answer, submission.count, none=True)

    def status(
        self, system: str, batches: Sequence[Batch]
    ) -> list[Mapping[str, JobStatus | Unreachable]]:
        """What the system says of the jobs of each batch."""
        hook = "anybatch_status"
        if not batches:
            return []
        answers = self._mappings(system, hook, self._call(system, hook, batches=batches), batches)
        for answer in answers:
            for native_id, status in answer.items():
                if not isinstance(status, Unreachable):
                    self._is(system, f"{hook} of {native_id!r:.50}", status, JobStatus)
        return answers

    def analyze(self, system: str, batch: Batch) -> str:
        """Why a job waits that is looked at by itself; empty: nothing more is known.

        Raises:
            CommandError: it could not be asked.
        """
        answer = self._call(system, "anybatch_analyze", batch=batch)
        return "" if answer is None else self._is(system, "anybatch_analyze", answer, str)

    def account(self, system: str, batches: Sequence[Batch]) -> list[Mapping[str, JobStatus]]:
        """What accounting says of the jobs of each batch that can be asked about."""
        hook = "anybatch_account"
        answer = self._call(system, hook, batches=batches)
        if answer is None:
            return [{} for _ in batches]
        answers: list[Mapping[str, JobStatus]] = [
            {native: one for native, one in told.items() if not isinstance(one, Unreachable)}
            for told in self._mappings(system, hook, answer, batches)
        ]
        for status in (one for answer in answers for one in answer.values()):
            self._is(system, hook, status, JobStatus)
        return answers

    def terminate(
        self, system: str, batches: Sequence[Batch], signal: str | None
    ) -> list[Mapping[str, str | Unreachable]]:
        """Why the system did not accept to stop a job, for the jobs of each batch where so."""
        hook = "anybatch_terminate"
        answer = self._call(system, hook, batches=batches, signal=signal)
        if answer is None:
            return [{} for _ in batches]
        answers = self._mappings(system, hook, answer, batches)
        for why in (one for answer in answers for one in answer.values()):
            if not isinstance(why, str | Unreachable):
                raise self._wrong(system, hook, why, "a text or Unreachable for an id")
        return answers

    def throttle(self, system: str, batch: Batch, most: int) -> bool:
        """Have at most so many jobs of a submission run at once; whether the system does that."""
        answer = self._call(system, "anybatch_throttle", batch=batch, most=most)
        return answer is not None and self._is(system, "anybatch_throttle", answer, bool)

    def job_changed(self, change: Change, tables: Tables) -> None:
        """Tell the observers among *tables*."""
        hook = "anybatch_job_changed"
        for plugin in self.plugins.implementing(hook):
            if plugin.name in tables:
                with contextlib.suppress(AnybatchError):
                    self._call(plugin.name, hook, change=change, settings=tables[plugin.name])

    # -- calling and checking

    def _call(
        self,
        name: str,
        hook: str,
        held: contextlib.AbstractContextManager[object] | None = None,
        **arguments: Any,
    ) -> Any:
        """A plugin's answer; None where it does not implement the hook."""
        implementation = self.plugins.implementation(name, hook)
        if implementation is None:
            return None
        given = {"host": self._host, **arguments}
        wanted = {key: given[key] for key in implementation.argnames}

        def call() -> Any:
            with held or contextlib.nullcontext():
                answer = implementation.function(**wanted)
                return list(answer) if inspect.isgenerator(answer) else answer

        return self._guarded(name, hook, call)

    def _guarded(self, name: str, hook: str, call: Callable[[], T]) -> T:
        try:
            return self._guard.call(call)
        except (AnybatchError, KeyboardInterrupt):
            raise
        except NoAnswerError as error:
            raise self.plugins.plugin_error(name, f"{hook} gave {error}") from None
        except BaseException as error:
            raise self.plugins.plugin_error(name, f"{hook} raised {one_line(error)}") from error

    def _wrong(self, name: str, hook: str, answer: object, wanted: str = "") -> PluginError:
        instead = f"; it must return {wanted}" if wanted else ""
        return self.plugins.plugin_error(name, f"{hook} returned {answer!r:.200}{instead}")

    def _is(self, name: str, hook: str, answer: object, kind: type[T]) -> T:
        if not isinstance(answer, kind):
            raise self._wrong(name, hook, answer, f"a {kind.__name__}")
        return answer

    def _list(self, name: str, hook: str, answer: object, kind: Any) -> list[Any]:
        if isinstance(answer, str | Mapping) or not isinstance(answer, Iterable):
            raise self._wrong(name, hook, answer, "a sequence")
        listed = list(answer)
        for one in listed:
            if not isinstance(one, kind):
                raise self._wrong(name, hook, one)
        return listed

    def _ids(
        self, name: str, hook: str, answer: object, count: int, *, none: bool = False
    ) -> list[str]:
        if not isinstance(answer, list | tuple) or not all(isinstance(one, str) for one in answer):
            raise self._wrong(name, hook, answer, "a list of ids")
        if len(answer) != count and not (none and not answer):
            raise self._wrong(name, hook, answer, f"{count} ids")
        return list(answer)

    def _mappings(
        self, name: str, hook: str, answer: object, batches: Sequence[Batch]
    ) -> list[Mapping[str, Any]]:
        answers = self._list(name, hook, answer, Mapping)
        if len(answers) != len(batches):
            raise self._wrong(name, hook, answer, f"{len(batches)} mappings")
        if not all(isinstance(native_id, str) for one in answers for native_id in one):
            raise self._wrong(name, hook, answer, "mappings from ids")
        return answers
