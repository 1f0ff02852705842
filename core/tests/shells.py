"""Running jobs the way a batch system does: by the job script, in a shell that can be chosen."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.runs import store
from anybatch.worker.exit_records import parse_record

from .toy import Toy, local_host, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anybatch.model import Job
    from anybatch.packing import Pack
    from anybatch.worker.exit_records import ExitRecord

SHELLS = ("bash", "dash", "busybox")
_PACKAGES = {"bash": "bash", "dash": "dash", "busybox": "busybox-static"}


@attrs.frozen
class Shell:
    """A shell.

    Attributes:
        name: bash, dash or busybox.
        argv: the words that start it.
        path: the PATH of jobs; no bash is on it but for bash itself.
    """

    name: str
    argv: tuple[str, ...]
    path: str


def make_shell(name: str, folder: Path) -> Shell:
    """The shell called *name*; the test fails where it is not installed."""
    program = shutil.which(name)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if program is None:
        pytest.fail(
            f"{name} is not installed, and jobs must run under it: "
            f"apt-get install {_PACKAGES[name]}",
            pytrace=False,
        )
    if name == "bash":
        return Shell(name, ("/bin/sh",), os.environ["PATH"])
    if name == "dash":
        _link_all_but_bash(folder)
        return Shell(name, (program,), str(folder))
    subprocess.run([program, "--install", "-s", str(folder)], check=True)
    (folder / "bash").unlink(missing_ok=True)
    return Shell(name, (program, "sh"), str(folder))


def _link_all_but_bash(folder: Path) -> None:
    for place in ("/usr/bin", "/bin"):
        for program in os.listdir(place):
            link = folder / program
            if "bash" not in program and not link.is_symlink():
                link.symlink_to(Path(place, program))


@attrs.define
class RunFolder:
    """A run folder as `Session.submit` writes it, whose jobs a shell runs."""

    path: Path
    shell: Shell

    def start(self, index: int = 0, restarts: int = 0, **environ: str) -> subprocess.Popen[bytes]:
        """Start a job of the first submission, in a session of its own."""
        script = str(self.path / "job.sh")
        with open(self.path / "system", "ab") as system:
            return subprocess.Popen(
                (*self.shell.argv, script, "0", str(index + 1), str(restarts)),
                env={"PATH": self.shell.path, **environ},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=system,
                stderr=system,
                start_new_session=True,
            )

    def run(self, index: int = 0, restarts: int = 0, **environ: str) -> int:
        """Run a job to its end; the script's own exit status."""
        return self.start(index, restarts, **environ).wait(timeout=180)

    @property
    def system_output(self) -> str:
        """What scripts said before they opened their logs."""
        return (self.path / "system").read_text("utf-8", "replace")

    @property
    def names(self) -> list[str]:
        """The names of all exit records."""
        return sorted(os.listdir(self.path / "exit/0"))

    @property
    def record(self) -> ExitRecord:
        """The only exit record."""
        (name,) = self.names
        record = parse_record(name)
        assert record is not None, f"{name!r} is no exit record"
        return record

    @property
    def how(self) -> tuple[str, int | None, int | None, str | None]:
        """Phase, exit code, signal and caught signal of the only exit record."""
        record = self.record
        return record.phase, record.exit_code, record.signal, record.caught

    def out(self, index: int = 0) -> str:
        return (self.path / "logs/0" / f"{index}.out").read_text("utf-8", "surrogateescape")

    def err(self, index: int = 0) -> str:
        return (self.path / "logs/0" / f"{index}.err").read_text("utf-8", "surrogateescape")


def write_run(
    base: Path,
    shell: Shell,
    jobs: Job | Sequence[Job],
    toy: Toy | None = None,
    *,
    pack: Pack | None = None,
    **more: Any,
) -> RunFolder:
    """The run folder of *jobs*, planned and written by the real thing."""
    host = local_host(**more.pop("environ", {}))
    with session_of(base, toy or Toy(array=100_000), host=host, **more) as session:
        plan = session.plan(jobs, pack=pack)
        store.create(plan, session.host)
    return RunFolder(plan.folder, shell)


def send(process: subprocess.Popen[bytes], name: str) -> None:
    """Send a signal to the job's script alone, as some batch systems do."""
    process.send_signal(getattr(signal, f"SIG{name}"))
