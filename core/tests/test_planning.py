"""From jobs to a plan: what shares a submission, what is refused, which files and variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError, SettingError, UsageError
from anybatch.hookspecs import hookimpl
from anybatch.model import Job, Resources, Retry
from anybatch.planning import inputs, job_environment
from anybatch.records import Environment, Transfer
from anybatch.worker_paths import ForbiddenFileName, ForbiddenMountPath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .toy import Toy, local_host, session_of

if TYPE_CHECKING:
    from anybatch.planning.plan import Plan

TRUE = ["true"]


def texts(plan: Plan) -> dict[str, str]:
    return {file.path.name: file.text for file in plan.files}


def everything(folder: Path) -> list[Path]:
    return sorted(folder.parent.rglob("*"))


def indices(plan: Plan) -> list[tuple[int, ...]]:
    return [planned.indices for planned in plan.submissions]


# -- grouping


def test_equal_directives_share_a_submission(isolated: Path, toy: Toy) -> None:
    """Jobs that differ in command, files and variables are one submission."""
    (isolated / "other").mkdir()
    (isolated / "in").touch()
    jobs = [
        Job(["echo", "1"], name="n"),
        Job(["echo", "2"], name="n", env={"A": "1"}, setup="true"),
        Job("echo 3", name="n", workdir="other", stdin="in", stdout="out-{index}"),
        Job(TRUE, name="n", inputs=["in"], outputs=["*.out"], output_dir="results"),
    ]
    plan = session_of(isolated, toy).plan(jobs)
    assert indices(plan) == [(0, 1, 2, 3)]
    assert plan.submissions[0].submission.count == 4


@pytest.mark.parametrize(
    "different",
    [
        {"name": "other"},
        {"resources": Resources(cores=2)},
        {"settings": {"toy": {"partition": "long"}}},
        {"container": "image"},
        {"retry": 1},
        {"retry": Retry(0, on=["signal"])},
    ],
    ids=str,
)
def test_different_directives_do_not_share(isolated: Path, different: dict[str, Any]) -> None:
    """What the batch system must be told of a job keeps it apart from others."""
    toy = Toy(environment=Environment(runs_container=True))
    plan = session_of(isolated, toy).plan([Job(TRUE), Job(TRUE, **different), Job(TRUE)])
    assert indices(plan) == [(0, 2), (1,)]


def test_jobs_with_other_dependencies_do_not_share(isolated: Path, toy: Toy) -> None:
    """A job that runs after another stands in a submission of its own, and names its run."""
    first = Job(TRUE)
    plan = session_of(isolated, toy).plan([first, Job(TRUE, after=first), Job(TRUE)])
    assert indices(plan) == [(0, 2), (1,)]
    assert plan.submissions[1].waits == ((plan.run, 0),)
    assert plan.submissions[1].submission.after == ()


def test_a_plan_shows_dependencies_of_jobs_without_ids(isolated: Path) -> None:
    """Where the system knows dependencies, a dry run stands in for ids that are not there yet."""
    first = Job(TRUE)
    plan = session_of(isolated, Toy(dependencies=True)).plan([first, Job(TRUE, after=first)])
    assert plan.submissions[1].submission.after == (f"ID-OF-{plan.run}-0",)


def test_chunks_follow_the_array_limit(isolated: Path) -> None:
    """No submission has more jobs than one submit command takes; tokens are distinct."""
    plan = session_of(isolated, Toy(array=2)).plan([Job(TRUE) for _ in range(5)])
    assert indices(plan) == [(0, 1), (2, 3), (4,)]
    assert [one.submission.number for one in plan.submissions] == [0, 1, 2]
    assert len({one.submission.token for one in plan.submissions}) == 3


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cores=st.lists(st.integers(1, 3), min_size=1, max_size=12), array=st.integers(1, 5))
def test_every_job_is_planned_once(isolated: Path, cores: list[int], array: int) -> None:
    """However groups are interleaved, each job has one line, in the order of its submission."""
    jobs = [Job(["echo", str(n)], resources=Resources(cores=n)) for n in cores]
    plan = session_of(isolated, Toy(array=array)).plan(jobs)
    assert sorted(i for planned in plan.submissions for i in planned.indices) == [*range(len(jobs))]
    for number, planned in enumerate(plan.submissions):
        assert planned.submission.number == number
        assert planned.submission.count == len(planned.indices) <= array
        assert {cores[i] for i in planned.indices} == {planned.submission.resources.cores}
        lines = texts(plan)[f"{number}.0"].splitlines()
        starts = [f"ab_index={i} ab_attempt=0; " for i in planned.indices]
        assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts


# -- texts


def test_a_script_is_one_file_however_often_it_is_used(isolated: Path, toy: Toy) -> None:
    """Equal commands given as text become one file each; `#!` scripts run by themselves."""
    python = "#!/usr/bin/env python3\nprint(1)\n"
    plan = session_of(isolated, toy).plan([Job("echo a"), Job("echo a"), Job(python)])
    found = {name: text for name, text in texts(plan).items() if name.startswith("command")}
    assert found == {"command-0.sh": "echo a", "command-1.sh": python}
    ends = [line.split("set -- ")[1] for line in texts(plan)["0.0"].splitlines()]
    own = [f'"$ab_run"/command-{n}.sh' for n in (0, 1)]
    assert ends == [f"/bin/sh {own[0]}", f"/bin/sh {own[0]}", own[1]]


def test_a_folder_for_each_job_is_made_by_the_job(isolated: Path, toy: Toy) -> None:
    """A workdir with `{index}` need not be there; the job script puts in the number."""
    script = texts(session_of(isolated, toy).plan(Job(TRUE, workdir="w-{index}")))["job.sh"]
    assert f'ab_workdir={isolated}/w-"$ab_index"' in script
    assert "ab_make_workdir=1" in script


def test_a_plan_is_text_and_nothing_else(isolated: Path, toy: Toy) -> None:
    """A plan writes nothing, submits nothing, and gives the same text each time."""
    before = everything(isolated)
    session = session_of(isolated, toy)
    plan = session.plan([Job(["echo", "a b"]), Job(TRUE, name="x")])
    rendered = [
        [session.hooks.render("toy", one.submission) for one in plan.submissions] for _ in range(2)
    ]
    assert rendered[0] == rendered[1]
    assert everything(isolated) == before
    assert not toy.calls["submit"]


def test_what_was_shown_is_what_is_written(isolated: Path, toy: Toy) -> None:
    """The files of a submitted run are those of its plan, but for its id."""
    session = session_of(isolated, toy)
    jobs = [Job(["echo", "a\nb"]), Job("echo c")]
    plan = session.plan(jobs)
    run = session.submit(jobs)
    session.close()
    for file in plan.files:
        written = (run.folder / file.path.relative_to(plan.folder)).read_text("utf-8")
        assert written == file.text.replace(plan.run, run.id)


def test_log_files_stand_in_the_plan(isolated: Path, toy: Toy) -> None:
    """Log files are absolute, and empty for jobs that log in the run's folder."""
    plan = session_of(isolated, toy).plan([Job(TRUE), Job(TRUE, stdout="logs/{index}")])
    assert plan.stdout == (("0", ""), ("1", f"{isolated}/logs/{{index}}"))


