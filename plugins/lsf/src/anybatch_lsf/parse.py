"""What LSF's and OpenLava's commands print in tables, as records. Pure.

Two forms: columns that were asked for (`bjobs -o`, as text or `-json`), and the plain table of
`bjobs -w`. Minutes are all that they tell of times. The long form is read by `life`.

Every reader leaves out what it cannot read: a missing id is no verdict, a wrong one would be.
"""

from __future__ import annotations

import contextlib
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from anybatch_lsf import pending
from anybatch_lsf.states import Said, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anybatch.records import JobStatus

#: Fields of `bjobs -o`.
FIELDS = (
    *("jobid", "jobindex", "stat", "exit_code", "exit_reason"),
    *("exec_host", "cpu_used", "max_mem"),
)
REASON = "pend_reason"  #: the last where it is asked for; its text may hold anything
DELIMITER = "|"
#: Set where hosts of a cloud are borrowed when jobs need them.
RESOURCE_CONNECTOR = "LSB_RC_EXTERNAL_HOST_FLAG"
#: LSF's own default of MAX_JOB_ARRAY_SIZE.
DEFAULT_ARRAY = 1000

_SUBMITTED = re.compile(r"^Job <(\d+)> is submitted to ", re.MULTILINE)
_ID = re.compile(r"(\d+)(?:\[(\d+)\])?")
_ROW = re.compile(r"(\d+)(?:\[\d+\])?\s+\S+\s+([A-Z_]+)\s+\S+\s+(\S.*)")
_INDEX = re.compile(r"\[(\d+)\]\s+[A-Z][a-z]{2}\s+\d+\s+\d+:\d+\s*$")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([KMGTPE]?)(?:bytes|B)?", re.IGNORECASE)
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
#: What numbers out of range raise; the line is damaged then.
DAMAGED = (ValueError, OverflowError)

#: What commands print on an id that they do not know (any more), or where there is nothing.
NOTHING = re.compile(
    r"Job <[^>]*> is not found|No (matching |unfinished |running |pending )?jobs? found|"
    r"No matching job found"
)
#: A job as bjobs lists it, in columns that were asked for, in the table, or in the long form.
_LISTED = re.compile(
    r"^\d+(?:\[\d+\])?(?:\||\s+\S+\s+[A-Z_]+\s)|^Job (?:Id )?<\d+(?:\[\d+\])?>,", re.MULTILINE
)
#: What bkill prints of jobs that it has nothing to do with.
GONE = re.compile(
    r"No matching job found|is not found|already finished|Operation is in progress|"
    r"has not started yet"
)
#: What clients print where LSF is installed and not set up.
NOT_SET_UP = re.compile(r"lsf\.conf|LSF_CONFDIR|LSF_ENVDIR|LSF_SERVERDIR")


def submitted_id(stdout: str) -> str | None:
    """The job's id in what bsub prints; sites print more around it."""
    match = _SUBMITTED.search(stdout)
    return match[1] if match else None


def native(job: str, index: str) -> str:
    """An id: `123`, or `123[4]` for an element of an array."""
    return f"{job}[{index}]" if index not in ("", "0", "-") else job


def arrays(ids: Sequence[str]) -> list[str]:
    """The arrays (or single jobs) that ids belong to, each once."""
    return list(dict.fromkeys(one.partition("[")[0] for one in ids))


def compress(ids: Sequence[str]) -> list[str]:
    """Ids as commands take them: the elements of each array together, `123[1-3,7]`."""
    from anybatch.ranges import write_ranges

    found: dict[str, list[int]] = {}
    single = []
    for one in ids:
        match = _ID.fullmatch(one)
        if match and match[2]:
            found.setdefault(match[1], []).append(int(match[2]))
        else:
            single.append(one)
    for job, elements in found.items():
        ranges = write_ranges(sorted(elements)).split(",")
        # The manual has 4094 characters as the most for many an option.
        for start in range(0, len(ranges), 250):
            single.append(f"{job}[{','.join(ranges[start : start + 250])}]")
    return single


