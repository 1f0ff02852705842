"""What the plugin of `local` writes and reads, without any batch system."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from anybatch.errors import Rejected
from anybatch.local import parse, render
from anybatch.local.settings import SETTINGS
from anybatch.local.states import MEANING, Word
from anybatch.model import Reason, Resources, State
from anybatch.records import Submission
from hypothesis import given
from hypothesis import strategies as st

SETTING_VALUES = {"cores": None, "memory": None, "kill_wait": timedelta(seconds=10)}
NAMES = st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name)


def submission(folder: Path = Path("/run"), **more: object) -> Submission:
    facts = {"token": "t", "number": 3, "count": 2, "settings": SETTING_VALUES} | more
    return Submission(run="run", folder=folder, name="job", **facts)  # type: ignore[arg-type]


def request_of(one: Submission) -> dict[str, object]:
    request: dict[str, object] = json.loads(render.render(one).files[0].text)
    return request


def test_render_is_one_file_and_one_command() -> None:
    """However many jobs there are, they are one request and one command."""
    rendered = render.render(submission(count=100_000))
    (file,) = rendered.files
    assert file.path == Path("/run/submit-3.json")
    assert rendered.command.argv[1:] == ("-m", "anybatch.local", "submit", str(file.path))
    assert len(file.text) < 1000


def test_render_is_pure() -> None:
    """The same submission gives the same text."""
    assert render.render(submission()) == render.render(submission())


@given(NAMES)
def test_any_folder_arrives_unchanged(name: bytes) -> None:
    """A folder may have any bytes in its name; the request's text is ASCII all the same."""
    folder = Path("/run") / ("x" + name.decode("utf-8", "surrogateescape"))
    text = render.render(submission(folder)).files[0].text
    assert text.isascii()
    assert json.loads(text)["command"] == ["/bin/sh", f"{folder}/job.sh", "3"]


def test_resources_are_totals_of_a_job() -> None:
    """Cores and GPUs are asked for by the task, and counted by the job."""
    resources = Resources(tasks=3, cores=2, gpus=1, memory="1 GiB", time="1m")
    request = request_of(submission(resources=resources))
    assert (request["cores"], request["gpus"]) == (6, 3)
    assert (request["memory"], request["time"]) == (2**30, 60.0)


def test_every_word_has_a_meaning() -> None:
    """The map of the supervisor's words is total."""
    assert set(MEANING) == set(Word)


def test_settings_have_their_defaults() -> None:
    """Nothing has to be set."""
    assert {setting.name for setting in SETTINGS} == set(SETTING_VALUES)


def test_status_of_a_job_that_ended() -> None:
    """All facts of an answer are found in the record, times in UTC."""
    facts = {
        "word": "TIME_LIMIT", "submitted": 1.0, "started": 2.0, "ended": 3.0, "pid": 7,
        "signal": 15, "cpu": 0.5, "max_memory": 4096, "message": "why",
    }  # fmt: skip
    (status,) = parse.statuses(json.dumps({"jobs": {"1.1@here": facts}})).values()
    assert (status.state, status.reason) == (State.FAILED, Reason.TIME_LIMIT)
    assert (status.native_state, status.source) == ("TIME_LIMIT", "local supervisor")
    assert (status.exit_code, status.signal) == (None, 15)
    assert (status.host, status.message) == ("here", "why")
    assert status.ended == datetime(1970, 1, 1, 0, 0, 3, tzinfo=timezone.utc)
    assert (status.cpu_time, status.max_memory) == (timedelta(seconds=0.5), 4096)


def test_status_of_a_job_that_waits() -> None:
    """What is not known yet is None; a queued job has no host."""
    answer = {"jobs": {"1.1@here": {"word": "QUEUED", "submitted": 1.0}}}
    status = parse.statuses(json.dumps(answer))["1.1@here"]
    assert (status.state, status.reason) == (State.QUEUED, None)
    assert (status.host, status.started, status.ended, status.cpu_time) == (None,) * 4


def test_refusal_is_rejected() -> None:
    """The supervisor's refusal is raised with its own words."""
    with pytest.raises(Rejected, match="too much"):
        parse.ids('{"rejected": "too much"}')


@pytest.mark.parametrize("cores", [1, 2])
def test_detection_speaks_grammar(cores: int) -> None:
    """One core, two cores."""
    plural = "s" if cores > 1 else ""
    detection = parse.detection(json.dumps({"cores": cores, "memory": 2**30}), SETTING_VALUES)
    assert detection.reason == f"{cores} core{plural} of this machine"
    assert (detection.available, detection.priority) == (True, 0)
    assert detection.details == {"cores": str(cores), "memory": "1 GiB"}


def test_strangers_are_jobs_of_other_machines() -> None:
    """Ids tell the machine; what is no id of ours is nobody's."""
    assert parse.strangers(["1.1@here", "2.1@there", "unknown-1"], "here") == ["2.1@there"]


def test_an_earlier_supervisor_that_knows_no_urgency_is_told_of() -> None:
    """It takes the jobs, and tells nothing back of what it has never heard of."""
    old, new = '{"ids": ["1.1@m"], "lacks": ""}', '{"ids": ["1.1@m"], "lacks": "", "urgency": 5}'
    assert "started by an earlier version" in parse.ids(old, urgency=5).notices[0]
    assert not any((parse.ids(new, urgency=5).notices, parse.ids(old).notices))