# -- refusals


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"workdir": "missing"},
            JobError,
            "workdir does not exist or is not a directory: .*missing",
        ),
        ({"env_script": "missing.sh"}, JobError, "env_script: no such file: .*missing.sh"),
        ({"stdin": "missing"}, JobError, "stdin: no such file: .*missing"),
        ({"inputs": ["missing"]}, JobError, "input 'missing' does not exist"),
        ({"inputs": ["*.none"]}, JobError, r"input '\*.none' matches nothing"),
        ({"inputs": [""]}, JobError, "input ''"),
        ({"inputs": ["."]}, JobError, "input '.'"),
        ({"outputs": ["../x"]}, JobError, "output '../x'"),
        ({"outputs": ["a/../../x"]}, JobError, "must be a path inside the working directory"),
        ({"outputs": ["/etc/x"]}, JobError, "output '/etc/x'"),
        ({"outputs": [""]}, JobError, "output ''"),
        ({"outputs": ["**/x"]}, JobError, "is not supported"),
        ({"optional_outputs": ["../x"]}, JobError, "output '../x'"),
        ({"settings": {"toy": {"partitoin": "x"}}}, SettingError, "partition"),
        ({"settings": {"toy": {"size": "much"}}}, SettingError, "size"),
        ({"after": [Job(TRUE)]}, JobError, "outside this submission"),
        ({"after": ["20200101-none"]}, UsageError, "no run matches"),
    ],
)
def test_refusals_come_before_anything_is_written(
    isolated: Path, toy: Toy, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    """A job that cannot be is refused with its fault, and leaves nothing behind."""
    before = everything(isolated)
    with pytest.raises(error, match=text):
        session_of(isolated, toy).submit([Job(TRUE), Job(TRUE, **arguments)])
    assert everything(isolated) == before
    assert not toy.calls["submit"]


def test_no_job_is_refused(isolated: Path, toy: Toy) -> None:
    """An empty submission is a mistake, not a run without jobs."""
    before = everything(isolated)
    with pytest.raises(JobError, match="no job"):
        session_of(isolated, toy).submit([])
    assert everything(isolated) == before


def test_a_system_that_moves_files_needs_no_folder_here(isolated: Path) -> None:
    """Where the batch system brings the files, a job works in its scratch folder."""
    toy = Toy(transfer=Transfer.SYSTEM)
    plan = session_of(isolated, toy).plan(Job(TRUE, workdir="/only/there"))
    assert "ab_workdir=.\n" in texts(plan)["job.sh"]
    assert Path("/only/there") not in plan.folders


FORBIDS = Environment(
    wrapper=("box",), forbidden_names=(ForbiddenMountPath("[,:]", "cannot be in a box"),)
)


@pytest.mark.parametrize("field", ["workdir", "output_dir", "env_script", "inputs"])
def test_a_path_that_a_wrapper_cannot_take_is_refused(isolated: Path, field: str) -> None:
    """Also where only a later job of those that share a submission has it."""
    (isolated / "a,b").mkdir() if field == "workdir" else (isolated / "a,b").touch()
    jobs = [Job(TRUE), Job(TRUE, **{field: "a,b"})]
    session = session_of(isolated, Toy(environment=FORBIDS))
    with pytest.raises(JobError, match=rf"{field.rstrip('s')} .*/a,b: ',' cannot be in a box"):
        session.plan(jobs)
    assert (
        session_of(isolated, Toy(environment=Environment(wrapper=("box",)))).plan(jobs).count == 2
    )


def test_a_run_s_folder_that_a_wrapper_cannot_take_is_refused(isolated: Path) -> None:
    """Unless the job has its scratch folder instead."""
    settings = {"anybatch": {"runs_dir": str(isolated / "a:b")}}
    with pytest.raises(JobError, match=r"the run's folder .*: ':' cannot be in a box"):
        session_of(isolated, Toy(environment=FORBIDS), settings=settings).plan(Job(TRUE))
    away = Toy(environment=FORBIDS, transfer=Transfer.SYSTEM)
    assert session_of(isolated, away, settings=settings).plan(Job(TRUE, workdir="c,d")).count == 1


def test_a_name_that_the_system_cannot_carry_is_refused(isolated: Path) -> None:
    """Of inputs and of the program, as they are called in the scratch folder."""
    environment = Environment(forbidden_names=(ForbiddenFileName("^_", "cannot be carried"),))
    (isolated / "_in").touch()
    (isolated / "_run").touch()
    jobs = [Job(TRUE, inputs=["_in"]), Job(["./_run"])]
    away = session_of(isolated, Toy(environment=environment, transfer=Transfer.SYSTEM))
    for job in jobs:
        with pytest.raises(JobError, match=r"file _(in|run): '_' cannot be carried"):
            away.plan([Job(TRUE), job])
    assert session_of(isolated, Toy(environment=environment)).plan(jobs).count == 2


class Boxes:
    """A plugin that runs every job in a container."""

    @hookimpl
    def anybatch_environment(self) -> Environment:
        return Environment(wrapper=("box", "image"), setup=("inside",))


def test_a_container_needs_somebody_who_knows_containers(isolated: Path, toy: Toy) -> None:
    """A job that names an image never runs outside it."""
    job = Job(TRUE, container="image")
    with pytest.raises(JobError, match=r"toy jobs in the container 'image'.*anybatch-apptainer"):
        session_of(isolated, toy).plan(job)
    assert session_of(isolated, toy, others={"boxes": Boxes()}).plan(job).count == 1


@pytest.mark.parametrize("contains", [True, False])
def test_containers_of_the_system_s_own_come_first(isolated: Path, contains: bool) -> None:
    """Where the batch system runs the container nobody else does; its other parts stay."""
    toy = Toy(environment=Environment(runs_container=contains, wrapper=("own",)))
    session = session_of(isolated, toy, others={"boxes": Boxes()})
    plan = session.plan(Job(TRUE, container="image"))
    script = texts(plan)["job.sh"]
    assert ("exec box image own /bin/sh" in script) is not contains
    assert ("exec own /bin/sh" in script) is contains
    assert "ab_setup_line inside" in script
    assert plan.submissions[0].submission.container == "image"


class Curious:
    """A plugin that notes what it is told of a job."""

    def __init__(self) -> None:
        self.told: list[tuple[Job, str, Path]] = []

    @hookimpl
    def anybatch_environment(self, job: Job, system: str, base_dir: Path) -> None:
        self.told.append((job, system, base_dir))


def test_plugins_learn_where_a_job_will_run(isolated: Path, toy: Toy) -> None:
    """Who contributes to a job's environment is told the batch system, and where paths start."""
    curious, job = Curious(), Job(TRUE)
    session_of(isolated / "..", toy, others={"curious": curious}).plan(job)
    assert curious.told == [(job, "toy", isolated.parent)]


def test_an_environment_that_is_none_names_the_plugin(isolated: Path) -> None:
    """A plugin that contributes something else than an `Environment` is told by its name."""
    toy = Toy(environment={"A": "1"})  # type: ignore[arg-type]
    [note] = session_of(isolated, toy).plan(Job(TRUE)).notes
    assert "plugin toy was skipped for these jobs: anybatch_environment returned" in note


# -- inputs


@pytest.fixture
def tree(isolated: Path) -> Path:
    for name in ("a.txt", "b.txt", "sub/a.txt", "sub/c.dat", "../elsewhere/d.txt"):
        path = Path(os.path.normpath(isolated / name))
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return isolated


@pytest.mark.parametrize(
    ("patterns", "flat", "expected"),
    [
        (["a.txt"], False, {"a.txt": "a.txt"}),
        (["sub/c.dat"], False, {"sub/c.dat": "sub/c.dat"}),
        (["sub/c.dat"], True, {"c.dat": "sub/c.dat"}),
        (["./sub/../a.txt"], False, {"a.txt": "a.txt"}),
        (["*.txt"], False, {"a.txt": "a.txt", "b.txt": "b.txt"}),
        (["**/*.txt"], False, {n: n for n in ("a.txt", "b.txt", "sub/a.txt")}),
        (["sub"], False, {"sub": "sub"}),
        (["../elsewhere/d.txt"], False, {"d.txt": "../elsewhere/d.txt"}),
        (["../elsewhere/*.txt"], False, {"d.txt": "../elsewhere/d.txt"}),
    ],
)
def test_inputs_keep_their_layout(
    tree: Path, patterns: list[str], flat: bool, expected: dict[str, str]
) -> None:
    """Inputs below the base keep their place, others and flat ones go to the top."""
    pairs, notes = inputs.resolve_inputs(Job(TRUE, inputs=patterns, flat=flat), tree, local_host())
    found = {destination: source for source, destination in pairs}
    assert found == {place: os.path.normpath(tree / name) for place, name in expected.items()}
    assert notes == ()


def test_a_base_with_brackets_is_no_pattern(isolated: Path) -> None:
    """Patterns are patterns; the folder that they start from is a name."""
    base = isolated / "run [1]*"
    base.mkdir()
    (base / "a.txt").touch()
    pairs, _ = inputs.resolve_inputs(Job(TRUE, inputs=["*.txt"]), base, local_host())
    assert pairs == ((str(base / "a.txt"), "a.txt"),)


def test_a_file_of_a_pattern_s_name_is_that_file(tree: Path) -> None:
    """A name that is there is taken as it stands, whatever characters it has."""
    (tree / "[ab].txt").touch()
    pairs, _ = inputs.resolve_inputs(Job(TRUE, inputs=["[ab].txt"]), tree, local_host())
    assert [destination for _, destination in pairs] == ["[ab].txt"]


def test_an_input_named_twice_is_noted(tree: Path) -> None:
    """The same file under two patterns is staged once, and the user is told."""
    pairs, notes = inputs.resolve_inputs(Job(TRUE, inputs=["a.txt", "a*"]), tree, local_host())
    assert len(pairs) == 1
    assert notes == (f"input {tree}/a.txt is listed twice",)


def test_two_inputs_of_one_name_are_refused(tree: Path) -> None:
    """Two files never take the same place without a word."""
    job = Job(TRUE, inputs=["a.txt", "sub/a.txt"], flat=True)
    with pytest.raises(JobError, match=r"would have the same name"):
        inputs.resolve_inputs(job, tree, local_host())


def test_a_folder_is_placed_before_what_is_in_it(tree: Path) -> None:
    """A folder that is made for a file would be in the way of the whole folder."""
    job = Job(TRUE, inputs=["sub/a.txt", "sub", "a.txt"])
    pairs, _ = inputs.resolve_inputs(job, tree, local_host())
    assert [place for _, place in pairs] == ["sub", "a.txt", "sub/a.txt"]


def test_a_link_to_nothing_is_no_input(tree: Path) -> None:
    """Named or matched, a dangling link is refused before submission."""
    (tree / "dangling.txt").symlink_to("gone")
    for pattern in ("dangling.txt", "dang*.txt"):
        with pytest.raises(JobError, match=r"dangling\.txt is a link that points to nothing"):
            inputs.resolve_inputs(Job(TRUE, inputs=[pattern]), tree, local_host())


def test_notes_of_a_plan_are_told(tree: Path, toy: Toy) -> None:
    """What a plan notes is said once when it is submitted."""
    notices: list[str] = []
    with session_of(tree, toy, on_notice=notices.append) as session:
        session.submit([Job(TRUE, inputs=["a.txt", "a.txt"])] * 2)
    assert notices == [f"input {tree}/a.txt is listed twice"]


# -- environment


def test_contributions_are_composed_in_order() -> None:
    """Later variables win, set-up lines follow, and the first wrapper is the innermost."""
    composed = job_environment.merge(
        [
            Environment(scrub=("A_*",), env={"X": "1"}, setup=("one",), wrapper=("inner",)),
            Environment(keep=("A_B",), env={"X": "2"}, setup=("two",), wrapper=("outer", "-x")),
        ]
    )
    assert composed == job_environment.JobEnvironment(
        ("A_*",), ("A_B",), {"X": "2"}, ("one", "two"), ("outer", "-x", "inner"), contained=True
    )


ENVIRON = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "TOY_JOB": "7",
    "TOY_CONF": "/etc/toy",
    "ANYBATCH_INDEX": "3",
    "ab_index": "3",
    "BASH_FUNC_f%%": "() { :; }",
    "BASH_ENV": "x",
    "UID": "0",
    "PWD": "/",
    "a.b": "no shell name",
}


