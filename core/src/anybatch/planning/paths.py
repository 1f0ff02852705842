"""A job's paths and files, resolved and checked: what the job script needs to know of it.

Where the job sees our folders, files stay where they are and inputs are linked or copied. Where
the batch system moves files, everything that a job names becomes part of its transfer_set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.errors import JobError
from anybatch.model import Job
from anybatch.planning.addresses import fetched
from anybatch.planning.exec_limits import check_line_breaks, check_script
from anybatch.planning.existing import are_there, check_skipping
from anybatch.planning.inputs import (
    check_outputs,
    program_of,
    resolve_inputs,
)
from anybatch.planning.job_environment import JobEnvironment
from anybatch.planning.own_folder import check_copies, check_own_folder
from anybatch.planning.targets import Targets
from anybatch.planning.transfer_layout import Cargo
from anybatch.quoting import INDEX, OWN_FOLDER, RUN_FOLDER
from anybatch.records import REMOTE_RUN_DIR, Limits, Transfer
from anybatch.worker.job_layout import JobLayout, NodeLimits
from anybatch.worker_paths import ForbiddenFileName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from anybatch.host import Host
    from anybatch.planning.copies import InputCopies
    from anybatch.planning.input_lists import InputLists
    from anybatch.planning.transfer_layout import TransferSets


@attrs.define
class JobGroup:
    """Jobs with equal directives.

    Attributes:
        job: the first of them.
        composed: what plugins contribute to each.
        inherit: the variables that they inherit.
        transfer: who moves their files.
        settings: of the batch system.
        limits: what the batch system allows them.
        skipped: they need not run.
        indices: their numbers in the run.
    """

    job: Job
    composed: JobEnvironment
    inherit: Mapping[str, str]
    transfer: Transfer
    settings: Mapping[str, Any]
    limits: Limits
    skipped: bool = False
    indices: list[int] = attrs.field(factory=list)


class Resolver:
    """Resolves the jobs of a run.

    Args:
        base: the folder that relative paths start from.
        node: what jobs do on nodes beside their command.
        system: the batch system, for errors.

    Attributes:
        targets: where the jobs write to.
    """

    def __init__(self, base: Path, host: Host, node: NodeLimits, system: str) -> None:
        self._base = base
        self._system = system
        self._node = node
        self.targets = Targets(base)
        self._host = host

    def absolute(self, path: Path | str) -> str:
        """*path* from the base folder, without `..`."""
        return os.path.normpath(self._base / path)

    def log(self, path: Path | None) -> str:
        """A log file's absolute path; empty: it is in the run's folder."""
        return "" if path is None else self.absolute(path)

    def check_run_folder(self, folder: Path, group: JobGroup) -> None:
        """Refuse what a wrapper of the group's jobs cannot take.

        Raises:
            JobError: the run's folder has such a name.
        """
        if group.transfer is not Transfer.SYSTEM:
            _refuse([("the run's folder", str(folder))], group, moved=False)

    def layout(
        self, job: Job, template: Job, group: JobGroup, copies: InputCopies
    ) -> tuple[JobLayout, tuple[str, ...]]:
        """All of a job but its command, where it sees the same folders; notes for the user.

        Args:
            job: its templates filled in.
            template: the job before that.
            copies: takes the inputs that are copied at submission.

        Raises:
            JobError: a file or folder that the job names is not there, or forbidden.
        """
        workdir = self.absolute(job.workdir or ".")
        own = job.scratch or _varies(job, template, "workdir")
        if not own and not os.path.isdir(workdir):
            raise JobError(f"workdir does not exist or is not a directory: {workdir}")
        check_own_folder(job, own=own)
        check_outputs(job)
        fetched(job, self._base, (), self._system)
        inputs, notes = resolve_inputs(job, self._base, self._host)
        if job.scratch and (program := self._program(job, workdir)):
            inputs = ((program, program_of(job)), *inputs)
        if job.scratch or job.copy_inputs:
            check_copies(job, inputs)
        if not own:
            self.targets.check_inputs(workdir, inputs)
        around = JobLayout(
            workdir=workdir,
            make_workdir=own and not job.scratch,
            **self._settled(job, group),
            inputs=_copied(inputs, copies) if job.copy_inputs else inputs,
            own_copies=job.copy_inputs or job.scratch,
            copy=group.transfer is Transfer.SCRIPT,
            scratch=job.scratch,
            whole=job.skip_existing,
            output_dir=self._output_dir(job, workdir),
            stdin=self._existing("stdin", job, job.stdin) or "/dev/null",
            stdout=self.log(job.stdout),
            stderr=self.log(job.stderr),
        )
        named = [("workdir", workdir), ("output_dir", around.output_dir)]
        named += [("env_script", around.env_script), *(("input", path) for path, _ in inputs)]
        _refuse(named, group, moved=False)
        return around, notes

    def layout_transferred(
        self,
        job: Job,
        template: Job,
        group: JobGroup,
        transfer_sets: TransferSets,
        copies: InputCopies,
        lists: InputLists,
    ) -> tuple[JobLayout, Cargo, tuple[str, ...]]:
        """All of a job but its command, where its files travel; what travels; notes.

        It works in its scratch folder, and without `output_dir` outputs come to its `workdir`.

        Raises:
            JobError: a file or folder that the job names is not there, or forbidden.
        """
        check_own_folder(job, own=True)
        check_outputs(job)
        addresses = fetched(job, self._base, group.limits.fetches, self._system)
        inputs, notes = resolve_inputs(job, self._base, self._host)
        for source, destination in inputs:
            if name := addresses.get(destination):
                raise JobError(
                    f"inputs {name} and {source} would have the same name, {destination!r}, in the "
                    f"working directory"
                )
        workdir = self.absolute(job.workdir or ".")
        stdin = self._existing("stdin", job, job.stdin)
        settled = self._settled(job, group)
        for field, path in (("stdin", stdin), ("env_script", settled["env_script"])):
            if INDEX in path and not job.template:
                raise JobError(f"{field} {path}: {INDEX} cannot be used when files are transferred")
        travels = {
            program_of(job): self._program(job, workdir),
            f"{REMOTE_RUN_DIR}/stdin": stdin,
            f"{REMOTE_RUN_DIR}/env_script": settled["env_script"],
            **{destination: source for source, destination in inputs},
            **lists.travels(job),
        }
        copied = {
            destination: str(copies.folder / copies.take(source))
            for source, destination in inputs
            if job.copy_inputs
        }
        pairs = tuple((source, place) for place, source in travels.items() if source)
        places = (*(place for _, place in pairs), *addresses)
        _refuse((("file", place) for place in places), group, moved=True)
        home = self.absolute(job.output_dir or workdir)
        homes = self.absolute(template.output_dir or template.workdir or ".")
        has_outputs = bool(job.outputs or job.optional_outputs)
        around = JobLayout(
            workdir=".",
            **settled,
            transferred=True,
            whole=job.skip_existing,
            fetched=tuple(addresses),
            output_dir=transfer_sets.back(home, homes) if has_outputs else "",
            stdin=f"{OWN_FOLDER}/stdin" if stdin else "/dev/null",
            stdout=self._log_away(job.stdout, template.stdout, transfer_sets),
            stderr=self._log_away(job.stderr, template.stderr, transfer_sets),
        )
        return around, Cargo.of(pairs, copied, addresses.values()), notes

    def _program(self, job: Job, workdir: str) -> str:
        path = os.path.join(workdir, program_of(job))
        return path if os.path.isfile(path) else ""

    def _log_away(
        self, path: Path | None, template: Path | None, transfer_sets: TransferSets
    ) -> str:
        if path is None or template is None:
            return ""
        return transfer_sets.back(self.absolute(path), self.absolute(template), file=True)

    def _settled(self, job: Job, group: JobGroup) -> dict[str, Any]:
        """What of a job's surroundings is the same wherever it runs."""
        env_script = self._existing("env_script", job, job.env_script)
        check_script("env_script", env_script)
        for field in ("setup", "setup_once", "cleanup"):
            for line in getattr(job, field):
                check_line_breaks(f"{field} {line!r}", line)
        return {
            "filled": job.template,
            "inherit": group.inherit,
            "env_script": env_script,
            "env": {**group.composed.env, **job.env},
            "setup": group.composed.setup + job.setup,
            "setup_once": job.setup_once,
            "cleanup": job.cleanup,
            "node": self._node,
            "wrapper": group.composed.wrapper,
            "checkpoint": job.checkpoint,
            "outputs": job.outputs,
            "optional_outputs": job.optional_outputs,
        }

    def _output_dir(self, job: Job, workdir: str) -> str:
        folder = "" if job.output_dir is None else self.absolute(job.output_dir)
        if job.scratch:
            return folder or (workdir if job.outputs or job.optional_outputs else "")
        return "" if folder == workdir else folder

    def is_done(self, job: Job, index: int, *, moved: bool) -> bool:
        """Whether a job need not run because its outputs are there.

        Args:
            job: its templates filled in.
            moved: the batch system moves its files.

        Raises:
            JobError: its outputs cannot tell, or an input is missing.
        """
        workdir = self.absolute(job.workdir or ".")
        output_dir = self.absolute(job.output_dir or workdir) if moved else ""
        output_dir = output_dir or self._output_dir(job, workdir)
        check_skipping(job, output_dir)
        inputs, _ = resolve_inputs(job, self._base, self._host)
        places = [os.path.normpath(os.path.join(output_dir, one)) for one in job.outputs]
        stdin = self._existing("stdin", job, job.stdin)
        if not job.template:
            stdin, *places = (one.replace(INDEX, str(index)) for one in (stdin, *places))
        paths = [*(source for source, _ in inputs), *filter(os.path.exists, [stdin])]
        return are_there(places, paths, moved=moved)

    def _existing(self, field: str, job: Job, path: Path | None) -> str:
        if path is None:
            return ""
        name = self.absolute(path)
        if (job.template or INDEX not in name) and not os.path.isfile(name):
            raise JobError(f"{field}: no such file: {name}")
        return name


def _varies(job: Job, template: Job, field: str) -> bool:
    """Whether a path depends on the job's number or parameters."""
    if job.template:
        return bool(getattr(job, field) != getattr(template, field))
    return INDEX in str(getattr(job, field))


def _copied(
    inputs: tuple[tuple[str, str], ...], copies: InputCopies
) -> tuple[tuple[str, str], ...]:
    return tuple((f"{RUN_FOLDER}/{copies.take(source)}", place) for source, place in inputs)


def _refuse(named: Iterable[tuple[str, str]], group: JobGroup, *, moved: bool) -> None:
    """Refuse what the group's jobs must not hold in names that are moved, or in paths."""
    forbidden = [
        one for one in group.composed.forbidden_names if isinstance(one, ForbiddenFileName) is moved
    ]
    for field, path in named:
        for one in forbidden:
            if found := re.search(one.pattern, path):
                raise JobError(f"{field} {path}: {found[0]!r} {one.advice}")
