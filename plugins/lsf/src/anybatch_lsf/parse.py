"""What LSF's and OpenLava's commands print, as records. Pure.

Three forms: columns that were asked for (`bjobs -o`, as text or `-json`), the plain table of
`bjobs -w`, and the long form of `bjobs -l`, `bhist -l` and `bacct -l`, which is wrapped at 80
columns. Minutes are all that tables tell of times, so times are read from the long form alone.

Every reader leaves out what it cannot read: a missing id is no verdict, a wrong one would be.
"""

from __future__ import annotations

import contextlib
import json
import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.model import Reason, State
from anybatch.records import JobStatus

from anybatch_lsf.states import DOUBTFUL, STATES, TERMINATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Fields of `bjobs -o`.
FIELDS = (
    *("jobid", "jobindex", "stat", "exit_code", "exit_reason"),
    *("exec_host", "cpu_used", "max_mem"),
)
DELIMITER = "|"
#: LSF's own default of MAX_JOB_ARRAY_SIZE.
DEFAULT_ARRAY = 1000

_SUBMITTED = re.compile(r"^Job <(\d+)> is submitted to ", re.MULTILINE)
_ID = re.compile(r"(\d+)(?:\[(\d+)\])?")
_ROW = re.compile(r"(\d+)(?:\[\d+\])?\s+\S+\s+([A-Z_]+)\s+\S+\s+(\S.*)")
_INDEX = re.compile(r"\[(\d+)\]\s+[A-Z][a-z]{2}\s+\d+\s+\d+:\d+\s*$")
_HEADER = re.compile(r"Job (?:Id )?<(\d+(?:\[\d+\])?)>[,;]")  # `Id`: OpenLava 3
#: Begins a run of a job; elements have their index before it.
_STARTED = re.compile(
    r" ?(?:\[\d+\],? )?(?:[Dd]ispatched|[Ss]tarted|[Tt]he batch job command is started)\b[^<]*"
    r"<([^>]*)>"
)
_EVENT = re.compile(
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d+) (\d+):(\d\d):(\d\d)(?: (\d{4}))?: (.*)"
)
_TERM = re.compile(r"\bTERM_[A-Z_]+")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?) ?([KMGTPE]?)(?:bytes|B)?", re.IGNORECASE)
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WRAPPED = " " * 21
#: What numbers out of range raise; the line is damaged then.
_DAMAGED = (ValueError, OverflowError)

#: What commands print on an id that they do not know (any more), or where there is nothing.
NOTHING = re.compile(
    r"Job <[^>]*> is not found|No (matching |unfinished |running |pending )?jobs? found|"
    r"No matching job found"
)
#: A job as bjobs lists it, in columns that were asked for or in the table.
_LISTED = re.compile(r"^\d+(?:\[\d+\])?(?:\||\s+\S+\s+[A-Z_]+\s)", re.MULTILINE)
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


def read_bjobs(stdout: str) -> dict[str, JobStatus]:
    """The status of every job in the answer to `bjobs -o`, as JSON or as text."""
    found: dict[str, JobStatus] = {}
    for row in _rows(stdout, FIELDS):
        with contextlib.suppress(*_DAMAGED):
            found[_native(row)] = _bjobs_status(row)
    return found


def described(token: str, stdout: str) -> str | None:
    """The job whose description begins with *token*, of `-o "jobid job_description"`."""
    for row in _rows(stdout, ("jobid", "job_description")):
        if row["job_description"].split(" ")[0] == token:
            return _ID.match(row["jobid"])[1]  # type: ignore[index] # rows have an id
    return None


