"""Writes the generated pages of docs/reference: hooks, settings and the command line.

    python docs/generate.py            (make docs)

The pages follow from the code alone: the same code gives the same bytes.
"""

from __future__ import annotations

import enum
import inspect
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from anybatch import (
    commands,
    declarations,
    discovery_hooks,
    hookspecs,
    host,
    nodes,
    question_hooks,
    records,
    system,
    testing,
    worker_paths,
)
from anybatch.cli import cli
from anybatch.localhost import LocalHost
from anybatch.plugins.calls import Hooks
from anybatch.plugins.registry import load_plugins
from anybatch.records import Kind, Setting
from anybatch.settings.resource_tables import resource_settings
from anybatch.settings.schema import CORE, CORE_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
_SECTIONS = ("Args", "Attributes", "Example", "Raises", "Returns")
_NOTICE = "<!-- Written by docs/generate.py (make docs); changes belong into the code. -->"


def pages() -> dict[Path, str]:
    """The text of every generated page."""
    return {
        REFERENCE / "hooks.md": _page("Hooks", hooks_page()),
        REFERENCE / "settings.md": _page("Settings", settings_page()),
        REFERENCE / "cli.md": _page("The command line", cli_page()),
    }


def _page(title: str, parts: Iterator[str]) -> str:
    return "\n\n".join([f"# {title}", _NOTICE, *parts]) + "\n"


# -- hooks and records


def hooks_page() -> Iterator[str]:
    """All hooks in the order of their module, then what they take and give."""
    yield _code_fenced(inspect.getdoc(hookspecs) or "", "toml")
    groups = hook_groups()
    yield "\n".join(_link(name) for names in groups.values() for name in names)
    for heading, names in groups.items():
        yield f"## {heading}"
        for name in names:
            yield from _function(name, getattr(hookspecs, name))
    yield "## Base classes"
    yield _code_fenced(inspect.getdoc(system) or "", "text")
    for name in public_classes(system):
        text, sections = split_docstring(getattr(system, name))
        yield f"### {name}"
        yield text
        if "Attributes" in sections:
            yield _list(sections["Attributes"])
    yield "## Records"
    yield (inspect.getdoc(records) or "") + " They are in `anybatch.records`."
    for module in (declarations, records):
        for name in public_classes(module):
            yield from _class(name, getattr(module, name))
    yield (inspect.getdoc(worker_paths) or "") + " They are in `anybatch.worker_paths`."
    for name in public_classes(worker_paths):
        yield from _class(name, getattr(worker_paths, name))
    yield "## Nodes"
    yield (inspect.getdoc(nodes) or "") + " It is in `anybatch.nodes`."
    yield from _class("NodeKind", nodes.NodeKind)
    yield "## The host"
    yield inspect.getdoc(host) or ""
    for name in public_classes(host):
        yield from _class(name, getattr(host, name))
    yield "## Commands"
    about = (inspect.getdoc(commands) or "").split("\n\n")[0]
    yield f"{about} They are in `anybatch.commands`."
    for name, function in vars(commands).items():
        if inspect.isfunction(function) and function.__module__ == commands.__name__:
            yield from _function(name, function)
    yield "## For tests"
    yield _code_fenced(inspect.getdoc(testing) or "", "py")
    for name in testing.__all__:
        thing = getattr(testing, name)
        yield from (_contract if _is_contract(thing) else _tool)(name, thing)


def _is_contract(thing: object) -> bool:
    return isinstance(thing, type) and thing.__name__.endswith("Contract")


def _contract(name: str, kind: type) -> Iterator[str]:
    """A class that authors derive their tests from: what they may set, and what it asks for."""
    yield f"### {name}"
    text, sections = split_docstring(kind)
    yield text
    yield _list(sections["Attributes"])
    tests = (name for name in vars(kind) if name.startswith("test_"))
    yield "\n".join(f"- {name.removeprefix('test_').replace('_', ' ')}" for name in tests)


def _tool(name: str, thing: Any) -> Iterator[str]:
    if isinstance(thing, type):
        yield from _class(name, thing)
    else:
        yield from _function(name, thing)


def hook_groups() -> dict[str, list[str]]:
    """The names of the hooks below the headings of their module."""
    groups: dict[str, list[str]] = {}
    for heading, name in re.findall(
        r"^# -- (.+?) -+$|^def (anybatch_\w+)",
        "".join(map(inspect.getsource, (discovery_hooks, hookspecs, question_hooks))),
        re.MULTILINE,
    ):
        if heading:
            groups[heading] = []
        else:
            groups[next(reversed(groups))].append(name)
    return groups


def signature(name: str, function: Any) -> str:
    """A function's name, parameters and answer, as they are written."""
    found = inspect.signature(function)
    texts = []
    for parameter in found.parameters.values():
        if parameter.name != "self":
            value = _literal(parameter.name, parameter.default)
            default = "" if parameter.default is parameter.empty else f" = {value}"
            if parameter.kind is parameter.KEYWORD_ONLY and "*" not in texts:
                texts.append("*")
            stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
            texts.append(f"{stars}{parameter.name}: {parameter.annotation}{default}")
    return f"{name}({', '.join(texts)}) -> {found.return_annotation}"


