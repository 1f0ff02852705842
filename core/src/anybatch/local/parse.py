"""What `python -m anybatch.local` prints, as records.

Every answer is one JSON object. Refused: `{"rejected": TEXT}`; an error goes to standard error
with an exit status other than 0, and never comes here.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from anybatch.commands import Submitted
from anybatch.errors import Rejected
from anybatch.local.states import MEANING, Word
from anybatch.nodes import NodeKind
from anybatch.records import Detection, JobStatus
from anybatch.units import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCE = "local supervisor"


_OLDER = (
    "the supervisor of local jobs was started by an earlier version, and knows no urgency: these "
    "jobs wait in the order of submission. It ends when it has no jobs; the next one knows it"
)


def ids(text: str, *, urgency: int = 0) -> Submitted:
    """The answer to `submit` and `find`, with what the jobs will lack.

    Args:
        urgency: what was asked for; a supervisor of an earlier version does not tell it back.

    Raises:
        Rejected: the supervisor refused the submission.
    """
    answer = json.loads(text)
    if "rejected" in answer:
        raise Rejected(answer["rejected"])
    notices = [answer.get("lacks"), _OLDER if urgency and "urgency" not in answer else ""]
    return Submitted([str(native) for native in answer["ids"]], filter(None, notices))


def checked(text: str) -> str:
    """The answer to `check`, for users.

    Raises:
        Rejected: the supervisor would refuse the submission.
    """
    answer = json.loads(text)
    if "rejected" in answer:
        raise Rejected(answer["rejected"])
    why = answer["waits"]
    return f"the first does not start at once: {why}" if why else "the first starts at once"


def statuses(text: str) -> dict[str, JobStatus]:
    """The answer to `status`; facts that are not known (yet) are left out of it."""
    return {native: _status(native, facts) for native, facts in json.loads(text)["jobs"].items()}


def throttled(text: str) -> bool:
    """The answer to `throttle`: whether there is such a submission."""
    return bool(json.loads(text)["throttled"])


def used(text: str) -> dict[str, JobStatus]:
    """The answer to `account`: what jobs used that have ended."""
    return {native: one for native, one in statuses(text).items() if one.state.final}


def _status(native: str, facts: Mapping[str, Any]) -> JobStatus:
    word = Word(facts["word"])
    state, reason = MEANING[word]
    return JobStatus(
        state=state,
        native_state=word.value,
        source=SOURCE,
        reason=reason,
        message=facts.get("message"),
        exit_code=facts.get("exit_code"),
        signal=facts.get("signal"),
        host=machine_of(native) if "started" in facts else None,
        submitted=_time(facts.get("submitted")),
        started=_time(facts.get("started")),
        ended=_time(facts.get("ended")),
        cpu_time=timedelta(seconds=facts["cpu"]) if "cpu" in facts else None,
        max_memory=facts.get("max_memory"),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=timezone.utc)


def machine_of(native: str) -> str:
    """The machine that a job belongs to: `login1` for `12.1@login1`; empty for no id of ours."""
    return native.partition("@")[2]


def strangers(ids: Sequence[str], machine: str) -> list[str]:
    """Those of *ids* that belong to another machine, whose supervisor alone knows them."""
    return [native for native in ids if machine_of(native) not in ("", machine)]


def node(text: str, settings: Mapping[str, Any]) -> NodeKind:
    """The answer to `machine`, as the only node; what is set takes the place of what there is."""
    machine = json.loads(text)
    own = {name: settings[name] for name in ("cores", "memory") if settings[name] is not None}
    return NodeKind(**{"cores": machine["cores"], "memory": machine["memory"], "gpus": 0, **own})


def detection(text: str, settings: Mapping[str, Any]) -> Detection:
    """The answer to `machine`; what is set takes the place of what there is."""
    machine = json.loads(text)
    cores, memory = settings["cores"], settings["memory"]
    plural = "" if machine["cores"] == 1 else "s"
    return Detection(
        available=True,
        reason=f"{machine['cores']} core{plural} of this machine",
        priority=0,
        details={
            "cores": str(machine["cores"] if cores is None else cores),
            "memory": format_size(machine["memory"] if memory is None else memory),
        },
    )
