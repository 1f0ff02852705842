"""Hypothesis strategies for texts that break careless quoting."""

from __future__ import annotations

from hypothesis import strategies as st

_PIECES = (
    *(" ", "  ", "'", '"', "`", "$", "$(id)", "${HOME}", "\\", "\\n", "\n", "\t", "*", "?"),
    *("[a-z]", "~", "!", "#", ";", "&", "|", "<", ">", "(", ")", "{}", "{index}", "%", "%a"),
    *("=", ",", "-", "--", "-n", "é", "ß", "😀", "日本", "\u200b", "\x7f", "\x01", "a", "b c"),
)

_any_character = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def awkward_texts(*, min_size: int = 0) -> st.SearchStrategy[str]:
    """Texts of shell syntax, quotes, line breaks and any Unicode; never NUL."""
    pieces = st.lists(st.sampled_from(_PIECES), min_size=min_size, max_size=8).map("".join)
    return pieces | st.text(_any_character, min_size=min_size, max_size=20)


def file_names() -> st.SearchStrategy[str]:
    """Names of files and folders, as awkward as a file system allows."""
    return (
        awkward_texts(min_size=1)
        .map(lambda text: text.replace("/", "_").replace("{index}", "_"))
        .filter(lambda name: name.strip() not in ("", ".", "..") and len(name.encode()) < 100)
    )
