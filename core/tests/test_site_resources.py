"""What jobs ask for that ask for nothing, and at most: settings of a project, a user or a site."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError, SettingError, UsageError
from anybatch.hookspecs import hookimpl
from anybatch.model import Job, Reason, Resources, State
from anybatch.nodes import NodeKind
from anybatch.packing import Pack
from anybatch.records import Kind, Setting, SiteDefault
from hypothesis import given
from hypothesis import strategies as st

from .toy import Clock, Toy, leave_record, local_host, plugins_of, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anybatch.run import Run
    from anybatch.session import Session

TRUE = ["true"]
GIB = 2**30


class Cluster(Toy):
    """A batch system with options of its own, and nodes of 64 GiB and 16 cores."""

    @hookimpl
    def anybatch_settings(self) -> Sequence[Setting]:
        return [
            Setting(name="mem", kind=Kind.OPTION, overlaps={"memory": ""}),
            Setting(name="partition", kind=Kind.OPTION, same_as="queue"),
        ]

    @hookimpl
    def anybatch_nodes(self, settings: Mapping[str, Any]) -> Sequence[NodeKind]:
        self.calls["nodes"].append(settings)
        return [NodeKind(cores=16, memory=64 * GIB)]


class Site:
    """A site's defaults."""

    @hookimpl
    def anybatch_settings(self) -> Sequence[SiteDefault]:
        return [
            SiteDefault("default_resources.toy.time", "1h"),
            SiteDefault("default_resources.memory", "1 GiB"),
            SiteDefault("largest_resources.toy.memory", "32 GiB"),
            SiteDefault("largest_resources.otherq.memory", "1 GiB"),
        ]


@pytest.fixture
def toy() -> Cluster:
    return Cluster()


@pytest.fixture
def start(
    new_session: Callable[..., Session], toy: Cluster, clock: Clock
) -> Callable[..., Session]:
    """Makes sessions on the toy system."""

    def make(*, site: object = None, **more: Any) -> Session:
        plugins = plugins_of(toy=toy, **({} if site is None else {"site": site}))
        return new_session("toy", plugins=plugins, host=local_host(), **more)

    return make


def write(text: str, folder: Path | None = None) -> Path:
    """A settings file here."""
    path = (folder or Path.cwd()) / "anybatch.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def asked(session: Session, *jobs: Job, **more: Any) -> list[Resources]:
    """What each submission of jobs asks for."""
    plan = session.plan(jobs or Job(TRUE), **more)
    return [one.submission.resources for one in plan.submissions]


def end(run: Run, toy: Toy, reason: Reason = Reason.OUT_OF_MEMORY) -> None:
    """End all jobs for a reason that the system tells."""
    for job in run.jobs:
        assert job.id is not None
        toy.answers[job.id.native_id] = said(State.FAILED, reason=reason)
        leave_record(run.folder, f"{job.index}.{job.attempt}.0.command.signal-9")
    for _ in "judge", "submit":
        run._engine.step(force=True)


# -- defaults


def test_a_job_asks_for_the_default_where_it_asks_for_nothing(
    start: Callable[..., Session],
) -> None:
    """Of its system, else of all; what it asks for itself wins, and so does the table [job]."""
    write(
        "[default_resources]\nmemory = '2 GiB'\ntime = '1h'\n"
        "[default_resources.toy]\nmemory = '4 GiB'\nqueue = 'short'\n"
        "[default_resources.otherq]\nmemory = '1 TiB'\n"
        "[job.resources]\ncores = 3\n"
    )
    usual, own = asked(
        start(), Job(TRUE), Job(TRUE, resources=Resources(memory="1 GiB", time="9h"))
    )
    hour = timedelta(hours=1)
    assert usual == Resources(memory="4 GiB", time=hour, queue="short", cores=3)
    assert own == Resources(memory="1 GiB", time=9 * hour, queue="short", cores=3)


def test_the_nearest_source_has_the_last_word(start: Callable[..., Session]) -> None:
    """A word for all systems in a nearer file goes before one for this system in a farther."""
    write("[default_resources.toy]\nmemory = '4 GiB'\ndisk = '1 GB'\n")
    near = write("[default_resources]\nmemory = '2 GiB'\n", Path.cwd() / "near").parent
    assert asked(start(folder=near)) == [Resources(memory="2 GiB", disk="1 GB")]
    settings = {"default_resources": {"toy": {"memory": "3 GiB"}}}
    assert asked(start(folder=near, settings=settings))[0].memory == 3 * GIB
    assert asked(start(folder=near), Job(TRUE, settings=settings))[0].memory == 3 * GIB


def test_a_site_gives_defaults_of_a_system(start: Callable[..., Session]) -> None:
    """Users override them; those of another system are not meant."""
    assert asked(start(site=Site())) == [Resources(memory="1 GiB", time="1h")]
    write("default_resources.memory = '2 GiB'\n")
    assert asked(start(site=Site())) == [Resources(memory="2 GiB", time="1h")]


