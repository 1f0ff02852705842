"""Sizes in bytes and durations: read from what people type, and written for people."""

from __future__ import annotations

import re
from datetime import timedelta

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?)b?|b)", re.IGNORECASE)
_BARE = re.compile(r"\d+(?:\.\d+)?")
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d)(?::([0-5]\d))?")
_MOST = 2**63 - 1  #: bytes; batch systems and file systems count no further
_TWO_PARTS = re.compile(r"(\d+):([0-5]\d)")
_WORDS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")


def parse_size(value: int | str) -> int:
    """Bytes from a number of bytes or a text such as `2 GiB`, `500MB`, `4G`, `512 B`.

    `k`, `M`, `G` and the like are powers of 1000 if they are written with a plain `B` (`500MB`),
    and powers of 1024 otherwise (`4G`, `2 GiB`). Batch systems read a bare letter the same way.
    A text without a unit is refused: it may mean bytes or gigabytes.

    Raises:
        ValueError: the value is not a size.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"invalid size {value!r}; use a number of bytes, or a text such as 2GiB")
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"a size cannot be negative: {value}")
        if value > _MOST:
            raise ValueError("a size is out of range: it is more than 8 EiB")
        return value
    text = value.strip()
    match = _SIZE.fullmatch(text)
    if not match:
        if _BARE.fullmatch(text):
            raise ValueError(f"size {value!r:.50} has no unit; write {text:.50}B or {text:.50}GiB")
        raise ValueError(f"invalid size {value!r:.50}; use for example 2GiB, 500MB or 4G")
    number, letter, binary = match[1], match[2] or "", match[3]
    decimal = letter and not binary and text.lower().endswith("b")
    unit: int = (1000 if decimal else 1024) ** _POWER[letter.lower()]
    try:
        size = round(float(number) * unit) if "." in number else int(number) * unit
    except (OverflowError, ValueError):  # Python reads no integer of thousands of digits
        size = _MOST + 1
    if size > _MOST:
        raise ValueError(f"size {value!r:.50} is out of range: it is more than 8 EiB")
    return size


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

    A clock of two parts (`1:30`) is refused: it may mean hours and minutes, or minutes and
    seconds as Slurm reads it.

    Raises:
        ValueError: the value is not a duration, or it is not greater than zero.
    """
    try:
        duration = _duration(value)
    except OverflowError:
        raise ValueError(f"duration {value!r:.50} is out of range") from None
    if duration <= timedelta(0):
        raise ValueError(f"a duration must be greater than zero: {value!r}")
    return duration


def _duration(value: timedelta | float | str) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
        return timedelta(seconds=value)
    if isinstance(value, str):
        text = value.strip().replace(" ", "")
        if parts := _TWO_PARTS.fullmatch(text):
            first, second = parts.groups()
            readings = f"{first}h{second}m or {first}m{second}s"
            raise ValueError(f"duration {value!r:.50} has two readings; write {readings}")
        if clock := _CLOCK.fullmatch(text):
            days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        words = _WORDS.fullmatch(text.lower())
        if words and text:
            days, hours, minutes = (int(part or 0) for part in words.groups()[:3])
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=float(words[4] or 0))
        if text.isdecimal():
            readings = f"{text:.50}m or {text:.50}s"
            raise ValueError(f"duration {value!r:.50} has no unit; write {readings}")
    raise ValueError(f"invalid duration {value!r:.50}; use for example 1h30m, 90s or 2:00:00")


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
