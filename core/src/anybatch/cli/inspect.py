"""`systems`, `settings` and `completion`: what there is, and where it comes from."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import get_completion_class

from anybatch.cli.base import Command, json_option, print_json, say
from anybatch.cli.params import complete_plugin
from anybatch.cli.report import print_table
from anybatch.errors import AnybatchError, SettingError, did_you_mean
from anybatch.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anybatch.plugins.calls import Hooks
    from anybatch.plugins.registry import InstalledPlugin
    from anybatch.records import Detection, Setting
    from anybatch.settings.layers import Settings

# -- systems


@click.command(
    cls=Command,
    examples="""\
anybatch systems
anybatch systems --no-detect --json""",
)
@click.option("--no-detect", is_flag=True, help="List only; do not check whether they work here.")
@json_option
def systems(no_detect: bool, as_json: bool) -> None:
    """List batch systems and other plugins.

    Shows which plugins are installed, which work here and why, and which are broken.
    """
    from anybatch.detection import detect
    from anybatch.session import Session

    session = Session(on_notice=say)
    plugins = session.plugins
    answers = {} if no_detect else detect(session.hooks, session.settings)
    records = [plugin_record(plugin, session.hooks, answers) for plugin in plugins.found]
    if as_json:
        print_json(records)
    else:
        headings = ("NAME", "PACKAGE", "KIND", "AVAILABLE", "REASON", "PROBLEM")
        print_table(headings, [_plugin_row(record) for record in records])


def plugin_record(
    plugin: InstalledPlugin, hooks: Hooks, answers: Mapping[str, Detection]
) -> dict[str, Any]:
    """A plugin, with its answer where it was asked and gave one."""
    answer = answers.get(plugin.name) if plugin.problem is None else None
    stands_for = system_meant(plugin.name, hooks) if plugin.problem is None else None
    problems = [plugin.problem] if plugin.problem else hooks.plugins.problems(plugin.name)
    return {
        "name": plugin.name,
        "distribution": plugin.distribution or "anybatch",
        "kind": _kind(plugin),
        "stands_for": stands_for,
        "available": answer and answer.available,
        "unreachable": answer and answer.unreachable,
        "reason": answer and answer.reason,
        "version": answer and answer.version,
        "priority": answer and answer.priority,
        "details": dict(answer.details) if answer else {},
        "problems": problems,
    }


def system_meant(name: str, hooks: Hooks) -> str | None:
    """The batch system that the name of a plugin stands for, which is not a batch system."""
    with contextlib.suppress(AnybatchError):  # then it is among the plugin's problems
        meant = hooks.alias(name)
        return meant.system if meant else None
    return None


def _kind(plugin: InstalledPlugin) -> str | None:
    """None: it did not load, so nobody knows."""
    if plugin.problem:
        return None
    return "batch system" if plugin.is_system else "other"


def _plugin_row(record: Mapping[str, Any]) -> tuple[str, ...]:
    here = {None: "", True: "yes", False: "no"}[record["available"]]
    here = "unreachable" if record["unreachable"] else here
    return (
        record["name"],
        record["distribution"],
        f"alias of {record['stands_for']}" if record["stands_for"] else record["kind"] or "",
        here,
        record["reason"] or "",
        "; ".join(record["problems"]),
    )


# -- settings


@click.command(
    cls=Command,
    examples="""\
anybatch settings
anybatch settings slurm --all""",
)
@click.argument("plugin", required=False, metavar="[PLUGIN]", shell_complete=complete_plugin)
@click.option("--all", "unset", is_flag=True, help="Include unset settings, and show descriptions.")
@json_option
def settings(plugin: str | None, unset: bool, as_json: bool) -> None:
    """Show settings, and where each value comes from.

    PLUGIN is the name of a plugin, or `anybatch` for the settings of the core.
    """
    from anybatch.session import Session

    known = Session(on_notice=say).settings
    if plugin is not None and plugin not in known.declared:
        raise SettingError(f"no plugin named {plugin!r}{did_you_mean(plugin, known.declared)}")
    records = list(_setting_records(known, [plugin] if plugin else known.declared))
    records += [] if plugin else _job_records(known)
    records = [record for record in records if unset or record["source"]]
    if as_json:
        print_json(records)
    else:
        headings = ("SETTING", "VALUE", "SOURCE", *(("DESCRIPTION",) if unset else ()))
        print_table(headings, [_setting_row(record)[: len(headings)] for record in records])


def _setting_records(known: Settings, plugins: Iterable[str]) -> Iterator[dict[str, Any]]:
    for plugin in plugins:
        explained = known.explain(plugin)
        declared = known.declared[plugin]
        # Names that a declared one stands for are known only where they are set.
        for name in dict.fromkeys([*declared, *explained]):
            setting, value = declared[name], explained.get(name)
            yield {
                "plugin": plugin,
                "name": name,
                "value": value and _plain(value.value, setting),
                "source": value and value.source,
                "kind": setting.kind.value,
                "help": setting.help,
            }


def _job_records(known: Settings) -> Iterator[dict[str, Any]]:
    """The defaults for jobs, as each file has them, the strongest last."""
    for path, table in known.jobs:
        for name, value in table.items():
            yield {
                "plugin": "job",
                "name": name,
                "value": value,
                "source": str(path),
                "kind": "default",
                "help": f"Default for the field `{name}` of jobs.",
            }


def _plain(value: Any, setting: Setting) -> Any:
    if setting.shown:
        return [setting.shown(text) for text in value]
    return value.total_seconds() if isinstance(value, timedelta) else value


def _setting_row(record: Mapping[str, Any]) -> tuple[str, ...]:
    from anybatch.settings.schema import CORE

    name, value = record["name"], record["value"]
    return (
        name if record["plugin"] == CORE else f"{record['plugin']}.{name}",
        "" if value is None else _shown(value, record["kind"]),
        record["source"] or "",
        record["help"],
    )


def _shown(value: Any, kind: str) -> str:
    """A value as it is typed."""
    from anybatch.records import Kind

    if kind == Kind.SIZE:
        return format_size(value)
    if kind == Kind.DURATION:
        return format_duration(timedelta(seconds=value))
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- completion


@click.command(
    cls=Command,
    examples="""\
eval "$(anybatch completion bash)"             in ~/.bashrc
eval "$(anybatch completion zsh)"              in ~/.zshrc
anybatch completion fish | source              in ~/.config/fish/config.fish
_ANYBATCH_COMPLETE=bash_source anybatch        prints the same script""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str, as_json: bool) -> None:
    """Print a completion script for a shell.

    The script completes commands, options, and the names of runs, batch systems and settings.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "anybatch", "_ANYBATCH_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script, nl=False)
