"""What Slurm's commands print, as records. Pure.

Text with a delimiter is asked for, not JSON: the JSON of squeue and sacct changed its shape in
22.05, 23.02 and 23.11 and ignores filters before 23.02. Times are asked for as seconds since
1970 (`SLURM_TIME_FORMAT=%s`), and lists of array elements whole (`SLURM_BITSTR_LEN=0`).

Every reader leaves out what it cannot read: a missing id is no verdict, a wrong one would be.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import attrs
from anybatch.model import Reason, State
from anybatch.records import JobStatus

from anybatch_slurm.states import HELD_REASONS, read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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

_SUBMITTED = re.compile(r"^(\d+)(?:;\S+)?$", re.MULTILINE)
_CPU = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)")
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SCONTROL = re.compile(r"(\w+)=(\S*)")

#: What Slurm prints for an id that it does not know (any more), when it is the only one.
UNKNOWN_ID = "Invalid job id specified"
ACCOUNTING_OFF = "Slurm accounting storage is disabled"

#: slurmd's own exit status where it could not open the job's output file (slurm_errno 53).
_LAUNCH_FAILED = 53


def submitted_id(stdout: str) -> str | None:
    """The job's id from `sbatch --parsable`: a line of its own, `3504` or `3504;cluster`.

    Sites wrap sbatch and print banners around it.
    """
    found = _SUBMITTED.findall(stdout)
    return found[-1] if found else None


# -- squeue


def read_squeue(stdout: str) -> dict[str, JobStatus]:
    """The status of every job and array element in squeue's answer."""
    found: dict[str, JobStatus] = {}
    for line in stdout.splitlines():
        fields = line.split("|")
        if len(fields) >= len(SQUEUE_FIELDS):
            row = dict(zip(SQUEUE_FIELDS, (field.strip() for field in fields), strict=False))
            status = _squeue_status(row)
            for native in natives(row["ArrayJobID"], row["ArrayTaskID"]):
                found[native] = status
    return found


def _squeue_status(row: Mapping[str, str]) -> JobStatus:
    exit_code, signal = _exit(row["exit_code"])
    status = _status("squeue", row["State"], row["Reason"], exit_code, signal)
    return attrs.evolve(
        status,
        host=_host(row["NodeList"]),
        submitted=_time(row["SubmitTime"]),
        started=_time(row["StartTime"]) if status.state is not State.QUEUED else None,
        ended=_time(row["EndTime"]) if status.state.final else None,
        restarts=int(row["RestartCnt"]) if row["RestartCnt"].isdecimal() else 0,
    )


def natives(array: str, tasks: str) -> Iterator[str]:
    """The ids behind `ArrayJobID` and `ArrayTaskID`: `6-7,9%2` of 72 is 72_6, 72_7, 72_9."""
    if not tasks or tasks == "N/A":
        yield array
        return
    for part in tasks.partition("%")[0].strip("[]").split(","):
        yield from (f"{array}_{number}" for number in _numbers(part))


def _numbers(part: str) -> Iterable[int]:
    """`7`, `4-9` or `0-198:2`; nothing for what is none of them."""
    match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part)
    if not match:
        return ()
    first, last, step = match.groups()
    return range(int(first), int(last or first) + 1, int(step or 1))


