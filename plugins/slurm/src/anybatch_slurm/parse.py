"""What Slurm's commands print, as records. Pure.

Text with a delimiter is asked for, not JSON: the JSON of squeue and sacct changed its shape in
22.05, 23.02 and 23.11 and ignores filters before 23.02. Times are asked for as seconds since
1970 (`SLURM_TIME_FORMAT=%s`), and lists of array elements whole (`SLURM_BITSTR_LEN=0`).

Every reader leaves out what it cannot read: a missing id is no verdict, a wrong one would be.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs
from anybatch.model import Reason, State
from anybatch.records import JobStatus

from anybatch_slurm.states import HELD_REASONS, read_state
from anybatch_slurm.waiting import explain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from anybatch.host import Completed

#: Fields of squeue, each followed by `|`; free text comes last.
SQUEUE_FIELDS = (
    *("ArrayJobID", "ArrayTaskID", "JobID", "State", "exit_code", "RestartCnt"),
    *("SubmitTime", "StartTime", "EndTime", "NodeList", "Reason"),
)
#: Fields of sacct; rows of steps (`123.batch`) follow the row of their job.
SACCT_FIELDS = (
    *("JobID", "State", "ExitCode", "Submit", "Start", "End"),
    *("NodeList", "TotalCPU", "MaxRSS", "Reason"),
)

#: What numbers out of range raise; the line is damaged then.
_DAMAGED = (ValueError, OverflowError)

_SUBMITTED = re.compile(r"^(\d+)(?:;\S+)?$", re.MULTILINE)
_NAME = re.compile(r"\d+(?:_\d+)?(?:\+\d+)?")
_CPU = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)")
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}

#: What Slurm prints for an id that it does not know (any more), when it is the only one.
UNKNOWN_ID = "Invalid job id specified"

#: What its tools print where they are installed and Slurm is not set up.
NOT_SET_UP = re.compile(
    "Could not establish a configuration source|Unable to process configuration file"
)
#: The reason of a job that no node can ever run; a refused submission leaves one behind.
IMPOSSIBLE = "BadConstraints"
#: Ends a list of array elements that Slurm has cut (`SLURM_BITSTR_LEN`).
CUT = "..."
_ESTIMATE = re.compile(
    r"\bto start at (?P<time>\S+).* on nodes (?P<nodes>\S+)(?: in partition (?P<partition>\S+))?"
)
#: Most ranges of elements in one word of a command, whose length the system limits to 128 kB.
_MOST_RANGES = 5000

#: slurmd's own exit status where it could not open the job's output file (slurm_errno 53).
_LAUNCH_FAILED = 53


def submitted_id(stdout: str) -> str | None:
    """The job's id from `sbatch --parsable`: a line of its own, `3504` or `3504;cluster`.

    Sites wrap sbatch and print banners around it.
    """
    found = _SUBMITTED.findall(stdout)
    return found[-1] if found else None


# -- squeue


#: Thousands of rows have the same state and the same times.
_REPEATED = 4096


def read_squeue(stdout: str) -> dict[str, JobStatus]:
    """The status of every job and array element in squeue's answer."""
    found: dict[str, JobStatus] = {}
    for row in _squeue_rows(stdout):
        with contextlib.suppress(*_DAMAGED):
            ids = natives(row["ArrayJobID"], row["ArrayTaskID"])
            found.update(dict.fromkeys(ids, _squeue_status(row)))
    return found


def _squeue_rows(stdout: str) -> Iterator[dict[str, str]]:
    for line in stdout.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) > len(SQUEUE_FIELDS):  # the last one ends with `|` too
            yield dict(zip(SQUEUE_FIELDS, fields, strict=False))


def _squeue_status(row: Mapping[str, str]) -> JobStatus:
    exit_code, signal = _exit(row["exit_code"])
    status = _status("squeue", row["State"], row["Reason"], exit_code, signal)
    status = _placed(status, row["NodeList"], row["SubmitTime"], row["StartTime"], row["EndTime"])
    restarts = int(row["RestartCnt"]) if row["RestartCnt"].isdecimal() else 0
    return attrs.evolve(status, restarts=restarts) if restarts else status


def natives(array: str, tasks: str) -> Iterator[str]:
    """The ids behind `ArrayJobID` and `ArrayTaskID`: `6-7,9%2` of 72 is 72_6, 72_7, 72_9.

    Where the list is cut, the last one is `72_...`.
    """
    if not array.isdecimal():
        return
    if not tasks or tasks == "N/A":
        yield array
        return
    for part in tasks.partition("%")[0].strip("[]").split(","):
        yield from (f"{array}_{number}" for number in _numbers(part))
    if CUT in tasks:
        yield f"{array}_{CUT}"


