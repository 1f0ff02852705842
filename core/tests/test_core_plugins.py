"""Plugins: how they are taken into use, called, and kept from harming each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anybatch.errors import JobError, PluginError, UnknownSystem
from anybatch.hookspecs import hookimpl
from anybatch.plugins.registry import Plugins, load_plugins
from anybatch.records import Detection, Limits

from .toy import Toy, plugins_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    plugins = Plugins()
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
        (object(), "it implements no hook; are its functions marked with hookimpl?"),
        (type("Unmarked", (), {"anybatch_detect": lambda self: None})(), "no hook"),
    ],
)
def test_a_plugin_that_is_none_costs_only_itself(broken: object, problem: str) -> None:
    """What is wrong with a plugin is kept with its name; the others are used."""
    plugins = Plugins()
    plugins.add("broken", broken, "dist 1")
    plugins.add("whole", detect(Detection(available=True, reason="here")))
    assert [one.name for one in plugins] == ["whole"]
    (found,) = (one for one in plugins.found if one.problem)
    assert (found.name, found.distribution) == ("broken", "dist 1")
    assert problem in (found.problem or "")
    assert plugins.call("whole", "anybatch_detect").available
    assert plugins.call("broken", "anybatch_detect") is None


def test_a_name_is_taken_once() -> None:
    """A second plugin of one name is not used, and the first one stays as it was."""
    plugins = Plugins()
    plugins.add("one", detect("first"))
    plugins.add("one", detect("second"))
    assert plugins.call("one", "anybatch_detect") == "first"
    assert [one.problem is None for one in plugins.found] == [True, False]


def test_plugins_come_by_name() -> None:
    """The order in which plugins are found changes nothing."""
    plugins = plugins_of(c=detect(1), toy=Toy(), a=detect(2))
    assert [one.name for one in plugins] == ["a", "c", "toy"]
    assert plugins.systems == ["toy"]


def test_calls_about_a_job_reach_no_other_system() -> None:
    """A call about a job reaches its own system first, then what is no batch system."""
    plugins = plugins_of(toy=Toy(), other=Toy(), b=detect(1), a=detect(2))
    assert plugins.plugins_for("toy") == ["toy", "a", "b"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tyo", "did you mean 'toy'.*installed: toy"),
        ("pbs", "pip install anybatch-pbs"),
        ("watch", "there is no batch system 'watch'"),
        ("broken", "plugin 'broken' cannot be used: it implements no hook"),
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
    names = {one.name for one in load_plugins()}
    assert "local" in names
    off = load_plugins(["local", "", "unheard-of"])
    assert "local" not in {one.name for one in off}
    (found,) = (one for one in off.found if one.name == "local")
    assert found.problem == "switched off by ANYBATCH_DISABLED_PLUGINS"


# -- calling


def test_an_implementation_leaves_out_what_it_does_not_need() -> None:
    """A hook is called with the arguments that the implementation names, and no others."""
    plugins = plugins_of(one=plugin(anybatch_limits=lambda settings: settings["x"]))
    assert plugins.call("one", "anybatch_limits", host=None, settings={"x": 3}) == 3


def test_a_hook_that_is_not_implemented_answers_none() -> None:
    """Without an implementation there is no answer, and no error."""
    plugins = plugins_of(one=detect(1))
    assert plugins.call("one", "anybatch_limits", host=None, settings={}) is None
    assert plugins.call("nobody", "anybatch_limits", host=None, settings={}) is None


def test_a_generator_is_run_to_its_end() -> None:
    """An implementation may yield; what it raises on the way is its fault too."""

    def anybatch_settings() -> Iterator[int]:
        yield 1
        raise LookupError("gone")

    plugins = plugins_of(good=plugin(anybatch_settings=lambda: (n for n in (1, 2))))
    plugins.add("bad", plugin(anybatch_settings=anybatch_settings))
    assert plugins.call("good", "anybatch_settings") == [1, 2]
    with pytest.raises(PluginError, match="anybatch_settings raised LookupError: gone"):
        plugins.call("bad", "anybatch_settings")


def test_an_error_names_plugin_distribution_and_line() -> None:
    """What an implementation raises by mistake names the culprit, and is kept."""
    plugins = Plugins()
    plugins.add("one", detect(ZeroDivisionError("by\nzero")), "anybatch-one 1.2")
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            plugins.call("one", "anybatch_detect")
    text = str(caught.value)
    start = "plugin 'one' (anybatch-one 1.2): anybatch_detect raised ZeroDivisionError: by zero"
    assert text.startswith(start)
    assert "test_core_plugins.py:" in text
    assert (caught.value.plugin, caught.value.distribution) == ("one", "anybatch-one 1.2")
    (problem,) = plugins.problems("one")
    assert problem in text


def test_an_error_on_purpose_is_the_callers() -> None:
    """What an implementation raises on purpose reaches the caller and is no fault."""
    plugins = plugins_of(one=detect(JobError("too many cores")))
    with pytest.raises(JobError, match="too many cores"):
        plugins.call("one", "anybatch_detect")
    assert plugins.problems("one") == []


@pytest.mark.parametrize("answer", [None, "text", 3, Limits])
def test_an_answer_of_another_type_is_a_fault(answer: Any) -> None:
    """`ask` takes nothing but what the hook is to answer, and says what came instead."""
    plugins = plugins_of(one=detect(answer))
    with pytest.raises(PluginError, match="instead of a Detection"):
        plugins.call_checked("one", "anybatch_detect", Detection)
    assert len(plugins.problems("one")) == 1


def test_collecting_passes_over_what_is_broken() -> None:
    """Of many plugins the answers that fit are taken, in the order asked for."""
    plugins = plugins_of(
        a=detect(2), b=detect(ValueError("x")), c=detect(None), d=detect("text"), e=detect(1)
    )
    plugins.add("f", object())
    names = ["e", "d", "f", "c", "b", "unknown", "a"]
    found = plugins.call_each("anybatch_detect", {name: {} for name in names}, int)
    assert [(one.name, answer) for one, answer in found] == [("e", 1), ("a", 2)]
    assert [name for name in "abcde" if plugins.problems(name)] == ["b", "d"]


def test_collecting_stops_at_what_is_raised_on_purpose() -> None:
    """A job that one plugin cannot accept is not planned by the others."""
    plugins = plugins_of(a=detect(JobError("no image")), b=detect(1))
    with pytest.raises(JobError, match="no image"):
        list(plugins.call_each("anybatch_detect", {"a": {}, "b": {}}))
