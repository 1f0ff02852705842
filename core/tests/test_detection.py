"""Which batch system is chosen, and what is said when none can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from anybatch import detection
from anybatch.detection import choose, detect
from anybatch.errors import CommandError, CommandNotFound, PluginError, UnknownSystem
from anybatch.hookspecs import hookimpl
from anybatch.host import Command
from anybatch.model import Job
from anybatch.plugins.calls import Hooks
from anybatch.plugins.registry import Plugins
from anybatch.records import Alias, Detection, Kind, Setting
from anybatch.session import Session
from anybatch.settings.sources import load_settings

from .toy import Toy, local_host, plugins_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def system(answer: object) -> Toy:
    """A batch system that answers so."""
    toy = Toy()
    toy.scripted["detect"] = [answer] * 3
    return toy


def here(priority: int | None = 50) -> Toy:
    """A batch system that is usable."""
    return system(Detection(available=True, reason="here", priority=priority))


def gone(reason: str, *, unreachable: bool = False, priority: int = 50) -> Toy:
    """A batch system that is not usable."""
    return system(
        Detection(available=False, reason=reason, unreachable=unreachable, priority=priority)
    )


def chosen(folder: Path, plugins: Plugins, name: str = "auto") -> str:
    """The batch system that is taken."""
    return choose(name, Hooks(plugins), load_settings(Hooks(plugins), {}, folder))


def refusal(folder: Path, plugins: Plugins, name: str = "auto") -> str:
    """Why there is none."""
    with pytest.raises(UnknownSystem) as caught:
        chosen(folder, plugins, name)
    return str(caught.value)


def without_files(known: Any) -> Any:
    """The same, by variables alone: this machine may have the files."""
    return attrs.evolve(known, signs=known.signs[:1])


def test_auto_takes_the_highest_priority(isolated: Path) -> None:
    """The best available system wins, whatever its name."""
    assert chosen(isolated, plugins_of(a=here(0), b=here(60), c=here(50))) == "b"


def test_ties_are_settled_by_name(isolated: Path) -> None:
    """Of equal systems the first by name wins, in whatever order they were found."""
    assert chosen(isolated, plugins_of(c=here(), b=here(), d=here())) == "b"


def test_what_is_not_available_is_passed_over(isolated: Path) -> None:
    """A system without its tools is no choice, however high its priority."""
    assert chosen(isolated, plugins_of(a=gone("no qsub", priority=99), b=here(0))) == "b"


def test_a_system_can_keep_out_of_auto(isolated: Path) -> None:
    """`priority=None` is never chosen unless asked for by name."""
    plugins = plugins_of(a=here(None), b=here(0))
    assert chosen(isolated, plugins) == "b"
    assert chosen(isolated, plugins, "a") == "a"
    assert "no batch system is available here" in refusal(isolated, plugins_of(a=here(None)))


class Slow(Toy):
    """Looks thoroughly where somebody wants to know, and is never chosen."""

    @hookimpl
    def anybatch_detect(self, choosing: bool) -> Detection:
        reason = "not for auto" if choosing else ""
        return Detection(available=not choosing, reason=reason, priority=None)


def test_a_system_that_is_not_for_auto_need_not_look(isolated: Path) -> None:
    """Choosing does not wait for it; who lists systems gets the whole answer."""
    plugins = plugins_of(slow=Slow())
    assert "slow: not for auto" in refusal(isolated, plugins)
    answers = detect(Hooks(plugins), load_settings(Hooks(plugins), {}, isolated))
    assert answers["slow"].available


def test_a_system_that_is_away_is_not_replaced(isolated: Path) -> None:
    """A login node is no stand-in for its cluster: the error names what is usable instead."""
    away = gone("its controller is down", unreachable=True, priority=50)
    assert refusal(isolated, plugins_of(big=away, small=here(0), tiny=here(1))) == (
        "big seems to be set up here, but cannot be used: its controller is down. Try again "
        "later, or choose a system (available now: `--system small`, `--system tiny`)"
    )
    assert "(available now: none)" in refusal(isolated, plugins_of(big=away))


def test_a_better_system_is_taken_though_a_lesser_one_is_away(isolated: Path) -> None:
    """Only the best one decides."""
    plugins = plugins_of(a=here(60), b=gone("down", unreachable=True))
    assert chosen(isolated, plugins) == "a"
    plugins = plugins_of(a=gone("down", unreachable=True), b=here())
    assert chosen(isolated, plugins) == "b"


def test_a_tool_that_fails_is_a_sign_of_a_cluster(isolated: Path) -> None:
    """A program that fails is not the same as one that is not there: `auto` takes no stand-in."""
    failing = system(CommandError(Command(["sinfo"]), "no answer"))
    said = refusal(isolated, plugins_of(a=failing, b=here(0)))
    assert said.startswith("a seems to be set up here, but cannot be used: sinfo: no answer")
    missing = system(CommandNotFound(Command(["sinfo"]), "program not found"))
    assert chosen(isolated, plugins_of(a=missing, b=here(0))) == "b"


@pytest.mark.parametrize(
    ("variable", "plugin", "told"),
    [
        ("SLURM_CONF", "slurm", "Slurm seems to be set up here (SLURM_CONF is set), but no plugin"),
        ("CONDOR_CONFIG", "htcondor", "(pip install anybatch-htcondor); to run jobs on this"),
        ("LSF_ENVDIR", "lsf", "installed (pip install anybatch-lsf)"),
        ("PBS_SERVER", "torque", "PBS seems to be set up here (PBS_SERVER is set), but no plugin"),
        ("SGE_ROOT", "sge", "for it is installed; to run jobs on this machine all the same: --s"),
    ],
)
def test_a_cluster_without_its_plugin_is_not_replaced_by_this_machine(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, variable: str, plugin: str, told: str
) -> None:
    """Only who names this machine gets it, or who has the plugin, be it switched off."""
    monkeypatch.setattr(detection, "_KNOWN", tuple(map(without_files, detection._KNOWN)))
    assert chosen(isolated, plugins_of(local=here(0))) == "local"

    def there(**more: Toy) -> Plugins:
        host = local_host(**{variable: "/somewhere"})
        return plugins_of(host=host, local=here(0), **more)

    assert told in refusal(isolated, there())
    assert chosen(isolated, there(), "local") == "local"
    assert chosen(isolated, there(other=here())) == "other"
    assert chosen(isolated, there(**{plugin: gone("no qsub")})) == "local"
    off = there()
    off.refuse(plugin, "", "switched off")
    assert chosen(isolated, off) == "local"


def test_a_configuration_file_is_a_sign_too(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is on machines where all can use a cluster."""
    file = isolated / "slurm.conf"
    slurm = attrs.evolve(detection._KNOWN[0], signs=(str(file),))
    monkeypatch.setattr(detection, "_KNOWN", (slurm,))
    assert chosen(isolated, plugins_of(local=here(0))) == "local"
    file.touch()
    assert f"({file} is there)" in refusal(isolated, plugins_of(local=here(0)))


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (CommandNotFound(Command(["tstat"]), "program not found"), "tstat is not on the PATH"),
        (CommandError(Command(["tstat"]), "no server"), "tstat: no server"),
    ],
)
def test_a_system_that_is_named_and_not_here(
    isolated: Path, problem: CommandError, told: str
) -> None:
    """Planning for it is an invalid request, with what is missing and what to run."""
    toy = Toy()
    toy.scripted["limits"] = [problem]
    session = Session("toy", plugins=plugins_of(toy=toy), folder=isolated)
    with session, pytest.raises(UnknownSystem) as caught:
        session.submit(Job(["true"]))
    hint = "(see: anybatch doctor --system toy)"
    assert str(caught.value) == f"toy is not available here: {told} {hint}"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (ValueError("no sense"), "anybatch_detect raised ValueError: no sense"),
        (CommandNotFound(Command(["sinfo"]), "not found"), "sinfo: not found"),
        ("yes", "anybatch_detect returned 'yes'"),
        (lambda: None, "anybatch_detect returned None"),
    ],
)
def test_a_detection_that_fails_means_not_available(
    isolated: Path, answer: object, text: str
) -> None:
    """Its text is the reason, and the others are asked all the same."""
    plugins = plugins_of(a=system(answer), b=here(0))
    found = detect(Hooks(plugins), load_settings(Hooks(plugins), {}, isolated))
    assert (found["a"].available, found["b"].available) == (False, True)
    assert text in found["a"].reason
    assert chosen(isolated, plugins) == "b"
    assert text in refusal(isolated, plugins_of(a=system(answer)))