@pytest.mark.parametrize(
    ("patterns", "scrub", "keep", "expected"),
    [
        (["PATH"], (), (), {"PATH"}),
        ([], (), (), set()),
        (["*"], (), (), {"PATH", "HOME", "TOY_JOB", "TOY_CONF"}),
        (["*"], ("TOY_*",), (), {"PATH", "HOME"}),
        (["*"], ("TOY_*",), ("TOY_CONF",), {"PATH", "HOME", "TOY_CONF"}),
        (["PATH"], (), ("TOY_CONF",), {"PATH"}),
        (["TOY_*", "ANYBATCH_*"], ("TOY_JOB",), ("ANYBATCH_*",), {"TOY_CONF"}),
    ],
)
def test_what_is_inherited(
    patterns: list[str], scrub: tuple[str, ...], keep: tuple[str, ...], expected: set[str]
) -> None:
    """The setting chooses, systems scrub, and what belongs to anybatch or the shell never goes."""
    composed = job_environment.JobEnvironment(scrub, keep, {}, (), ())
    assert job_environment.inherited(ENVIRON, patterns, composed) == {
        name: ENVIRON[name] for name in expected
    }


def test_the_job_s_own_variable_wins(isolated: Path) -> None:
    """A plugin's variables are set for the job, and give way to its own."""
    toy = Toy(environment=Environment(env={"A": "plugin", "B": "plugin"}, setup=("first",)))
    script = texts(session_of(isolated, toy).plan(Job(TRUE, env={"A": "job"}, setup="then")))[
        "job.sh"
    ]
    assert "export A=job B=plugin;" in script
    assert script.index("ab_setup_line first") < script.index("ab_setup_line then")


