"""What HTCondor's commands print, as records. Pure.

Every reader leaves out what it cannot read: a missing id is no verdict, a wrong one would be.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs
from anybatch.model import State
from anybatch.records import JobStatus

from anybatch_htcondor.states import (
    COMPLETED,
    HELD,
    IDLE,
    QUEUE_STATES,
    REMOVED,
    hold_message,
    hold_reason,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

#: Attributes of a job that say where it is.
QUEUE_ATTRIBUTES = (
    *("ClusterId", "ProcId", "JobStatus", "QDate", "EnteredCurrentStatus", "NumJobStarts"),
    *("JobCurrentStartDate", "RemoteHost", "HoldReason", "HoldReasonCode", "HoldReasonSubCode"),
    *("ExitBySignal", "ExitCode", "ExitSignal", "AnybatchToken"),
    *("AutoClusterId", "LastMatchTime", "LastRejMatchReason", "LastRejMatchTime"),
)
#: And those that say how it was.
HISTORY_ATTRIBUTES = (
    *QUEUE_ATTRIBUTES,
    *("LastRemoteHost", "CompletionDate", "RemoveReason", "ResidentSetSize"),
    *("RemoteUserCpu", "RemoteSysCpu"),
    # Why it is held moves to these when it is held no more.
    *("LastJobStatus", "LastHoldReason", "LastHoldReasonCode", "LastHoldReasonSubCode"),
)

#: Characters in a constraint; Linux gives a program no argument of more than 131,071 bytes.
_LONGEST = 100_000
_SUBMITTED = re.compile(r"^(\d+)\.(\d+) - \1\.(\d+)$", re.MULTILINE)
_POLICY = re.compile(r"\bPeriodicRemove\b|\bSYSTEM_PERIODIC_REMOVE\b")
_SCHEDD = re.compile(r"^-- Schedd: (\S+) : ", re.MULTILINE)
_VERSION = re.compile(r"\$CondorVersion: (\S+)")

#: What its tools print where they are installed and HTCondor is not set up. A schedd that is away
#: makes them tell of condor_config.
NOT_SET_UP = re.compile(r"\bCONDOR_CONFIG\b")
#: What commands print of jobs that are gone, which is no error.
_GONE = re.compile(
    r"Job \d+\.\d+ not found|No result found for job \d+\.\d+|"
    r"Couldn't find/\w+ all jobs (in cluster \d+|matching constraint .*)|"
    r"Job \d+\.\d+ already marked for removal"
)


def submitted_cluster(stdout: str, count: int) -> str | None:
    """The cluster of *count* jobs from `condor_submit -terse`: `42.0 - 42.9`."""
    found = [m for m in _SUBMITTED.finditer(stdout) if int(m[3]) - int(m[2]) + 1 == count]
    return found[-1][1] if found else None


def natives(cluster: str | int, count: int) -> list[str]:
    """The ids of a cluster's jobs."""
    return [f"{cluster}.{proc}" for proc in range(count)]


def by_cluster(ids: Iterable[str]) -> dict[int, list[int]]:
    """The process numbers by cluster."""
    found: dict[int, list[int]] = defaultdict(list)
    for native in ids:
        cluster, _, proc = native.partition(".")
        if cluster.isdecimal() and proc.isdecimal():
            found[int(cluster)].append(int(proc))
    return dict(found)


def constraint(ids: Iterable[str]) -> str:
    """The expression that is true for jobs of these ids: ranges of processes by cluster."""
    parts = []
    for cluster, procs in by_cluster(ids).items():
        ranges = " || ".join(_range(first, last) for first, last in _ranges(procs))
        parts.append(f"(ClusterId == {cluster} && ({ranges}))")
    return " || ".join(parts) or "false"


def removal(ids: Iterable[str]) -> str:
    """Like `constraint`, and true for those that are still to be materialized.

    They end with what makes them, the cluster's own ad, which has no process number. It may end
    where all that it has not made yet are to go.
    """
    parts = [constraint(ids)]
    for cluster, procs in by_cluster(ids).items():
        *_, (first, last) = _ranges(procs)
        parts.append(
            f"(ClusterId == {cluster} && isUndefined(ProcId) && AnybatchCount == {last + 1} "
            f"&& JobMaterializeNextProcId >= {first})"
        )
    return " || ".join(parts)


#: Jobs as they are told apart from all others: the token of their submission, and ids.
Named = tuple[str, Sequence[str]]


def without_token(token: str) -> str:
    """A constraint that matches the jobs of other submissions, and all without a token."""
    return f'AnybatchToken =!= "{token}"'


def with_token(token: str, which: str = "true") -> str:
    """The expression that is true only for jobs of a submission. Numbers are used again."""
    return f'(AnybatchToken == "{token}" && ({which}))'


