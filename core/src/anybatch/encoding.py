"""Texts and bytes where a program was started with a locale whose encoding is not UTF-8.

Texts are UTF-8 everywhere: in job scripts, JSON, TOML, words of commands. Bytes that are none are
kept as they are (PEP 383). Names of files are texts as the functions of `os` take them, in whatever
encoding that is.
"""

from __future__ import annotations

import os
import sys

_UTF_8, _ASCII = "utf-8", "ascii"


def to_bytes(text: str) -> bytes:
    """A text as the bytes that others get."""
    return text.encode("utf-8", "surrogateescape")


def as_given(text: str) -> bytes:
    """The bytes of a text that came from the system or from anybatch, which may not fit it."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return to_bytes(text)


def as_utf_8(text: str) -> str:
    """A text that came from the system (a variable, a file's name), without this locale."""
    return os.fsencode(text).decode("utf-8", "surrogateescape") if _differs(text) else text


def file_name(text: str) -> str:
    """A path that a user has written, as the functions of `os` take it.

    With ASCII as the encoding (`LC_ALL=C` without Python's UTF-8 mode) they take other bytes as
    surrogates; so the same path is there as with UTF-8.

    Raises:
        ValueError: the encoding is another, such as Latin-1: the path would be a different one in
            job scripts and for other processes.
    """
    if not _differs(text):
        return text
    encoding = sys.getfilesystemencoding()
    if encoding == _ASCII:
        return os.fsdecode(to_bytes(text))
    raise ValueError(
        f"the path {text!r} cannot be passed on, because this program takes names of files for "
        f"{encoding}; start it with PYTHONUTF8=1, or in a locale with UTF-8"
    )


def _differs(text: str) -> bool:
    return not text.isascii() and sys.getfilesystemencoding() != _UTF_8