def test_nothing_usable_tells_every_reason(isolated: Path) -> None:
    """The error lists what each system said."""
    assert refusal(isolated, plugins_of(b=gone("no qsub"), a=gone("no sbatch"))) == (
        "no batch system is available here (a: no sbatch; b: no qsub)"
    )
    assert (
        refusal(isolated, Plugins(local_host()))
        == "no batch system is available here (none installed)"
    )


def test_a_system_asked_for_by_name_is_not_asked(isolated: Path) -> None:
    """Who names a system gets it, even where its tools do not answer."""
    plugins = plugins_of(a=system(AssertionError("asked")), b=here())
    assert chosen(isolated, plugins, "a") == "a"


def test_a_misspelt_name_gets_a_hint(isolated: Path) -> None:
    """The nearest system is offered, with those installed."""
    assert refusal(isolated, plugins_of(slurm=here(), lsf=here()), "slrum") == (
        "no batch system named 'slrum'; did you mean 'slurm'? (installed: lsf, slurm)"
    )


def test_a_plugin_that_is_no_system_cannot_be_chosen(isolated: Path) -> None:
    """An observer is no place to run jobs, and only answers for itself."""

    class Observer:
        @hookimpl
        def anybatch_detect(self) -> Detection | None:
            return None

    plugins = plugins_of(observer=Observer(), toy=here())
    assert "no batch system named 'observer'" in refusal(isolated, plugins, "observer")
    found = detect(Hooks(plugins), load_settings(Hooks(plugins), {}, isolated))
    assert list(found) == ["toy"]