def public_classes(module: ModuleType) -> list[str]:
    """The classes that a module defines, in its order."""
    names = re.findall(r"^class ([A-Z]\w+)", inspect.getsource(module), re.MULTILINE)
    return list(names)


def _link(name: str) -> str:
    first = (inspect.getdoc(getattr(hookspecs, name)) or "").split("\n\n")[0]
    return f"- [`{name}`](#{name}): {_one_line(first)}"


def _function(name: str, function: Any) -> Iterator[str]:
    yield f"### {name}"
    yield f"```py\n{signature(name, function)}\n```"
    text, sections = split_docstring(function)
    yield text
    if "Args" in sections:
        yield _list(sections["Args"])
    if "Returns" in sections:
        yield f"**Returns:** {_one_line(sections['Returns'])}"
    if "Raises" in sections:
        yield "**Raises:**"
        yield _list(sections["Raises"])
    if "Example" in sections:
        yield f"```py\n{sections['Example']}\n```"


def _class(name: str, kind: type) -> Iterator[str]:
    yield f"### {name}"
    text, sections = split_docstring(kind)
    yield text
    meanings = {
        name: meaning
        for base in reversed(kind.__mro__)
        for name, meaning in _entries(split_docstring(base)[1].get("Attributes", ""))
    }
    if issubclass(kind, enum.Enum):
        yield _table(("member", "meaning"), _members(kind))
    elif attrs.has(kind):
        yield _table(("field", "type", "default", "meaning"), _fields(kind, meanings))
    elif meanings:
        yield _list(sections["Attributes"])
    if methods := "\n".join(_methods(kind)):
        yield methods


def _methods(kind: type) -> Iterator[str]:
    """A line for each property and, where that is all there is to a class, each method."""
    for name, function in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(function, property):
            yield f"- `{name}`: {_one_line(inspect.getdoc(function) or '')}"
        elif inspect.isfunction(function) and not attrs.has(kind):
            text, sections = split_docstring(function)
            raises = "".join(f" `{n}`: {why}" for n, why in _entries(sections.get("Raises", "")))
            yield f"- `{signature(name, function)}`: {_one_line(text)}{raises}"


def _members(kind: type[enum.Enum]) -> Iterator[tuple[str, ...]]:
    meanings = dict(
        re.findall(r"^    ([A-Z_]+) = .+?  #: (.+)$", inspect.getsource(kind), re.MULTILINE)
    )
    for member in kind:
        yield f"`{member.name}`", meanings.get(member.name, "")


def _fields(kind: type, meanings: dict[str, str]) -> Iterator[tuple[str, ...]]:
    types: dict[str, str] = {}  # as written; the fields' own may have been resolved
    for base in reversed(kind.__mro__):
        types |= inspect.get_annotations(base)
    for field in attrs.fields(kind):
        meaning = meanings.get(field.name, "")
        yield f"`{field.name}`", f"`{types[field.name]}`", _default(field), meaning


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return ""
    factory = getattr(field.default, "factory", None)
    return f"`{factory.__name__}()`" if factory else f"`{_literal(field.name, field.default)}`"


def _literal(name: str, value: Any) -> str:
    """A default as somebody would write it."""
    if isinstance(value, enum.Enum):
        return str(f"{type(value).__name__}.{value.name}")
    if inspect.isfunction(value):
        return "..."
    return oct(value) if name == "mode" else repr(value).replace("datetime.", "", 1)


# -- docstrings


def split_docstring(documented: Any) -> tuple[str, dict[str, str]]:
    """The text of a docstring, and its sections by name."""
    parts = re.split(
        rf"^({'|'.join(_SECTIONS)}):\n", inspect.getdoc(documented) or "", flags=re.MULTILINE
    )
    names, texts = parts[1::2], parts[2::2]
    return parts[0].strip(), {
        name: textwrap.dedent(text).strip() for name, text in zip(names, texts, strict=True)
    }


def _entries(section: str) -> Iterator[tuple[str, str]]:
    """The names and meanings of a section; names that share a meaning each for itself."""
    for names, meaning in re.findall(r"^(\w[\w, ]*): (.+(?:\n +.+)*)", section, re.MULTILINE):
        for name in names.split(", "):
            yield name, _one_line(meaning)


def _list(section: str) -> str:
    return "\n".join(f"- `{name}`: {meaning}" for name, meaning in _entries(section))


