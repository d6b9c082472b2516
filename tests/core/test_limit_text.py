"""Limits as they are written, and when one lies within another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from keywright import Limit
from keywright.limits.base import (
    MAX_COUNT,
    MAX_WINDOW_SECONDS,
    SECOND_NS,
    Kind,
    all_within,
    parse_limit,
    parse_limits,
)
from keywright.values import replace

fixed = st.builds(Limit, st.integers(1, MAX_COUNT), st.integers(1, MAX_WINDOW_SECONDS))
sliding = st.builds(Limit, st.integers(1, MAX_COUNT), st.integers(1, MAX_WINDOW_SECONDS), st.just(Kind.SLIDING))
#: One permit a second at the fastest and 300 at the most, so that every one of them is full again in time.
buckets = st.builds(
    Limit, st.integers(1, 3_600), st.sampled_from((3_600, 86_400)), st.just(Kind.BUCKET), st.integers(1, 300)
)
limits = fixed | sliding | buckets
small_limits = st.builds(Limit, st.integers(1, 12), st.integers(1, 12))
small_of_any_kind = small_limits | st.builds(Limit, st.integers(1, 12), st.integers(1, 12), st.just(Kind.SLIDING))
small_of_any_kind |= st.builds(Limit, st.integers(1, 12), st.integers(1, 12), st.just(Kind.BUCKET), st.integers(1, 24))


@given(limits)
def test_s62_what_is_written_is_read_back(limit: Limit) -> None:
    """S62: every limit can be written, and means the same when it is read."""
    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/15m", Limit(100, 900)),
        ("1000000/15m", Limit(1_000_000, 900)),
        ("10/s", Limit(10, 1)),
        ("5/90s", Limit(5, 90)),
        ("7/2h", Limit(7, 7_200)),
        ("1000000000/366d", Limit(MAX_COUNT, MAX_WINDOW_SECONDS)),
        ("100/15m sliding", Limit(100, 900, Kind.SLIDING)),
        ("10/s burst 50", Limit(10, 1, Kind.BUCKET, 50)),
        ("1000000/s burst 1000000000", Limit(1_000_000, 1, Kind.BUCKET, MAX_COUNT)),
    ],
)
def test_s62_limits_are_written_as_people_say_them(text: str, limit: Limit) -> None:
    """S62: a count and a window, and the shortest way to write them."""
    assert parse_limit(text) == limit
    assert str(limit) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "100", "100/", "/15m", "0/15m", "100/0m", "-1/15m", "100/15", "100/15w", "1.5/s", "100/15 m", " 100/15m",
        "100/15m\n", "٣/s", "1000000001/s", "1/367d", "1/999999999d", "1e3/s", "100/m15",
        "100/15m  sliding", "100/15m Sliding", "100/15m sliding ", "10/s burst", "10/s burst 0", "10/s burst -1",
        "10/s sliding burst 5", "10/s burst 5 sliding", "10/s burst 1000000001", "1000001/s burst 5", "1/d burst 367",
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(text: str) -> None:
    """What is not a limit, or beyond what one can be, is refused with a sentence."""
    with pytest.raises(ValueError, match="limit"):
        parse_limit(text)


def test_several_limits_stand_shortest_first() -> None:
    """Several limits on one key are one value, whatever their order."""
    assert parse_limits(("100/15m", "10/s")) == (Limit(10, 1), Limit(100, 900))
    assert parse_limits(()) == ()
    each = ("10/s", "10/s sliding", "10/s burst 5")
    assert [str(limit) for limit in parse_limits(each[::-1])] == list(each)


@pytest.mark.parametrize(
    "texts",
    [
        ("1/60s", "2/m"),
        ("1/m sliding", "2/m sliding"),
        ("1/s burst 2", "2/s burst 3"),
        ("1/s", "1/m", "1/h", "1/d", "1/2d"),
    ],
)
def test_limits_that_contradict_or_are_too_many_are_refused(texts: tuple[str, ...]) -> None:
    """Two counts for one window of one kind say nothing, and a key has room for four."""
    with pytest.raises(ValueError, match="limit"):
        parse_limits(texts)


def most(limit: Limit, seconds: int) -> int:
    """What a key that is used as much as it may has been admitted after so many seconds."""
    return (seconds // limit.window_seconds + 1) * limit.count


@given(small_limits, small_limits)
def test_s20_within_means_never_more(child: Limit, parent: Limit) -> None:
    """S20: a limit lies within another if, and only if, at no moment it has admitted more than the other would have."""
    never_more = all(most(child, seconds) <= most(parent, seconds) for seconds in range(12 * 12 * 2))
    assert child.within(parent) == never_more


@given(limits)
def test_s20_a_limit_lies_within_itself(limit: Limit) -> None:
    """S20: a key can always be given its maker's own limit, and never more of it."""
    assert limit.within(limit)
    assert not replace(limit, count=limit.count + 1, burst=limit.burst and limit.burst + 1).within(limit)


