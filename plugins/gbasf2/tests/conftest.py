"""A simulated grid: see `tests/simulators/gbasf2/README.md`."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.runs import polling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anybatch import Session

SIMULATOR = Path(__file__).parents[3] / "tests" / "simulators" / "gbasf2"
RELEASE = "light-2601-simulated"
DATASET = "/belle/MC/simulated"
STEERING = """\
import basf2

path = basf2.create_path()
path.add_module("RootInput")
path.add_module("RootOutput", outputFileName="B.root")
basf2.process(path)
"""

_OFTEN = {"FIRST_POLL": 0.5, "COST": 5}
#: The fixture `often`, for a program.
OFTEN = f"""
from anybatch.runs import polling
vars(polling).update({_OFTEN})
"""

_spec = importlib.util.spec_from_file_location("gridsim", SIMULATOR / "gridsim.py")
assert _spec is not None
assert _spec.loader is not None
gridsim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gridsim)


class Grid:
    """A simulated grid, behind the plugin's back."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.setup = gridsim.create(folder, **options)
        self.switched: dict[str, Any] = {}

    def dataset(self, files: int, name: str = DATASET) -> str:
        """Put a dataset onto the grid."""
        gridsim.add_dataset(self.folder, name, files)
        return name

    def faults(self, **faults: Any) -> None:
        """Switch faults on, besides those that are on."""
        self.switched.update(faults)
        new = self.folder / "faults.json.new"
        new.write_text(json.dumps(self.switched))
        new.rename(self.folder / "faults.json")

    def calls(self) -> list[list[str]]:
        """The commands that were run, with their words."""
        try:
            lines = (self.folder / "calls.log").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def count(self) -> Counter[str]:
        """How often each command was run."""
        return Counter(call[0] for call in self.calls())

    def state(self) -> dict[str, Any]:
        """All that the grid knows."""
        state: dict[str, Any] = json.loads((self.folder / "grid.json").read_text())
        return state

    def words(self) -> Counter[str]:
        """How many jobs are in each state."""
        return Counter(job["Status"] for job in self.state()["jobs"].values())

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what the grid knows."""
        with open(self.folder / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state()
            change(state)
            (self.folder / "grid.json.new").write_text(json.dumps(state))
            (self.folder / "grid.json.new").rename(self.folder / "grid.json")

    def expire(self) -> None:
        """Let the proxy end."""
        self.change(lambda state: state["proxy"].update(expires=0))

    def renew(self) -> None:
        """Make a proxy elsewhere."""
        self.change(lambda state: state["proxy"].update(expires=time.time() + 86400))

    def paused(self) -> int:
        """The process that waits where it was told to."""
        return int((self.folder / "paused").read_text().rpartition(" ")[2])

    def close(self) -> None:
        """Have nobody work on it any more, and take it away."""
        self.faults(hold=0, job_seconds=0)
        with open(self.folder / "work.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            gone = self.folder.rename(self.folder.with_suffix(".gone"))
        shutil.rmtree(gone)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grid is asked more often than its answers, which take long, would have it."""
    for name, value in _OFTEN.items():
        monkeypatch.setattr(polling, name, value)


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    """A grid with a valid proxy."""
    made = Grid(tmp_path / "grid")
    yield made
    made.close()


@pytest.fixture
def grid_home(anybatch_home: Path, grid: Grid) -> Path:
    """A folder to work in, set up for the grid, with a steering file `steer.py`."""
    (anybatch_home / "steer.py").write_text(STEERING)
    (anybatch_home / "anybatch.toml").write_text(
        f'[gbasf2]\nsetup_path = "{grid.setup}"\nrelease = "{RELEASE}"\n'
        f'project_name_prefix = "test_"\ninput_dataset = "{DATASET}"\n'
    )
    return anybatch_home


@pytest.fixture
def session(grid_home: Path, new_session: Callable[..., Session]) -> Session:
    """A session on the grid."""
    return new_session("gbasf2")
