"""The reference says all there is, and what it names exists."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import anybatch
import attrs
import click
import pytest
from anybatch import Executor, Job, Outcome, Reason, Resources, Run, Session, State, aio, errors
from anybatch import hookspecs as specified
from anybatch.cli import cli
from anybatch.runs.fold import Fold
from anybatch.settings.layers import checked_layer
from anybatch.settings.schema import CORE

from .blocks import PAGES, ROOT, name_of, read_blocks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

REFERENCE = ROOT / "docs" / "reference"
LINKED = [*PAGES, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]
#: Pages that other commands write.
WRITTEN_ELSEWHERE = {ROOT / "docs" / "benchmarks.md"}
HOOKS = [name for name in vars(specified) if name.startswith("anybatch_")]


def read(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- generated pages


def test_generated_pages_are_up_to_date(generator: ModuleType) -> None:
    """What `make docs` would write is what is there."""
    stale = [
        path.name
        for path, text in generator.pages().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    assert not stale, "run `make docs`"


def test_generated_pages_are_the_same_each_time(generator: ModuleType) -> None:
    """Nothing in them depends on anything but the code."""
    assert generator.pages() == generator.pages()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_section_with_its_signature(hook: str) -> None:
    """A heading, and below it the hook as it is to be implemented."""
    function = inspect.signature(getattr(specified, hook))
    parameters = (f"{p.name}: {p.annotation}" for p in function.parameters.values())
    signature = f"{hook}({', '.join(parameters)}) -> {function.return_annotation}"
    assert f"### {hook}\n\n```py\n{signature}\n```\n" in read("hooks.md")


def test_every_setting_is_on_its_page(page_folder: Path) -> None:
    """Those of the core, and of each plugin of this repository."""
    sections = dict(re.findall(r"^## (\S+)\n(.+?)(?=^## |\Z)", read("settings.md"), re.M | re.S))
    declared = Session().settings.declared
    for plugin in (CORE, "local", "slurm", "htcondor", "lsf", "apptainer"):
        for name in declared[plugin]:
            assert f"| `{name}` |" in sections[plugin]


def test_every_command_and_option_is_on_its_page() -> None:
    """With the text that its help has."""
    page = read("cli.md")
    for name, command in cli.commands.items():
        assert f"\n## anybatch {name}\n" in page
        for option in command.params:
            if isinstance(option, click.Option):
                assert any(re.search(rf"`{name}[ `]", page) for name in option.opts), option.opts
                assert " ".join((option.help or "").split()).replace("|", "\\|") in page


# -- pages written by hand


def _public(kind: type) -> list[str]:
    own = [name for name in vars(kind) if not name.startswith("_")]
    return [*own, *re.findall(r"self\.([a-z]\w*)(?::[^=]+)? = ", _init(kind))]


def _init(kind: type) -> str:
    return inspect.getsource(kind.__init__)  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Session, Run, Executor, aio.Session, aio.Run])
def test_the_library_page_has_every_public_name_of(kind: type) -> None:
    """Methods, properties and attributes."""
    code = " ".join(re.findall(r"`([^`]+)`", prose(REFERENCE / "library.md")))
    assert set(_public(kind)) - set(re.findall(r"\w+", code)) == set()


@pytest.mark.parametrize("kind", [Job, Resources, Outcome])
def test_the_library_page_has_every_field_of(kind: type[Any]) -> None:
    """Each in the table of its record."""
    section = read("library.md").partition(f"\n## {kind.__name__}\n")[2].partition("\n## ")[0]
    fields = {field.name for field in attrs.fields(kind)}
    first_cells = re.findall(r"^\| (`.+?) \|", section, re.M)
    assert fields == set(re.findall(r"`(\w+)`", " ".join(first_cells)))


def test_the_library_page_has_all_that_is_exported() -> None:
    """Everything in `__all__`, and every error."""
    page = read("library.md")
    assert [name for name in anybatch.__all__ if name not in page] == []
    assert [name for name, e in vars(errors).items() if _is_error(e) and name not in page] == []


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Exception)


def test_every_state_and_reason_is_explained() -> None:
    """In the tables of the page for those who look for help."""
    page = (ROOT / "docs" / "howto" / "when-things-go-wrong.md").read_text("utf-8")
    for heading, words in (("States", State), ("Reasons", Reason)):
        section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.M)) == sorted(words)


def test_every_event_of_the_journal_is_described() -> None:
    """Those that the fold over the journal knows."""
    events = [name.removeprefix("_on_") for name in vars(Fold) if name.startswith("_on_")]
    section = read("run-folder.md").partition("## The journal")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.M)) == sorted(events)


def test_every_key_of_json_is_described(page_folder: Path) -> None:
    """Of a run, and of what the other commands list."""
    page = read("json.md")
    with Session("local") as session:
        session.submit(Job(["true"])).wait(30)
        name = session.submit(Job(["true"])).id
    for words in (["status", name], ["systems", "--no-detect"], ["settings"], ["doctor"]):
        keys = set(_keys(_answer([*words, "--json"])))
        assert not {key for key in keys if f"`{key}`" not in page}


def _answer(words: list[str]) -> Any:
    from click.testing import CliRunner

    return json.loads(CliRunner().invoke(cli, words).stdout)


def _keys(plain: Any) -> Iterator[str]:
    for record in plain if isinstance(plain, list) else [plain]:
        for key, value in record.items():
            yield key
            if key in ("jobs", "findings"):
                yield from _keys(value)


# -- what pages name


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the repository, and a heading that it has."""
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page))):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() or target in WRITTEN_ELSEWHERE, link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_is_in_the_index() -> None:
    """Nothing is written that nobody finds."""
    docs = ROOT / "docs"
    links = re.findall(r"\]\(([^)#]+)\)", (docs / "index.md").read_text("utf-8"))
    linked = {(docs / link).resolve() for link in links}
    pages = {page for page in docs.glob("**/*.md") if docs / "examples" not in page.parents}
    assert pages - linked == {docs / "index.md"}


def test_every_test_that_is_named_exists() -> None:
    """The promises of the architecture are shown by what it says."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`(Contract|[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) > 10
    for place, test in named:
        testing = "core/src/anybatch/testing"
        contract = [f"{testing}/{name}.py" for name in ("contract", "promises", "limits")]
        places = contract if place == "Contract" else [place]
        sources = [(ROOT / one).read_text("utf-8") for one in places]
        assert any(f"def {test}(" in source for source in sources), test


def test_every_module_is_in_the_architecture() -> None:
    """The table has all that is in the core, and nothing else."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text.partition("## The modules")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.M)
    named = {name for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    core = ROOT / "core" / "src" / "anybatch"
    modules = {path.stem for path in core.glob("*.py") if not path.stem.startswith("__")}
    folders = {f"{path.parent.name}/" for path in core.glob("*/__init__.py")}
    assert named == modules | folders


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_that_are_shown_exist(page: Path, page_folder: Path) -> None:
    """A block of TOML is right, also where it is only shown."""
    declared = Session().settings.declared
    for block in read_blocks(page):
        if block.language == "toml":
            content = tomllib.loads(block.text)
            if not block.argument and "project" not in content and "command" not in content:
                tables = {name: one for name, one in content.items() if isinstance(one, dict)}
                top = {name: one for name, one in content.items() if name not in tables}
                checked_layer(declared, "call", {**tables, CORE: top})
