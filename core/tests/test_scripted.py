"""The host of tests that know beforehand what is run."""

from __future__ import annotations

import pytest
from anybatch.errors import CommandTimeout
from anybatch.host import Command, Completed
from anybatch.testing import ScriptedHost

LIST = Command(("list", "--jobs=7", "-o", "id", "--all"))


def test_commands_are_answered_in_turn() -> None:
    """By an answer, an error, or a function that is asked when it is its turn."""
    made = Completed(0, "made")
    error = CommandTimeout(LIST, "no answer")
    host = ScriptedHost(("list", Completed(1)), ("list -o", error), ("list --all id", lambda: made))
    assert host.run(LIST) == Completed(1)
    with pytest.raises(CommandTimeout):
        host.run(LIST)
    assert host.run(LIST) is made
    assert (host.ran, host.commands, host.steps) == ([LIST] * 3, {"list": 3}, [])


@pytest.mark.parametrize("step", ["queue", "--all list", "list -a"])
def test_a_command_that_is_not_the_next_fails(step: str) -> None:
    """The program comes first, and every word of the step is one of the command."""
    with pytest.raises(AssertionError, match=f"expected {step}, not list --jobs=7"):
        ScriptedHost((step, Completed(0))).run(LIST)


def test_a_command_too_many_fails() -> None:
    """Nothing is run that nobody expected."""
    with pytest.raises(AssertionError, match="nothing more was expected, but: list"):
        ScriptedHost().run(LIST)


@pytest.mark.parametrize(
    ("name", "value"), [("--jobs", "7"), ("-o", "id"), ("--job", None), ("--user", None)]
)
def test_options_of_the_last_command_are_read(name: str, value: str | None) -> None:
    """The next word, or what stands behind the sign."""
    host = ScriptedHost(("list", Completed(0)))
    host.run(LIST)
    assert host.option(name) == value


def test_programs_are_there_unless_they_are_missing() -> None:
    """And nothing of this machine's environment is seen."""
    host = ScriptedHost(missing=("bsub",), environ={"A": "1"})
    assert (host.which("bsub"), host.which("bjobs")) == (None, "/usr/bin/bjobs")
    assert host.environ == {"A": "1"}
    assert ScriptedHost().environ == {}
    assert host.secret("Password: ") is None
