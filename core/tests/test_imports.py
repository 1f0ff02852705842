"""What importing anybatch loads and offers, and what its modules may use."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anybatch
import pytest
from anybatch import hookspecs

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(anybatch.__file__).parent
CHECKOUT = Path(__file__).parents[2]
MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))
HOOKS = [name for name in vars(hookspecs) if name.startswith("anybatch_")]


def python(program: str) -> str:
    """What a program prints in a process of its own."""
    argv = [sys.executable, "-c", program]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


# -- Importing ------------------------------------------------------------------------------


#: In Python 3.10 the module `platform` imports it, which attrs imports.
SUBPROCESS = pytest.param(
    "subprocess", marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="attrs imports it")
)


@pytest.mark.parametrize(
    "module",
    ["click", "rich", "cattrs", "asyncio", "importlib.metadata", "anybatch.local", SUBPROCESS],
)
def test_importing_anybatch_loads_little(module: str) -> None:
    """A program that only describes jobs pays for no command line, event loop or plugin."""
    program = "import sys; before = set(sys.modules); import anybatch; "
    program += f"print({module!r} in set(sys.modules) - before)"
    assert python(program) == "False"


def test_importing_anybatch_loads_no_plugin() -> None:
    """No installed plugin is imported before a session asks for it."""
    program = (
        "import sys; from importlib.metadata import entry_points; import anybatch; "
        "names = {entry.value for entry in entry_points(group='anybatch')}; "
        "print(sorted(names & set(sys.modules)))"
    )
    assert python(program) == "[]"


def test_importing_anybatch_touches_nothing(tmp_path: Path) -> None:
    """No folder is made and nothing is printed, on standard error neither."""
    argv = [sys.executable, "-W", "error", "-c", "import anybatch, anybatch.session, anybatch.cli"]
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


@pytest.mark.parametrize("name", anybatch.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """It can be had from the package, and its documentation with it."""
    thing = getattr(anybatch, name)
    assert thing.__doc__


def test_the_public_names_are_sorted_and_complete() -> None:
    """`__all__` holds every name that is offered, loaded at once or later."""
    assert sorted(anybatch.__all__, key=lambda name: (name.islower(), name)) == anybatch.__all__
    offered = {
        name
        for name, thing in vars(anybatch).items()
        if getattr(thing, "__module__", "").startswith(("anybatch.", "pluggy"))
        and not name.startswith("_")
    }
    assert offered | set(anybatch._LATER) == set(anybatch.__all__)


def test_all_public_names_can_be_imported_at_once() -> None:
    """`from anybatch import *` works in a fresh process."""
    program = (
        "import anybatch; from anybatch import *; print(all(map(globals().get, anybatch.__all__)))"
    )
    assert python(program) == "True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is refused as in any module."""
    with pytest.raises(AttributeError, match="module 'anybatch' has no attribute 'Sesion'"):
        anybatch.Sesion  # noqa: B018


# -- What modules may use -------------------------------------------------------------------


