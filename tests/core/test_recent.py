"""What forgets its oldest entries."""

from __future__ import annotations

import gc

from hypothesis import given, strategies as st

from keywright.recent import Recent


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(2, 20))
def test_the_newest_are_there_and_the_number_is_bounded(names: list[int], most: int) -> None:
    """Whatever is put, the newest half is found with its last value, and never more than the bound is held."""
    table: Recent[int, int] = Recent(most)
    for number, name in enumerate(names):
        table.put(name, number)
        assert len(table) <= most
        newest = list(dict.fromkeys(reversed(names[: number + 1])))[: most // 2]
        assert all(table.get(each) is not None for each in newest)
        assert table.get(name) == number
    assert table.get(-1) is None


def test_the_garbage_collector_does_not_walk_it() -> None:
    """However full it is, it is one small object to the garbage collector."""
    table: Recent[bytes, float] = Recent(10_000)
    for number in range(10_000):
        table.put(number.to_bytes(8), float(number))
    assert not any(gc.is_tracked(each) for each in gc.get_referents(table.__dict__))
