"""Text from outside, as people may see it."""

from __future__ import annotations

import unicodedata


def escaped(text: str) -> str:
    """*text* without what a terminal would obey: control characters are written as escapes.

    Names, settings and messages may come from anybody. Right-to-left marks and the like change
    how a line reads, and are control characters too. Line breaks and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    if "\udc80" <= character <= "\udc9f":
        return True  # a byte that is no UTF-8, and a control character by itself
    if character in "\n\t\u200c\u200d":  # the last two join letters
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udc9f":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