def _numbers(part: str) -> Iterable[int]:
    """`7`, `4-9` or `0-198:2`; nothing for what is none of them."""
    match = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7})(?::(\d{1,7}))?)?", part)
    if not match:
        return ()
    first, last, step = match.groups()
    return range(int(first), int(last or first) + 1, int(step or 1))


def running_jobs(ids: Collection[str], stdout: str) -> tuple[list[str], list[str]]:
    """Those of *ids* that run, from squeue's answer; apart those in whose array several wait."""
    wanted = frozenset(ids)
    running: list[str] = []
    crowded = set()
    for row in _squeue_rows(stdout):
        array, state = row["ArrayJobID"], read_state(row["State"])[0]
        listed = list(natives(array, row["ArrayTaskID"]))
        if state is State.RUNNING:
            running += (native for native in listed if native in wanted)
        elif not state.final and len(listed) > 1:
            crowded.add(array)
    apart = [native for native in running if native.partition("_")[0] in crowded]
    return [native for native in running if native not in set(apart)], apart


def removed_elements(ids: Sequence[str], answers: Mapping[str, JobStatus]) -> dict[str, JobStatus]:
    """The elements that are missing from an array of which Slurm knows others.

    An element that is cancelled while it is pending leaves its array without a trace, in squeue,
    scontrol and sacct alike (22.05); one that has run keeps a record of its own. A list that
    is cut says nothing of those that are missing.
    """
    arrays = {native.partition("_")[0] for native in answers}
    status = JobStatus(
        state=State.TERMINATED,
        native_state="CANCELLED",
        source="squeue, which has its array without it",
        never_started=True,
    )
    return {
        native: status
        for native in ids
        if native not in answers
        and (array := native.partition("_")[0]) in arrays
        and f"{array}_{CUT}" not in answers
    }


# -- sacct


def read_sacct(stdout: str) -> dict[str, JobStatus]:
    """The status of every job in sacct's answer, with what its steps used.

    An exit code over 128 is printed less 128 (22.05 to 26.05), so the job's own exit record is
    the better witness.
    """
    found: dict[str, JobStatus] = {}
    pending: dict[str, JobStatus] = {}
    for line in stdout.splitlines():
        fields = line.split("|")
        if len(fields) >= len(SACCT_FIELDS):
            row = dict(zip(SACCT_FIELDS, fields, strict=False))
            with contextlib.suppress(*_DAMAGED):
                _take_row(row, found, pending)
    return {**pending, **found}  # a started element may still be listed among the pending


def _take_row(
    row: Mapping[str, str], found: dict[str, JobStatus], pending: dict[str, JobStatus]
) -> None:
    name, dot, _ = row["JobID"].partition(".")
    if dot and name in found:
        found[name] = _with_step(found[name], row)
    elif "_[" in name:
        pending.update(dict.fromkeys(_elements(name), _sacct_status(row)))
    elif not dot and _NAME.fullmatch(name):
        # With --duplicates each run of a requeued job has a row, the latest last.
        restarts = found[name].restarts + 1 if name in found else 0
        found[name] = attrs.evolve(_sacct_status(row), restarts=restarts)


def _elements(name: str) -> Iterator[str]:
    array, _, tasks = name.partition("_[")
    return natives(array, f"[{tasks}")


def _sacct_status(row: Mapping[str, str]) -> JobStatus:
    exit_code, signal = _exit(row["ExitCode"])
    status = _status("sacct", row["State"], row["Reason"], exit_code, signal)
    status = _placed(status, row["NodeList"], row["Submit"], row["Start"], row["End"])
    return attrs.evolve(status, cpu_time=_cpu(row["TotalCPU"]))


def _with_step(status: JobStatus, row: Mapping[str, str]) -> JobStatus:
    """Only steps know memory."""
    memory = max(filter(None, (status.max_memory, _memory(row["MaxRSS"]))), default=None)
    return attrs.evolve(status, max_memory=memory)


# -- the log that slurmstepd writes to

_MEMORY_KILL = re.compile(
    r"^.*(?:StepId=|\bstep )(\d+)[.\s].*(?:exceeded .*memory limit).*$"
    r"|^.*oom[-_ ]kill.*(?:StepId=|\bstep )(\d+)\b.*$",
    re.MULTILINE | re.IGNORECASE,
)


