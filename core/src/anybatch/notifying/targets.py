"""Whom to tell, as people write it: `mail:me@example.org`, `https://...`, `desktop`, `command:...`.

Addresses of the web and arguments of commands may hold secrets. People see `Target.shown`, which
leaves them out, and errors do not quote them.
"""

from __future__ import annotations

import enum
import hashlib
import os
import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from anybatch.errors import UsageError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

NONE = "none"  #: nobody is told
KINDS_TEXT = "mail, mail:ADDRESS, https://..., desktop, command:WORDS, @FILE or none"
_WORDS = ("mail", "desktop", NONE, "command:", "https://", "http://")
#: Plain addresses alone: no display names, quoted parts or comments, which headers would obey.
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=&'~-]*(@[A-Za-z0-9][A-Za-z0-9.-]*)?")
_URL = re.compile(r"[!-~]+")
_MOST = 64  #: characters of a program's name that are shown


class Channel(str, enum.Enum):
    """How somebody is told."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    DESKTOP = "desktop"
    COMMAND = "command"


@attrs.frozen
class Target:
    """Whom to tell.

    Attributes:
        channel: how.
        words: of a mail the address, none: the user's own; the address of a webhook; the words of
            a command.
    """

    channel: Channel
    words: tuple[str, ...] = attrs.field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """The target for people and logs, without what may be secret."""
        if self.channel is Channel.WEBHOOK:
            parts = urlsplit(self.words[0])
            return f"{parts.scheme}://{parts.netloc}/..."
        if self.channel is Channel.COMMAND:
            name = os.path.basename(self.words[0])[:_MOST]
            return f"command:{name} ..." if self.words[1:] else f"command:{name}"
        return ":".join((self.channel.value, *self.words))

    @property
    def key(self) -> str:
        """Names the target in journals, without what may be secret."""
        text = "\0".join((self.channel.value, *self.words))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def read_target(text: str) -> Target:
    """The inverse of what people write.

    Raises:
        UsageError: it is none.
    """
    name, colon, rest = text.partition(":")
    if text == "desktop":
        return Target(Channel.DESKTOP)
    if name == "mail":
        return Target(Channel.MAIL, (_address(rest),) if colon else ())
    if name == "command" and colon:
        return Target(Channel.COMMAND, _words(rest))
    if name.lower() in ("http", "https") and colon:
        return Target(Channel.WEBHOOK, (_url(text),))
    start = name if len(name) <= _MOST and (colon or "/" not in name) else name[:8]
    dots = "" if start == text else "..."
    raise UsageError(
        f"{shown(start + dots)} is nobody to tell{did_you_mean(start + colon, _WORDS)}; give "
        f"{KINDS_TEXT}"
    )


def is_address(text: str) -> bool:
    """Whether a text is a plain address, which no header takes for more."""
    return _ADDRESS.fullmatch(text) is not None


def _address(text: str) -> str:
    if not is_address(text):
        raise UsageError(
            f"mail: {shown(text)} is no address; give a plain one, as in mail:me@example.org"
        )
    return text


def _words(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"command: its words cannot be told apart: {error}") from None
    if not words or not words[0]:
        raise UsageError("command: no program; give its words, as in command:./tell.sh done")
    if "\0" in text:
        raise UsageError("command: a word holds a null character")
    return words


def _url(text: str) -> str:
    """An address of the web. What is wrong with it is told without it."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the address of a webhook cannot be read (host or port)") from None
    scheme = parts.scheme
    if not text.startswith(f"{scheme}://") or not host:
        raise UsageError(f"the address of a webhook has no host; give {scheme}://HOST/...")
    if not _URL.fullmatch(text):
        raise UsageError(
            f"the address of a webhook on {shown(host)} has blanks or characters beyond ASCII; "
            f"write them as %20 and the like"
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"the address of a webhook on {shown(host)} has a user name or password, which is not "
            f"sent; use an address without, or a command"
        )
    return text


def read_targets(texts: Iterable[str], folder: Path, read: Callable[[Path], str]) -> list[Target]:
    """The targets that texts name, each once; `none` alone: no one.

    Args:
        folder: where relative paths start.
        read: gives the text of a file that is believed.

    Raises:
        UsageError: a text names none, or a file cannot be used.
    """
    listed = list(_with_files(texts, folder, read))
    if NONE in listed:
        if len(listed) > 1:
            raise UsageError(f"{NONE!r} says that nobody is told; give it alone")
        return []
    return list(dict.fromkeys(map(read_target, listed)))


def _with_files(texts: Iterable[str], folder: Path, read: Callable[[Path], str]) -> Iterator[str]:
    """The texts, with those of files in their place: `@FILE` has one a line."""
    for text in texts:
        if not text.startswith("@"):
            yield text
            continue
        path = folder / os.path.expanduser(text[1:])
        try:
            lines = read(path).split("\n")
        except OSError as error:
            raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}") from None
        yield from (line.strip() for line in lines if line.strip() and line[0] != "#")


def shown_text(text: str) -> str:
    """What people write, for people and logs, also if it is no target."""
    try:
        return text if text == NONE or text.startswith("@") else read_target(text).shown
    except UsageError:
        return f"{text.partition(':')[0][:8]}..."


def from_folder(text: str, folder: Path) -> str:
    """A target that stands in a settings file, with paths that start in the file's folder."""
    if text.startswith("@") and not text.startswith("@~"):
        return f"@{os.path.normpath(folder / text[1:])}"
    if text.startswith("command:"):
        program, blank, rest = text.removeprefix("command:").lstrip().partition(" ")
        if "/" in program and not program.startswith(("/", "'", '"')):
            return f"command:{shlex.quote(os.path.normpath(folder / program))}{blank}{rest}"
    return text
