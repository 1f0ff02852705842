"""Calls of the command line: in this process, and as the program that users start."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anybatch
import pytest
from anybatch.cli import cli
from click.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

SOURCES = str(Path(anybatch.__file__).parents[1])
ANYBATCH = (sys.executable, "-m", "anybatch")

#: click 8.1 mixes standard error into the output unless told not to; 8.2 always keeps both.
APART = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}

#: A batch system that queues jobs for ever, and has a fault while there is a file `down`.
TOY = """
    import os, time
    from anybatch.errors import CommandFailed
    from anybatch.host import Command, Completed
    from anybatch.model import State
    from anybatch.records import Detection, JobStatus, Rendered, Setting
    from anybatch.system import BatchSystem

    def ask(what):
        with open("asked", "a") as log:
            log.write(what + "\\n")
        while os.path.exists("slow"):
            time.sleep(0.01)
        if os.path.exists("down"):
            completed = Completed(1, stderr="the controller is on fire")
            raise CommandFailed(Command(("toy-" + what,)), completed)

    class Toy(BatchSystem):
        def anybatch_detect(self, settings, choosing):
            return Detection(available=True, reason="it is a toy", priority=None, version="7.5")

        def anybatch_settings(self):
            return [Setting(name="partition", help="Where jobs queue.")]

        def anybatch_render(self, submission):
            return Rendered(command=Command(("toy-submit", submission.token)))

        def anybatch_submit(self, submission, rendered):
            ask("submit")
            return [f"{submission.token}.{task}" for task in range(submission.count)]

        def anybatch_find(self, submission):
            ask("find")
            return []

        def anybatch_status(self, batches):
            ask("status")
            said = {"native_state": "HOLD", "source": "toy", "message": "the spool is full"}
            return [{id: JobStatus(state=State.HELD, **said) for id in b.ids} for b in batches]

        def anybatch_terminate(self, batches, signal):
            ask(f"terminate {sum(len(batch.ids) for batch in batches)} {signal}")
            why = "belongs to root" if os.path.exists("refuse") else ""
            return [{id: why for id in batch.ids if why} for batch in batches]
"""


@pytest.fixture(scope="session")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of one `local` supervisor, which saves half a second a test."""
    return tmp_path_factory.mktemp("local")


@pytest.fixture
def home(anybatch_home: Path, supervised: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the test works in; its index of runs is its own, `local` its only system."""
    state = Path(os.environ["XDG_STATE_HOME"]) / "anybatch"
    state.mkdir(parents=True)
    (state / "local").symlink_to(supervised)
    monkeypatch.setenv("PYTHONPATH", SOURCES, prepend=os.pathsep)
    monkeypatch.setenv("ANYBATCH_SYSTEM", "local")
    installed = {entry.name for entry in entry_points(group="anybatch")}
    monkeypatch.setenv("ANYBATCH_DISABLED_PLUGINS", ",".join(installed))
    return anybatch_home


@pytest.fixture
def install(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a distribution with one plugin: its name and the text of its module."""
    site = home.parent / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)

    def install(name: str, text: str) -> None:
        module = f"plugin_{name}_{abs(hash(site))}"
        info = site / f"dist_{name}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{name}\nVersion: 1.5\n")
        value = f"{module}:{name.title()}" if "BatchSystem" in text else module
        (info / "entry_points.txt").write_text(f"[anybatch]\n{name} = {value}\n")
        (site / f"{module}.py").write_text(textwrap.dedent(text))

    return install


@pytest.fixture
def toy(install: Callable[[str, str], None], home: Path) -> Path:
    """The batch system `toy` is installed; the folder whose files command it."""
    install("toy", TOY)
    return home


@pytest.fixture
def call(home: Path) -> Callable[..., Result]:
    """Calls the command line in this process."""

    def call(*words: str, **arguments: Any) -> Result:
        return CliRunner(**APART).invoke(cli, words, catch_exceptions=False, **arguments)

    return call


@pytest.fixture
def program(home: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs the program to its end."""

    def run(*words: str | bytes, **arguments: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*ANYBATCH, *words], capture_output=True, check=False, timeout=180, **arguments
        )

    return run


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the program; its output and errors are pipes unless said otherwise."""
    started = []

    def start(*words: str, **arguments: Any) -> subprocess.Popen[bytes]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([*ANYBATCH, *words], **{**pipes, **arguments})
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