@pytest.mark.parametrize(
    "logs",
    [
        [{"stdout": "all.log"}] * 2,
        [{"stderr": "all.log"}, {"stdout": "./x/../all.log"}],
        [{"stdout": "log-1"}, {"stdout": "log-{index}"}],
        [{"stdout": "log-{index}"}, {}, {"stderr": "log-0"}],
    ],
)
def test_logs_that_would_overwrite_each_other(
    isolated: Path, toy: Toy, logs: list[dict[str, str]]
) -> None:
    """Two jobs of a run with one log file are refused, however that is written."""
    with pytest.raises(JobError, match=r"would overwrite each other's log .*write \{index\}"):
        session_of(isolated, toy).plan([Job(TRUE, **one) for one in logs])


def test_logs_that_may_be_shared(isolated: Path, toy: Toy) -> None:
    """A job's two streams may go to one file, and many jobs to a device."""
    both = Job(TRUE, stdout="log-{index}", stderr="log-{index}")
    none = Job(TRUE, stdout="/dev/null", stderr="/dev/null")
    assert session_of(isolated, toy).plan([both, both, none, none]).count == 4


@pytest.mark.parametrize("field", ["stdout", "stderr"])
def test_a_folder_is_no_log(isolated: Path, toy: Toy, field: str) -> None:
    """`--stdout .` is refused, for the log would not be there."""
    with pytest.raises(JobError, match=f"{field}: {isolated} is a folder; name a file in it"):
        session_of(isolated, toy).plan(Job(TRUE, **{field: "."}))
