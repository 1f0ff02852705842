"""Faults of commands: what a host answers where a batch system is away, breaks off, or is newer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anybatch.errors import CommandTimeout
from anybatch.host import Command, Completed

if TYPE_CHECKING:
    from collections.abc import Callable

    from anybatch.testing.recording import Fault


def away(program: str | None, words: str) -> list[Fault]:
    """Faults of one program, or of all: hangs, is killed, and the system's own words, if any."""

    def hangs(command: Command) -> Completed:
        raise CommandTimeout(command, "timed out after 60 s and was killed")

    ends: list[Callable[[Command], Completed]] = [hangs, lambda _: Completed(-9)]
    if words:
        ends.append(lambda _: Completed(1, stderr=f"{words}\n"))
    return [_of_program(program, end) for end in ends]


def _of_program(program: str | None, end: Callable[[Command], Completed]) -> Fault:
    def fault(command: Command, run: Callable[[Command], Completed]) -> Completed:
        spoiled = program is None or os.path.basename(command.argv[0]) == program
        return end(command) if spoiled else run(command)

    return fault


def broken_off() -> list[Fault]:
    """Answers that end somewhere in the middle, though the command says that all is well."""

    def cut(quarters: int) -> Fault:
        def fault(command: Command, run: Callable[[Command], Completed]) -> Completed:
            done = run(command)
            return Completed(0, done.stdout[: len(done.stdout) * quarters // 4], done.stderr)

        return fault

    return [cut(quarters) for quarters in (1, 2, 3)]


def other_word(word: str) -> Fault:
    """The system has a new word for what it called *word*."""

    def fault(command: Command, run: Callable[[Command], Completed]) -> Completed:
        done = run(command)
        text = done.stdout.replace(word, "NEWWORD") if word else done.stdout
        return Completed(done.returncode, text, done.stderr)

    return fault
