"""Text to records. Pure. What cannot be read is left out: that is no verdict."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import attrs
from anybatch import Reason, State
from anybatch.records import JobStatus

from anybatch_gbasf2.states import read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anybatch_gbasf2.job_ids import NativeId

MARK = "@anybatch "
SOURCE = "gb2_job_status"
#: Seconds after which a rescheduled job that is still shown as failed is believed to be.
LAG = 1800
#: Seconds after a submission in which the grid may not show all that it made.
SETTLE = 300
_SUBMITTED = re.compile(r"JobID\s*=\s*(\d+)(?:\s*\.\.\.\s*(\d+))?\s*\((\d+) jobs?\)")
_TAKEN = re.compile(r"already (exists?|used)", re.IGNORECASE)
_REFUSED = re.compile(
    _TAKEN.pattern + r"|invalid|not valid|not found|no such|does not exist|too long|"
    r"no input file|exceeds?|not allowed",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"(?P<name>.*_job\d+)_(?P<attempt>\d+)(?P<ending>\.[^/]*)")
_ADLER32 = re.compile(r"[0-9a-fA-F]{1,8}")


# -- the client


def environment(stdout: str) -> dict[str, str]:
    """The variables in what `env -0` prints: values and functions may have line breaks."""
    pairs = (entry.partition("=") for entry in stdout.split("\0"))
    return {name: value for name, equals, value in pairs if equals and name}


def marked(stdout: str) -> Any:
    """The JSON in what a helper prints among lines of the client.

    Raises:
        ValueError: there is none.
    """
    lines = [line for line in stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        raise ValueError("no answer among what was printed")
    return json.loads(lines[-1].removeprefix(MARK))


def submitted_ids(stdout: str) -> list[int] | None:
    """The ids in `JobID = 7 ... 9 (3 jobs)`; None: they are not told, or are not in a row."""
    ids: list[int] = []
    for first, last, count in _SUBMITTED.findall(stdout):
        some = range(int(first), int(last or first) + 1)
        if len(some) != int(count):
            return None
        ids += some
    return ids or None


def refusal(text: str) -> str:
    """The line with which gbasf2 refuses a project for good; empty: it does not."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if _REFUSED.search(line)), "")


def is_taken(refused: str) -> bool:
    """Whether a project was refused because there is one of its name."""
    return bool(_TAKEN.search(refused))


@attrs.frozen
class Proxy:
    """The user's proxy: whose it is, and seconds that it is still good for."""

    user: str
    left: float


def proxy(plain: Any) -> Proxy | None:
    """The proxy of `proxy_info`, which may have expired; None where there is none."""
    if not isinstance(plain, dict) or not plain.get("username"):
        return None
    left = plain.get("secondsLeft", 0)
    return Proxy(str(plain["username"]), left if isinstance(left, (int, float)) else 0)


# -- jobs


@attrs.frozen
class GridJob:
    """What the grid says of a job.

    Attributes:
        id: DIRAC's.
        status, minor, application: its three words.
        site: where it runs.
        submitted, updated: as the grid writes them.
    """

    id: int
    status: str
    minor: str = ""
    application: str = ""
    site: str = ""
    submitted: str = ""
    updated: str = ""

    @property
    def changed(self) -> str:
        """The digits of the time of its latest change, which sort as times do."""
        return digits(self.updated)

    @property
    def end(self) -> tuple[State, Reason | None]:
        """What its three words mean."""
        return read_state(self.status, self.minor, self.application)

    @property
    def words(self) -> str:
        """Why it is where it is."""
        unknown = ("", "Unknown")
        return ", ".join(word for word in (self.minor, self.application) if word not in unknown)


def digits(time: str) -> str:
    """`20260102030405` for `2026-01-02 03:04:05` in any of its forms."""
    return "".join(re.findall(r"\d", time.partition(".")[0].partition("+")[0]))[:14]


def jobs(plain: Any) -> dict[str, dict[int, GridJob]]:
    """The jobs of each project, by id; a job that makes no sense is left out."""
    if not isinstance(plain, dict):
        return {}
    return {
        project: {job.id: job for job in map(_job, rows.items()) if job}
        for project, rows in plain.items()
        if isinstance(rows, dict)
    }


def _job(item: tuple[str, Any]) -> GridJob | None:
    name, row = item
    if not str(name).isdecimal() or not isinstance(row, dict) or not row.get("Status"):
        return None
    keys = ("Status", "MinorStatus", "ApplicationStatus", "Site", "SubmissionTime")
    words = (str(row.get(key) or "") for key in (*keys, "LastUpdateTime"))
    return GridJob(int(name), *words)