def removed_elements(ids: Sequence[str], answers: Mapping[str, JobStatus]) -> dict[str, JobStatus]:
    """The elements that are missing from an array of which Slurm knows others.

    An element that is cancelled while it is pending leaves its array without a trace, in squeue,
    scontrol and sacct alike (22.05); one that has run keeps a record of its own.
    """
    arrays = {native.partition("_")[0] for native in answers}
    status = JobStatus(
        state=State.TERMINATED,
        native="CANCELLED",
        source="squeue, which has its array without it",
        never_started=True,
    )
    return {
        native: status
        for native in ids
        if native not in answers and native.partition("_")[0] in arrays
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
        if len(fields) < len(SACCT_FIELDS):
            continue
        row = dict(zip(SACCT_FIELDS, fields, strict=False))
        name, dot, _ = row["JobID"].partition(".")
        if dot and name in found:
            found[name] = _with_step(found[name], row)
        elif "_[" in name:
            pending.update(dict.fromkeys(_elements(name), _sacct_status(row)))
        elif not dot:
            # With --duplicates each run of a requeued job has a row, the latest last.
            restarts = found[name].restarts + 1 if name in found else 0
            found[name] = attrs.evolve(_sacct_status(row), restarts=restarts)
    return {**pending, **found}  # a started element may still be listed among the pending


def _elements(name: str) -> Iterator[str]:
    array, _, tasks = name.partition("_[")
    return natives(array, tasks.rstrip("]"))


def _sacct_status(row: Mapping[str, str]) -> JobStatus:
    exit_code, signal = _exit(row["ExitCode"])
    status = _status("sacct", row["State"], row["Reason"], exit_code, signal)
    return attrs.evolve(
        status,
        host=_host(row["NodeList"]),
        submitted=_time(row["Submit"]),
        started=_time(row["Start"]),
        ended=_time(row["End"]),
        cpu_time=_cpu(row["TotalCPU"]),
    )


def _with_step(status: JobStatus, row: Mapping[str, str]) -> JobStatus:
    """Only steps know memory."""
    memory = max(filter(None, (status.max_memory, _memory(row["MaxRSS"]))), default=None)
    return attrs.evolve(status, max_memory=memory)


# -- scontrol


def read_scontrol(stdout: str) -> dict[str, JobStatus]:
    """The status of every job in `scontrol --oneliner show job`."""
    found: dict[str, JobStatus] = {}
    for line in stdout.splitlines():
        row: dict[str, str] = dict(_SCONTROL.findall(line))
        if "JobId" in row and "JobState" in row:
            array, tasks = row.get("ArrayJobId", row["JobId"]), row.get("ArrayTaskId", "")
            found.update(dict.fromkeys(natives(array, tasks), _scontrol_status(row)))
    return found


def _scontrol_status(row: Mapping[str, str]) -> JobStatus:
    exit_code, signal = _exit(row.get("ExitCode", ""))
    status = _status("scontrol", row["JobState"], row.get("Reason", ""), exit_code, signal)
    return attrs.evolve(
        status,
        host=_host(row.get("NodeList", "")),
        submitted=_time(row.get("SubmitTime", "")),
        started=_time(row.get("StartTime", "")),
        ended=_time(row.get("EndTime", "")) if status.state.final else None,
        restarts=int(row.get("Restarts", "0")),
    )


# -- the cluster


@attrs.frozen
class Cluster:
    """What a cluster's configuration says.

    Attributes:
        version: such as 22.05.8.
        name: the cluster's name.
        array: MaxArraySize: elements have numbers below it.
        accounting: whether finished jobs are kept for sacct.
    """

    version: str
    name: str
    array: int
    accounting: bool


def read_config(stdout: str) -> Cluster:
    """The cluster of `scontrol show config`."""
    lines = (line.partition("=") for line in stdout.splitlines())
    values = {name.strip(): value.strip() for name, equals, value in lines if equals}
    storage = values.get("AccountingStorageType", "(null)")
    return Cluster(
        version=values.get("SLURM_VERSION", ""),
        name=values.get("ClusterName", ""),
        array=int(values.get("MaxArraySize", "0")) or 1,
        accounting=storage.endswith("slurmdbd"),
    )


def jobs_with(token: str, stdout: str) -> list[str]:
    """The jobs whose comment begins with *token*, from lines of `ID|REASON|COMMENT`.

    A submission that Slurm refused leaves a job of reason BadConstraints behind.
    """
    rows = (line.split("|", maxsplit=2) for line in stdout.splitlines() if line.count("|") > 1)
    return [
        name.partition("_")[0]
        for name, reason, comment in rows
        if re.match(rf"{re.escape(token)}( |\||$)", comment) and reason != "BadConstraints"
    ]


def default_partition(stdout: str) -> str | None:
    """The partition that `sinfo --noheader --format=%P` marks with a star."""
    stars = [line.strip() for line in stdout.splitlines() if line.strip().endswith("*")]
    return stars[0].rstrip("*") if stars else None


# -- fields


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
    if state is State.TERMINATED and why.startswith("Dependency"):
        reason = Reason.DEPENDENCY
    if reason is not None and exit_code == 0:
        exit_code = None  # a TIMEOUT row says 0:0
    return JobStatus(
        state=state,
        native=plain,
        source=source,
        reason=reason,
        message=message if not state.final or reason else None,
        exit_code=exit_code if state.final else None,
        signal=signal if state.final else None,
    )


def _exit(text: str) -> tuple[int | None, int | None]:
    """Exit code and signal from `3:0`, or from the raw wait status that squeue 22.05 prints."""
    code, colon, signal = text.partition(":")
    if not code.isdecimal() or (colon and not signal.isdecimal()):
        return None, None
    number = int(code)
    pair = (number, int(signal)) if colon else (number >> 8, number & 0x7F)
    return (None, pair[1]) if pair[1] else (pair[0], None)


def _host(nodes: str) -> str | None:
    return None if nodes in ("", "None assigned", "(null)", "N/A") else nodes


def _time(text: str) -> datetime | None:
    """Seconds since 1970, or nothing for `N/A`, `Unknown`, `None`."""
    if not text.isdecimal():
        return None
    return datetime.fromtimestamp(int(text), timezone.utc)


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
    lines = [line for line in completed.stderr.splitlines() if "error:" in line]
    return "; ".join(lines) or completed.stderr.strip() or completed.stdout.strip()


def compress(ids: Sequence[str]) -> list[str]:
    """Ids for scancel: the elements of each array together, `3505_[0-3,7]`."""
    from anybatch.text import write_ranges

    arrays: dict[str, list[int]] = {}
    single = []
    for native in ids:
        array, underscore, element = native.partition("_")
        if underscore:
            arrays.setdefault(array, []).append(int(element))
        else:
            single.append(native)
    return single + [f"{a}_[{write_ranges(sorted(tasks))}]" for a, tasks in arrays.items()]
