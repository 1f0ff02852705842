"""A simulated cluster for tests: copy `clusters` into a fixture of your own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(__file__).parents[1] / "bin"


class Simulator:
    """A cluster in a folder. Its daemon is started by the first command and ends when idle.

    Args:
        folder: made; LSF_ENVDIR of the cluster.
        configuration: lines of lsf.conf.
        settings: what differs from `lsfsim.settings.DEFAULTS`.
    """

    def __init__(self, folder: Path, configuration: str = "", **settings: Any) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "lsf.conf").write_text(f"LSF_ENVDIR={folder}\n{configuration}")
        (folder / "simulator.json").write_text(json.dumps(settings))
        self._openlava = settings.get("dialect") == "openlava"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead commands to it."""
        others = [one for one in os.environ["PATH"].split(":") if not one.startswith(str(BIN))]
        own = [str(BIN)] if self._openlava else [str(BIN / "lsf"), str(BIN)]
        return {"LSF_ENVDIR": str(self.folder), "PATH": ":".join([*own, *others])}

    def run(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command, behind the back of whoever uses the cluster."""
        return subprocess.run(
            argv,
            input=stdin,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def fault(self, *lines: str) -> None:
        """Switch on these faults and no others; see README.md."""
        # Commands that wait read the file again and again, and write what is left of it.
        with open(self.folder / "faults", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.writelines(f"{line}\n" for line in lines)

    def stop(self, patience: float = 120) -> None:
        """End the daemon and whatever it has started."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int((self.folder / "mbatchd.pid").read_text())
            if str(self.folder).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
                return  # it has ended, and another process has its number
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + patience
            while Path(f"/proc/{pid}").exists():
                if time.monotonic() > end:
                    os.kill(pid, signal.SIGKILL)
                    raise TimeoutError(f"the daemon {pid} did not end by itself")
                time.sleep(0.02)


@contextlib.contextmanager
def clusters(base: Path) -> Iterator[dict[str, Simulator]]:
    """A cluster of each dialect; nothing of them is left running afterwards."""
    quick = {"terminate_interval": 1, "minute": 1, "idle": 20, "round": 1, "grace": 2}
    quick["max_user_priority"] = 100
    made = {
        "lsf": Simulator(base / "lsf", "LSF_UNIT_FOR_LIMITS=MB\n", dialect="lsf", **quick),
        "openlava": Simulator(
            base / "openlava", "LSB_MEMLIMIT_ENFORCE=y\n", dialect="openlava", **quick
        ),
    }
    try:
        yield made
    finally:
        for one in made.values():
            one.stop()
