"""What a job asks for and what settings say of the same thing: equal, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch.errors import JobError
from anybatch.hookspecs import hookimpl
from anybatch.model import Job, Resources
from anybatch.records import Kind, Setting, SiteDefault

from .toy import Toy, leave_record, local_host, plugins_of, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anybatch.run import Run
    from anybatch.session import Session


class Options(Toy):
    """A batch system with options of its own beside what jobs ask for."""

    @hookimpl
    def anybatch_settings(self) -> Sequence[Setting]:
        return [
            Setting(name="partition", kind=Kind.OPTION, same_as="queue"),
            Setting(name="alone", kind=Kind.OPTION, same_as="exclusive"),
            Setting(name="title", kind=Kind.OPTION, same_as="name"),
            Setting(name="cpus", kind=Kind.OPTION, same_as="cores", overlaps={"tasks": ""}),
            Setting(name="mem", kind=Kind.OPTION, overlaps={"memory": ""}),
            Setting(name="gres", kind=Kind.OPTION, overlaps={"gpus": "[=,]gpu"}),
            Setting(name="+*", kind=Kind.OPTION, overlaps={"time": r"\A\+MaxTime="}),
            Setting(name="usual", kind=Kind.OPTION, default="1h", overlaps={"time": ""}),
        ]


class Site:
    """A site that has a partition for who names no queue."""

    @hookimpl
    def anybatch_settings(self) -> Sequence[SiteDefault]:
        return [SiteDefault("toy.partition", "short"), SiteDefault("toy.mem", "1G")]


ASKED: Any = [
    ({"partition": "long"}, Resources(queue="short"), "queue = short, and toy.partition = long"),
    ({"alone": "user"}, Resources(exclusive=True), "exclusive = True, and toy.alone = user"),
    ({"cpus": 2}, Resources(cores=4), "cores = 4, and toy.cpus = 2"),
    ({"cpus": 4}, Resources(cores=4, tasks=2), "tasks = 2, and toy.cpus = 4"),
    ({"mem": "2G"}, Resources(memory="2 GiB"), "memory = 2 GiB, and toy.mem = 2G"),
    ({"mem": 0}, Resources(memory="2 GiB"), "memory = 2 GiB, and toy.mem = 0"),
    ({"gres": "tmp:1,gpu:2"}, Resources(gpus=1), "gpus = 1, and toy.gres = tmp:1,gpu:2"),
    ({"+MaxTime": 60}, Resources(time="1h"), r"time = 1h, and toy.\+MaxTime = 60"),
]
FINE: Any = [
    ({"partition": "long"}, Resources(queue="long")),
    ({"alone": True}, Resources(exclusive=True)),
    ({"cpus": 4}, Resources(cores=4)),
    ({"cpus": "4"}, Resources(cores=4)),
    ({"cpus": 4, "mem": "2G"}, Resources(time="1h")),
    ({"mem": False}, Resources(memory="2 GiB")),
    ({"gres": "licence:gpuless"}, Resources(gpus=1)),
    ({"+Other": "MaxTime"}, Resources(time="1h")),
    ({"mem": "2G"}, Resources(memory=None)),
]


def submit(session: Session, job: Job) -> dict[str, Any]:
    """The settings that the system got."""
    return {**session.submit(job).submissions[0].settings}


@pytest.mark.parametrize(("own", "resources", "told"), ASKED)
def test_what_contradicts_the_job_is_refused(
    isolated: Path, own: dict[str, Any], resources: Resources, told: str
) -> None:
    """Before anything is submitted both are named, and where the setting comes from."""
    toy = Options()
    job = Job(["true"], resources=resources, settings={"toy": own})
    refused = pytest.raises(JobError, match=f"{told} .from the call")
    with session_of(isolated, toy) as session, refused:
        submit(session, job)
    assert toy.calls["submit"] == []


@pytest.mark.parametrize(("own", "resources"), FINE)
def test_what_does_not_contradict_is_taken(
    isolated: Path, own: dict[str, Any], resources: Resources
) -> None:
    """Equal words, other options of the same name, and what is taken back."""
    with session_of(isolated, Options()) as session:
        got = submit(session, Job(["true"], resources=resources, settings={"toy": own}))
    assert {name: got[name] for name in own} == own


def test_a_name_is_the_jobs_only_where_it_was_given(isolated: Path) -> None:
    """That of the program, which a job has without one, gives way."""
    with session_of(isolated, Options()) as session:
        assert submit(session, Job(["true"], settings={"toy": {"title": "fit"}}))["title"] == "fit"
        with pytest.raises(JobError, match=r"name = a, and toy\.title = fit"):
            submit(session, Job(["true"], name="a", settings={"toy": {"title": "fit"}}))


@pytest.mark.parametrize("where", ["file", "environment", "session"])
def test_the_source_is_named(isolated: Path, where: str) -> None:
    """A file by its path, the environment, and the session's own settings."""
    more: dict[str, Any] = {}
    if where == "file":
        isolated.joinpath("anybatch.toml").write_text("[toy]\npartition = 'long'\n", "utf-8")
    elif where == "environment":
        more["host"] = local_host(ANYBATCH_TOY__PARTITION="long")
    else:
        more["settings"] = {"toy": {"partition": "long"}}
    source = {"file": str(isolated / "anybatch.toml"), "session": "the call"}.get(where, where)
    job = Job(["true"], resources=Resources(queue="short"))
    with session_of(isolated, Options(), **more) as session:
        with pytest.raises(JobError) as caught:
            submit(session, job)
        assert f"toy.partition = long (from {source})" in str(caught.value)
        taken_back = attrs.evolve(job, settings={"toy": {"partition": False}})
        assert submit(session, taken_back)["partition"] is False