def memory_kills(log: str) -> dict[str, str]:
    """What slurmstepd says of jobs that were killed for their memory, by their own number."""
    return {found[1] or found[2]: found[0].strip() for found in _MEMORY_KILL.finditer(log)}


def own_numbers(stdout: str) -> dict[str, str]:
    """The number that each job has of its own, from lines of squeue or sacct.

    An element of an array has another than the one it is known by.
    """
    numbers = {}
    for line in stdout.split("\n"):
        fields = line.split("|")
        if _NAME.fullmatch(fields[0]) and len(fields) > len(SACCT_FIELDS):
            # squeue's first three columns; of a job that is no element the second is N/A.
            if fields[0].isdecimal() and fields[1].isdecimal():
                numbers[f"{fields[0]}_{fields[1]}"] = fields[2]
            else:
                numbers[fields[0]] = fields[2] if fields[1] == "N/A" else fields[-2]
    return numbers


# -- the cluster


@attrs.frozen
class ClusterConfig:
    """What a cluster's configuration says.

    Attributes:
        version: such as 22.05.8.
        name: the cluster's name.
        array: the most elements of an array (MaxArraySize, max_array_tasks).
        accounting: whether finished jobs are kept for sacct.
        controllers: its hosts with their port; another cluster may have the same name.
        requeue: whether jobs may be run again unless they say otherwise (JobRequeue).
        owner: the user that it runs as (SlurmUser).
        patience: seconds that a command waits for an answer (MessageTimeout, TCPTimeout).
    """

    version: str
    name: str
    array: int
    accounting: bool
    controllers: tuple[str, ...] = ()
    patience: int = 0
    requeue: bool = True
    owner: str = ""

    @property
    def submit_line(self) -> tuple[str, ...]:
        """The column of sacct with the submit command, which 21.08 brought."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        new = numbers is None or (int(numbers[1]), int(numbers[2])) >= (21, 8)
        return ("SubmitLine",) if new else ()


def read_config(stdout: str) -> ClusterConfig:
    """The cluster of `scontrol show config`."""
    lines = (line.partition("=") for line in stdout.splitlines())
    values = {name.strip(): value.strip() for name, equals, value in lines if equals}
    storage = values.get("AccountingStorageType", "(null)")
    size = values.get("MaxArraySize", "")
    lower = re.search(r"max_array_tasks=(\d+)", values.get("SchedulerParameters", ""))
    sizes = [int(text) for text in (size, lower and lower[1]) if text and text.isdecimal()]
    return ClusterConfig(
        version=values.get("SLURM_VERSION", ""),
        name=values.get("ClusterName", ""),
        array=min(sizes, default=0) or 1,
        accounting=storage.endswith("slurmdbd"),
        controllers=tuple(
            f"{value}:{values.get('SlurmctldPort', '')}"
            for name, value in values.items()
            if name.startswith("SlurmctldHost[")
        ),
        patience=sum(_seconds(values.get(name)) for name in ("MessageTimeout", "TCPTimeout")),
        requeue=values.get("JobRequeue") != "0",
        owner=values.get("SlurmUser", "").partition("(")[0],
    )


def is_operator(stdout: str) -> bool:
    """Whether `sacctmgr show user NAME format=AdminLevel` tells of more than a user's rights."""
    return any(line.strip().startswith(("Operator", "Admin")) for line in stdout.splitlines())


def _seconds(text: str | None) -> int:
    found = re.match(r"\d+", text or "")
    return int(found[0]) if found else 0


def default_partition(stdout: str) -> str | None:
    """The partition that `sinfo --noheader --format=%P` marks with a star."""
    stars = [line.strip() for line in stdout.splitlines() if line.strip().endswith("*")]
    return stars[0].rstrip("*") if stars else None


# -- fields


@lru_cache(_REPEATED)
def _status(
    source: str, word: str, why: str, exit_code: int | None, signal: int | None
) -> JobStatus:
    state, reason, plain = read_state(word)
    message = why if why not in ("", "None") else None
    if state is State.QUEUED and why in HELD_REASONS:
        state = State.HELD
    if state is State.FAILED and signal == _LAUNCH_FAILED:
        reason, signal = Reason.SETUP, None
        message = "slurmd could not start the job (its output file cannot be opened?)"
    if state is State.FAILED and why == IMPOSSIBLE:
        reason, exit_code, signal = Reason.REJECTED, None, None
    if state is State.TERMINATED and why.startswith("Dependency"):
        reason = Reason.DEPENDENCY
    if message and state in (State.QUEUED, State.HELD):
        message = explain(message)
    if state is not State.DONE and exit_code == 0:
        exit_code = None  # a TIMEOUT row says 0:0
    return JobStatus(
        state=state,
        native_state=plain,
        source=source,
        reason=reason,
        message=message if not state.final or reason else None,
        exit_code=exit_code if state.final else None,
        signal=signal if state.final else None,
    )


