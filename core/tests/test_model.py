"""Jobs, resources, retries and outcomes; the short forms and hints that go with them."""

from __future__ import annotations

import contextlib
import itertools
import os
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from anybatch.errors import JobError, PluginError, did_you_mean, shorten
from anybatch.model import Job, Reason, Resources, Retry, State
from anybatch.outcome import JobFailed, JobId, Outcome, signal_name
from anybatch.ranges import by_index, read_ranges, spans, write_ranges
from hypothesis import given
from hypothesis import strategies as st

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"command": ""}, "the command is empty"),
    ({"command": " \n"}, "the command is empty"),
    ({"command": []}, "the command is empty"),
    ({"command": [""]}, "the name of the program is empty"),
    ({"command": ["a", 1]}, "argument 1 of the command must be a string, not int: 1"),
    ({"command": ["a", Path("b")]}, "argument 1 of the command must be a string, not PosixPath"),
    ({"command": ["a", "b\0"]}, "argument 1 of the command contains a NUL character"),
    ({"command": "a\0"}, "command contains a NUL character"),
    ({"name": ""}, "the job name must be a single non-empty line: ''"),
    ({"name": " "}, "the job name must be a single non-empty line"),
    ({"name": "a\nb"}, "the job name must be a single non-empty line"),
    ({"name": "a\0"}, "the job name must be a single non-empty line"),
    ({"env": {"1A": ""}}, "env: '1A' is not a valid variable name"),
    ({"env": {"A-B": ""}}, "env: 'A-B' is not a valid variable name"),
    ({"env": {"": ""}}, "env: '' is not a valid variable name"),
    ({"env": {"A\n": ""}}, "is not a valid variable name"),
    ({"env": {"É": ""}}, "is not a valid variable name"),
    ({"env": {1: ""}}, "env: 1 is not a valid variable name"),
    ({"env": {"UID": "0"}}, "env: 'UID' is reserved by the shell or by anybatch"),
    ({"env": {"_": "0"}}, "env: '_' is reserved by the shell or by anybatch"),
    ({"env": {"ANYBATCH_INDEX": "0"}}, "env: 'ANYBATCH_INDEX' is reserved by the shell or by"),
    ({"env": {"ab_x": "0"}}, "env: 'ab_x' is reserved by the shell or by anybatch"),
    ({"env": {"A": 1}}, "env: the value of 'A' must be a string, not int: 1"),
    ({"env": {"A": "\0"}}, "env: the value of 'A' contains a NUL character"),
    ({"workdir": "\0"}, "workdir contains a NUL character"),
    ({"env_script": "\0"}, "env_script contains a NUL character"),
    ({"setup": ["a", "\0"]}, "setup contains a NUL character"),
    ({"inputs": "\0"}, "inputs contains a NUL character"),
    ({"outputs": "\0"}, "outputs contains a NUL character"),
    ({"output_dir": "\0"}, "output_dir contains a NUL character"),
    ({"stdin": "\0"}, "stdin contains a NUL character"),
    ({"stdout": "\0"}, "stdout contains a NUL character"),
    ({"stderr": "\0"}, "stderr contains a NUL character"),
    ({"container": "\0"}, "container contains a NUL character"),
    ({"name": "\ud800"}, "the job name contains an unpaired surrogate"),
    ({"env": {"A": "x\udbff"}}, "env: the value of 'A' contains an unpaired surrogate"),
    ({"command": "echo \ud800"}, "command contains an unpaired surrogate"),
    ({"outputs": ["a", "\ud800"]}, "outputs contains an unpaired surrogate"),
    ({"labels": {"": "x"}}, "labels: '' is not a valid name"),
    ({"labels": {"a=b": "x"}}, "labels: 'a=b' is not a valid name"),
    ({"labels": {"a\n": "x"}}, "is not a valid name"),
    ({"labels": {1: "x"}}, "labels: 1 is not a valid name"),
    ({"labels": {"a": 1}}, "labels: the value of 'a' must be a string, not int: 1"),
    ({"labels": {"a": "x\ny"}}, "labels: the value of 'a' must be a single line"),
    ({"labels": {"a": "\0"}}, "labels: the value of 'a' contains a NUL character"),
]


@pytest.mark.parametrize(("fields", "text"), REFUSED, ids=lambda value: repr(value)[:40])
def test_what_cannot_be_a_job_is_refused(fields: dict[str, Any], text: str) -> None:
    """The error names the field and what is wrong with it."""
    with pytest.raises(JobError) as caught:
        Job(**{"command": ["true"], **fields})
    assert text in str(caught.value)