def lists_jobs(stdout: str) -> bool:
    """Whether bjobs has listed any job, in whatever columns."""
    return bool(_LISTED.search(stdout) or read_bjobs(stdout))


# -- bjobs -o


def read_bjobs(stdout: str, more: Sequence[str] = ()) -> dict[str, JobStatus]:
    """The status of every job in the answer to `bjobs -o`, as JSON or as text.

    Args:
        more: the fields that were asked for behind `FIELDS`.
    """
    found: dict[str, JobStatus] = {}
    for row in _rows(stdout, FIELDS, more):
        with contextlib.suppress(*DAMAGED):
            found[_native(row)] = _bjobs_status(row)
    return found


def described(token: str, stdout: str) -> str | None:
    """The job whose description begins with *token*, of `-o "jobid job_description"`."""
    for row in _rows(stdout, ("jobid", "job_description")):
        if row["job_description"].split(" ")[0] == token:
            return _ID.match(row["jobid"])[1]  # type: ignore[index] # rows have an id
    return None


def _rows(stdout: str, fields: Sequence[str], more: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """The rows whose id is one; those of jobs that are not known have none of the fields.

    Args:
        more: fields behind them, which JSON may lack.
    """
    is_json = '"RECORDS"' in stdout
    found = _json_rows(stdout) if is_json else _text_rows(stdout, (*fields, *more))
    for row in found:
        if _ID.fullmatch(row.get("jobid", "")) and all(name in row for name in fields):
            yield row


def _text_rows(stdout: str, fields: Sequence[str]) -> Iterator[dict[str, str]]:
    for line in stdout.split("\n"):
        values = line.split(DELIMITER, len(fields) - 1)
        if len(values) == len(fields):
            yield {
                name: "" if value.strip() == "-" else value.strip()
                for name, value in zip(fields, values, strict=True)
            }


def _json_rows(stdout: str) -> Iterator[dict[str, str]]:
    """Sites print banners before what commands print."""
    begin = re.search(r'\{\s*"[A-Z]+"', stdout)
    with contextlib.suppress(ValueError, RecursionError):
        answer, _ = json.JSONDecoder(strict=False).raw_decode(stdout, begin.start() if begin else 0)
        records = answer.get("RECORDS", []) if isinstance(answer, dict) else []
        for record in records if isinstance(records, list) else []:
            if isinstance(record, dict) and "ERROR" not in record:
                yield {str(name).lower(): str(value) for name, value in record.items()}


def _native(row: Mapping[str, str]) -> str:
    match = _ID.fullmatch(row["jobid"])
    assert match
    return native(match[1], match[2] or row["jobindex"])


def _bjobs_status(row: Mapping[str, str]) -> JobStatus:
    code = int(row["exit_code"]) if row["exit_code"].isdecimal() else None
    said = Said(
        word=row["stat"],
        code=code,
        why=row["exit_reason"],
        host=row["exec_host"],
        waits=pending.explain(row.get(REASON, "")),
    )
    return attrs.evolve(
        status_of("bjobs", said),
        cpu_time=read_cpu(row["cpu_used"].split(" ")[0]),
        max_memory=read_memory(row["max_mem"]),
    )


def read_cpu(text: str) -> timedelta | None:
    """CPU time, of a number of seconds."""
    try:
        return timedelta(seconds=float(text)) or None
    except DAMAGED:
        return None


def read_memory(text: str) -> int | None:
    """Bytes, of `2 Mbytes` or `2M`."""
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        return None
    power = _POWER[match[2].upper()]
    return round(float(match[1]) * 1024**power) or None


# -- bjobs -w


def read_table(stdout: str) -> dict[str, JobStatus]:
    """The status of every job in the table of `bjobs -w`; the index stands in the job's name.

    It does not tell how a job has failed. With `-p` the reasons follow on jobs that wait.
    """
    found: dict[str, JobStatus] = {}
    for line, below in _entries(stdout):
        if match := _ROW.fullmatch(line.rstrip()):
            job, word, rest = match.groups()
            index = _INDEX.search(rest)
            words = rest.split()
            # From, on, name, month, day, time; what is pending is on nothing, or on `-`.
            host = words[1] if len(words) > 5 and word not in ("PEND", "PSUSP") else ""
            name = native(job, index[1] if index else "")
            waits = pending.explain(below)
            found[name] = status_of("bjobs", Said(word=word, host=host, waits=waits))
    return found


def _entries(stdout: str) -> Iterator[tuple[str, str]]:
    """Each line that is not indented, with those below it that are."""
    entry, below = "", ""
    for line in stdout.split("\n"):
        if line.startswith(" "):
            below += f"{line}\n"
            continue
        yield entry, below
        entry, below = line, ""
    yield entry, below


# -- the cluster


@attrs.frozen
class Version:
    """What lsid says.

    Attributes:
        text: product and version.
        number: of the version.
        openlava: it is OpenLava.
        cluster: its name.
    """

    text: str
    number: tuple[int, ...]
    openlava: bool
    cluster: str

    @property
    def modern(self) -> bool:
        """Whether `bjobs -o`, `bsub -env` and their like are there."""
        return not self.openlava and self.number >= (10, 1)

    @property
    def json(self) -> bool:
        """Whether `bjobs -json` is there."""
        return self.modern and self.number >= (10, 1, 0, 2)


def read_version(stdout: str) -> Version | None:
    """The version in what lsid prints; None where it says nothing of LSF or OpenLava."""
    match = re.search(r"^.*?\b(openlava|LSF)\b.*?(\d+(?:\.\d+)+)(\w*)", stdout, re.I | re.M)
    if not match:
        return None
    cluster = re.search(r"^My cluster name is (\S+)", stdout, re.MULTILINE)
    openlava = match[1].lower() == "openlava"
    # 2.2 calls itself `openlava project 2.2`.
    return Version(
        text=f"OpenLava {match[2]}{match[3]}" if openlava else match[0].strip(),
        number=tuple(int(part[:9]) for part in match[2].split(".")),
        openlava=openlava,
        cluster=cluster[1] if cluster else "",
    )


def read_parameters(stdout: str) -> dict[str, str]:
    """The `NAME = value` lines of `bparams -a`, `badmin showconf mbd` or lsf.conf."""
    line = r"^(?:[^#\n]*:)?\s*([A-Z][A-Z0-9_]*)[ \t]*=[ \t]*([^\s#]*)"
    return {name: value.strip("\"'") for name, value in re.findall(line, stdout, re.MULTILINE)}


def largest_array(parameters: Mapping[str, str]) -> int:
    """MAX_JOB_ARRAY_SIZE."""
    text = parameters.get("MAX_JOB_ARRAY_SIZE", "")
    return int(text) if text.isdecimal() and len(text) < 12 and int(text) else DEFAULT_ARRAY


def largest_priority(parameters: Mapping[str, str]) -> int:
    """MAX_USER_PRIORITY; 0: users give their jobs none."""
    text = parameters.get("MAX_USER_PRIORITY", "")
    return int(text) if text.isdecimal() and len(text) < 12 else 0


def reserves_per_task(parameters: Mapping[str, str]) -> bool:
    """Whether memory is reserved for each slot; older LSF has another name for it."""
    names = ("RESOURCE_RESERVE_PER_TASK", "RESOURCE_RESERVE_PER_SLOT")
    return any(parameters.get(name, "").upper() in ("Y", "YES") for name in names)


def read_unit(configuration: str) -> str:
    """LSF_UNIT_FOR_LIMITS in a configuration; empty where it is not set."""
    unit = read_parameters(configuration).get("LSF_UNIT_FOR_LIMITS", "").upper()
    return unit if unit in ("KB", "MB", "GB", "TB", "PB", "EB") else ""


def default_queue(parameters: Mapping[str, str]) -> str | None:
    """The first of DEFAULT_QUEUE."""
    return parameters.get("DEFAULT_QUEUE") or None