def test_defaults_give_way(isolated: Path) -> None:
    """Those of the plugin and of a site's plugin hold for who asks for nothing."""
    plugins = plugins_of(toy=Options(), site=Site())
    with session_of(isolated, Options(), plugins=plugins) as session:
        usual = submit(session, Job(["true"]))
        needs = Resources(queue="long", memory="2 GiB", time="2h")
        asked = submit(session, Job(["true"], resources=needs))
    assert [usual[name] for name in ("partition", "mem", "usual")] == ["short", "1G", "1h"]
    assert [asked[name] for name in ("partition", "mem", "usual")] == [None, None, None]


def test_each_job_of_a_run_is_looked_at(isolated: Path) -> None:
    """The second of two is refused as the first would be."""
    toy = Options()
    jobs = [Job(["true"]), Job(["true"], resources=Resources(cores=3))]
    refused = pytest.raises(JobError, match=r"cores = 3, and toy\.cpus = 2")
    with session_of(isolated, toy, settings={"toy": {"cpus": 2}}) as session, refused:
        session.submit(jobs)
    assert toy.calls["submit"] == []


ANEW: Any = [
    # with, and asking for, at first; then changed
    ({"mem": "2G"}, {}, {"resources": {"memory": "4 GiB"}}, "memory = 4 GiB, and toy.mem = 2G"),
    ({}, {"memory": "2 GiB"}, {"settings": {"mem": "4G"}}, "memory = 2 GiB, and toy.mem = 4G"),
    (
        {},
        {},
        {"resources": {"memory": "2 GiB"}, "settings": {"mem": "4G"}},
        "memory = 2 GiB, and toy.mem = 4G",
    ),
    (
        {"partition": "long"},
        {"queue": "long"},
        {"resources": {"queue": "short"}},
        "queue = short, and toy.partition = long",
    ),
    ({}, {"time": "1h"}, {"settings": {"+MaxTime": 60}}, r"time = 1h, and toy.\+MaxTime = 60"),
    ({}, {"time": "1h"}, {"settings": {"usual": "2h"}}, "time = 1h, and toy.usual = 2h"),
]
ANEW_FINE: Any = [
    ({"mem": "2G"}, {}, {"resources": {"memory": "4 GiB"}, "settings": {"mem": False}}),
    ({}, {"memory": "2 GiB"}, {"resources": {"memory": None}, "settings": {"mem": "4G"}}),
    ({"partition": "a"}, {"queue": "a"}, {"settings": {"partition": "a"}}),
    ({"mem": "2G"}, {}, {"resources": {"time": "4h"}}),
    ({}, {}, {"resources": {"time": "4h"}}),
    ({"mem": "2G"}, {}, {}),
]


def ended(session: Session, own: dict[str, Any], asked: dict[str, Any]) -> Run:
    run = session.submit(Job(["true"], resources=Resources(**asked), settings={"toy": own}))
    leave_record(run.folder, "0.0.0.command.exit-1")
    run.refresh()
    return run


def rerun(run: Run, changed: dict[str, Any]) -> int:
    settings = {"toy": changed.get("settings", {})}
    return run.rerun(resources=changed.get("resources"), settings=settings)


@pytest.mark.parametrize(("own", "asked", "changed", "told"), ANEW)
def test_a_rerun_that_contradicts_is_refused(
    isolated: Path, own: dict[str, Any], asked: dict[str, Any], changed: dict[str, Any], told: str
) -> None:
    """What changes is compared with what was submitted, also where another session does so."""
    toy = Options()
    with session_of(isolated, toy) as session:
        run = ended(session, own, asked)
    with session_of(isolated, toy) as session, pytest.raises(JobError, match=told):
        rerun(session.attach(run.id), changed)
    assert len(toy.calls["submit"]) == 1


@pytest.mark.parametrize(("own", "asked", "changed"), ANEW_FINE)
def test_a_rerun_that_does_not_contradict_is_taken(
    isolated: Path, own: dict[str, Any], asked: dict[str, Any], changed: dict[str, Any]
) -> None:
    """What is equal, taken back, or was there before and is not changed."""
    with session_of(isolated, Options()) as session:
        assert rerun(ended(session, own, asked), changed) == 1


def test_a_default_gives_way_to_a_rerun(isolated: Path) -> None:
    """As it does where jobs are submitted: that of the plugin, and that of a site's plugin."""
    plugins = plugins_of(toy=Options(), site=Site())
    with session_of(isolated, Options(), plugins=plugins) as session:
        run = ended(session, {}, {})
        rerun(run, {"resources": {"queue": "long", "memory": "2 GiB", "time": "2h"}})
        again = run.submissions[-1].settings
    assert [again[name] for name in ("partition", "mem", "usual")] == [None, None, None]


@pytest.mark.parametrize("wrong", [{"same_as": "nosuch"}, {"overlaps": {"memory": "("}}])
def test_a_wrong_declaration_is_refused(wrong: Any) -> None:
    """A plugin that names no field of a job, or no regular expression, is told at once."""
    with pytest.raises(ValueError, match=r"is not one of nodes|must be a regular expression"):
        Setting(name="x", **wrong)