def _placed(status: JobStatus, nodes: str, submitted: str, started: str, ended: str) -> JobStatus:
    """*status* with where and when; what has no node has only an expected start."""
    host = None if nodes in ("", "None assigned", "(null)", "N/A") else nodes
    return attrs.evolve(
        status,
        host=host,
        submitted=_time(submitted),
        started=_time(started) if host else None,
        ended=_time(ended) if status.state.final else None,
    )


def _exit(text: str) -> tuple[int | None, int | None]:
    """Exit code and signal from `3:0`, or from the raw wait status that squeue 22.05 prints."""
    code, colon, signal = text.partition(":")
    if not code.isdecimal() or (colon and not signal.isdecimal()):
        return None, None
    number = int(code)
    pair = (number, int(signal)) if colon else (number >> 8, number & 0x7F)
    return (None, pair[1]) if pair[1] else (pair[0], None)


@lru_cache(_REPEATED)
def _time(text: str) -> datetime | None:
    """Seconds since 1970, or nothing for `N/A`, `Unknown`, `None`."""
    if not text.isdecimal():
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc)
    except (*_DAMAGED, OSError):
        return None


def _cpu(text: str) -> timedelta | None:
    """`02:03.050` or `1-02:03:04`; nothing where accounting gathered none."""
    match = _CPU.fullmatch(text)
    if not match:
        return None
    days, hours, minutes, seconds = match.groups()
    used = timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes), seconds=float(seconds)
    )
    return used or None


def _memory(text: str) -> int | None:
    match = _MEMORY.fullmatch(text)
    return round(float(match[1]) * 1024 ** _POWER[match[2]]) if match else None


def complain(completed: Completed) -> str:
    """The errors in a command's output, without the advice around them."""
    said = completed.stderr.strip() or completed.stdout.strip()
    return "; ".join(_errors(completed.stderr)) or said


def read_estimate(stderr: str) -> str:
    """When and where a job would start, from `sbatch --test-only`; as it is where that is unclear.

    `Job 7 to start at 2026-11-28T17:09:26 using 1 processors on nodes n1 in partition main`, where
    26.05 has an `a` behind the time. Nothing has the number of that job.
    """
    for line in stderr.splitlines():
        if match := _ESTIMATE.search(line):
            where = f" in partition {match['partition']}" if match["partition"] else ""
            when = match["time"].replace("T", " ")
            return f"as Slurm is now, the first would start at {when} on {match['nodes']}{where}"
    return " ".join(stderr.split())


def only_unknown_ids(stderr: str) -> bool:
    """Whether scancel complains of nothing but jobs that are gone."""
    errors = _errors(stderr)
    return bool(errors) and all(UNKNOWN_ID in line for line in errors)


def _errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "error:" in line]


def whole_arrays(ids: Sequence[str], answers: Mapping[str, JobStatus]) -> list[str]:
    """The same jobs, with an array's own id for elements beside which it has none that goes on."""
    wanted = set(ids)
    kept = {n.partition("_")[0] for n in answers if n not in wanted and not answers[n].state.final}
    listed = {native.partition("_")[0] for native in answers}
    whole = listed - kept
    named = (native.partition("_")[0] for native in ids)
    return list(dict.fromkeys(a if a in whole else n for a, n in zip(named, ids, strict=True)))


def compress(ids: Sequence[str]) -> list[str]:
    """Ids for scancel: the elements of each array together, `3505_[0-3,7]`.

    Very many that are far from each other make more words than one.
    """
    from anybatch.ranges import write_ranges

    arrays: dict[str, list[int]] = {}
    single = []
    for native in ids:
        array, underscore, element = native.partition("_")
        if underscore:
            arrays.setdefault(array, []).append(int(element))
        else:
            single.append(native)
    for array, tasks in arrays.items():
        ranges = write_ranges(sorted(tasks)).split(",")
        for start in range(0, len(ranges), _MOST_RANGES):
            single.append(f"{array}_[{','.join(ranges[start : start + _MOST_RANGES])}]")
    return single