class Box:
    """A plugin that is no batch system, and whose name means one with a setting."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    @hookimpl
    def anybatch_settings(self) -> Sequence[Setting]:
        return [Setting(name="required", kind=Kind.FLAG, default=False)]

    @hookimpl
    def anybatch_alias(self) -> object:
        return self._answer


BOX = Alias(system="toy", settings={"box": {"required": True}})


def box_session(folder: Path, answer: object = BOX, name: str = "box", **more: Any) -> Session:
    """A session in which the user has named a plugin as the system."""
    plugins = plugins_of(box=Box(answer), toy=Toy())
    return Session(name, plugins=plugins, host=local_host(), folder=folder, **more)


def test_a_name_may_stand_for_a_system(isolated: Path) -> None:
    """Who names a plugin with an alias gets its batch system, and the settings that go with it."""
    session = box_session(isolated)
    assert session.system == "toy"
    assert session.settings.table("box") == {"required": True}
    assert session.settings.explain("box")["required"].source == "plugin box"
    assert session.plan(Job(["true"])).system == "toy"


def test_the_user_wins_over_an_alias(isolated: Path) -> None:
    """What the user has set, wherever, is not changed by the name of a system."""
    session = box_session(isolated, settings={"box": {"required": False}})
    assert session.system == "toy"
    assert session.settings.table("box") == {"required": False}
    (isolated / "anybatch.toml").write_text("[box]\nrequired = false\n")
    session = box_session(isolated)
    assert session.system == "toy"
    assert session.settings.table("box") == {"required": False}


def test_an_alias_is_not_used_unless_named(isolated: Path) -> None:
    """Another system leaves the alias's settings alone, and `auto` never takes one."""
    session = box_session(isolated, name="toy")
    assert (session.system, session.settings.table("box")) == ("toy", {"required": False})
    assert box_session(isolated, name="auto").system == "toy"


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (None, UnknownSystem, "no batch system named 'box'"),
        (Alias(system="gone"), UnknownSystem, "no batch system named 'gone'"),
        (Alias(system="box"), UnknownSystem, "no batch system named 'box'"),
        ("toy", PluginError, "anybatch_alias returned 'toy'"),
    ],
)
def test_an_alias_that_leads_nowhere(
    isolated: Path, answer: object, error: type[Exception], text: str
) -> None:
    """A name that stands for nothing is an error that says so."""
    with pytest.raises(error, match=text):
        _ = box_session(isolated, answer).system


def test_names_that_stand_for_systems_are_offered(isolated: Path) -> None:
    """A misspelt alias gets a hint as a system does."""
    with pytest.raises(UnknownSystem, match=r"'bx'; did you mean 'box'\? \(installed: box, toy\)"):
        _ = box_session(isolated, name="bx").system


def test_only_those_named_are_asked(isolated: Path) -> None:
    """A check-up of one system runs no commands of another."""
    plugins = plugins_of(a=system(AssertionError("asked")), b=here())
    assert list(detect(Hooks(plugins), load_settings(Hooks(plugins), {}, isolated), ["b"])) == ["b"]
    assert plugins.problems("a") == []


class Misspelt:
    """A plugin with a hook that is none."""

    @hookimpl
    def anybatch_submitt(self) -> None:
        """Never called."""


@pytest.mark.parametrize(
    ("name", "module", "text"),
    [
        ("odd", Misspelt(), "'anybatch_submitt' is not a hook; did you mean"),
        ("odd", object(), "defines no hooks; did you forget @hookimpl?"),
        ("anybatch", Toy(), "the name 'anybatch' is reserved for the core's own settings"),
    ],
)
def test_a_plugin_refused_at_load_says_why(
    isolated: Path, name: str, module: object, text: str
) -> None:
    """Who asks for it learns what is wrong with it, and the others work on."""
    plugins = plugins_of(toy=here())
    plugins.add(name, module, "anybatch-odd 1.0")
    told = refusal(isolated, plugins, name)
    assert told.startswith(f"plugin {name!r} cannot be used: ")
    assert text in told
    assert chosen(isolated, plugins) == "toy"
    assert [plugin.distribution for plugin in plugins.found if plugin.problem] == [
        "anybatch-odd 1.0"
    ]