def uses(module: str) -> Iterator[str]:
    """The things with a rule that a module uses."""
    tree = ast.parse((SOURCE / module).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield f"{node.func.id}()"
            yield from ("shell=" for word in node.keywords if word.arg == "shell")
        elif isinstance(node, ast.Assert) and not narrows_a_type(node.test):
            yield "assert"


def narrows_a_type(test: ast.expr) -> bool:
    """Whether an assertion only tells the type checker what is so."""
    text = ast.unparse(test)
    return text.endswith(" is not None") or text.startswith("isinstance(")


RULES = [
    ("subprocess", ("localhost.py", "local/", "testing/")),
    ("os.environ", ("localhost.py", "cli/progress.py", "testing/", "__main__.py")),
    ("os.environb", ()),
    ("os.getenv", ()),
    ("os.putenv", ()),
    ("os.system", ()),
    ("os.popen", ()),
    ("print()", ()),
    ("shell=", ()),
    ("eval()", ()),
    ("exec()", ()),
    ("assert", ("testing/",)),
]


@pytest.mark.parametrize(("what", "where"), RULES)
def test_only_some_modules_may(what: str, where: tuple[str, ...]) -> None:
    """Processes, the environment and the terminal are reached through one door each."""
    users = [module for module in MODULES if what in uses(module)]
    assert [module for module in users if not module.startswith(where or "/")] == []


# -- Hooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented(name: str) -> None:
    """Its text tells when it is called, and what to answer where an answer counts."""
    hook = getattr(hookspecs, name)
    text = inspect.getdoc(hook) or ""
    first, _, rest = text.partition("\n\n")
    assert first.endswith((".", "?"))
    assert "alled" in text
    if hook.__annotations__["return"] != "None" and name != "anybatch_account":
        assert "Returns:" in rest


def test_hooks_are_functions_of_named_things() -> None:
    """No hook takes more than it can name: each parameter has a type."""
    for name in HOOKS:
        hook = getattr(hookspecs, name)
        parameters = inspect.signature(hook).parameters
        assert set(parameters) <= set(hook.__annotations__), name


# -- Which way imports go -------------------------------------------------------------------

#: The rooms and public modules, from the bottom up: each may import those before it in this list.
FLOW = (
    *(
        "encoding",
        "units",
        "ranges",
        "printable",
        "quoting",
        "host",
        "errors",
        "urgency",
        "arguments",
        "states",
        "counts",
        "resources",
        "retries",
        "job_fields",
        "parameters",
        "templates",
        "sweeps",
        "job_tables",
        "model",
        "packing",
        "outcome",
        "jobfile",
        "selection",
    ),
    *(
        "validators",
        "declarations",
        "worker_paths",
        "nodes",
        "records",
        "discovery_hooks",
        "question_hooks",
        "hookspecs",
        "system",
        "transfer",
    ),
    *("ownership", "localfiles", "tails", "failures", "locallease", "localhost", "inside"),
    *("commands", "notifying"),
    *("plugins", "settings", "detection", "worker", "planning", "runs", "local"),
    *(
        "run",
        "catalogue",
        "history",
        "session",
        "tidying",
        "attendant",
        "executor",
        "aio",
        "__init__",
        "testing",
        "reporting",
        "cli",
        "__main__",
    ),
)


def imported(path: Path) -> Iterator[str]:
    """The modules of anybatch that a file imports anywhere, for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "anybatch":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                below = SOURCE.joinpath(*full.split(".")[1:])
                yield full if below.is_dir() or below.with_suffix(".py").exists() else node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] == "anybatch")


def room(name: str) -> str:
    """The room of a module, or the module itself where it stands at the top."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_name(path: str) -> str:
    parts = path.removesuffix(".py").removesuffix("__init__").rstrip("/").split("/")
    return ".".join(["anybatch", *filter(None, parts)])


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards(module: str) -> None:
    """A module imports its own room and what stands below it, for type checkers too."""
    own = FLOW.index(module.split("/", maxsplit=1)[0].removesuffix(".py"))
    wrong = [
        name
        for name in imported(SOURCE / module)
        if FLOW.index(room(name)) > own and name != "anybatch"
    ]
    assert wrong == []


def test_no_modules_import_each_other() -> None:
    """There is no circle of imports, those for type checkers included."""
    names = {module_name(path): path for path in MODULES}
    graph = {one: set(imported(SOURCE / path)) & {*names} for one, path in names.items()}
    left = dict(graph)
    while free := [one for one, needs in left.items() if not needs & {*left} - {one}]:
        for one in free:
            del left[one]
    assert sorted(left) == []


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_short(module: str) -> None:
    """A module of the core is read in one sitting."""
    assert len((SOURCE / module).read_text("utf-8").splitlines()) <= 350


PLUGINS = [
    path.relative_to(CHECKOUT).as_posix()
    for folder in ("plugins/*/src", "docs/examples/*/src", "examples")
    for path in sorted(CHECKOUT.glob(f"{folder}/**/*.py"))
]


@pytest.mark.parametrize("module", PLUGINS)
def test_plugins_and_programs_import_what_is_public(module: str) -> None:
    """A module at the top of the package is public, a folder is not."""
    private = [
        name
        for name in imported(CHECKOUT / module)
        if SOURCE.joinpath(room(name)).is_dir() and room(name) not in ("testing", "reporting")
    ]
    assert private == []
