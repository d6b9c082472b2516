"""Limits as they are written, and when one lies within another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from keywright import Limit
from keywright.limits.base import MAX_COUNT, MAX_WINDOW_SECONDS, all_within, parse_limit, parse_limits

limits = st.builds(Limit, st.integers(1, MAX_COUNT), st.integers(1, MAX_WINDOW_SECONDS))
small_limits = st.builds(Limit, st.integers(1, 12), st.integers(1, 12))


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


@pytest.mark.parametrize("texts", [("1/60s", "2/m"), ("1/s", "1/m", "1/h", "1/d", "1/2d")])
def test_limits_that_contradict_or_are_too_many_are_refused(texts: tuple[str, ...]) -> None:
    """Two counts for one window say nothing, and a key has room for four."""
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
    assert not Limit(limit.count + 1, limit.window_seconds).within(limit)


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
