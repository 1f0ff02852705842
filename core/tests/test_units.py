"""Sizes and durations: what people type, and the way back."""

from __future__ import annotations

import contextlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from anybatch.units import format_duration, format_size, parse_duration, parse_size
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

GIB = 1024**3

SIZES = {
    0: 0,
    17: 17,
    "17B": 17,
    "17 B": 17,
    "4G": 4 * GIB,
    "4g": 4 * GIB,
    "512 B": 512,
    "2 GiB": 2 * GIB,
    "2gib": 2 * GIB,
    " 2  GiB ": 2 * GIB,
    "500MB": 500_000_000,
    "1.5 kB": 1500,
    "1.5k": 1536,
    "1 TB": 10**12,
    "1 PiB": 1024**5,
    "9007199254740993B": 2**53 + 1,
}
NO_SIZES = [
    *(
        "",
        "  ",
        "G",
        "i",
        "2i",
        "2iB",
        "9007199254740993",
        "two",
        "-1",
        "1,5G",
        "1.G",
        ".5G",
        "1 EiB",
        "1GiBB",
        "4 G x",
        "inf",
        "nan",
    ),
    *(-1, True, 1.5, None, b"4G"),
    *("9" * 400 + ".0", "9" * 5000),
]


@pytest.mark.parametrize(("typed", "size"), SIZES.items())
def test_sizes_are_read_as_batch_systems_read_them(typed: int | str, size: int) -> None:
    """A bare letter is a power of 1024, with a plain B it is one of 1000."""
    assert parse_size(typed) == size


@pytest.mark.parametrize("typed", NO_SIZES, ids=lambda typed: repr(typed)[:20])
def test_what_is_no_size_is_refused(typed: object) -> None:
    """Anything else is a ValueError that says so in a line."""
    with pytest.raises(ValueError, match="size") as caught:
        parse_size(typed)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("read", "typed", "message"),
    [
        (parse_size, "2", "size '2' has no unit; write 2B or 2GiB"),
        (parse_size, " 1.5 ", "size ' 1.5 ' has no unit; write 1.5B or 1.5GiB"),
        (parse_duration, "90", "duration '90' has no unit; write 90m or 90s"),
        (parse_duration, "1:30", "duration '1:30' has two readings; write 1h30m or 1m30s"),
    ],
)
def test_what_has_two_readings_is_refused(
    read: Callable[[str], object], typed: str, message: str
) -> None:
    """Others read it as something else, so the message names both readings, each valid."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read(typed)
    for reading in message.partition("; write ")[2].split(" or "):
        read(reading)


@pytest.mark.parametrize("size", [2**63, 10**4000, "8192PiB", "9" * 4000 + "B", "9" * 5000 + "GB"])
def test_more_than_any_system_counts_is_refused(size: int | str) -> None:
    """A size of thousands of digits is an error, and goes no further."""
    with pytest.raises(ValueError, match="out of range") as told:
        parse_size(size)
    assert len(str(told.value)) < 200


@given(st.integers(0, 2**63 - 1))
def test_a_number_of_bytes_is_the_same_as_text(size: int) -> None:
    """Bytes written as digits with their unit are read back without loss."""
    assert parse_size(size) == parse_size(f"{size}B") == parse_size(f"{size} B") == size


@given(st.integers(0, 1023), st.sampled_from(["B", "KiB", "MiB", "GiB", "TiB", "PiB"]))
def test_whole_sizes_come_back(number: int, unit: str) -> None:
    """What is a whole number of a unit is written so and read back the same."""
    size = parse_size(f"{number} {unit}")
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 2**60))
def test_written_sizes_are_near(size: int) -> None:
    """What people see is at most a twentieth off, and can be typed again."""
    assert abs(parse_size(format_size(size)) - size) <= size / 20


@given(st.text())
def test_any_text_is_a_size_or_refused(text: str) -> None:
    """No text makes another error than ValueError."""
    with contextlib.suppress(ValueError):
        assert parse_size(text) >= 0


DURATIONS = {
    90: timedelta(seconds=90),
    0.5: timedelta(milliseconds=500),
    timedelta(hours=2): timedelta(hours=2),
    "90s": timedelta(seconds=90),
    "1.5s": timedelta(seconds=1.5),
    "30m": timedelta(minutes=30),
    "30min": timedelta(minutes=30),
    "1h30m": timedelta(minutes=90),
    "1H 30M": timedelta(minutes=90),
    "2d": timedelta(days=2),
    "1d2h3m4s": timedelta(days=1, hours=2, minutes=3, seconds=4),
    "1:30:00": timedelta(minutes=90),
    "100:00:00": timedelta(hours=100),
    "1-12:00": timedelta(hours=36),
    "1-12:00:30": timedelta(hours=36, seconds=30),
}
NO_DURATIONS = [
    *("", " ", "h", "soon", "1w", "-5m", "5m1h", "1:60", "1:00:60", "1-12", "1.5h", "nan", "inf"),
    *(0, -1, "0s", timedelta(0), timedelta(-1), True, None, float("nan"), float("inf")),
    *("9" * 30 + "d", 1e30),
]


@pytest.mark.parametrize(("typed", "duration"), DURATIONS.items())
def test_durations_are_read_in_every_common_spelling(
    typed: float | str | timedelta, duration: timedelta
) -> None:
    """Seconds, words with units and clocks (h:m:s, d-h:m) all work."""
    assert parse_duration(typed) == duration


@pytest.mark.parametrize("typed", NO_DURATIONS, ids=lambda typed: repr(typed)[:20])
def test_what_is_no_duration_is_refused(typed: object) -> None:
    """Anything else, and nothing or less, is a ValueError."""
    with pytest.raises(ValueError, match=r"duration|NaN"):
        parse_duration(typed)  # type: ignore[arg-type]


@given(st.integers(1, 10**9))
def test_whole_seconds_come_back(seconds: int) -> None:
    """A duration is written as it can be typed."""
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(1, 99))
def test_tenths_below_ten_seconds_come_back(tenths: int) -> None:
    """Short durations keep a tenth of a second."""
    duration = timedelta(milliseconds=100 * tenths)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    """No text makes another error than ValueError."""
    with contextlib.suppress(ValueError):
        assert parse_duration(text) > timedelta(0)


def test_durations_that_people_see() -> None:
    """Only the units that count are shown."""
    shown = {0: "0s", 45: "45s", 60: "1m", 3600: "1h", 90061: "1d1h1m1s", 0.25: "0.2s", 10.4: "10s"}
    assert {s: format_duration(timedelta(seconds=s)) for s in shown} == shown
