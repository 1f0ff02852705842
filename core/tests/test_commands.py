"""Helpers for plugins: running commands, telling refusals, asking several servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from anybatch.commands import ask_each_group, missing_tools, no_answer, read, refused, run
from anybatch.errors import CommandError, CommandFailed
from anybatch.host import Command, Completed
from anybatch.records import Batch, Detection, Submission
from anybatch.testing.scripted import ScriptedHost

COMMAND = Command(("tstat", "--all"))
TRANSIENT = re.compile("timed out|busy", re.IGNORECASE)


def batch(number: int, server: str) -> Batch:
    """Job 7 of a server."""
    submission = Submission(
        token=f"run-{number}",
        run="run",
        number=number,
        folder=Path("/run"),
        count=1,
        name="a",
        settings={"server": server},
    )
    return Batch(submission=submission, ids=("7",))


def server_of(batch: Batch) -> str:
    """The server that knows a batch."""
    return str(batch.submission.settings["server"])


def test_a_command_that_succeeds_is_given_back() -> None:
    """Who runs a command that succeeds gets what it printed."""
    assert run(ScriptedHost(("tstat", Completed(0, "7"))), COMMAND).stdout == "7"


def test_a_command_that_fails_is_an_error_with_what_it_said() -> None:
    """An exit status other than 0 is an error, which tells command, status and stderr."""
    host = ScriptedHost(("tstat", Completed(3, "", "no such table")))
    with pytest.raises(CommandFailed, match="tstat --all: exit status 3: no such table"):
        run(host, COMMAND)


@pytest.mark.parametrize("error", [ValueError, KeyError, TypeError])
def test_an_answer_that_cannot_be_parsed_is_an_error(error: type[Exception]) -> None:
    """What parsing raises becomes an error that tells the command and what it printed."""

    def parse(text: str) -> str:
        raise error(text)

    with pytest.raises(CommandFailed, match="cannot understand its output: hello"):
        read(ScriptedHost(("tstat", Completed(0, "hello"))), COMMAND, parse)


def test_the_first_tool_that_is_missing_is_named() -> None:
    """Only a program that is not on the PATH makes a system unavailable, and it is named."""
    host = ScriptedHost(missing=("tsub", "tdel"))
    missing = missing_tools(host, ("tsub", "tdel"))
    assert missing == Detection(available=False, reason="tsub is not on the PATH")
    assert missing_tools(host, ("tstat",)) is None


def test_signs_of_a_system_make_it_unreachable(tmp_path: Path) -> None:
    """Another of its tools, a variable or a file tell that it is here though a tool is not."""
    conf = tmp_path / "conf"
    signs = ("TINYQ_HOME", str(conf))
    away = "tsub is not on the PATH"

    def found(missing: tuple[str, ...], **environ: str) -> tuple[bool, str]:
        answer = missing_tools(
            ScriptedHost(missing=missing, environ=environ), ("tsub", "tstat"), signs
        )
        assert answer is not None
        assert not answer.available
        return answer.unreachable, answer.reason

    nothing = ("tsub", "tstat")
    assert found(nothing, TINYQ_HOME="") == (False, away)
    assert found(("tsub",)) == (True, f"{away}, although tstat is on it")
    assert found(nothing, TINYQ_HOME="/x") == (True, f"{away}, although TINYQ_HOME is set")
    conf.touch()
    assert found(nothing) == (True, f"{away}, although {conf} exists")


@pytest.mark.parametrize(("said", "unreachable"), [("no route", True), ("no tinyq.conf", False)])
def test_a_system_that_is_not_set_up_is_not_unreachable(said: str, unreachable: bool) -> None:
    """What the tools say where nothing is set up tells that from a server that is away."""
    error = CommandError(COMMAND, said)
    host, not_set_up = ScriptedHost(environ={"TINYQ_HOME": "/x"}), re.compile(r"tinyq\.conf")
    detection = no_answer(host, "the server", error, not_set_up)
    assert (detection.available, detection.unreachable) == (False, unreachable)
    assert detection.reason == f"the server does not answer: tstat --all: {said}"
    detection = no_answer(host, "the server", error, not_set_up, ["TINYQ_HOME"])
    assert detection.unreachable
    assert detection.reason.endswith(f"{said} (TINYQ_HOME is set)")


@pytest.mark.parametrize(
    ("completed", "answer"),
    [
        (Completed(1, "", "no such queue"), True),
        (Completed(1, "", "connection TIMED OUT"), False),
        (Completed(1, "", "\n"), False),
        (Completed(1, "no such queue", ""), False),
        (Completed(-9, "", "no such queue"), False),
        (Completed(0, "", "no such queue"), False),
    ],
)
def test_only_what_is_said_and_cannot_pass_is_a_refusal(completed: Completed, answer: bool) -> None:
    """A command that succeeded, was killed, was silent or met what may pass refused nothing."""
    assert refused(completed, TRANSIENT) is answer


def test_each_server_is_asked_once_and_believed_of_its_own_jobs_alone() -> None:
    """Batches of one server are one question, and equal ids on two servers are two jobs."""
    asked = []

    def ask(group: object) -> dict[str, str]:
        assert isinstance(group, list)
        asked.append([one.submission.number for one in group])
        return {"7": server_of(group[0])}

    batches = [batch(0, "a"), batch(1, "b"), batch(2, "a")]
    answers = ask_each_group(batches, server_of, ask, lambda _, error: {"7": str(error)})
    assert answers == [{"7": "a"}, {"7": "b"}, {"7": "a"}]
    assert asked == [[0, 2], [1]]


def test_a_server_that_is_away_does_not_keep_others_from_answering() -> None:
    """Only the batches of a server that cannot be asked get the answer for that."""

    def ask(group: object) -> dict[str, str]:
        assert isinstance(group, list)
        if server_of(group[0]) == "a":
            raise CommandError(COMMAND, "away")
        return {"7": "runs"}

    batches = [batch(0, "a"), batch(1, "b")]
    answers = ask_each_group(batches, server_of, ask, lambda _, error: {"7": str(error)})
    assert answers == [{"7": "tstat --all: away"}, {"7": "runs"}]


def test_where_no_server_can_be_asked_it_is_an_error() -> None:
    """Not being able to ask anybody is not an answer; nobody to be asked is none either."""

    def ask(group: object) -> dict[str, str]:
        raise CommandError(COMMAND, "away")

    with pytest.raises(CommandError, match="away"):
        ask_each_group([batch(0, "a"), batch(1, "b")], server_of, ask, lambda _, error: {})
    assert ask_each_group([], server_of, ask, lambda _, error: {}) == []
