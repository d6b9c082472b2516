"""Times as the documents write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from keywright import ManualClock, timestamp
from keywright.clock import parse_timestamp

LAST = 253_402_300_799


@given(st.floats(0, LAST))
def test_s31_s42_a_time_is_written_in_whole_utc_seconds(at: float) -> None:
    """S31, S42: a time is written as the documents write it, rounded down, and read back to the same second."""
    text = timestamp(at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert parse_timestamp(text) == int(at)


@pytest.mark.parametrize(
    ("text", "at"),
    [("2025-01-20T10:30:00Z", 1_737_369_000), ("2025-01-20T11:30:00.5+01:00", 1_737_369_000.5)],
)
def test_a_time_with_a_zone_is_read(text: str, at: float) -> None:
    """RFC 3339 times of any zone mean one moment."""
    assert parse_timestamp(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2025-01-20", "2025-01-20T10:30:00", "2025-01-20 10:30:00Z", "2025-02-30T00:00:00Z",
        "2025-01-20T25:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
        "٢٠٢٥-01-20T10:30:00Z", "2025-01-20T10:30:00Z\n", "2025-01-20T10:30:60Z",
        "2025-01-20T10:30:00+99:99",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """What is not a moment that can be stored is refused as a wrong value, never as a fault, and in our own words."""
    with pytest.raises(ValueError, match=r"^(not an RFC 3339 time such as|outside the years) [^.]+$"):
        parse_timestamp(text)


def test_a_manual_clock_moves_when_told() -> None:
    """Tests move time; nobody waits for it."""
    clock = ManualClock(100.0)
    clock.advance(5)
    clock.pause(2)
    assert (clock.now(), clock.elapsed()) == (107.0, 7.0)
