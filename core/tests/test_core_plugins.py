"""Plugins: how they are taken into use, called, and kept from harming each other."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anybatch import hookspecs
from anybatch.errors import JobError, PluginError, UnknownSystem
from anybatch.hookspecs import hookimpl
from anybatch.host import Command
from anybatch.model import Job
from anybatch.plugins.calls import Hooks
from anybatch.plugins.registry import Plugins, load_plugins
from anybatch.records import (
    Batch,
    Detection,
    Environment,
    Kind,
    Limits,
    Setting,
    SiteDefault,
    Submission,
)
from anybatch.settings.sources import load_settings
from anybatch.system import BatchSystem
from anybatch.system import Plugin as PluginBase

from .toy import Toy, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anybatch.host import Host
    from anybatch.records import Rendered


def plugin(**hooks: Callable[..., Any]) -> object:
    """A plugin that implements these hooks."""
    functions = {name: staticmethod(hookimpl(function)) for name, function in hooks.items()}
    return type("Plugin", (), functions)()


def detect(answer: Any) -> object:
    """A plugin whose detection answers so, or raises it."""

    def anybatch_detect() -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return plugin(anybatch_detect=anybatch_detect)


# -- taking into use


def test_a_plugin_is_listed_with_its_hooks() -> None:
    """A plugin in use tells its name, where it is from, and what it implements."""
    plugins = Plugins(local_host())
    plugins.add("one", detect(None), "anybatch-one 1.2")
    (found,) = plugins.found
    assert (found.name, found.distribution, found.problem) == ("one", "anybatch-one 1.2", None)
    assert found.hooks == ("anybatch_detect",)
    assert not found.is_system


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (plugin(anybatch_statsu=lambda ids: {}), "did you mean 'anybatch_status'"),
        (plugin(anybatch_detect=lambda hots: None), "anybatch_detect"),
        (object(), "defines no hooks; did you forget @hookimpl?"),
        (type("Unmarked", (), {"anybatch_detect": lambda self: None})(), "not marked"),
    ],
)
def test_a_plugin_that_is_none_costs_only_itself(broken: object, problem: str) -> None:
    """What is wrong with a plugin is kept with its name; the others are used."""
    plugins = Plugins(local_host())
    plugins.add("broken", broken, "dist 1")
    plugins.add("whole", detect(Detection(available=True, reason="here")))
    assert [one.name for one in plugins] == ["whole"]
    (found,) = (one for one in plugins.found if one.problem)
    assert (found.name, found.distribution) == ("broken", "dist 1")
    assert problem in (found.problem or "")
    detected = Hooks(plugins).detect("whole", {}, choosing=False)
    assert detected == Detection(available=True, reason="here")


def test_a_name_is_taken_once() -> None:
    """A second plugin of one name is not used, and the first one stays as it was."""
    plugins = Plugins(local_host())
    for reason in ("first", "second"):
        plugins.add("one", detect(Detection(available=True, reason=reason)))
    detected = Hooks(plugins).detect("one", {}, choosing=False)
    assert detected
    assert detected.reason == "first"
    assert [one.problem is None for one in plugins.found] == [True, False]


def test_plugins_come_by_name() -> None:
    """The order in which plugins are found changes nothing."""
    plugins = plugins_of(c=detect(1), toy=Toy(), a=detect(2))
    assert [one.name for one in plugins] == ["a", "c", "toy"]
    assert plugins.systems == ["toy"]


def test_calls_about_a_job_reach_no_other_system() -> None:
    """A call about a job reaches its own system first, then what is no batch system."""
    plugins = plugins_of(toy=Toy(), other=Toy(), b=detect(1), a=detect(2))
    assert [one.name for one in plugins.plugins_for("toy")] == ["toy", "a", "b"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tyo", "did you mean 'toy'.*installed: toy"),
        ("slurm", "to install it: pip install anybatch-slurm"),
        ("slrum", "did you mean 'slurm'"),
        ("watch", "no batch system named 'watch'"),
        ("broken", "plugin 'broken' cannot be used: defines no hooks"),
    ],
)
def test_a_system_that_is_none_is_explained(name: str, text: str) -> None:
    """Asking for a system that is not there tells what is, or why it cannot be used."""
    plugins = plugins_of(toy=Toy(), watch=detect(1))
    plugins.add("broken", object())
    with pytest.raises(UnknownSystem, match=text):
        plugins.system(name)


def test_what_is_installed_is_loaded() -> None:
    """The built-in system is found like the others; those named are not loaded."""
    names = {one.name for one in load_plugins(local_host())}
    assert "local" in names
    off = load_plugins(local_host(), ["local", "", "unheard-of"])
    assert "local" not in {one.name for one in off}
    (found,) = (one for one in off.found if one.name == "local")
    assert found.problem == "switched off by ANYBATCH_DISABLED_PLUGINS"


# -- calling


def test_an_implementation_leaves_out_what_it_does_not_need() -> None:
    """A hook is called with the arguments that the implementation names, and no others."""
    plugins = plugins_of(one=plugin(anybatch_limits=lambda settings: Limits(array=settings["x"])))
    assert Hooks(plugins).limits("one", {"x": 3}) == Limits(array=3)


def test_a_hook_that_is_not_implemented_says_nothing() -> None:
    """Without an implementation there is no answer, and no error."""
    plugins = plugins_of(one=detect(None))
    assert Hooks(plugins).limits("one", {}) == Limits()
    assert Hooks(plugins).limits("nobody", {}) == Limits()


def test_a_generator_is_run_to_its_end() -> None:
    """An implementation may yield; what it raises on the way is its fault too."""

    def anybatch_settings() -> Iterator[Setting]:
        yield Setting(name="x")
        raise LookupError("gone")

    plugins = plugins_of(good=plugin(anybatch_settings=lambda: (Setting(name=n) for n in "ab")))
    plugins.add("bad", plugin(anybatch_settings=anybatch_settings))
    declared = {one.name: settings for one, settings in Hooks(plugins).settings()}
    assert declared == {"good": [Setting(name="a"), Setting(name="b")]}
    [problem] = plugins.problems("bad")
    assert problem.startswith("anybatch_settings raised LookupError: gone")


def test_a_default_of_the_wrong_kind_is_named_before_a_job_needs_it(tmp_path: Path) -> None:
    """`anybatch systems` lists it; the settings of other plugins are read all the same."""
    wrong = Setting(name="q", kind=Kind.INTEGER, default="abc")
    plugins = plugins_of(
        bad=plugin(anybatch_settings=lambda: [wrong]),
        good=plugin(anybatch_settings=lambda: [Setting(name="n", kind=Kind.INTEGER, default=1)]),
    )
    settings = load_settings(Hooks(plugins), {}, tmp_path)
    assert plugins.problems("bad") == ["setting bad.q (default): 'abc' is not an integer"]
    assert settings.table("good") == {"n": 1}


@pytest.mark.parametrize("error", [ZeroDivisionError("by\nzero"), SystemExit("by\nzero")])
def test_an_error_names_plugin_distribution_and_line(error: BaseException) -> None:
    """What an implementation raises by mistake names the culprit, and is kept."""
    plugins = Plugins(local_host())
    plugins.add("one", detect(error), "anybatch-one 1.2")
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            Hooks(plugins).detect("one", {}, choosing=False)
    text, kind = str(caught.value), type(error).__name__
    start = f"plugin 'one' (anybatch-one 1.2): anybatch_detect raised {kind}: by zero"
    assert text.startswith(start)
    assert "test_core_plugins.py:" in text
    assert (caught.value.plugin, caught.value.distribution) == ("one", "anybatch-one 1.2")
    (problem,) = plugins.problems("one")
    assert problem in text


def test_an_error_on_purpose_is_the_callers() -> None:
    """What an implementation raises on purpose reaches the caller and is no fault."""
    plugins = plugins_of(one=detect(JobError("too many cores")))
    with pytest.raises(JobError, match="too many cores"):
        Hooks(plugins).detect("one", {}, choosing=False)
    assert plugins.problems("one") == []


@pytest.mark.parametrize("answer", ["text", 3, Limits])
def test_an_answer_of_another_type_is_a_fault(answer: Any) -> None:
    """Nothing is taken but what the hook is to answer; the error says what came instead."""
    plugins = plugins_of(one=detect(answer))
    with pytest.raises(PluginError, match="it must return a Detection"):
        Hooks(plugins).detect("one", {}, choosing=False)
    assert len(plugins.problems("one")) == 1


BATCH = Batch(
    submission=Submission(
        token="ab-1-0", run="1", number=0, folder=Path("/run"), count=2, name="job"
    ),
    ids=("1", "2"),
)


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("status", None),
        ("status", {}),
        ("status", []),
        ("status", [{}, {}]),
        ("status", [["1"]]),
        ("status", [{"1": "RUNNING"}]),
        ("account", [{"1": None}]),
        ("account", "text"),
        ("terminate", [{}, {}]),
        ("terminate", 3),
    ],
)
def test_an_answer_about_jobs_fits_the_batches(hook: str, answer: Any) -> None:
    """There is a mapping for each batch, from ids to what the hook is to answer."""
    toy = plugin(**{f"anybatch_{hook}": lambda batches: answer})
    hooks = Hooks(plugins_of(one=toy))
    more = (None,) if hook == "terminate" else ()
    with pytest.raises(PluginError, match=f"anybatch_{hook}.* returned"):
        getattr(hooks, hook)("one", [BATCH], *more)


def test_a_hook_that_never_answers_is_named() -> None:
    """A hook that neither answers nor runs a command is given up; the plugin is at fault."""
    going_on = threading.Event()

    def waits() -> None:
        going_on.wait()

    plugins = plugins_of(one=plugin(anybatch_limits=waits))
    hooks = Hooks(plugins, patience=0.05)
    with pytest.raises(PluginError, match="plugin 'one': anybatch_limits gave no answer"):
        hooks.limits("one", {})
    going_on.set()


def test_a_hook_may_take_as_long_as_its_command() -> None:
    """A command has a time limit of its own: while it runs, nobody loses patience."""

    def anybatch_limits(host: Host) -> Limits:
        host.run(Command(("sleep", "2.5")))
        return Limits(array=7)

    hooks = Hooks(plugins_of(one=plugin(anybatch_limits=anybatch_limits)), patience=0.05)
    assert hooks.limits("one", {}) == Limits(array=7)


def test_what_others_contribute_follows_the_system() -> None:
    """The batch system's part comes first; what is broken is passed over."""

    def part(name: str) -> object:
        return plugin(anybatch_environment=lambda: Environment(setup=(name,)))

    broken = plugin(anybatch_environment=lambda: 3)
    plugins = plugins_of(a=part("a"), toy=Toy(environment=Environment(setup=("toy",))), b=broken)
    tables: dict[str, dict[str, Any]] = {name: {} for name in ("a", "b", "toy")}
    found = Hooks(plugins).environments("toy", Job(["true"]), tables, Path("/"))
    assert [one.setup for one in found] == [("toy",), ("a",)]
    assert len(plugins.problems("b")) == 1