def test_a_default_gives_way_to_an_option_of_the_system(start: Callable[..., Session]) -> None:
    """Who has set `mem` has asked for memory."""
    write("[default_resources]\nmemory = '2 GiB'\nqueue = 'short'\n")
    [one] = asked(start(), Job(TRUE, settings={"toy": {"mem": "9G", "partition": "long"}}))
    assert one == Resources()
    assert asked(start())[0].queue == "short"


def test_what_is_no_amount_is_told_with_its_file(start: Callable[..., Session]) -> None:
    """Also an amount that no job may ask for, and a name that is none."""
    for text, words in (
        ("[default_resources]\nmemory = 'much'\n", "default_resources.memory"),
        (
            "[largest_resources.toy]\ncores = '4'\n",
            r"largest_resources.toy.cores \(.*anybatch.toml",
        ),
        ("[largest_resources]\nmemroy = '4 GB'\n", "did you mean 'memory'"),
        ("[largest_resources]\nqueue = 'short'\n", "unknown setting 'queue'"),
        ("[largest_resources.toy]\nmemroy = '4 GB'\n", "toy.memroy"),
        ("[default_resources]\ncores = 0\n", r"default_resources.cores in .*anybatch.toml: cores"),
        ("[largest_resources]\ntasks = -1\n", r"largest_resources.tasks in .*anybatch.toml: tasks"),
    ):
        write(text)
        with pytest.raises(SettingError, match=words):
            asked(start())


def test_a_million_jobs_cost_no_more(start: Callable[..., Session]) -> None:
    """A default is worked out once for jobs of one template."""
    write("[default_resources]\nmemory = '2 GiB'\n")
    plan = start().plan(Job(TRUE).sweep(seed=range(500)))
    assert {one.submission.resources.memory for one in plan.submissions} == {2 * GIB}
    assert len({id(one.submission.resources) for one in plan.submissions}) == 1


# -- the largest


def test_more_than_the_largest_is_refused(start: Callable[..., Session], toy: Cluster) -> None:
    """With both amounts, the setting and its file, before anything is submitted."""
    path = write("[largest_resources]\nmemory = '16 GiB'\ncores = 8\ntime = '2d'\n")
    for resources, words in (
        ({"memory": "17 GiB"}, "memory = 17 GiB, and the most is 16 GiB: largest_resources.memory"),
        ({"cores": 9}, "cores = 9, and the most is 8: largest_resources.cores"),
        ({"time": "49h"}, "time = 2d1h, and the most is 2d: largest_resources.time"),
    ):
        with pytest.raises(JobError) as caught:
            start().submit([Job(TRUE), Job(TRUE, resources=Resources(**resources))])
        assert f"{words} in {path}; request less" in str(caught.value)
    assert toy.calls["submit"] == []
    asked(start(), Job(TRUE, resources=Resources(memory="16 GiB", cores=8, time="2d")))
    asked(start(), Job(TRUE))


def test_the_largest_of_a_system_goes_before_that_of_all(start: Callable[..., Session]) -> None:
    """In one file; and it is no matter of `--no-check`."""
    write(
        "check_resources = false\n"
        "[largest_resources]\ngpus = 1\n[largest_resources.toy]\ngpus = 4\n"
    )
    asked(start(), Job(TRUE, resources=Resources(gpus=4)))
    with pytest.raises(
        JobError, match=r"gpus = 5, and the most is 4: largest_resources\.toy\.gpus"
    ):
        asked(start(), Job(TRUE, resources=Resources(gpus=5)))


def test_the_largest_may_come_from_everywhere(start: Callable[..., Session]) -> None:
    """A site, the call, and the environment; each is named."""
    big = Job(TRUE, resources=Resources(memory="33 GiB"))
    with pytest.raises(JobError, match=r"32 GiB: largest_resources.toy.memory in plugin site"):
        asked(start(site=Site()), big)
    call = {"largest_resources": {"memory": "2 GiB"}}
    with pytest.raises(JobError, match=r"2 GiB: largest_resources\.memory in the call"):
        asked(start(settings=call), big)
    asked(start(site=Site(), settings={"largest_resources": {"memory": "40 GiB"}}), big)


def test_a_pack_asks_for_all_that_run_at_once(start: Callable[..., Session]) -> None:
    """What is refused is what the batch system would be asked for."""
    write("[largest_resources]\ncores = 8\n")
    jobs = [Job(TRUE, resources=Resources(cores=4))] * 8
    assert asked(start(), *jobs, pack=Pack(4, side_by_side=2))
    with pytest.raises(JobError, match="cores = 16, and the most is 8"):
        asked(start(), *jobs, pack=Pack(4, side_by_side=4))


