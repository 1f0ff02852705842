"""The grid: a folder, and what may be done with it. Everything here happens under one lock.

grid.json       projects, jobs, proxy, names that are taken, faults that are used up
faults.json     what goes wrong, see README.md; read anew each time
calls.log       a line for each command: its name and its words
sandboxes/P     what a project was submitted with
paused          the point at which a command waits that was told to, and its process
jobs/ID.N       where attempt N of a job runs, with its logs
storage/        the storage elements, by logical file names
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

GRID = Path(os.environ.get("GBASF2_SIMULATOR", "/nowhere"))
HERE = Path(__file__).resolve().parent
PER_BLOCK = 1000
BASF2_LOG = "Script1_basf2helper.py.log"
FINAL = ("Done", "Failed", "Killed", "Deleted")
NO_VOMS = "2026-01-02 03:04:05 UTC gbasf2 ERROR: proxy has not Belle VOMS extensions"


class Grid:
    """The grid's state, while its lock is held."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.faults: dict[str, Any] = load(GRID / "faults.json")

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """All jobs by id."""
        found: dict[str, dict[str, Any]] = self.state["jobs"]
        return found

    def take(self, fault: str) -> bool:
        """Whether a fault that is switched on N times happens now."""
        used = self.state["used"].get(fault, 0)
        if used >= int(self.faults.get(fault, 0)):
            return False
        self.state["used"][fault] = used + 1
        return True

    def befalls(self, fault: str, job: dict[str, Any]) -> bool:
        """Whether a fault that is switched on for jobs (`{"3": 1}`: once) befalls this one."""
        return int(self.faults.get(fault, {}).get(str(job["index"]), 0)) > int(job["attempt"])

    def of(self, project: str) -> dict[str, dict[str, Any]]:
        """A project's jobs that are not deleted."""
        return {
            name: job
            for name, job in self.jobs.items()
            if job["project"] == project and job["Status"] != "Deleted"
        }

    def move(self, job: dict[str, Any], status: str, minor: str, application: str) -> None:
        """Change a job's status, at this time."""
        self.state["clock"] += 1  # no two changes have the same time
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.state["clock"]))
        if "shown_until" not in job:
            job["before"] = {name: job[name] for name in SHOWN}
        job.update(Status=status, MinorStatus=minor, ApplicationStatus=application)
        job["LastUpdateTime"] = stamp

    def shown(self, job: dict[str, Any]) -> dict[str, Any]:
        """A job as a query shows it: for a while the way it was, where the grid lags."""
        late = job["before"] if job.get("shown_until", 0) > time.time() else job
        owner = {"Owner": job["owner"], "JobGroup": job["project"]}
        return {name: late[name] for name in SHOWN} | owner

    def proxy_left(self) -> int:
        """Seconds that the proxy is still good for."""
        return int(self.state["proxy"].get("expires", 0) - time.time())

    def name_of(self, dataset: str) -> str:
        """A logical file name; a bare one is below the user's folder."""
        if dataset.startswith("/belle"):
            return dataset
        return f"/belle/user/{self.state['proxy'].get('username', 'nobody')}/{dataset}"

    def files(self, dataset: str) -> list[str]:
        """Logical names of the files that a pattern or a dataset stands for."""
        wanted = self.name_of(dataset).rstrip("/")
        storage = GRID / "storage"
        names = ("/" + str(path.relative_to(storage)) for path in storage.rglob("*.root"))
        return sorted(
            name
            for name in names
            if name.startswith(wanted + "/")
            or name == wanted
            or (wanted.endswith(".root") and fnmatch.fnmatchcase(name, wanted))
            or fnmatch.fnmatchcase(name.rpartition("/")[0], wanted)
        )


SHOWN = (
    *("Status", "MinorStatus", "ApplicationStatus", "Site"),
    *("SubmissionTime", "LastUpdateTime", "HeartBeatTime"),
)


