"""The fields of a `Job`: what may be given for each, made what the job holds, and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from anybatch.encoding import file_name
from anybatch.errors import JobError, shown

_Path = str | os.PathLike[str]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOLDER = re.compile(r"(\{[A-Za-z0-9_]*)//\}")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_SHELL_OWNED = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID", "_"})


def command(value: str | Iterable[str]) -> str | tuple[str, ...]:
    """A command's words, or the text of a script."""
    return value if isinstance(value, str) else _tuple(value)


def path(value: str | os.PathLike[str] | None) -> Path | None:
    """A path, if it is one. `{1//}` becomes `{1/..}`, because a path has no double slashes."""
    if isinstance(value, str) and "//}" in value:
        value = _FOLDER.sub(r"\1/..}", value)
    return Path(_file_name(value)) if isinstance(value, (str, os.PathLike)) else value


def texts(value: str | Iterable[str]) -> tuple[str, ...]:
    """One text or several."""
    return (value,) if isinstance(value, str) else _tuple(value)


def paths(value: _Path | Iterable[_Path]) -> tuple[str, ...]:
    """The texts of one path or several."""
    made: Any = (value,) if isinstance(value, (str, os.PathLike)) else _tuple(value)
    if isinstance(made, tuple):
        made = tuple(
            _file_name(one) if isinstance(one, (str, os.PathLike)) else one for one in made
        )
    return made  # type: ignore[no-any-return]


def _file_name(value: _Path) -> str:
    text = os.fspath(value)
    if not isinstance(text, str) or flaw(text):
        return text  # refused later, with its field
    try:
        return file_name(text)
    except ValueError as error:
        raise JobError(str(error)) from None


def table(value: Mapping[str, str]) -> Mapping[str, str]:
    """A copy of a mapping."""
    return dict(value) if isinstance(value, Mapping) else value


def tables(value: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """A copy of a mapping of mappings."""
    if not isinstance(value, Mapping):
        return value
    return {name: dict(own) if isinstance(own, Mapping) else own for name, own in value.items()}


def many(value: Any) -> tuple[Any, ...]:
    """One thing or several."""
    return tuple(value) if isinstance(value, (list, tuple, set, frozenset)) else (value,)


def _tuple(value: Any) -> Any:
    is_many = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    return tuple(value) if is_many else value


def _is_path(value: object) -> bool:
    return value is None or isinstance(value, Path)


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) for one in value)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _are_tables(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(own, Mapping) for name, own in value.items()
    )


_A_PATH = (_is_path, "a path (a string or a Path)")
_FLAG = (lambda value: isinstance(value, bool), "True or False")
_TEXTS = (_are_texts, "a string or a list of strings")
_PATHS = (_are_texts, "a path or a list of paths")
_TABLE = (_is_table, "a dict of strings")
#: What each field must be once it was converted, and how that is said.
_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "command": (
        lambda value: isinstance(value, (str, tuple)),
        "a list of strings, or the text of a shell script",
    ),
    "name": (_is_text, "a string"),
    **dict.fromkeys(("workdir", "env_script", "output_dir", "stdin", "stdout", "stderr"), _A_PATH),
    "env": _TABLE,
    "labels": _TABLE,
    **dict.fromkeys(("setup", "setup_once", "cleanup"), _TEXTS),
    "params": (_is_table, "a dict of texts and numbers by name"),
    "inputs": _PATHS,
    "input_list": _PATHS,
    "outputs": _PATHS,
    "optional_outputs": _PATHS,
    **dict.fromkeys(
        ("flat", "copy_inputs", "scratch", "skip_existing", "checkpoint", "template"), _FLAG
    ),
    "container": (_is_text, "a string"),
    "settings": (_are_tables, "a dict of dicts by plugin, such as {'slurm': {'qos': 'long'}}"),
}


def check_kinds(job: object) -> str:
    """Which field of a job is of a wrong type, and what to give; empty: none."""
    for field, (fits, wanted) in _KINDS.items():
        if not fits(value := getattr(job, field)):
            return f"{field} must be {wanted}, not {type(value).__name__}: {shown(value)}"
    return ""


def check_command(value: str | tuple[str, ...]) -> str:
    """What is wrong with a command; empty: nothing."""
    if isinstance(value, str):
        return "" if value.strip() else "the command is empty"
    return _check_words(value)


def _check_words(words: tuple[str, ...]) -> str:
    if not words:
        return "the command is empty"
    for number, word in enumerate(words):
        if not isinstance(word, str):
            kind = type(word).__name__
            return f"argument {number} of the command must be a string, not {kind}: {shown(word)}"
        if found := flaw(word):
            return f"argument {number} of the command contains {found}: {word!r}"
    return "" if words[0] else "the name of the program is empty"


def check_name(name: str | None) -> str:
    """What is wrong with a job's name; empty: nothing."""
    if name is None:
        return ""
    if not name.strip() or any(ord(character) < 32 for character in name):
        return f"the job name must be a single non-empty line: {name!r}"
    found = flaw(name)
    return found and f"the job name contains {found}: {name!r}"


def check_env(env: Mapping[str, str]) -> str:
    """What is wrong with variables; empty: nothing."""
    for name, value in env.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            return f"env: {shown(name)} is not a valid variable name"
        if name in _SHELL_OWNED or name.startswith(("ANYBATCH_", "ab_")):
            return f"env: {name!r} is reserved by the shell or by anybatch"
        if not isinstance(value, str):
            kind = type(value).__name__
            return f"env: the value of {name!r} must be a string, not {kind}: {shown(value)}"
        if found := flaw(value):
            return f"env: the value of {name!r} contains {found}"
    return ""


def check_labels(labels: Mapping[str, str]) -> str:
    """What is wrong with labels; empty: nothing."""
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name):
            return (
                f"labels: {shown(name)} is not a valid name; use letters, digits and . _ - "
                f"(first a letter)"
            )
        if not isinstance(value, str):
            kind = type(value).__name__
            return f"labels: the value of {name!r} must be a string, not {kind}: {shown(value)}"
        if "\n" in value:
            return f"labels: the value of {name!r} must be a single line: {shown(value)}"
        if found := flaw(value):
            return f"labels: the value of {name!r} contains {found}"
    return ""


def check_files(files: Iterable[str]) -> str:
    """What is wrong with a list of files; empty: nothing."""
    for file in files:
        if not file or "\n" in file:
            return f"input_list: {file!r:.100} is no file; a name is a line of the list"
        if found := flaw(file):
            return f"input_list: {file!r:.100} contains {found}"
    return ""


def check_texts(job: Any) -> str:
    """Which text of a job cannot be passed to a program; empty: none."""
    texts = {
        "command": (job.command,) if isinstance(job.command, str) else (),
        "workdir": (job.workdir,),
        "env_script": (job.env_script,),
        "setup": job.setup,
        "setup_once": job.setup_once,
        "cleanup": job.cleanup,
        "inputs": job.inputs,
        "outputs": job.outputs,
        "optional_outputs": job.optional_outputs,
        "output_dir": (job.output_dir,),
        "stdin": (job.stdin,),
        "stdout": (job.stdout,),
        "stderr": (job.stderr,),
        "container": (job.container,),
    }
    for field, values in texts.items():
        flaws = (flaw(str(value)) for value in values if value is not None)
        if found := next(filter(None, flaws), ""):
            return f"{field} contains {found}"
    return ""


def flaw(text: str) -> str:
    """What *text* contains that cannot be passed to a program; empty: nothing of the kind."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        return f"an unpaired surrogate, which is not valid text ({text[error.start]!r})"
    return ""
