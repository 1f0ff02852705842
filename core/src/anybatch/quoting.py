"""Texts as words of a shell command. Pure; the one place that quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_GLOB = re.compile(r"(\*|\?|\[[^]\[]+\])")
_NOT_IN_A_SET = re.compile(r"[^A-Za-z0-9_@%+=:,./-]+")
INDEX = "{index}"
#: Begins a path in the run's folder, which is elsewhere where the job runs; no text holds it.
RUN_FOLDER = "\0"
#: Begins a path in the folder of what one job alone was given, which is the run's unless jobs whose
#: files are moved share a scratch folder.
OWN_FOLDER = "\0own"
_FOLDERS = {OWN_FOLDER: "ab_own", RUN_FOLDER: "ab_run"}


def quote(text: str) -> str:
    """*text* as one shell word on one line; a line break is the variable `ab_nl`.

    Bytes that are no UTF-8 pass through as surrogates.
    """
    if _PLAIN.fullmatch(text):
        return text
    for folder, name in _FOLDERS.items():
        if text.startswith(folder):
            return f'"${name}"{quote(text.removeprefix(folder))}'
    inner = text.replace("'", "'\\''").replace("\n", "'\"$ab_nl\"'")
    return f"'{inner}'"


def quote_indexed(text: str) -> str:
    """Like `quote`, with `{index}` standing for the job's number."""
    return '"$ab_index"'.join(quote(part) if part else "" for part in text.split(INDEX)) or "''"


def quote_pattern(pattern: str, quote_text: Callable[[str], str] = quote_indexed) -> str:
    """A glob pattern for the shell: `*`, `?` and `[...]` left to it, all else quoted.

    Args:
        quote_text: how the rest is quoted.
    """
    parts = _GLOB.split(pattern)
    words = [_quote_set(p) if _GLOB.fullmatch(p) else quote_text(p) for p in parts if p]
    return "".join(words)


def _quote_set(part: str) -> str:
    """`*` and `?` as they are; of `[...]` the characters that the shell would not take as such."""
    negation = 2 if part.startswith(("[!", "[^")) else 1
    head, inner, end = part[:negation], part[negation:-1], part[-1:] if len(part) > 1 else ""
    return head + _NOT_IN_A_SET.sub(lambda match: quote(match[0]), inner) + end


def quote_words(words: Iterable[str]) -> str:
    """Words as they stand in a command."""
    return " ".join(quote(word) for word in words)


_PIECES = re.compile(r"'([^']*)'|\"([^\"]*)\"|\\(.)|( +)|([^'\"\\ ]+)", re.DOTALL)


def unquote_words(line: str, values: Mapping[str, str]) -> list[str]:
    """The words of a line that was made of results of this module's functions, for people.

    Args:
        values: what stands for a quoted variable: `{"ab_index": "3"}`.
    """
    words: list[str] = []
    begun = False
    for piece in _PIECES.finditer(line):
        single, double, escaped, blank, plain = piece.groups()
        if blank:
            begun = False
            continue
        if double is not None:
            double = values.get(double.removeprefix("$"), double)
        text = next(one for one in (single, double, escaped, plain) if one is not None)
        if begun:
            words[-1] += text
        else:
            words.append(text)
        begun = True
    return words
