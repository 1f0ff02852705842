"""Sizes in bytes and durations, read from and written as what people type."""

from __future__ import annotations

import re
from datetime import timedelta

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d)(?::([0-5]\d))?")
_WORDS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")


def parse_size(value: int | str) -> int:
    """Bytes from a number of bytes or a text such as `2 GiB`, `500MB`, `4G`.

    `k`, `M`, `G` and the like are powers of 1000 when written with a plain `B` (`500MB`) and
    powers of 1024 otherwise (`4G`, `2 GiB`), which is how batch systems read a bare letter.

    Raises:
        ValueError: the value is no size.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is no size; write bytes, or a text such as '2 GiB'")
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"a size cannot be negative: {value}")
        return value
    match = _SIZE.fullmatch(value.strip())
    if not match:
        raise ValueError(f"{value!r} is no size; write for example '2 GiB', '500MB' or '4G'")
    number, letter, binary = match.groups()
    decimal = letter and not binary and value.strip().lower().endswith("b")
    unit: int = (1000 if decimal else 1024) ** _POWER[letter.lower()]
    try:
        return round(float(number) * unit) if "." in number else int(number) * unit
    except (OverflowError, ValueError):  # Python reads no integer of thousands of digits
        raise ValueError(f"{value!r:.50} is too much for a size") from None


def format_size(size: int) -> str:
    """Bytes for people: `1.5 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value == round(value) else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PiB"


def parse_duration(value: timedelta | float | str) -> timedelta:
    """A duration from seconds, `1h30m`, `90s`, `2d`, `1:30:00` (h:m:s) or `1-12:00` (d-h:m).

    Raises:
        ValueError: the value is no duration, or not a positive one.
    """
    try:
        duration = _duration(value)
    except OverflowError:
        raise ValueError(f"{value!r} is too long for a duration") from None
    if duration <= timedelta(0):
        raise ValueError(f"a duration must be longer than nothing: {value!r}")
    return duration


def _duration(value: timedelta | float | str) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return timedelta(seconds=value)
    if isinstance(value, str):
        text = value.strip().replace(" ", "")
        if clock := _CLOCK.fullmatch(text):
            days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        words = _WORDS.fullmatch(text.lower())
        if words and text:
            days, hours, minutes = (int(part or 0) for part in words.groups()[:3])
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=float(words[4] or 0))
        if text.isdecimal():
            raise ValueError(f"{value!r} has no unit; write for example '{text}m' or '{text}s'")
    raise ValueError(f"{value!r} is no duration; write for example '1h30m', '90s' or '2:00:00'")


def format_duration(duration: timedelta) -> str:
    """A duration as it is typed: `1h30m`, `45s`; fractions of a second are kept below 10 s."""
    seconds = duration.total_seconds()
    if seconds < 10 and seconds != round(seconds):
        return f"{seconds:.1f}s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    parts = ((day, "d"), (hour, "h"), (minute, "m"), (second, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
