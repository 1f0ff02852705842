"""A job as a record: written, read back equal, and there again after coming back to a run."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import Job, JobError, Reason, Resources, Retry, RetryRule
from anybatch.errors import FolderError
from anybatch.job_tables import write_toml
from anybatch.jobfile import read_job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .texts import TEXTS
from .toy import Toy, session_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

MANY = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
words = TEXTS.filter(bool)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True)
values = TEXTS | st.integers(-(2**62), 2**62) | st.booleans()
values |= st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(values, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
rules = st.sampled_from(
    [
        RetryRule(Reason.NODE_FAILURE, 3),
        RetryRule("exit_code", 5, codes=[75, 76], pause="1m"),
        RetryRule("out_of_memory", 2, memory="x2", most="64 GiB", avoid_host=True),
        RetryRule("time_limit", 1, time=1.5, most=timedelta(days=2)),
    ]
)
retries = st.builds(
    Retry,
    st.integers(0, 9),
    st.sets(st.sampled_from(Reason)),
    rules=st.lists(rules, unique_by=lambda rule: rule.reason, max_size=2),
)
resources = st.builds(
    Resources,
    cores=st.integers(1, 64),
    memory=st.none() | st.integers(1, 2**50),
    time=st.none() | st.integers(1, 10**6).map(lambda ms: timedelta(milliseconds=ms)),
    queue=st.none() | st.just("long"),
    exclusive=st.booleans(),
)
jobs = st.builds(
    Job,
    st.lists(words, min_size=1, max_size=3) | words.filter(str.strip),
    name=st.none() | st.just("fit é"),
    workdir=st.none() | words,
    env=st.dictionaries(names.map(lambda name: f"X{name}"), TEXTS, max_size=2),
    setup=st.lists(TEXTS, max_size=2),
    resources=resources,
    inputs=st.lists(words, max_size=2),
    flat=st.booleans(),
    outputs=st.lists(words, max_size=2),
    stdout=st.none() | words,
    settings=st.dictionaries(names, st.dictionaries(TEXTS, plain, max_size=2), max_size=2),
    after=st.lists(st.sampled_from(["20261120-094725-64a26d", "run:3"]), max_size=2),
    retry=retries,
    labels=st.dictionaries(names, st.just("a b"), max_size=2),
    params=st.dictionaries(names.map(lambda name: f"p_{name}".lower()), values, max_size=2),
    input_list=st.lists(words.filter(lambda word: "\n" not in word), max_size=2),
    template=st.booleans(),
)


@MANY
@given(jobs)
def test_a_job_is_read_as_it_was_written(job: Job) -> None:
    """From a dict, from JSON, and from TOML wherever that can hold its texts."""
    table = job.to_dict()
    assert Job.from_dict(table) == job
    assert Job.from_dict(json.loads(json.dumps(table))) == job
    try:
        json.dumps(table, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        with pytest.raises(JobError, match="no UTF-8"):
            write_toml(table)
    else:
        assert Job.from_dict(tomllib.loads(write_toml(table))) == job


def test_only_what_is_not_usual_is_written() -> None:
    """A record says what its job says."""
    assert Job(["a"]).to_dict() == {"command": ["a"]}
    assert Job("-").to_dict() == {"command": "-"}
    assert Job(["a"], params={"x": 1}).to_dict() == {"command": ["a"], "params": {"x": 1}}


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (Job(["a"], after=Job(["b"])), "waits for another job of its submission"),
        (Job(["a"], settings={"slurm": {"x": object()}}), "is no text, number, list or table"),
    ],
)
def test_what_is_no_record(job: Job, why: str) -> None:
    """It is refused, not written as something else."""
    with pytest.raises(JobError, match=why):
        job.to_dict()


def test_a_job_file_may_be_json(tmp_path: Path) -> None:
    """By the end of its name."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps(Job(["a", "\udcff"], params={"x": 1.5}).to_dict()))
    assert read_job(path) == Job(["a", "\udcff"], params={"x": 1.5})
    for text, why in (("[1]", "no JSON object"), ("{", "not valid JSON"), ("{}", "'command'")):
        path.write_text(text)
        with pytest.raises(JobError, match=why):
            read_job(path)


def test_descriptions_come_back(isolated: Path) -> None:
    """Of every job, in a later process too: as it was given, what it waits for by name."""
    (isolated / "in").touch()
    first = Job(["first"], resources=Resources(cores=2), labels={"a": "b"})
    split = Job(["fit", "{inputs}"]).split(["x", "root://y"], per_job=1, seed=[7, 8.5])
    listed: list[Any] = [first, *split, Job("text", inputs=["in"], after=first)]
    listed += [Job(["echo", str(number)]) for number in range(3)]
    toy = Toy()
    run = session_of(isolated, toy).submit(listed)
    for seen in (run, session_of(isolated, toy).attach(run.id)):
        found = [seen.description(index) for index in range(len(listed))]
        assert found[:3] == listed[:3]
        assert found[3] == Job("text", inputs=["in"], after=f"{run.id}:0")
        assert found[4:] == listed[4:]
    assert (run.folder / "jobs.json").stat().st_mode & 0o777 == 0o600


def test_what_jobs_share_is_stored_once(isolated: Path) -> None:
    """So that many jobs stay cheap."""
    job = Job(["fit", "{seed}"], env={"LONG": "x" * 1000}, setup="true")
    run = session_of(isolated, Toy(array=10_000)).submit(job.sweep(seed=range(1000)))
    assert (run.folder / "jobs.json").stat().st_size < 10_000
    assert run.description(999).params == {"seed": 999}


def test_a_damaged_description_is_told(isolated: Path) -> None:
    """So is that of a run which an older version submitted."""
    toy = Toy()
    run = session_of(isolated, toy).submit(Job(["a"]))
    for text, why in (
        ('{"jobs": [{"jobs": "0", "job": {"nonsense": 1}}], "params": []}', "is damaged"),
        ('{"jobs": [{"jobs": "0-9", "job": {}}]}', "is damaged"),
        ('{"jobs": 3}', "is damaged"),
        ('{"params": []}', "was not described"),
    ):
        (run.folder / "jobs.json").write_text(text)
        with pytest.raises(FolderError, match=why):
            session_of(isolated, toy).attach(run.id).description(0)