# -- checking


class Half(BatchSystem):
    """A batch system without the methods that it needs."""

    def anybatch_submit(self, submission: Submission, rendered: Rendered) -> Sequence[str]:
        return []


@hookimpl
async def _later(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("name", "made", "problem"),
    [
        ("half", Half, "abstract"),
        (
            "some",
            plugin(anybatch_submit=lambda: []),
            "but not anybatch_",
        ),
        (
            "wrong",
            plugin(anybatch_status=lambda jobs: []),
            "no parameter 'jobs'; allowed are: batches",
        ),
        ("later", type("Later", (), {"anybatch_detect": _later})(), "asynchronous"),
        ("anybatch", Toy(), "reserved"),
        ("my-plugin", Toy(), "lower-case letters"),
        ("x.y", Toy(), "lower-case letters"),
        ("My", Toy(), "lower-case letters"),
    ],
)
def test_a_plugin_is_checked_when_it_is_found(name: str, made: object, problem: str) -> None:
    """What cannot work is said by `anybatch systems`, before a job depends on it."""
    plugins = Plugins(local_host())
    plugins.add(name, made)
    [found] = plugins.found
    assert problem in (found.problem or "")


def test_a_class_is_made_with_the_host() -> None:
    """An entry point may name a class; its methods have the session's host."""

    class Site(PluginBase):
        def anybatch_settings(self) -> list[SiteDefault]:
            return [SiteDefault("toy.partition", self.host.name)]

    plugins = Plugins(local_host())
    plugins.add("site", Site)
    [found] = plugins
    assert found.hooks == ("anybatch_settings",)
    [(_, [default])] = Hooks(plugins).settings()
    assert default == SiteDefault("toy.partition", plugins.host.name)


def test_base_classes_mirror_the_specifications() -> None:
    """Each hook is a method of the base class, with the same parameters but the host."""
    specified = {n: f for n, f in vars(hookspecs).items() if n.startswith("anybatch_")}
    for name, spec in specified.items():
        wanted = [p for p in inspect.signature(spec).parameters if p != "host"]
        _, *given = inspect.signature(getattr(BatchSystem, name)).parameters
        assert given == wanted, name
        wanted_types = {n: p for n, p in spec.__annotations__.items() if n != "host"}
        assert getattr(BatchSystem, name).__annotations__ == wanted_types, name