@pytest.mark.parametrize("field", ["nodes", "tasks", "cores", "gpus"])
@pytest.mark.parametrize("value", [-1, 1.5, "1", True, None])
def test_numbers_of_resources_are_whole_and_in_range(field: str, value: object) -> None:
    """The error names the field, its least value and what was given."""
    least = 0 if field == "gpus" else 1
    with pytest.raises(ValueError, match=f"^{field} must be a whole number, {least} or more: "):
        Resources(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"cores": 0}, "cores must be a whole number, 1 or more: 0"),
        ({"memory": "lots"}, "invalid size 'lots'"),
        ({"memory": -1}, "a size cannot be negative"),
        ({"disk": "1 EB"}, "invalid size '1 EB'"),
        ({"time": "90"}, "'90' has no unit"),
        ({"time": "soon"}, "invalid duration 'soon'"),
        ({"time": 0}, "a duration must be greater than zero"),
    ],
)
def test_resources_that_make_no_sense_are_refused(fields: dict[str, Any], text: str) -> None:
    """Sizes and durations are checked where they are written down."""
    with pytest.raises(ValueError, match=text):
        Resources(**fields)


@pytest.mark.parametrize("times", [-1, 1.5, "2", True])
def test_a_retry_is_a_number_of_times(times: object) -> None:
    """Less than none, and what is no whole number, is refused, for a job's short form too."""
    with pytest.raises(ValueError, match=r"^times must be a whole number, 0 or more: "):
        Retry(times)  # type: ignore[arg-type]
    with pytest.raises(JobError, match=r"^retry: times must be a whole number, 0 or more: "):
        Job("true", retry=times)  # type: ignore[arg-type]


def test_a_retry_knows_its_reasons() -> None:
    """An unknown reason is refused, and a lost job is run again only where that is asked for."""
    with pytest.raises(ValueError, match=r"^on: unknown reason 'bad_luck'$"):
        Retry(1, on={"bad_luck"})
    with pytest.raises(ValueError, match=r"^on: unknown reason 'singal'; did you mean 'signal'\?$"):
        Retry(1, on={"singal"})
    assert Retry(1, on=["lost", Reason.SIGNAL]).on == {Reason.LOST, Reason.SIGNAL}
    assert Reason.LOST not in Retry(1).on


def test_a_job_takes_what_people_have_at_hand() -> None:
    """Lists, single texts, paths as texts and a bare number of retries are all understood."""
    job = Job(
        ["fit", "x"],
        workdir="w",  # type: ignore[arg-type]
        setup="module load x",  # type: ignore[arg-type]
        inputs=["a", "b"],  # type: ignore[arg-type]
        outputs="*.out",  # type: ignore[arg-type]
        after="run-1",  # type: ignore[arg-type]
        retry=2,  # type: ignore[arg-type]
        resources=Resources(memory="2 GiB", disk="10 GB", time="1h30m"),  # type: ignore[arg-type]
    )
    assert job.command == ("fit", "x")
    assert (job.workdir, job.setup, job.inputs) == (Path("w"), ("module load x",), ("a", "b"))
    assert (job.outputs, job.after, job.retry) == (("*.out",), ("run-1",), Retry(2))
    assert job.resources == Resources(memory=2 * 1024**3, disk=10**10, time=timedelta(minutes=90))
    assert Job("a | b").command == "a | b"
    assert Job("true", after=[job]).after == (job,)  # type: ignore[arg-type]


def test_a_job_keeps_nothing_of_its_maker() -> None:
    """Tables given to a job may be changed afterwards without changing the job."""
    env, words, table = {"A": "1"}, ["true"], {"slurm": {"qos": "long"}}
    job = Job(words, env=env, settings=table)
    env["A"] = "2"
    words.append("x")
    table["slurm"]["qos"] = "short"
    assert (job.env, job.command) == ({"A": "1"}, ("true",))
    assert job.settings == {"slurm": {"qos": "long"}}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        job.name = "other"  # type: ignore[misc]


@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_any_text_that_a_program_can_be_given_can_be_a_word(word: str) -> None:
    """What a program can be given, a job can hold unchanged; all else is refused."""
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        with pytest.raises(
            JobError, match="argument 0 of the command contains an unpaired surrogate"
        ):
            Job([word])
        return
    job = Job([word, word], env={"A": word}, stdout=Path("logs", word))
    assert (job.command, job.env["A"]) == ((word, word), word)


def test_resources_tell_what_differs_from_the_default() -> None:
    """The description is short, and empty for the default."""
    some = Resources(cores=4, memory="2 GiB", time="1h")  # type: ignore[arg-type]
    assert (some.describe(), Resources().describe()) == ("4 cores, 2 GiB, 1h", "")
    others = Resources(nodes=2, gpus=1, disk="5GB", queue="long", exclusive=True)  # type: ignore[arg-type]
    assert others.describe() == "2 nodes, 1 GPU, 4.7 GiB of disk, queue long, exclusive"