def _code_fenced(text: str, language: str) -> str:
    """A docstring's text, its indented paragraphs as fenced blocks."""
    return re.sub(
        r"^    .*(?:\n+    .*)*",
        lambda found: f"```{language}\n{textwrap.dedent(found[0])}\n```",
        text,
        flags=re.MULTILINE,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


# -- settings


def settings_page() -> Iterator[str]:
    """The settings of the core and of each plugin in this repository."""
    yield (
        "What can be set, by the plugin that reads it. `anybatch settings` shows what is set and "
        "where each value comes from. From lowest to highest: the default, a "
        "[site's plugin](../howto/site-defaults.md), the user's `anybatch.toml` in the folder "
        "`anybatch` of the user's configuration folder (`~/.config`), the project's "
        "`anybatch.toml` files (from the root down to the current folder; the nearest wins), the "
        "environment, and the call itself (`--set`, `Session(settings=...)`, `Job.settings`). "
        "A table `[job]` in these files has [defaults for jobs](../howto/project.md)."
    )
    yield (
        "A settings file can name programs that are run. So it is read only if the file and its "
        "folder belong to you or root and nobody else can write to them. Another file is named in "
        "a notice and not read, unless `trust` names it or a folder above it."
    )
    yield _ways()
    yield _table(("kind", "what is written"), _kinds())
    for name, declared in declared_settings().items():
        yield f"## {name}"
        yield _table(("setting", "kind", "default", "what it is for"), _setting_rows(declared))


def _ways() -> str:
    rows = (
        ("`anybatch.toml`", '`system = "slurm"`, at the top', '`partition = "short"` in `[slurm]`'),
        ("environment", "`ANYBATCH_SYSTEM=slurm`", "`ANYBATCH_SLURM__JOB_NAME=fit`"),
        ("command line", "`--set poll_interval=30s`", "`--set slurm.partition=short`"),
        (
            "Python",
            '`{"anybatch": {"poll_interval": "30s"}}`',
            '`{"slurm": {"partition": "short"}}`',
        ),
    )
    return _table(("where", "a setting of the core", "a setting of a plugin"), iter(rows))


def _kinds() -> Iterator[tuple[str, ...]]:
    source = inspect.getsource(Kind)
    plain = {"text": "one line of text", "integer": "a whole number", "number": "a number"}
    meanings = plain | dict(re.findall(r'= "(\w+)"  #: (.+)$', source, re.MULTILINE))
    for kind in Kind:
        yield kind.value, meanings[kind.value]


def declared_settings() -> dict[str, list[Setting]]:
    """Every setting, by the plugin that declares it."""
    own = {"local", *(path.parent.name for path in DOCS.parent.glob("plugins/*/pyproject.toml"))}
    declared = {CORE: list(CORE_SETTINGS), **resource_settings()}
    for plugin, answers in Hooks(load_plugins(LocalHost())).settings():
        if plugin.name in own:
            declared[plugin.name] = [
                one for one in answers if isinstance(one, Setting) and not one.replaced_by
            ]
    return declared


def _setting_rows(declared: list[Setting]) -> Iterator[tuple[str, ...]]:
    for setting in declared:
        choices = f" One of {', '.join(setting.choices)}." if setting.choices else ""
        default = _setting_default(setting.default)
        yield f"`{setting.name}`", setting.kind.value, default, setting.help + choices


def _setting_default(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(f"`{part}`" for part in value) or "none"
    return f"`{value}`"


# -- the command line


def cli_page() -> Iterator[str]:
    """Every command with its options, examples and exit codes."""
    context = click.Context(cli, info_name="anybatch")
    yield from _help(cli.help or "")
    yield "Every command has `-h`, `--help`; `anybatch --version` tells the version."
    told: dict[str, str] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        sub_context = click.Context(command, info_name=name, parent=context)
        yield from _command(command, sub_context, told)


def _command(command: click.Command, context: click.Context, told: dict[str, str]) -> Iterator[str]:
    yield f"## anybatch {command.name}"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\nanybatch {command.name} {usage}\n```"
    yield from _help(command.help or "")
    name, repeated = str(command.name), []
    for heading, options in sorted(option_groups(command).items(), key=_own_group_last):
        table = _table((heading.lower(), "what it does"), map(_option_row, options))
        if heading == "Options" or told.setdefault(table, name) == name:
            yield table
        else:
            repeated.append(heading)
    if repeated:
        yield f"{', '.join(repeated)}: the options of [anybatch run](#anybatch-run)."
    if examples := getattr(command, "examples", ""):
        yield f"```text\n{examples}\n```"
    if exits := getattr(command, "exits", {}):
        rows = ((str(code), text) for code, text in sorted(exits.items()))
        yield _table(("exit code", "meaning"), rows)


def _help(text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click leaves alone are fenced."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = (line.removeprefix("  ") for line in paragraph.splitlines()[1:])
            yield "\n".join(["```text", *lines, "```"])
        else:
            yield _one_line(paragraph)


def option_groups(command: click.Command) -> dict[str, list[click.Option]]:
    """The options of a command, by the heading that they stand under in its help."""
    groups: dict[str, list[click.Option]] = {}
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            groups.setdefault(getattr(param, "group", "Options"), []).append(param)
    return groups


def _own_group_last(group: tuple[str, list[click.Option]]) -> bool:
    return group[0] == "Options"


def _option_row(option: click.Option) -> tuple[str, ...]:
    metavar = f" {option.metavar}" if option.metavar else ""
    names = ", ".join(f"`{name}{metavar}`" for name in option.opts)
    return names, option.help or ""


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