def constraints(
    jobs: Iterable[Named], write: Callable[[Iterable[str]], str] = constraint
) -> Iterator[str]:
    """Expressions that together are true for these jobs, each short enough for a command.

    Args:
        write: `constraint` or `removal`.
    """
    parts: list[str] = []
    for token, ids in jobs:
        for part in _pieces(token, ids, write):
            if parts and sum(map(len, parts)) + len(part) > _LONGEST:
                yield " || ".join(parts)
                parts = []
            parts.append(part)
    if parts:
        yield " || ".join(parts)


def _pieces(token: str, ids: Sequence[str], write: Callable[[Iterable[str]], str]) -> Iterator[str]:
    whole = with_token(token, write(ids))
    if len(whole) <= _LONGEST or len(ids) < 2:
        yield whole
        return
    half = len(ids) // 2
    yield from _pieces(token, ids[:half], write)
    yield from _pieces(token, ids[half:], write)


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    ordered = sorted(set(numbers))
    first = last = ordered[0]
    for number in ordered[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _range(first: int, last: int) -> str:
    return f"ProcId == {first}" if first == last else f"(ProcId >= {first} && ProcId <= {last})"


# -- job ads


def read_ads(stdout: str) -> list[dict[str, Any]]:
    """Job ads from `-json`, which prints nothing at all where there are none.

    Raises:
        ValueError: it is something else.
    """
    if not stdout.strip():
        return []
    ads = json.loads(stdout)
    if not isinstance(ads, list) or not all(isinstance(ad, dict) for ad in ads):
        raise ValueError("no list of job ads")
    return ads


def by_token(ads: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Job ads by the token of their submission; without those of others."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for ad in ads:
        if token := text_in(ad, "AnybatchToken"):
            found[token].append(ad)
    return dict(found)


def read_queue(ads: Iterable[Mapping[str, Any]]) -> dict[str, JobStatus]:
    """The status of every job in condor_q's answer."""
    return dict(_read(ads, _in_queue))


def share_reasons(ads: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Ads that all tell why no machine was found: the negotiator tells one of those alike."""
    names = ("LastRejMatchReason", "LastRejMatchTime")
    told = {ad.get("AutoClusterId"): ad for ad in ads if names[0] in ad and "AutoClusterId" in ad}
    shared: list[Mapping[str, Any]] = []
    for ad in ads:
        other = told.get(ad.get("AutoClusterId"), ad) if names[0] not in ad else ad
        shared.append({**ad, **{name: other[name] for name in names if name in other}})
    return shared


def _unmatched(ad: Mapping[str, Any]) -> str | None:
    """Why the negotiator has found no machine for an idle job, at its last try."""
    why = text_in(ad, "LastRejMatchReason")
    tried, matched = (number_in(ad, f"Last{name}Time") or 0 for name in ("RejMatch", "Match"))
    if not why or ad.get("JobStatus") != IDLE or matched >= tried:
        return None
    return f"{why}; `anybatch show` of the job tells which machines could run it"


def read_history(ads: Iterable[Mapping[str, Any]]) -> dict[str, JobStatus]:
    """The status of every job in condor_history's answer; all of them are final."""
    return dict(_read(ads, _in_history))


def _read(ads: Iterable[Mapping[str, Any]], status_of: Any) -> Iterator[tuple[str, JobStatus]]:
    for ad in ads:
        cluster, proc = number_in(ad, "ClusterId"), number_in(ad, "ProcId")
        if cluster is not None and proc is not None:
            status = status_of(ad)
            if status is not None:
                yield f"{cluster}.{proc}", status


def _in_queue(ad: Mapping[str, Any]) -> JobStatus | None:
    number = number_in(ad, "JobStatus")
    if number == COMPLETED:
        return _ended("condor_q", ad)
    if number not in QUEUE_STATES:
        return None
    state, word = QUEUE_STATES[number]
    codes = (number_in(ad, "HoldReasonCode"), number_in(ad, "HoldReasonSubCode"))
    held = hold_message(text_in(ad, "HoldReason"), *codes) if number == HELD else None
    return JobStatus(
        state=state,
        native_state=word,
        source="condor_q",
        message=held or _unmatched(ad),
        **_facts(ad),
    )


def _in_history(ad: Mapping[str, Any]) -> JobStatus | None:
    number = number_in(ad, "JobStatus")
    if number == REMOVED:
        codes = (number_in(ad, "LastHoldReasonCode"), number_in(ad, "LastHoldReasonSubCode"))
        return removed(
            "condor_history",
            text_in(ad, "RemoveReason"),
            text_in(ad, "LastHoldReason"),
            codes if ad.get("LastJobStatus") == HELD else None,
            never_started=not ad.get("NumJobStarts") and ad.get("JobCurrentStartDate") is None,
            **_facts(ad),
        )
    return _ended("condor_history", ad) if number == COMPLETED else None


def _ended(source: str, ad: Mapping[str, Any]) -> JobStatus | None:
    """A job that has run to its end; None where the ad does not tell how."""
    code, signal = number_in(ad, "ExitCode"), number_in(ad, "ExitSignal")
    if ad.get("ExitBySignal") is True:
        return ended(source, (None, signal), **_facts(ad))
    told = ad.get("ExitBySignal") is False and code is not None
    return ended(source, (code, None), **_facts(ad)) if told else None


def ended(source: str, how: tuple[int | None, int | None], **facts: Any) -> JobStatus:
    """A job that has run to its end.

    Args:
        how: exit code and signal, one of them None.
    """
    code, signal = how
    state = State.DONE if code == 0 else State.FAILED
    return JobStatus(
        state=state, native_state="completed", source=source, exit_code=code, signal=signal, **facts
    )


def removed(
    source: str,
    why: str | None,
    held: str | None,
    codes: tuple[int | None, int | None] | None,
    **facts: Any,
) -> JobStatus:
    """A job that was removed: by somebody, or by a policy because it was held.

    Args:
        why: HTCondor's words for the removal.
        held: and for the hold, where it was held then; *codes* are code and subcode of it.
    """
    status = JobStatus(
        state=State.TERMINATED, native_state="removed", source=source, message=why, **facts
    )
    if codes is None or not _POLICY.search(why or ""):
        return status
    return attrs.evolve(
        status,
        state=State.FAILED,
        native_state="removed while held",
        reason=hold_reason(*codes),
        message=hold_message(held, *codes),
    )


def _facts(ad: Mapping[str, Any]) -> dict[str, Any]:
    memory = number_in(ad, "ResidentSetSize")
    cpu = [ad.get(name) for name in ("RemoteUserCpu", "RemoteSysCpu")]
    seconds = sum(value for value in cpu if isinstance(value, (int, float)))
    return {
        "host": machine(text_in(ad, "RemoteHost") or text_in(ad, "LastRemoteHost")),
        "submitted": moment(ad.get("QDate")),
        "started": moment(ad.get("JobCurrentStartDate")),
        "ended": moment(ad.get("CompletionDate")),
        "restarts": max((number_in(ad, "NumJobStarts") or 0) - 1, 0),
        "cpu_time": timedelta(seconds=seconds) if seconds else None,
        "max_memory": memory * 1024 if memory else None,
    }


def machine(slot: str | None) -> str | None:
    """The machine of a slot: `sid` for `slot1_1@sid`."""
    return slot.rpartition("@")[2] or None if slot else None


def moment(seconds: object) -> datetime | None:
    """A time from seconds since 1970; nothing for 0, which stands for never."""
    if not isinstance(seconds, int) or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


def number_in(ad: Mapping[str, Any], name: str) -> int | None:
    """An attribute that is a whole number; None for anything else."""
    value = ad.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text_in(ad: Mapping[str, Any], name: str) -> str | None:
    """An attribute that is a text; None for anything else, and where it is empty."""
    value = ad.get(name)
    return value if isinstance(value, str) and value else None


# -- other commands


def read_schedd(stdout: str) -> str:
    """The name of the schedd that has answered `condor_q`.

    Raises:
        ValueError: it is not told.
    """
    match = _SCHEDD.search(stdout)
    if not match:
        raise ValueError("no name of a schedd")
    return match[1]


def read_limit(stdout: str) -> int | None:
    """The lowest of the numbers that `condor_config_val` prints, a line each; None: no number."""
    numbers = [int(line) for line in stdout.split("\n") if line.strip().isdecimal()]
    return min((number for number in numbers if number > 0), default=None)


def read_umask(text: str) -> str | None:
    """The umask in `/proc/self/status`; Linux tells it there since 4.7."""
    match = re.search(r"^Umask:\s*([0-7]+)$", text, re.MULTILINE)
    return match[1] if match else None


def warnings(stderr: str) -> tuple[str, ...]:
    """The warnings of a submit command that has succeeded."""
    lines = (line.strip() for line in stderr.splitlines())
    return tuple(line for line in lines if line.startswith("WARNING"))


def read_version(stdout: str) -> str | None:
    """The version from `condor_version`: `25.14.1`."""
    match = _VERSION.search(stdout)
    return match[1] if match else None


def only_gone(stderr: str) -> bool:
    """Whether condor_rm complains of nothing but jobs that are gone."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return bool(lines) and all(_GONE.fullmatch(line) for line in lines)


def complain(stderr: str) -> str:
    """The errors in what condor_submit says, on one line."""
    return " ".join(re.sub(r"(?m)^\s*(ERROR: )+", "", stderr).split()) or "no reason given"