WHY = [
    (None, {}, ""),
    (Reason.EXIT_CODE, {"exit_code": 3}, "exit code 3"),
    (Reason.SIGNAL, {"signal": 9}, "SIGKILL"),
    (Reason.SIGNAL, {"signal": 99}, "signal 99"),
    (Reason.OUT_OF_MEMORY, {}, "out of memory"),
    (Reason.TIME_LIMIT, {}, "time limit"),
    (Reason.NODE_FAILURE, {}, "node failure"),
    (Reason.PREEMPTED, {}, "preempted"),
    (Reason.CHECKPOINTED, {}, "checkpointed"),
    (Reason.SETUP, {"message": "setup 2 failed"}, "setup: setup 2 failed"),
    (Reason.STAGE_IN, {}, "stage in"),
    (Reason.STAGE_OUT, {"message": "*.out"}, "stage out: *.out"),
    (Reason.HELD, {}, "held"),
    (Reason.REJECTED, {"message": "no such queue"}, "rejected: no such queue"),
    (Reason.SIGNAL, {}, "a signal"),
    (Reason.EXIT_CODE, {"message": "it crashed"}, "it crashed"),
    (Reason.EXIT_CODE, {"exit_code": 127}, "exit code 127 (usually: command not found)"),
    (
        Reason.EXIT_CODE,
        {"exit_code": 127, "message": "command not found: nosuch"},
        "command not found: nosuch (exit code 127)",
    ),
    (Reason.TERMINATED, {}, ""),
    (Reason.DEPENDENCY, {}, "dependency"),
    (Reason.LOST, {"evidence": ("no exit record", "not known")}, "no exit record; not known"),
]


@pytest.mark.parametrize(("reason", "facts", "why"), WHY)
def test_an_outcome_tells_why(reason: Reason | None, facts: dict[str, Any], why: str) -> None:
    """Each reason reads as people would say it, followed by the message."""
    logs = {"stdout": Path("/x/out"), "stderr": Path("/x/err")}
    outcome = Outcome(run="r", index=1, state=State.FAILED, reason=reason, **logs, **facts)
    assert outcome.why() == why
    told = outcome.describe().removesuffix(" (log: /x/err)")
    assert told == "job r:1 failed" + (f": {why}" if why else "")


def test_every_reason_is_told() -> None:
    """No reason is missing in the table above."""
    assert {reason for reason, _, _ in WHY} == {None, *Reason}


def test_an_outcome_names_its_log_unless_all_is_well(tmp_path: Path) -> None:
    """Who reads of a failure learns where to look next."""
    logs = {"stdout": tmp_path / "out", "stderr": tmp_path / "err"}
    failed = Outcome(run="r", index=0, state=State.FAILED, reason=Reason.SETUP, **logs)
    assert failed.describe() == "job r:0 failed: setup"  # there is none
    logs["stderr"].touch()
    assert failed.describe() == f"job r:0 failed: setup (log: {tmp_path}/err)"
    assert str(JobFailed(failed)) == failed.describe()
    refused = attrs.evolve(failed, reason=Reason.REJECTED)
    assert refused.describe() == "job r:0 failed: rejected"  # it never wrote one
    stopped = attrs.evolve(failed, state=State.TERMINATED, reason=Reason.TERMINATED)
    assert stopped.describe() == "job r:0 terminated"
    stopped = attrs.evolve(stopped, started=datetime.now(timezone.utc))
    assert stopped.describe() == f"job r:0 terminated (log: {tmp_path}/err)"
    done = Outcome(run="r", index=0, state=State.DONE, **logs)
    assert (done.describe(), done.done, failed.done) == ("job r:0 done", True, False)


def test_the_states_that_are_final() -> None:
    """Done, failed, terminated and lost never change again."""
    assert [state.value for state in State if state.final] == [
        "done",
        "failed",
        "terminated",
        "lost",
    ]


def test_a_job_id_reads_as_the_system_spells_it() -> None:
    """Its text is the native id alone."""
    assert str(JobId("slurm", "3505_7")) == "3505_7"


@pytest.mark.parametrize(
    ("number", "name"), [(9, "SIGKILL"), (15, "SIGTERM"), (99, "signal 99"), (0, "signal 0")]
)
def test_signals_have_names(number: int, name: str) -> None:
    """A number without a name is shown as a number."""
    assert signal_name(number) == name


# -- Short forms and hints ------------------------------------------------------------------


