"""The task files of a run in the making: a line for each job, and what all jobs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from anybatch.parameters import variable, write
from anybatch.planning.copies import InputCopies
from anybatch.planning.exec_limits import (
    check_command,
    check_environment,
    check_line_breaks,
    check_script,
    size_of,
)
from anybatch.planning.filling import filled
from anybatch.planning.inputs import program_of
from anybatch.planning.plan import RunLimit
from anybatch.planning.transfer_layout import Cargo, TransferSets, page_links
from anybatch.quoting import OWN_FOLDER, RUN_FOLDER
from anybatch.records import RenderedFile, Transfer
from anybatch.worker.script import definitions, pieces_of, render_task, with_sets
from anybatch.worker.tasks import render_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anybatch.model import Job
    from anybatch.planning.input_lists import InputLists
    from anybatch.planning.paths import JobGroup, Resolver
    from anybatch.planning.plan import Link


@attrs.frozen
class RunDraft:
    """The run that is being planned."""

    run: str
    folder: Path
    count: int
    limit: RunLimit


class TaskFiles:
    """The task files in the making.

    Attributes:
        shared: the definitions that tasks do not repeat.
        pieces: what the jobs need of the job script.
        copies: the copies of inputs that are made at submission.
        notes: what a user may want to know.

    Args:
        lists: the lists of files that jobs read.
        copy_limit: bytes of all these copies.
        packed: jobs are packed.
    """

    def __init__(
        self,
        resolver: Resolver,
        work: RunDraft,
        lists: InputLists,
        copy_limit: int,
        *,
        packed: bool,
    ) -> None:
        self._lists = lists
        self._packed = packed
        self.copies = InputCopies(work.folder, copy_limit)
        self.shared: dict[str, str] = {}
        self.notes: list[str] = []
        self.pieces: frozenset[str] = frozenset()
        self._resolver = resolver
        self._work = work
        self._lines: dict[int, list[str]] = {}
        self._scripts: dict[str, str] = {}
        self._programs: set[tuple[Path | None, str]] = set()
        self._definitions: dict[Any, tuple[dict[str, str], Cargo, int]] = {}
        self._transfer_sets = TransferSets(work.folder)
        self._away: dict[int, int] = {}

    def add(self, number: int, group: JobGroup, jobs: Sequence[tuple[int, Job]]) -> tuple[str, ...]:
        """Write the lines of a submission's jobs.

        Returns:
            What each job takes along, or one for all; empty where no files travel.
        """
        lines, cargos = [], []
        for index, template in jobs:
            located = self._lists.located(template, away=group.transfer is Transfer.SYSTEM)
            job = filled(located, index)
            own, cargo, environment = self._own(job, template, group)
            self.shared = self.shared or own
            words = self._words(job)
            variables = {variable(name): write(value) for name, value in job.params.items()}
            if name := self._lists.name(job):
                variables["ANYBATCH_INPUT_LIST"] = f"{OWN_FOLDER}/{name}"
            check_command(words, environment + size_of(variables))
            lines.append(render_task(index, words, own, self.shared, variables))
            cargos.append(cargo)
        self._lines[number] = lines
        if group.transfer is not Transfer.SYSTEM:
            return ()
        self._away[number] = len(jobs)
        if self._packed:
            shared = self._transfer_sets.share(cargos)
            own_sets = (numbers for _, numbers in shared)
            self._lines[number] = [with_sets(*pair) for pair in zip(lines, own_sets, strict=True)]
            sets = [one for one, _ in shared]
        else:
            sets = [self._transfer_sets.add(cargo) for cargo in cargos]
        return tuple(sets) if len(set(sets)) > 1 else (sets[0],)

    def _own(self, job: Job, template: Job, group: JobGroup) -> tuple[dict[str, str], Cargo, int]:
        """A job's definitions, what it takes along, and the bytes of its environment."""
        away = group.transfer is Transfer.SYSTEM
        program = program_of(job) if away else ""
        around_it = (getattr(job, name) for name in _AROUND)
        key = (id(group), tuple(job.env.items()), program, *around_it)
        if key not in self._definitions:
            cargo = Cargo()
            if away:
                around, cargo, notes = self._resolver.layout_transferred(
                    job, template, group, self._transfer_sets, self.copies, self._lists
                )
            else:
                around, notes = self._resolver.layout(job, template, group, self.copies)
            self.notes += notes
            self.pieces |= pieces_of(around)
            if len(self._definitions) >= _CACHED:
                self._definitions.clear()
            self._definitions[key] = (definitions(around), cargo, check_environment(around))
        return self._definitions[key]

    def _words(self, job: Job) -> Sequence[str]:
        command = job.command
        if not isinstance(command, str):
            self._check_program(job, command[0])
            return command
        check_line_breaks("the command", command)
        name = self._scripts.setdefault(command, f"command-{len(self._scripts)}.sh")
        path = f"{RUN_FOLDER}/{name}"
        return (path,) if command.startswith("#!") else ("/bin/sh", path)

    def _check_program(self, job: Job, name: str) -> None:
        program = (job.workdir, name)
        if "/" in name and program not in self._programs:
            self._programs.add(program)
            folder = self._resolver.absolute(job.workdir or ".")
            check_script("the program", os.path.join(folder, name))

    def files(self) -> Iterator[RenderedFile]:
        """The task files and the scripts that were given as text."""
        folder = self._work.folder
        for number, lines in self._lines.items():
            for name, text in render_pages(number, lines):
                yield RenderedFile(folder / name, text)
        for text, name in self._scripts.items():
            yield RenderedFile(folder / name, text, 0o700)
        yield from self._lists.files()
        if self._away:
            yield from self._transfer_sets.files()

    def folders(self) -> Iterator[Path]:
        """The folders that are needed because files travel or are copied."""
        yield from self.copies.folders()
        if self._away:
            yield from self._transfer_sets.folders()

    def links(self) -> Iterator[Link]:
        """The links that travelling files are found by."""
        if self._away:
            yield from self._transfer_sets.links(["job.sh", *self._scripts.values()])
        for number, count in self._away.items():
            yield from page_links(self._work.folder, number, count)


_AROUND = (
    *("workdir", "env_script", "setup", "inputs", "flat", "copy_inputs", "output_dir"),
    *("skip_existing", "checkpoint", "input_list"),
    *("outputs", "optional_outputs"),
    *("stdin", "stdout", "stderr", "scratch", "setup_once", "cleanup", "template"),
)
_CACHED = 1000  #: distinct surroundings held at once; a run of 100,000 jobs stays small
