"""The commands of the grid client, as people call them: `commands.py NAME WORDS...`."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import gridsim
from gridsim import GRID, Grid


def gbasf2(words: list[str]) -> int:
    """Submit a project."""
    given = _submit_options(words)
    with gridsim.grid() as g:
        if problem := _problem(g, given):
            print(f"ERROR: {problem}")
            return 1
        inputs = [name for lpn in _inputs(given) for name in g.files(lpn)]
        inputs *= given.repetition
        if not inputs:
            print("ERROR: No input file found")
            return 1
        print(f"************* Project summary **************\n** Project name: {given.project}")
        print(f"** Number of input files/jobs: {len(inputs)}")
        if not given.force:
            print("Are you sure to submit the project? Please enter Y or N: ", end="", flush=True)
            if not sys.stdin.readline().strip().lower().startswith("y"):
                return 1
        ids = _submit(g, given, inputs)
        faults = g.faults
    gridsim.start_work()
    time.sleep(float(faults.get("submit_seconds", 0)))
    if faults.get("submit_says_nothing"):
        return 0
    print("Initialization complete\n<=====v5r7=====>")
    print(f"JobID = {ids[0]} ... {ids[-1]} ({len(ids)} jobs)")
    return 0


def _submit_options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gbasf2", allow_abbrev=False)
    parser.add_argument("steering")
    parser.add_argument("-p", "--project", required=True)
    parser.add_argument("-s", "--release", required=True)
    parser.add_argument("-f", dest="files", nargs="+", default=[])
    parser.add_argument("-i", dest="input")
    parser.add_argument("--input_dslist")
    parser.add_argument("--input_datafiles", nargs="+")
    parser.add_argument("--repetition", type=int, default=1)
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--noscout", action="store_true")
    parser.add_argument("--lfn_sandboxfiles", action="store_true")
    parser.add_argument("--cputime", type=int)
    parser.add_argument("--evtpersec", type=float)
    parser.add_argument("--priority", type=int, choices=range(11))
    parser.add_argument("--jobtype")
    parser.add_argument("--basf2opt")
    parser.add_argument("--input_grouping", choices=("site", "size"))
    parser.add_argument("--output_ds")
    return parser.parse_args(words)


def _problem(g: Grid, given: argparse.Namespace) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,32}", given.project):
        return f"Invalid project name {given.project}"
    if given.project in g.state["names"] or g.faults.get("reject_names"):
        return f"Project {given.project} already exists. Please use another name"
    if not Path(given.steering).is_file():
        return f"Steering file {given.steering} not found"
    missing = [name for name in given.files if not Path(name).exists()]
    if missing:
        return f"File {missing[0]} not found"
    if given.release not in g.faults.get("releases", ["light-2601-simulated"]):
        return f"Invalid basf2 release {given.release}"
    return ""


def _inputs(given: argparse.Namespace) -> list[str]:
    if given.input_dslist:
        return Path(given.input_dslist).read_text().split()
    return given.input.split(",") if given.input else []


def _submit(g: Grid, given: argparse.Namespace, inputs: list[str]) -> list[str]:
    sandbox = GRID / "sandboxes" / given.project
    sandbox.mkdir()
    for name in (given.steering, *given.files):
        shutil.copy(name, sandbox)
    g.state["names"].append(given.project)
    output = given.output_ds or g.name_of(given.project)
    (GRID / "storage" / output.lstrip("/")).mkdir(parents=True)
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    ids = []
    for index, name in enumerate(inputs):
        ids.append(str(g.state["next"]))
        g.state["next"] += 1
        g.jobs[ids[-1]] = {
            "project": given.project,
            "owner": g.state["proxy"]["username"],
            "index": index,
            "attempt": 0,
            "input": str(GRID / "storage" / name.lstrip("/")),
            "output": output,
            "steering": Path(given.steering).name,
            "Status": "Waiting",
            "MinorStatus": "Pilot Agent Submission",
            "ApplicationStatus": "Unknown",
            "Site": f"LCG.Site{index % 3}.de",
            "SubmissionTime": now,
            "LastUpdateTime": now,
            "HeartBeatTime": now,
        }
    return ids


def gb2_ds_list(words: list[str]) -> int:
    """Print the files of a dataset."""
    with gridsim.grid() as g:
        print("\n".join(g.files(words[-1])))
    return 0


def gb2_ds_get(words: list[str]) -> int:
    """Download the newest files of a dataset to the current folder."""
    parser = argparse.ArgumentParser(prog="gb2_ds_get", allow_abbrev=False)
    parser.add_argument("dataset")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--failed_lfns")
    parser.add_argument("--input_dslist")
    given = parser.parse_args(words)
    with gridsim.grid() as g:
        names = gridsim.newest(g.files(given.dataset))
        faults = g.faults
    if given.input_dslist:
        wanted = set(Path(given.input_dslist).read_text().split())
        names = [name for name in names if name in wanted]
    if not names:
        print("No file found")
        return 0
    print(f"Download {len(names)} files from SE")
    failed = [name for name in names if not _get(name, faults)]
    if failed and given.failed_lfns:
        Path(given.failed_lfns).write_text("".join(f"{name}\n" for name in failed))
    print(f"Failed files:\n{chr(10).join(failed)}" if failed else "Successfully downloaded files")
    return 0


def _get(name: str, faults: dict[str, Any]) -> bool:
    """Download a file that is not there yet; whether that worked."""
    *_, project, block, file = name.split("/")
    target = Path(project) / block / file
    if target.exists():
        return True
    _pause("download_pauses", file)
    if _befalls(faults, "download_fails", file):
        return False
    time.sleep(float(faults.get("download_seconds", 0)))
    target.parent.mkdir(parents=True, exist_ok=True)
    content = (GRID / "storage" / name.lstrip("/")).read_bytes()
    if _befalls(faults, "download_truncates", file):
        content = content[:-1]
    if _befalls(faults, "download_corrupts", file):
        content = bytes([content[0] ^ 1]) + content[1:]
    partial = target.with_suffix(".part")
    partial.write_bytes(content)
    partial.rename(target)
    return True


def _befalls(faults: dict[str, Any], fault: str, file: str) -> bool:
    """Whether a fault that is switched on for files (`{"_00007_": 1}`: once) befalls this one."""
    for part in filter(file.__contains__, faults.get(fault, {})):
        with gridsim.grid() as g:
            used = g.state["used"].setdefault(f"{fault} {part}", 0)
            g.state["used"][f"{fault} {part}"] += 1
        if used < faults[fault][part]:
            return True
    return False


def gb2_job_status(words: list[str]) -> int:
    """Print a table of jobs, for people."""
    given = _jobs_parser("gb2_job_status").parse_args(words)
    with gridsim.grid() as g:
        jobs = {name: g.shown(job) for name, job in _chosen(g, given).items()}
    print(f"{len(jobs)} jobs are selected.")
    for name, job in jobs.items():
        row = (job[key] for key in ("Status", "MinorStatus", "ApplicationStatus", "Site"))
        print(name, *row, sep="  ")
    words = [job["Status"] for job in jobs.values()]
    print("--- Summary of Selected Jobs ---")
    print(*(f"{word}:{words.count(word)}" for word in sorted(set(words))))
    return 0


def _jobs_parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, allow_abbrev=False)
    parser.add_argument("-p", "--project", action="append", default=[])
    parser.add_argument("-j", "--jobid", nargs="+", default=[])
    parser.add_argument("-u", "--user")
    parser.add_argument("--force", action="store_true")
    return parser


def _chosen(g: Grid, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    wanted = {name for word in given.jobid for name in word.split(",")}
    return {
        name: job
        for name, job in g.jobs.items()
        if name in wanted or (job["project"] in given.project and job["Status"] != "Deleted")
    }


def gb2_job_output(words: list[str]) -> int:
    """Download the logs of jobs below `log`."""
    given = _jobs_parser("gb2_job_output").parse_args(words)
    with gridsim.grid() as g:
        if g.take("output_fails"):
            print(gridsim.NO_VOMS)
            return 1
        jobs = {name: dict(job) for name, job in _chosen(g, given).items()}
    print(f"download output sandbox below ./log/JOBID\n{len(jobs)} jobs are selected.")
    for name, job in jobs.items():
        above = Path("log") / job["project"] if given.project else Path("log")
        place = GRID / "jobs" / f"{name}.{job['attempt']}"
        target = above / name
        target.mkdir(parents=True, exist_ok=True)
        for log in ("Script1_basf2helper.py.log", "std.out", "job.info"):
            if (place / log).exists():
                shutil.copy(place / log, target)
    return 0


def gb2_job_reschedule(words: list[str]) -> int:
    """Run jobs again that have failed."""
    given = _jobs_parser("gb2_job_reschedule").parse_args(words)
    _pause("reschedule_pauses", "before")
    with gridsim.grid() as g:
        jobs = {n: j for n, j in _chosen(g, given).items() if j["Status"] in RESCHEDULABLE}
        if not jobs:
            print("Error: No job is in a status that can be rescheduled: Failed, Killed, Stalled")
            return 1
        for job in jobs.values():
            g.move(job, "Waiting", "Job Rescheduled", "Unknown")
            job["attempt"] += 1
            job["shown_until"] = time.time() + float(g.faults.get("reschedule_lag", 0))
    gridsim.start_work()
    _pause("reschedule_pauses", "after")
    print(f"{len(jobs)} jobs are selected.\nResult for jobs: {', '.join(jobs)}: rescheduled")
    return 0


def _pause(fault: str, point: str) -> None:
    """Wait at a point of a command, as long as that is switched on; who waits is written down."""
    while (wanted := gridsim.load(GRID / "faults.json").get(fault)) and wanted in point:
        gridsim.paused(point)
        time.sleep(0.05)


RESCHEDULABLE = ("Failed", "Killed", "Stalled")


def gb2_job_kill(words: list[str]) -> int:
    """Kill jobs."""
    given = _jobs_parser("gb2_job_kill").parse_args(words)
    with gridsim.grid() as g:
        jobs = _chosen(g, given)
        for job in jobs.values():
            if job["Status"] not in gridsim.FINAL:
                g.move(job, "Killed", "Marked for termination", job["ApplicationStatus"])
    print(f"{len(jobs)} jobs are selected.")
    return 0


def gb2_proxy_init(words: list[str]) -> int:
    """Make a proxy; as the real one does, end with 0 whatever happens."""
    parser = argparse.ArgumentParser(prog="gb2_proxy_init", allow_abbrev=False)
    parser.add_argument("-g", "--group", default="belle")
    parser.add_argument("-v", "--valid", default="24:00")
    parser.add_argument("--pwstdin", action="store_true")
    given = parser.parse_args(words)
    password = sys.stdin.readline().strip()
    with gridsim.grid() as g:
        if password != g.faults.get("password", "secret"):
            print("Generating proxy...\nBad passphrase", file=sys.stderr)
            return 0
        hours, _, minutes = given.valid.partition(":")
        seconds = int(hours) * 3600 + int(minutes) * 60
        g.state["proxy"] = {
            "username": g.faults.get("user", "ada"),
            "group": given.group,
            "expires": time.time() + seconds,
        }
    print("Succeed with return value:\n0")
    return 0


def gb2_proxy_info(words: list[str]) -> int:
    """Print the proxy, for people."""
    with gridsim.grid() as g:
        left, proxy = g.proxy_left(), g.state["proxy"]
    if left <= 0:
        print("Error: no valid proxy")
        return 1
    print(f"timeleft : {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}")
    print(f"DIRAC group : {proxy['group']}\nusername : {proxy['username']}\nVOMS : True")
    return 0


def needs_proxy(name: str) -> bool:
    """Whether a command does nothing now, for there is no proxy."""
    with gridsim.grid() as g:
        return not name.startswith("gb2_proxy") and g.proxy_left() <= 0


if __name__ == "__main__":
    gridsim.log_call(sys.argv[1], sys.argv[2:])
    if needs_proxy(sys.argv[1]):
        print(gridsim.NO_VOMS)
        sys.exit(1)
    sys.exit(globals()[sys.argv[1]](sys.argv[2:]))