@given(st.lists(st.integers(0, 60)))
def test_ranges_come_back(numbers: list[int]) -> None:
    """Any numbers in any order are read as they were written."""
    assert read_ranges(write_ranges(numbers)) == numbers


@given(st.lists(st.sampled_from("ab")))
def test_spans_come_back(values: list[str]) -> None:
    """The values are read as they were written; what no span names is None."""
    assert by_index(spans(values), len(values) + 1) == [*values, None]


@given(st.lists(st.sampled_from("ab")))
def test_spans_hold_every_value_once(values: list[str]) -> None:
    """Runs of equal values give back the values, and neighbours differ."""
    found = spans(values)
    assert [value for text, value in found for _ in read_ranges(text)] == values
    indices = [index for text, _ in found for index in read_ranges(text)]
    assert indices == list(range(len(values)))
    assert all(one[1] != two[1] for one, two in itertools.pairwise(found))


def test_ranges_are_short() -> None:
    """Neighbours are written as first and last."""
    assert write_ranges([0, 1, 2, 3, 7]) == "0-3,7"
    assert (write_ranges([]), read_ranges("")) == ("", [])


@pytest.mark.parametrize("text", ["a", "1,,2", "1-x", "-", ",", "1-2-3"])
def test_what_is_no_range_is_refused(text: str) -> None:
    """A text that cannot have been written by us is a ValueError."""
    with pytest.raises(ValueError, match="invalid literal"):
        read_ranges(text)


def test_a_misspelt_word_gets_a_hint() -> None:
    """The nearest known word is offered, and nothing where none is near."""
    known = ["partition", "qos"]
    assert did_you_mean("partion", known) == "; did you mean 'partition'?"
    assert did_you_mean("xyz", known) == did_you_mean("xyz", []) == ""


@given(st.text(max_size=60), st.integers(2, 40).map(lambda half: 2 * half))
def test_long_texts_keep_both_ends(text: str, limit: int) -> None:
    """A text within the limit is unchanged, a longer one says how much is left out."""
    short = shorten(text, limit)
    if len(text) <= limit:
        assert short == text
    else:
        assert short.startswith(text[: limit // 2])
        assert short.endswith(text[-(limit // 2) :])
        assert f"[... {len(text) - limit} characters ...]" in short


def test_a_plugin_error_names_plugin_and_distribution() -> None:
    """Who reads it knows what to uninstall."""
    error = PluginError("slurm", "anybatch-slurm 1.0", "no")
    assert str(error) == "plugin 'slurm' (anybatch-slurm 1.0): no"
    assert str(PluginError("local", "", "no")) == "plugin 'local': no"


# -- what is none of the types that are asked for

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from([object(), Future(), ..., Path("a"), Job, Reason.LOST]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=4,
)
FIELDS = [field.name for field in attrs.fields(Job)]


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=2))
def test_any_value_makes_a_job_or_an_error(values: dict[str, Any]) -> None:
    """Whatever is given for a field of a job: it is taken, or a `JobError` tells what is wrong."""
    try:
        job = Job(**{"command": ["true"], **values})
    except JobError:
        pass
    else:
        assert {type(path) for path in (job.workdir, job.stdin)} <= {type(None), type(Path())}
        assert all(isinstance(text, str) for text in (*job.inputs, *job.outputs, *job.setup))


@given(st.sampled_from([f.name for f in attrs.fields(Resources)]), VALUES)
def test_any_value_makes_resources_or_an_error(field: str, value: Any) -> None:
    """Whatever is given for a field of `Resources`: it is taken, or it is a `ValueError`."""
    with contextlib.suppress(ValueError):
        Resources(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("command", None, "command must be a list of strings, or the text of a shell script, not"),
        ("workdir", 3, "workdir must be a path"),
        ("resources", {"cores": 2}, r"resources must be Resources\(cores=2, \.\.\.\), not"),
        ("after", 3, "after takes jobs of the same submission, runs, or texts RUN:0, not 3"),
        ("after", Future(), "after takes jobs of the same submission, runs, or texts RUN:0, not"),
        ("retry", "x", "retry: times must be a whole number"),
        ("settings", {"slurm": 3}, "settings must be a dict of dicts by plugin, such as"),
        ("env", [("A", "b")], "env must be a dict of strings, not list"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(field: str, value: Any, text: str) -> None:
    """The error names the field and what to give."""
    with pytest.raises(JobError, match=f"^{text}"):
        Job(**{"command": "true", field: value})


def test_paths_may_be_paths() -> None:
    """Inputs and outputs take `Path` as other fields do."""
    job = Job("true", inputs=[Path("a"), "b"], outputs=Path("c"))
    assert (job.inputs, job.outputs) == (("a", "b"), ("c",))