@contextlib.contextmanager
def grid() -> Iterator[Grid]:
    """The grid, locked; what was changed is written at the end."""
    with open(GRID / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        one = Grid(load(GRID / "grid.json"))
        yield one
        new = GRID / "grid.json.new"
        new.write_text(json.dumps(one.state))
        new.rename(GRID / "grid.json")


def load(path: Path) -> dict[str, Any]:
    """The table of a JSON file; empty where there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def create(folder: Path, *, user: str = "ada", proxy: int = 86400) -> Path:
    """Make a grid in *folder*; its setup script.

    Args:
        proxy: seconds that the user's proxy is good for; 0: there is none.
    """
    for name in ("storage", "sandboxes", "jobs"):
        (folder / name).mkdir(parents=True)
    state: dict[str, Any] = {
        "jobs": {},
        "names": [],
        "used": {},
        "next": 700001,
        "clock": int(time.time()) - 1000,
        "proxy": {"username": user, "group": "belle", "expires": time.time() + proxy},
    }
    if not proxy:
        state["proxy"] = {}
    (folder / "grid.json").write_text(json.dumps(state))
    script = folder / "bashrc"
    script.write_text(f"GRID={folder}\nPYTHON={Path(sys.executable).parent}\n. {HERE}/bashrc\n")
    return script


def add_dataset(folder: Path, name: str, files: int) -> None:
    """Put a dataset of small files onto the grid."""
    place = folder / "storage" / name.lstrip("/")
    place.mkdir(parents=True)
    for number in range(files):
        (place / f"input_{number:05d}.root").write_text(f"events of {number}\n")


def log_call(name: str, words: list[str]) -> None:
    """Write down that a command was run."""
    with open(GRID / "calls.log", "a") as log:
        log.write(json.dumps([name, *words]) + "\n")


def paused(point: str) -> None:
    """Write down who waits at a point of a command, for those who want to kill it there."""
    new = GRID / f"paused.{os.getpid()}"
    new.write_text(f"{point} {os.getpid()}")
    new.rename(GRID / "paused")


# -- where jobs run


def start_work() -> None:
    """Have somebody run jobs, unless somebody does: a process that ends when all have ended."""
    subprocess.Popen(
        [sys.executable, str(HERE / "gridsim.py")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=open(GRID / "work.log", "a"),
        start_new_session=True,
    )


def work() -> None:
    """Run jobs one after the other until none waits."""
    with open(GRID / "work.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes while another works goes on after it
        while GRID.exists() and (name := _begin()):
            with grid() as g:
                job, faults = dict(g.jobs[name]), g.faults
            time.sleep(float(faults.get("job_seconds", 0)))
            _end(name, job, _payload(name, job))


def _begin() -> str | None:
    with grid() as g:
        held = int(g.faults.get("hold", 1_000_000))
        for name, job in g.jobs.items():
            if job["Status"] == "Waiting" and job["index"] < held:
                g.move(job, "Running", "Application", "Running")
                return name
        return None


def _payload(name: str, job: dict[str, Any]) -> int:
    """Run the steering file, as a job on the grid does; its exit code."""
    place = GRID / "jobs" / f"{name}.{job['attempt']}"
    place.mkdir(exist_ok=True)
    sandbox = GRID / "sandboxes" / job["project"]
    for file in sandbox.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    child = os.fork()
    if child == 0:
        _run_steering(place, job)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run_steering(place: Path, job: dict[str, Any]) -> None:
    import runpy

    code = 1
    try:
        os.chdir(place)
        log = os.open(BASF2_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path.insert(0, str(HERE / "modules"))
        os.environ["BASF2_SIMULATOR_INPUT"] = job["input"]
        runpy.run_path(job["steering"], run_name="__main__")
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _end(name: str, job: dict[str, Any], code: int) -> None:
    place = GRID / "jobs" / f"{name}.{job['attempt']}"
    with grid() as g:
        current = g.jobs[name]
        if current["Status"] in FINAL or current["attempt"] != job["attempt"]:
            return  # killed meanwhile
        if g.befalls("site_fails", job):
            _upload(name, job, place)  # what is lost is the job, not what it wrote
            g.move(current, "Failed", "Watchdog identified this job as stalled", "Executing")
        elif code or g.befalls("application_fails", job):
            g.move(
                current,
                "Failed",
                "Application Finished With Errors",
                f"Exited With Status {code or 3}",
            )
        else:
            _upload(name, job, place)
            upload = "Failed to upload output data" if g.befalls("upload_fails", job) else "Done"
            g.move(current, "Done", "Execution Complete", upload)
        (place / "job.info").write_text(json.dumps(g.shown(current)))
        words = f"Executing RunScriptStep1\nbasf2 ended with {code}: {current['MinorStatus']}\n"
        (place / "std.out").write_text(words)


def _upload(name: str, job: dict[str, Any], place: Path) -> None:
    block = f"sub{job['index'] // PER_BLOCK:02d}"
    target = GRID / "storage" / job["output"].lstrip("/") / block
    target.mkdir(parents=True, exist_ok=True)
    for path in place.glob("*.root"):
        stem = path.name.partition(".")[0]
        file = f"{stem}_{job['index']:05d}_job{name}_{job['attempt']:02d}.root"
        (target / file).write_bytes(path.read_bytes())


def newest(names: list[str]) -> list[str]:
    """Without the outputs that a later attempt of the same job has made anew."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        match = re.fullmatch(r"(.*_job\d+)_(\d+)\.root", name)
        key, number = (match[1], int(match[2])) if match else (name, 0)
        best[key] = max(best.get(key, (-1, "")), (number, name))
    return sorted(name for _, name in best.values())


if __name__ == "__main__":
    work()