def may_grow(found: Mapping[int, GridJob], count: int, now: float) -> bool:
    """Whether a project may have more jobs in a moment, as right after its submission.

    Args:
        count: how many jobs of the run they are for; one may be for any number.
        now: seconds since 1970.
    """
    if count > 1 and len(found) >= count:
        return False
    submitted = (_time(job.submitted) for job in found.values())
    latest = max((time.timestamp() for time in submitted if time), default=None)
    # A clock that is wrong by more than that must not hold up anybody for ever.
    return latest is not None and abs(now - latest) < SETTLE


def status_of(
    native_id: NativeId, found: Mapping[int, GridJob], now: float, *, counts: bool = True
) -> JobStatus | None:
    """The status of a job of a run; None: the grid says nothing of it.

    Args:
        found: the jobs of its project.
        now: seconds since 1970.
        counts: whether the states of several jobs are told.
    """
    if native_id.none is not None:
        text = "gbasf2 made fewer jobs than this run has"
        return JobStatus(
            state=State.FAILED,
            native_state="(none)",
            source=SOURCE,
            reason=Reason.REJECTED,
            message=text,
            authoritative=True,
        )
    own = native_id.own(found)
    if not own or len(own) < native_id.size:
        return None
    states = [_status(job, native_id, now) for job in own]
    return states[0] if len(states) == 1 else _together(states, counts)


def _status(job: GridJob, native_id: NativeId, now: float) -> JobStatus:
    state, reason = job.end
    message = job.words
    if state is not State.DONE and state.final and is_stale(job, native_id, now):
        state, reason, message = State.QUEUED, None, "rescheduled; the grid still shows the failure"
    return JobStatus(
        state=state,
        native_state=job.status,
        source=SOURCE,
        reason=reason,
        message=message if state is not State.DONE else None,
        host=job.site or None,
        submitted=_time(job.submitted),
        ended=_time(job.updated) if state.final else None,
        authoritative=True,
    )


def is_stale(job: GridJob, native_id: NativeId, now: float) -> bool:
    """Whether what the grid says is from before the job was rescheduled."""
    if job.status == "Done":
        return False  # gb2_job_reschedule leaves it as it is
    return bool(native_id.at) and job.changed <= native_id.seen and now < native_id.at + LAG


def _together(states: Sequence[JobStatus], counts: bool) -> JobStatus:
    """One status for several jobs: the first that is furthest from done."""
    worst = furthest_from_done(states)
    words = [status.native_state for status in states]
    told = ", ".join(f"{word} {words.count(word)}" for word in dict.fromkeys(words))
    told = told if counts else ""
    if worst.state in (State.FAILED, State.TERMINATED):
        told = "; ".join(filter(None, (told, worst.message)))
    return attrs.evolve(
        worst,
        native_state=worst.native_state,
        message=told or None,
        host=None,
        ended=max((one.ended for one in states if one.ended), default=None),
    )


def furthest_from_done(states: Sequence[JobStatus]) -> JobStatus:
    """The first of those that are furthest from done."""
    order = (State.RUNNING, State.QUEUED, State.FAILED, State.TERMINATED, State.DONE)
    return min(states, key=lambda status: order.index(status.state))


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(digits(text), "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


# -- files


@attrs.frozen
class GridFile:
    """What the grid's catalogue tells of a file.

    Attributes:
        size: in bytes; None: not told.
        checksum: Adler-32, in hexadecimal digits; None: not told.
    """

    size: int | None = None
    checksum: str | None = None


def grid_files(plain: Any) -> dict[str, GridFile]:
    """Files by their logical names; what makes no sense of size and checksum is not told."""
    rows = plain.items() if isinstance(plain, dict) else ()
    return {name: GridFile(*_facts(row)) for name, row in rows}


def _facts(row: Any) -> tuple[int | None, str | None]:
    size, checksum = row if isinstance(row, list) and len(row) == 2 else (None, None)
    return (
        size if isinstance(size, int) else None,
        checksum if isinstance(checksum, str) and _ADLER32.fullmatch(checksum) else None,
    )


def newest(names: Iterable[str]) -> list[str]:
    """Without outputs that a later attempt of the same job has made anew.

    `B_00003_job700004_01.root` stands for the attempt after `..._00.root`; what has another form
    stays.
    """
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        found = _OUTPUT.fullmatch(name)
        key = found["name"] + found["ending"] if found else name
        attempt = int(found["attempt"]) if found else 0
        best[key] = max(best.get(key, (-1, "")), (attempt, name))
    return sorted(name for _, name in best.values())


def below(dataset: str, found: Mapping[str, GridFile]) -> dict[str, GridFile]:
    """Files of a dataset by their places in it: `sub00/B_00000_job700001_00.root`."""
    start = dataset.rstrip("/") + "/"
    return {
        name.removeprefix(start): file for name, file in found.items() if name.startswith(start)
    }