def _rows(stdout: str, fields: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows whose id is one; those of jobs that are not known have none of the fields."""
    found = _json_rows(stdout) if '"RECORDS"' in stdout else _text_rows(stdout, fields)
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
    status = _status("bjobs", row["stat"], code, None, row["exit_reason"], row["exec_host"])
    return attrs.evolve(
        status, cpu_time=_cpu(row["cpu_used"].split(" ")[0]), max_memory=_memory(row["max_mem"])
    )


# -- bjobs -w


def read_table(stdout: str) -> dict[str, JobStatus]:
    """The status of every job in the table of `bjobs -w`; the index stands in the job's name.

    It does not tell how a job has failed.
    """
    found: dict[str, JobStatus] = {}
    for line in stdout.split("\n"):
        if match := _ROW.fullmatch(line.rstrip()):
            job, word, rest = match.groups()
            index = _INDEX.search(rest)
            words = rest.split()
            host = words[1] if len(words) == 6 else ""  # from, on, name, month, day, time
            name = native(job, index[1] if index else "")
            found[name] = _status("bjobs", word, None, None, "", host)
    return found


# -- bjobs -l, bhist -l, bacct -l


def read_long(stdout: str, source: str, now: datetime) -> dict[str, JobStatus]:
    """The status of every job in a long answer, from what it tells of the job's life.

    Args:
        now: years are not printed; nothing has happened later than this.
    """
    found: dict[str, JobStatus] = {}
    for name, _, events, rest in _blocks(stdout):
        with contextlib.suppress(*_DAMAGED):
            status = _life(source, [_event(event, now) for event in events])
            if status is not None:
                found[name] = attrs.evolve(status, **_used(rest))
    return found


def long_descriptions(stdout: str) -> Iterator[tuple[str, str, str]]:
    """Id, name and description of every job in a long answer."""
    for name, header, _, _ in _blocks(stdout):
        texts = dict(re.findall(r"(Job Name|Job Description) <([^>]*)>", header))
        yield name, texts.get("Job Name", ""), texts.get("Job Description", "")


def _blocks(stdout: str) -> Iterator[tuple[str, str, list[re.Match[str]], list[str]]]:
    """Id, header, events, and the lines that are neither, of each job."""
    name, header = "", ""
    events: list[re.Match[str]] = []
    rest: list[str] = []
    # A line goes on in the next one, which is indented; words are cut where the line is full.
    for line in stdout.replace(f"\n{_WRAPPED}", "").split("\n"):
        if match := _HEADER.match(line):
            if name:
                yield name, header, events, rest
            name, header, events, rest = match[1], line, [], []
        elif event := _EVENT.match(line):
            events.append(event)
        else:
            rest.append(line)
    if name:
        yield name, header, events, rest


Event = tuple[datetime, str]


def _event(match: re.Match[str], now: datetime) -> Event:
    month, day, hour, minute, second, year, text = match.groups()
    fields = (_MONTHS.index(month) + 1, *map(int, (day, hour, minute, second)))
    this = now.astimezone().year
    aware = _local(int(year or this), *fields)
    if not year and aware > now + timedelta(days=1):
        aware = _local(this - 1, *fields)
    return aware.astimezone(timezone.utc), text


def _local(year: int, *fields: int) -> datetime:
    """A time as commands print it: that of the machine that they run on."""
    return datetime(year, *fields).astimezone()  # type: ignore[arg-type]


def _life(source: str, events: Sequence[Event]) -> JobStatus | None:
    """What a job's events come to; None where there are none."""
    if not events:
        return None
    word, code, signal, why, host = "PEND", None, None, "", ""
    started = ended = None
    killed = False
    for when, text in events:
        if match := _STARTED.match(text):
            word, host, started = "RUN", match[1], when
            code, signal, why, ended, killed = None, None, "", None, False
        elif re.match(r"Starting|Running|Resumed", text):
            word = "RUN"
            started = started or when
        elif text.startswith("Done successfully") or "Completed <done>" in text:
            word, code, ended = "DONE", 0, when
        elif match := re.match(r"Exited with exit code (\d+)", text):
            word, code, ended = "EXIT", int(match[1]), when
        elif match := re.match(r"Exited by signal (\d+)", text):
            word, signal, ended = "EXIT", int(match[1]), when
        elif re.match(r"Exited\b", text) or "Completed <exit>" in text:
            word, ended = "EXIT", ended or when
        elif re.match(r"(Pending|Requeued|Job requeued)", text):
            word = "PEND"
        elif text.startswith("Unknown"):
            word = "UNKWN"
        elif re.match(r"Signal <(KILL|TERM|INT|9|15|2)> requested|Termination request", text):
            killed = True
        if match := _TERM.search(text):
            why = text[match.start() :].rstrip(" .;")
    if word == "EXIT" and killed and not why:
        why = "TERM_OWNER"
    status = _status(source, word, code, signal, why, host or ("?" if started else ""))
    submitted = events[0][0] if events[0][1].startswith("Submitted") else None
    return attrs.evolve(status, submitted=submitted, started=started, ended=ended)


def _used(lines: Sequence[str]) -> dict[str, Any]:
    """CPU time and memory from the table at the end of `bacct -l`."""
    for heading, values in pairwise(lines):
        names, texts = heading.split(), values.split()
        if "CPU_T" in names and len(texts) == len(names):
            row = dict(zip(names, texts, strict=True))
            return {"cpu_time": _cpu(row["CPU_T"]), "max_memory": _memory(row.get("MEM", ""))}
    return {}


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
    match = re.search(r"^.*?\b((?:openlava|LSF)\b.*?(\d+(?:\.\d+)+))", stdout, re.I | re.M)
    if not match:
        return None
    cluster = re.search(r"^My cluster name is (\S+)", stdout, re.MULTILINE)
    return Version(
        text=match[0].strip(),
        number=tuple(int(part[:9]) for part in match[2].split(".")),
        openlava="openlava" in match[0].lower(),
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


# -- fields


def _status(
    source: str, word: str, code: int | None, signal: int | None, why: str, host: str
) -> JobStatus:
    state = STATES.get(word, State.RUNNING)
    reason: Reason | None = None
    message = DOUBTFUL.get(word)
    place = None if host in ("", "-") else host  # `?`: not known
    never_started = False
    if state is State.FAILED or (state is State.DONE and code):
        term = _TERM.search(why)
        state, reason = TERMINATIONS.get(term[0] if term else "", (State.FAILED, None))
        message = why or None
        if signal is None and code is not None and 128 < code <= 128 + 64:
            # The job script itself never ends so without a record, which is then believed.
            signal, code = code - 128, None
        code = code or None
        if code is None and signal is None and place is None:
            never_started = True
            if reason is None:
                state = State.TERMINATED  # killed while it was pending
    final = state.final
    return JobStatus(
        state=state,
        native_state=word,
        source=source,
        reason=reason,
        message=message,
        exit_code=(0 if state is State.DONE else code) if final else None,
        signal=signal if final else None,
        host=place.split(":")[0].split("*")[-1] if place and place != "?" else None,
        never_started=never_started,
    )


def _cpu(text: str) -> timedelta | None:
    try:
        return timedelta(seconds=float(text)) or None
    except _DAMAGED:
        return None


def _memory(text: str) -> int | None:
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        return None
    power = _POWER[match[2].upper()]
    return round(float(match[1]) * 1024**power) or None
