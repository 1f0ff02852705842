"""Strategies for texts that cross a border: all that a file name or an argument can hold."""

from __future__ import annotations

from hypothesis import strategies as st

#: What shells, `printf`, option parsers and templates take for something else.
NASTY = (
    *("'", '"', "\\", "$", "`", "$(id)", "${HOME}", "\n", "\n\n", "\t", "\r", " ", "  ", "!"),
    *("*", "?", "[a]", "[", "]", "{", "}", "{a,b}", "{index}", "~", "#", "%", "%s", "&", ";"),
    *("|", "<", ">", "(", ")", "-", "--", "-n", "=", "A=b", ":", "\\n", "\\c", "\x01", "\x7f"),
    *("\x81", "é", "e\u0301", "ß", "漢", "😀", "\u202e", "\u2028", "\ufeff", "$ab_nl", "'\\''"),
)
#: Bytes that are no UTF-8, as Python keeps them.
BYTES = st.integers(0x80, 0xFF).map(lambda byte: chr(0xDC00 + byte))
PIECES = st.one_of(
    st.sampled_from(NASTY),
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    st.text("abc019", min_size=1, max_size=3),
    BYTES,
)
#: Any text that a program can be given.
TEXTS = st.lists(PIECES, max_size=8).map("".join)


def raw(text: str) -> bytes:
    """The bytes that *text* stands for."""
    return text.encode("utf-8", "surrogateescape")


def _is_name(text: str) -> bool:
    """Whether it names a file in a folder, and is not spelt in a second way by normalising."""
    return text not in ("", ".", "..") and "/" not in text and len(raw(text)) < 200


#: Any name of a file.
NAMES = st.lists(PIECES, min_size=1, max_size=6).map("".join).filter(_is_name)