@given(st.integers(1, 2**50), st.integers(1, 2**50))
def test_what_is_refused_is_what_is_more(wanted: int, most: int) -> None:
    """By a byte as well."""
    from anybatch.planning.site_resources import Bound, check_largest

    bounds = {"memory": Bound(most, "largest_resources.memory in x")}
    try:
        check_largest(Resources(memory=wanted), bounds)
    except JobError:
        assert wanted > most
    else:
        assert wanted <= most


# -- jobs once more


def test_growth_stops_at_the_largest_and_tells(start: Callable[..., Session], toy: Cluster) -> None:
    """When jobs are submitted, and when the last attempt has ended."""
    path = write("[largest_resources]\nmemory = '10 GiB'\n")
    session = start()
    job = Job(
        TRUE,
        resources=Resources(memory="4 GiB"),
        retry={"out_of_memory": {"times": 5, "memory": "x2"}},
    )
    by = f"largest_resources.memory in {path}"
    assert session.plan(job).notes == (
        f"retry: out_of_memory: memory grows to 10 GiB at most: {by}",
    )
    run = session.submit(job)
    for _ in range(3):
        end(run, toy)
    assert [one.resources.memory for one in toy.calls["submit"]] == [4 * GIB, 8 * GIB, 10 * GIB]
    [outcome] = run.outcomes
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.OUT_OF_MEMORY)
    assert f"not run again, for it had the most that it may grow to, 10 GiB: {by}" in str(
        outcome.message
    )


def test_a_rule_of_less_than_the_largest_is_told_as_its_own(
    start: Callable[..., Session], toy: Cluster
) -> None:
    """No note is made of a setting that makes no difference."""
    write("[largest_resources]\nmemory = '10 GiB'\n")
    session = start()
    rule = {"times": 5, "memory": "x2", "most": "5 GiB"}
    job = Job(TRUE, resources=Resources(memory="4 GiB"), retry={"out_of_memory": rule})
    assert session.plan(job).notes == ()
    run = session.submit(job)
    for _ in range(2):
        end(run, toy)
    [outcome] = run.outcomes
    assert outcome is not None
    assert "5 GiB: the rule of its retry" in str(outcome.message)


def test_a_process_that_comes_later_knows_the_largest(
    start: Callable[..., Session], toy: Cluster
) -> None:
    """It is on record with the run, whatever the settings say by then."""
    write("[largest_resources]\nmemory = '6 GiB'\ntime = '2h'\n")
    rules = {"out_of_memory": {"times": 2, "memory": "x2", "time": "x10"}}
    job = Job(TRUE, resources=Resources(memory="4 GiB", time="1h"), retry=rules)
    name = start().submit(job).id
    write("")
    end(start().attach(name), toy)
    again = toy.calls["submit"][-1].resources
    assert (again.memory, again.time) == (6 * GIB, timedelta(hours=2))


def test_a_grown_request_that_no_node_can_run_ends(
    start: Callable[..., Session], toy: Cluster
) -> None:
    """It is not submitted, where it might wait for ever, and tells both amounts."""
    rules = {"out_of_memory": {"times": 5, "memory": "x2"}}
    run = start().submit(Job(TRUE, resources=Resources(memory="40 GiB"), retry=rules))
    end(run, toy)
    assert len(toy.calls["submit"]) == 1
    [outcome] = run.outcomes
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (State.FAILED, Reason.REJECTED)
    assert "80 GiB of memory on a node, and the largest has 64 GiB" in str(outcome.message)
    assert next(iter(run.attempts(0))).reason is Reason.OUT_OF_MEMORY


def test_who_checks_no_nodes_has_grown_requests_submitted(
    start: Callable[..., Session], toy: Cluster
) -> None:
    """As those at first; and a retry that does not grow asks for no nodes."""
    rules = {"out_of_memory": {"times": 5, "memory": "x2"}, "signal": 1}
    job = Job(TRUE, resources=Resources(memory="40 GiB"), retry=rules)
    run = start(settings={"anybatch": {"check_resources": False}}).submit(job)
    end(run, toy)
    assert [one.resources.memory for one in toy.calls["submit"]] == [40 * GIB, 80 * GIB]
    assert toy.calls["nodes"] == []
    run = start().submit(job)
    before = len(toy.calls["nodes"])
    end(run, toy, Reason.SIGNAL)
    assert len(toy.calls["nodes"]) == before


def test_a_rerun_asks_for_no_more_than_the_largest(
    start: Callable[..., Session], toy: Cluster
) -> None:
    """Of the settings then; what it leaves as it was is not refused."""
    run = start().submit(Job(TRUE, resources=Resources(memory="4 GiB", time="9h")))
    end(run, toy)
    write("[largest_resources]\nmemory = '6 GiB'\ntime = '1h'\n")
    run = start().attach(run.id)
    with pytest.raises(UsageError, match="memory = 7 GiB, and the most is 6 GiB"):
        run.rerun(resources={"memory": "7 GiB"})
    assert run.rerun(resources={"memory": "6 GiB"}) == 1
