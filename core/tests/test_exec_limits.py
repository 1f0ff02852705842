"""What the kernel or a shell of the worker would refuse is refused before submission."""

from __future__ import annotations

import resource
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError
from anybatch.model import Job
from anybatch.planning.exec_limits import ALL, WORD
from anybatch.records import Environment
from anybatch.worker_paths import WorkerPath

from .shells import write_run
from .toy import Toy, local_host, session_of

if TYPE_CHECKING:
    from pathlib import Path

    from .shells import Shell

pytestmark = pytest.mark.usefixtures("isolated")

LONG = "x" * (WORD - 1)


def refusal(base: Path, job: Job, **more: Any) -> str:
    """Why a job is refused; nothing is written."""
    toy = Toy(environment=more.pop("environment", None))
    with session_of(base, toy, **more) as session, pytest.raises(JobError) as caught:
        session.plan(job)
    return str(caught.value)


def test_the_longest_word_runs(isolated: Path, shell: Shell) -> None:
    """Word and variable of just the size that Linux takes arrive."""
    text = 'echo "${#0} ${#A}"'
    run = write_run(isolated, shell, Job(["sh", "-c", text, LONG], env={"A": LONG[2:]}))
    assert run.run() == 0
    assert run.out() == f"{WORD - 1} {WORD - 3}\n"


@pytest.mark.parametrize("word", [LONG + "x", "é" * (WORD // 2), LONG[:-1] + "\udcff\udcff"])
def test_a_longer_word_is_refused_by_its_number(isolated: Path, word: str) -> None:
    """Bytes count, whatever the characters; the kernel here says the same."""
    said = refusal(isolated, Job(["echo", "a", word]))
    size = len(word.encode("utf-8", "surrogateescape"))
    assert said.startswith(f"argument 2 of the command has {size} bytes; Linux takes at most")
    with pytest.raises(OSError, match="too long"):
        subprocess.run(["/bin/echo", word], check=False)


def test_a_longer_variable_is_refused_by_its_name(isolated: Path) -> None:
    """Of the job, of a plugin, and what is inherited."""
    assert "the variable BIG has" in refusal(isolated, Job(["true"], env={"BIG": LONG}))
    toy = Environment(env={"PLUG": LONG})
    assert "the variable PLUG has" in refusal(isolated, Job(["true"]), environment=toy)
    host = local_host(HELD=LONG)
    settings = {"anybatch": {"inherit_env": ["HELD"]}}
    said = refusal(isolated, Job(["true"]), host=host, settings=settings)
    assert "the variable HELD has" in said


def test_all_together_have_a_limit(isolated: Path) -> None:
    """Words and variables share the space that a program is started with."""
    words = [LONG[:100_000]] * (ALL // 100_000 // 2)
    env = {f"V{number}": word for number, word in enumerate(words)}
    with session_of(isolated, Toy()) as session:
        session.plan([Job(["echo", *words]), Job(["echo"], env=env)])
    said = refusal(isolated, Job(["echo", *words, "and more" * 15_000], env=env))
    assert "the command and its environment have" in said
    env |= {f"W{number}": word for number, word in enumerate(words)} | {"X": "x" * 100_000}
    assert "the environment has" in refusal(isolated, Job(["echo"], env=env))


def test_the_limit_is_the_kernels(isolated: Path) -> None:
    """Under the usual limit for the stack Linux refuses what is refused here."""
    words = [LONG[:100_000]] * (ALL // 100_000 + 1)

    def usual() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (8 * 1024 * 1024, hard))

    with pytest.raises(OSError, match="too long"):
        subprocess.run(["/bin/true", *words], env={}, preexec_fn=usual, check=False)
    assert "have" in refusal(isolated, Job(["true", *words]))


def test_a_script_given_as_text_may_be_long(isolated: Path, shell: Shell) -> None:
    """It is no word of a command."""
    run = write_run(isolated, shell, Job(f"A={LONG}{LONG}\necho ${{#A}}\n"))
    assert run.run() == 0
    assert run.out() == f"{2 * (WORD - 1)}\n"


def test_a_containers_list_of_inputs_has_a_limit(isolated: Path) -> None:
    """All inputs are one word there."""
    (isolated / "in").mkdir()
    for number in range(700):
        (isolated / "in" / f"{'n' * 240}{number}").touch()
    boxed = Environment(wrapper=("env", WorkerPath.FILES))
    said = refusal(isolated, Job(["true"], inputs=["in/*"], workdir="."), environment=boxed)
    assert "the names of the inputs have" in said


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job("#!/bin/sh\r\necho\r\n"), "line 1 of the command has a carriage return"),
        (Job("echo one\r\necho two\r\n"), "line 1 of the command has a carriage return"),
        (Job(["true"], setup="module load x\r"), "carriage return"),
        (Job(["true"], setup=["true", "a\r\nb\r\n"]), "carriage return"),
        (Job(["true"], env_script="crlf.sh"), "line 1 of env_script"),
        (Job(["./crlf.sh"]), "line 1 of the program"),
        (Job(["../project/crlf.sh", "x"]), "line 1 of the program"),
    ],
)
def test_line_breaks_of_windows_are_named(isolated: Path, job: Job, words: str) -> None:
    """Scripts with carriage returns are refused where they would be taken as part of a word."""
    (isolated / "crlf.sh").write_bytes(b"#!/bin/sh\r\nexport A=1\r\n")
    assert words in refusal(isolated, job)


@pytest.mark.parametrize(
    "text", ["echo one\nprintf 'GET /\r\n'\n", "\n\r\n", "printf '\r'\n", "", "no line break"]
)
def test_other_carriage_returns_are_text(isolated: Path, text: str) -> None:
    """Only a first line that ends with one tells of line breaks that Unix does not know."""
    (isolated / "e.sh").write_bytes(text.encode())
    with session_of(isolated, Toy()) as session:
        session.plan(Job(["./e.sh", "a\r"], env_script="e.sh", env={"A": "b\r\n"}))
