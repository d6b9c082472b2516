"""The promises of a usage store, as checks that anybody can run on their own one: see `conformance`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeAlias

from keywright.limits.conformance import see
from keywright.stores.base import (
    KEPT_ADDRESSES,
    KEPT_REFUSALS,
    HourCount,
    LastUse,
    Refusal,
    Sighting,
    UsageRow,
    UsageStore,
)
from keywright.stores.conformance import MINE, NOW, OTHER, refused

OpenUsageStore: TypeAlias = Callable[[], UsageStore]
UsageCheck: TypeAlias = Callable[[OpenUsageStore], None]

HOUR = 1_737_367_200


def usage_adds_up(open_: OpenUsageStore) -> None:
    """Counts of the same hour, key and outcome are added, whoever brings them."""
    with closing(open_()) as one, closing(open_()) as other:
        for store, count in ((one, 3), (other, 4), (one, 5)):
            store.add([_used(1, (("accepted", count), ("forbidden", 1)))], HOUR)
        hours = one.hourly(MINE.id, HOUR, HOUR + 1, 1)
        see(hours == [HourCount(HOUR, "accepted", 12), HourCount(HOUR, "forbidden", 3)], "12 accepted, 3 forbidden")


def usage_is_reported_by_hour_and_key(open_: OpenUsageStore) -> None:
    """A report has the hours that begin in its range, of one key or of all of the account, and of no other account."""
    with closing(open_()) as store:
        for hour in range(3):
            store.add([_used(1, (("accepted", 1),)), _used(2, (("accepted", 10),))], HOUR + hour * 3_600)
        store.add([UsageRow(3, OTHER.id, None, (("accepted", 100),))], HOUR)
        end = HOUR + 7_200
        counts = [each.count for each in store.hourly(MINE.id, HOUR, end, None)]
        see(counts == [11, 11], "the hour at the end is not in it, other accounts are not in it")
        see([each.start for each in store.hourly(MINE.id, HOUR + 1, end + 1, 2)] == [HOUR + 3_600, end], "by its start")
        see([each.count for each in store.hourly(MINE.id, HOUR, end, 2)] == [10, 10], "one key only")
        see(store.hourly(MINE.id, HOUR, end, 3) == [], "another account's key has no counts here")


def last_use_never_moves_back(open_: OpenUsageStore) -> None:
    """Of uses that arrive in any order, the latest stays, with its own address and client."""
    uses = [LastUse(NOW + at, f"192.0.2.{at}", f"agent {at} ü") for at in (5, 9, 7)]
    with closing(open_()) as store:
        for use in uses:
            store.add([UsageRow(1, MINE.id, use, ())], HOUR)
        store.add([_used(1, (("refused", 1),)), _used(2, (("refused", 1),))], HOUR)
    with closing(open_()) as again:
        see(again.last_uses([1, 2, 3]) == {1: uses[1]}, "the latest, and none for keys that were never used")
        see(again.used_at([1, 2, 3]) == {1: uses[1].at}, "and so where only the time is asked for")
        see(again.last_uses([]) == {}, "nobody asked for is nobody")


def of_addresses_the_last_stay(open_: OpenUsageStore) -> None:
    """An address keeps the first and the last time that it was seen, in whatever order they arrive; of too many, those
    that were seen last stay."""
    with closing(open_()) as store:
        for at in (50, 10, 90):
            there = _seen(1, Sighting("2001:db8::1", NOW + at, NOW + at + 1))
            store.add([there, _seen(2, Sighting("x", NOW, NOW))], HOUR)
        widest = Sighting("2001:db8::1", NOW + 10, NOW + 91)
        see(store.sightings(1) == [widest], "the first time and the last")
        crowd = [Sighting(f"192.0.2.{each}", NOW + each, NOW + each) for each in range(KEPT_ADDRESSES)]
        store.add([_seen(1, *crowd)], HOUR)
        see(store.sightings(1) == [widest, *reversed(crowd[1:])], "what was seen first of all is gone, the rest stays")
        see(store.sightings(2) == [Sighting("x", NOW, NOW)] and store.sightings(3) == [], "each key has its own")


def of_refusals_the_newest_stay(open_: OpenUsageStore) -> None:
    """Refusals come back newest first, each once however often it is added; of too many, the newest stay."""
    refusals = [Refusal(NOW + each, "scope", "192.0.2.1") for each in range(KEPT_REFUSALS + 5)]
    with closing(open_()) as store:
        for each in refusals:
            store.add([_refused(1, each), _refused(2, refusals[0])], HOUR)
        store.add([_refused(1, *refusals)], HOUR)
        see(store.refusals(1) == refusals[:4:-1], "the newest, the newest first")
        same = [Refusal(NOW, f"reason {each:02}", "") for each in range(KEPT_REFUSALS + 5)]
        store.add([_refused(3, *same)], HOUR)
        see(len(store.refusals(3)) == KEPT_REFUSALS, "so many also where all are of one moment")
        see(store.refusals(2) == refusals[:1], "each key has its own")


def what_is_forgotten_is_gone(open_: OpenUsageStore) -> None:
    """Forgetting a key takes its addresses and refusals, and nothing of another."""
    with closing(open_()) as store:
        for slot in (1, 2):
            store.add([_seen(slot, Sighting("x", NOW, NOW)), _refused(slot, Refusal(NOW, "scope", "x"))], HOUR)
        store.forget([1])
        see(store.sightings(1) == [] and store.refusals(1) == [], "gone")
        see(len(store.sightings(2)) == len(store.refusals(2)) == 1, "another's are not")


def usage_is_added_whole_or_not_at_all(open_: OpenUsageStore) -> None:
    """A batch of which one row cannot be stored leaves nothing behind."""
    bad: Any = None
    with closing(open_()) as store:
        with refused("a row without an account cannot be stored"):
            store.add(
                [UsageRow(1, MINE.id, LastUse(NOW, "", ""), (("accepted", 1),)), UsageRow(2, bad, None, (("x", 1),))],
                HOUR,
            )
        see(store.last_uses([1]) == {} and store.hourly(MINE.id, HOUR, HOUR + 1, None) == [], "nothing was stored")


def _used(slot: int, counts: tuple[tuple[str, int], ...]) -> UsageRow:
    return UsageRow(slot, MINE.id, None, counts)


def _seen(slot: int, *sightings: Sighting) -> UsageRow:
    return UsageRow(slot, MINE.id, None, (), sightings)


def _refused(slot: int, *refusals: Refusal) -> UsageRow:
    return UsageRow(slot, MINE.id, None, (), (), refusals)


USAGE_CHECKS: tuple[UsageCheck, ...] = (
    usage_adds_up,
    usage_is_reported_by_hour_and_key,
    last_use_never_moves_back,
    of_addresses_the_last_stay,
    of_refusals_the_newest_stay,
    what_is_forgotten_is_gone,
    usage_is_added_whole_or_not_at_all,
)
