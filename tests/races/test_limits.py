"""S71: a limit is exact among processes, whatever they do at the same moment, and whichever of them is killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from keywright import Accepted, Keywright, Limit, SystemClock, Unavailable
from keywright.limits.shared import SharedLimiter
from keywright.record import ANY_REQUEST
from support.crew import Forked, Rounds, dice, forked, shared_words, spend, together, wait_for
from support.history import Taken, overspent
from support.installation import ME
from support.races import given, opened

PROCESSES = 4
REQUESTS = 1_000
HUNDRED = Limit(100, 900)
START = 1_737_369_000.0


def keys_of(data_dir: Path, count: int, limit: Limit) -> list[str]:
    """So many new keys with this limit."""
    with opened(data_dir) as keywright:
        account = keywright.manager.operator_account().id
        born = [given(rate_limit=str(limit))] * count
        return [created.key for created in keywright.manager.create_many(ME, account, born)]


def ask(keywright: Keywright, key: str, now: float) -> Taken | None:
    """One request with the key; None if it was not admitted."""
    try:
        outcome = keywright.verifier.verify(key, ANY_REQUEST, now)
    except Unavailable:
        return None
    if not isinstance(outcome, Accepted) or outcome.decision is None:
        return None
    (state,) = outcome.decision.states
    return Taken(now, state.remaining, state.resets_at)


def race_for_a_hundred(data_dir: Path, times: int) -> list[list[Taken]]:
    """What each of so many limits admitted, each of four processes asking a thousand times."""
    keys, rounds = keys_of(data_dir, times, HUNDRED), Rounds(PROCESSES)

    def work(place: int) -> Callable[[], list[list[Taken]]]:
        return lambda: list(all_rounds(place))

    def all_rounds(place: int) -> Iterator[list[Taken]]:
        with opened(data_dir) as keywright:
            for key in keys:
                rounds.begin(place)
                asked = (ask(keywright, key, SystemClock.now()) for _ in range(REQUESTS))
                yield [each for each in asked if each]

    per_process = together([work(place) for place in range(PROCESSES)])
    return [list(chain(*each)) for each in zip(*per_process, strict=True)]


def race_over_windows(data_dir: Path, times: int, limit: Limit) -> list[Taken]:
    """What one limit admitted while time went on under four processes, window after window."""
    (key,) = keys_of(data_dir, 1, limit)
    time, asked = shared_words(1).cast("B").cast("d"), shared_words(PROCESSES)
    time[0] = START
    end = START + times * limit.window_seconds

    def work(place: int) -> Callable[[], list[Taken]]:
        return lambda: list(until_the_end(place))

    def until_the_end(place: int) -> Iterator[Taken]:
        with opened(data_dir) as keywright:
            while (now := time[0]) < end:
                taken = ask(keywright, key, now)
                if taken:
                    yield taken
                asked[place] += 1
                os.sched_yield()

    chance = dice(7)
    with forked([work(place) for place in range(PROCESSES)]) as started:
        while time[0] < end:
            before = list(asked)
            wait_for(lambda: all(now > then + 2 for now, then in zip(asked, before, strict=True)))  # noqa: B023
            time[0] += chance.uniform(0, limit.window_seconds / 2)
        return [taken for each in started for taken in each.result()]


def race_with_kills(path: Path, times: int, limit: Limit) -> Iterator[tuple[int, float]]:
    """How many requests were admitted in each round, in which one of four processes was killed while it asked, and how
    long the round took."""
    chance = dice(9)
    for slot in range(1, times + 1):
        admitted, rounds = shared_words(PROCESSES), Rounds(PROCESSES + 1)

        def work(place: int, slot: int = slot, admitted: memoryview = admitted, rounds: Rounds = rounds) -> None:
            with closing(SharedLimiter(path, SystemClock())) as limiter:
                rounds.begin(place)
                while limiter.take(slot, (limit,), 1, START).admitted:
                    admitted[place] += 1

        with forked([lambda place=place: work(place) for place in range(PROCESSES)]) as started:  # type: ignore[misc]
            rounds.begin(PROCESSES)
            began = SystemClock.elapsed()
            spend(chance.uniform(0, 0.01))
            started[0].kill()
            _all_ended(started[1:])
            yield sum(admitted), SystemClock.elapsed() - began


def _all_ended(started: list[Forked]) -> None:
    for each in started:
        each.result()


def assert_exactly_a_hundred(data_dir: Path, times: int) -> None:
    """Race, and see that each limit admitted its count, and told every remaining figure once."""
    for taken in race_for_a_hundred(data_dir, times):
        assert list(overspent(HUNDRED, taken)) == []
        assert sorted(each.remaining for each in taken) == list(range(100))


def assert_windows_are_exact(data_dir: Path, times: int) -> None:
    """Race, and see that no window admitted too many, and that most were used to their end."""
    limit = Limit(20, 60)
    taken = race_over_windows(data_dir, times, limit)
    assert list(overspent(limit, taken)) == []
    windows = {each.resets_at for each in taken}
    assert times * 0.6 < len(windows) <= times
    assert len(taken) > len(windows) * limit.count * 0.5, "few windows were ever full"


def assert_kills_give_nothing_away(path: Path, times: int) -> None:
    """Race, and see that the killed had at most one request that it never told of, and that nobody waited for it."""
    limit = Limit(3_000, 900)
    for admitted, seconds in race_with_kills(path, times, limit):
        assert limit.count - 1 <= admitted <= limit.count
        assert seconds < 20


def test_s71_a_hundred_of_four_thousand(data_dir: Path) -> None:
    """S71: of four thousand requests at the same time exactly a hundred are admitted, and no two are told the same."""
    assert_exactly_a_hundred(data_dir, 10)


@pytest.mark.full
def test_s71_two_hundred_times_a_hundred(data_dir: Path) -> None:
    """S71: the same two hundred times."""
    assert_exactly_a_hundred(data_dir, 200)


def test_s67_s71_windows_under_load(data_dir: Path) -> None:
    """S67, S71: while four processes ask without rest, every window begins with a request and admits its count."""
    assert_windows_are_exact(data_dir, 150)


@pytest.mark.full
def test_s67_s71_a_thousand_windows_under_load(data_dir: Path) -> None:
    """S67, S71: the same over a thousand windows."""
    assert_windows_are_exact(data_dir, 1_000)


def test_s71_a_killed_process_neither_spends_twice_nor_blocks(tmp_path: Path) -> None:
    """S71: whoever is killed in the middle of a decision gives no allowance back, and leaves nobody waiting."""
    assert_kills_give_nothing_away(tmp_path / "limits.table", 20)


@pytest.mark.full
def test_s71_five_hundred_kills(tmp_path: Path) -> None:
    """S71: the same with five hundred of them."""
    assert_kills_give_nothing_away(tmp_path / "limits.table", 500)
