"""Texts with names in braces, which stand for a job's number, parameters and files. Pure.

    {index}  {#}             the job's number, from 0 and from 1
    {seed}                   the parameter of this name
    {1}  {2}  {}             parameters without a name (lines of --each); {} if there is one
    {1/}  {1//}  {1.}  {1/.} of a parameter that is a path: the file's name, its folder, the path
                             without its ending, the name without its ending; so {seed/}, {/}
    {inputs}                 as a word of a command: the job's files, a word each

A name that the job does not have is no name: such braces stay, as do all after a `$`. Doubled
braces around a name that it has stand for single ones, as in Python's `format`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from anybatch.parameters import Value, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

INPUTS = "{inputs}"
_PLACE = re.compile(
    r"(?P<dollar>\$?)(?P<left>\{+)"
    r"(?P<name>[A-Za-z][A-Za-z0-9_]*|[0-9]*|\#)(?P<part>//|/\.\.|/\.|/|\.|)(?P<right>\}+)",
    re.ASCII,
)

_PARTS: Mapping[str, Callable[[str], str]] = {
    "": str,
    "/": os.path.basename,
    "//": lambda path: os.path.dirname(path) or ".",
    "/..": lambda path: os.path.dirname(path) or ".",  # `//` in what is kept as a path
    ".": lambda path: os.path.splitext(path)[0],
    "/.": lambda path: os.path.splitext(os.path.basename(path))[0],
}
_NO_PATHS = ("index", "#")


class Names:
    """What the names in a job's templates stand for.

    Args:
        index: the job's number; None: `{index}` and `{#}` stay.
        params: its parameters.
    """

    def __init__(self, index: int | None, params: Mapping[str, Value]) -> None:
        self._texts = {name: write(value) for name, value in params.items()}
        if "1" in params and "2" not in params:
            self._texts[""] = self._texts["1"]
        if index is not None:
            self._texts |= {"index": str(index), "#": str(index + 1)}

    def fill(self, text: str, write_value: Callable[[str], str] = str) -> str:
        """*text* with its known names filled in.

        Args:
            write_value: how a value is written; default: as it is.
        """
        if "{" not in text:
            return text

        def filled(place: re.Match[str]) -> str:
            value = self._value(place)
            if value is None:
                return place[0]
            left, right = place["left"], place["right"]
            depth = min(len(left), len(right))
            inner = write_value(value) if depth % 2 else f"{place['name']}{place['part']}"
            opened, closed = "{" * (depth // 2), "}" * (depth // 2)
            return f"{left[depth:]}{opened}{inner}{closed}{right[depth:]}"

        return _PLACE.sub(filled, text)

    def _value(self, place: re.Match[str]) -> str | None:
        """What a place stands for; None: it is none."""
        value = None if place["dollar"] else self._texts.get(place["name"])
        if value is None or (place["part"] and place["name"] in _NO_PATHS):
            return None
        return _PARTS[place["part"]](value)

    def in_any(self, texts: Iterable[str]) -> bool:
        """Whether any of *texts* has a known name."""
        return any(True for text in texts for _ in self.used(text))

    def used(self, text: str) -> Iterator[str]:
        """The known names in *text* that are filled in."""
        for place in _PLACE.finditer(text) if "{" in text else ():
            if self._value(place) is not None and min(len(place["left"]), len(place["right"])) % 2:
                yield place["name"]

    def fill_words(self, words: Iterable[str], inputs: tuple[str, ...]) -> tuple[str, ...]:
        """The words of a command with their known names filled in.

        Args:
            inputs: the words that `{inputs}` stands for; none: it stays.
        """
        filled: list[str] = []
        for word in words:
            filled += inputs if inputs and word == INPUTS else (self.fill(word),)
        return tuple(filled)