def from_the_first(limit: Limit, half_seconds: int) -> int:
    """The most that passes from a key's first request on, until so many half seconds later."""
    if limit.kind is Kind.BUCKET:
        return limit.burst + half_seconds * SECOND_NS // 2 // limit.interval_ns
    return most(limit, half_seconds // 2)


def in_any_span(limit: Limit, half_seconds: int) -> int:
    """The most that passes in a span of so many half seconds, wherever it begins, by trying every beginning: a window
    that is fixed may have been opened by a single request at any time before."""
    if limit.kind is not Kind.FIXED:
        return from_the_first(limit, half_seconds)
    length, best = limit.window_seconds * 2, 0
    for open_for in range(length):
        passed, left, ends = 0, limit.count - (open_for > 0), length - open_for
        for now in range(half_seconds + 1):
            if now >= ends:
                left, ends = limit.count, now + length
            passed, left = passed + left, 0
        best = max(best, passed)
    return best


@settings(deadline=None, max_examples=500)
@given(small_of_any_kind, small_of_any_kind)
def test_s20_no_kind_within_another_ever_allows_more(child: Limit, parent: Limit) -> None:
    """S20: a limit of any kind that lies within one of any kind never admits more: not from its first request on, and
    not in any span."""
    if child.within(parent):
        for half_seconds in range(60):
            assert from_the_first(child, half_seconds) <= from_the_first(parent, half_seconds)
            assert in_any_span(child, half_seconds) <= in_any_span(parent, half_seconds)


@pytest.mark.parametrize(
    ("child", "parent", "inside"),
    [
        ("100/15m sliding", "100/15m", True),
        ("100/15m", "100/15m sliding", False),
        ("50/15m", "100/15m sliding", True),
        ("51/15m", "100/15m sliding", False),
        ("33/5m", "132/15m sliding", True),
        ("34/5m", "132/15m sliding", False),
        ("10/s burst 50", "59/s", True),
        ("10/s burst 50", "58/s", False),
        ("10/s burst 50", "59/s sliding", True),
        ("10/s sliding", "10/s burst 10", True),
        ("10/s sliding", "10/s burst 9", False),
        ("10/s", "10/s burst 20", True),
        ("10/s", "10/s burst 19", False),
        ("11/s sliding", "10/s burst 50", False),
        ("5/s burst 50", "10/s burst 50", True),
        ("10/s burst 51", "10/s burst 50", False),
        ("10/s burst 50", "600/m burst 50", True),
    ],
)
def test_s20_kinds_within_each_other(child: str, parent: str, inside: bool) -> None:
    """S20: where one kind lies within another: a window that is fixed lets its count pass twice around its border, and
    a bucket its burst and what flows in meanwhile."""
    assert parse_limit(child).within(parse_limit(parent)) is inside


@pytest.mark.parametrize(
    ("child", "parent", "inside"),
    [
        (("10/s",), (), True),
        ((), ("10/s",), False),
        ((), (), True),
        (("5/s", "100/h"), ("100/h",), True),
        (("5/s",), ("10/s", "100/h"), False),
        (("1/m",), ("10/s", "100/h"), True),
        (("5/s", "50/h"), ("10/s", "100/h"), True),
    ],
)
def test_s20_several_limits_lie_within_several(child: tuple[str, ...], parent: tuple[str, ...], inside: bool) -> None:
    """S20: each of the maker's limits must be kept by one of the new key's; no limit at all is the most."""
    assert all_within(parse_limits(child), parse_limits(parent)) is inside


@given(st.lists(small_limits, max_size=3), st.lists(small_limits, max_size=3))
def test_s20_sets_of_limits_never_allow_more(child: list[Limit], parent: list[Limit]) -> None:
    """S20: limits that lie within others never admit more than those would, taken together."""

    def admitted(each: list[Limit]) -> Callable[[int], float]:
        return lambda seconds: min((most(limit, seconds) for limit in each), default=float("inf"))

    if all_within(child, parent):
        assert all(admitted(child)(seconds) <= admitted(parent)(seconds) for seconds in range(300))
