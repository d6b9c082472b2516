"""More promises of a limiter: what exact means for each kind of limit, against the plainest account of it.

The checks take what those in `conformance` take, and run beside them. The accounts (`Fixed`, `Sliding`, `Bucket`) keep
every request that was ever admitted and count it anew for each decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial

from keywright.limits.base import SECOND_NS, AccountLimits, Decision, Holder, Kind, Limit, Limiter
from keywright.limits.conformance import Check, Open, in_children_each, remaining, see, spend
from keywright.limits.sliding import SLICES
from keywright.limits.standing import SKEW_SECONDS

#: Late enough for every window, and early enough for a float to hold any 64th of a second in whole nanoseconds.
START = float(2**26)
TICK = 1 / 64
MINUTE = {
    Kind.FIXED: Limit(10, 60),
    Kind.SLIDING: Limit(10, 60, Kind.SLIDING),
    Kind.BUCKET: Limit(10, 60, Kind.BUCKET, 10),
}
PATTERNS = 60
ARRIVALS = 60


class Chance:
    """Numbers without a pattern that matters here, the same in every run."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, end: int) -> int:
        """A whole number from 0, below ``end``."""
        self._state = (self._state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (self._state >> 33) % end

    def of(self, values: Sequence[int]) -> int:
        """One of the values."""
        return values[self.below(len(values))]


class Fixed:
    """A fixed window, by the log of what was admitted."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.log: list[tuple[int, int]] = []
        self._opened_at = -1

    def left(self, now_ns: int) -> int:
        """What can be spent at ``now_ns``."""
        length = self.limit.window_seconds * SECOND_NS
        if self._opened_at < 0 or now_ns >= self._opened_at + length:
            return self.limit.count
        return self.limit.count - sum(cost for at, cost in self.log if at >= self._opened_at)

    def spend(self, now_ns: int, cost: int) -> None:
        """Note what was admitted."""
        if self.left(now_ns) == self.limit.count:
            self._opened_at = now_ns
        self.log.append((now_ns, cost))


class Sliding(Fixed):
    """A sliding window: whatever was spent since the beginning of the slice in which its span begins."""

    def left(self, now_ns: int) -> int:
        """See `Fixed.left`."""
        length = self.limit.window_seconds * SECOND_NS
        oldest = now_ns * SLICES // length - SLICES
        return self.limit.count - sum(cost for at, cost in self.log if at * SLICES // length >= oldest)

    def in_span(self, until_ns: int, longer_ns: int = 0) -> int:
        """What was admitted in the window's length (and ``longer_ns``) that ends with ``until_ns``."""
        begins = until_ns - self.limit.window_seconds * SECOND_NS - longer_ns
        return sum(cost for at, cost in self.log if begins < at <= until_ns)


class Bucket(Fixed):
    """A bucket, filled and emptied in the order of what happened."""

    def left(self, now_ns: int) -> int:
        """See `Fixed.left`."""
        full = self.limit.burst * self.limit.interval_ns
        level, then = full, now_ns
        for at, cost in self.log:
            level, then = min(full, level + max(0, at - then)) - cost * self.limit.interval_ns, at
        return min(full, level + max(0, now_ns - then)) // self.limit.interval_ns


ACCOUNT_OF = {Kind.FIXED: Fixed, Kind.SLIDING: Sliding, Kind.BUCKET: Bucket}


def random_limit(chance: Chance, kind: Kind) -> Limit:
    """A small limit, so that patterns of some minutes reach all of its borders."""
    count, window_seconds = 1 + chance.below(12), chance.of((1, 2, 7, 60, 90))
    return Limit(count, window_seconds, kind, 1 + chance.below(20) if kind is Kind.BUCKET else 0)


def arrivals(chance: Chance, limits: Iterable[Limit]) -> list[tuple[float, int]]:
    """When requests come, and what they cost: in crowds, around the ends of windows and slices, after long pauses."""
    lengths = [limit.window_seconds for limit in limits]
    now, found = START + chance.below(64 * 90) * TICK, []
    for _ in range(ARRIVALS):
        length = chance.of(lengths)
        ticks = chance.of((0, 0, 1, length, length * 64 // SLICES + 1, length * 64 - 1, length * 64, length * 65))
        now += (chance.below(ticks + 1) if chance.below(2) else ticks) * TICK
        found.append((now, chance.of((1, 1, 1, 2, 5))))
    return found


def every_kind_is_what_it_says(open_: Open) -> None:
    """For each kind, in random patterns of requests and costs: admitted where the plain account has room, and nowhere
    else, and what is left is what that account has left."""
    chance = Chance(7)
    with closing(open_()) as limiter:
        for slot in range(PATTERNS):
            kind = Kind(slot % 3)
            limit = random_limit(chance, kind)
            account = ACCOUNT_OF[kind](limit)
            for now, cost in arrivals(chance, (limit,)):
                now_ns = int(now * SECOND_NS)
                expected = account.left(now_ns) >= cost
                decision = limiter.take(slot, (limit,), cost, now)
                see(decision.admitted == expected, f"{limit}: room for {cost} is {expected}")
                if expected:
                    account.spend(now_ns, cost)
                see(remaining(decision) == (account.left(now_ns),), f"{limit}: {account.left(now_ns)} are left")


def a_sliding_window_is_kept_wherever_it_begins(open_: Open) -> None:
    """In no span of the window's length is more than the count admitted; and a request is refused only where the span
    that is longer by one slice has no room for it."""
    chance = Chance(11)
    with closing(open_()) as limiter:
        for slot in range(PATTERNS):
            limit = random_limit(chance, Kind.SLIDING)
            log, slice_ns = Sliding(limit), limit.window_seconds * SECOND_NS // SLICES + 1
            for now, cost in arrivals(chance, (limit,)):
                now_ns = int(now * SECOND_NS)
                if limiter.take(slot, (limit,), cost, now).admitted:
                    log.spend(now_ns, cost)
                    see(log.in_span(now_ns) <= limit.count, f"{limit}: never more, wherever the span begins")
                else:
                    see(log.in_span(now_ns, slice_ns) + cost > limit.count, f"{limit}: room is one slice late at most")


def a_bucket_never_gives_more_than_flowed_in(open_: Open) -> None:
    """From any moment to any other, what passed is at most the burst and what flows in at the limit's rate."""
    chance = Chance(13)
    with closing(open_()) as limiter:
        for slot, limit in enumerate((Limit(7, 1, Kind.BUCKET, 3), Limit(11, 60, Kind.BUCKET, 20))):
            log: list[tuple[int, int]] = []
            for now, cost in arrivals(chance, (limit,)):
                if limiter.take(slot, (limit,), cost, now).admitted:
                    log.append((int(now * SECOND_NS), cost))
            for first, (begins, _) in enumerate(log):
                for last in range(first, len(log)):
                    passed = sum(cost for _, cost in log[first : last + 1]) - limit.burst
                    span = log[last][0] - begins
                    see(passed * limit.window_seconds * SECOND_NS <= limit.count * span, f"{limit}: no permit too many")
        # Where the time of a permit is no whole number of nanoseconds, and many flow in.
        limit = Limit(700_000, 1, Kind.BUCKET, 1_000_000)
        limiter.take(2, (limit,), limit.burst, START)
        left = _left(limiter, 2, limit, START + 1)
        see(0 <= limit.count - left <= limit.count**2 // SECOND_NS, f"{limit}: at most a nanosecond a permit too few")


def all_kinds_are_decided_together(open_: Open) -> None:
    """Limits of every kind, on the key and on its account: all have room and all are charged, or none is."""
    chance = Chance(17)
    with closing(open_()) as limiter:
        for slot in range(PATTERNS // 2):
            own = tuple(random_limit(chance, kind) for kind in Kind)
            shared = AccountLimits(slot + 1, tuple(random_limit(chance, kind) for kind in Kind))
            accounts = [ACCOUNT_OF[limit.kind](limit) for limit in (*own, *shared.limits)]
            for now, cost in arrivals(chance, (*own, *shared.limits)):
                now_ns = int(now * SECOND_NS)
                expected = all(each.left(now_ns) >= cost for each in accounts)
                decision = limiter.take(slot, own, cost, now, shared)
                see(decision.admitted == expected, "admitted if and only if every limit has room")
                for each in accounts if expected else ():
                    each.spend(now_ns, cost)
                left = tuple(each.left(now_ns) for each in accounts)
                see(remaining(decision) == left, "all were charged, or none was; the key's first, then the account's")


def who_waits_as_told_is_admitted(open_: Open) -> None:
    """After ``retry_after_seconds`` there is room, for every kind and any cost; a second earlier there was none."""
    chance = Chance(19)
    with closing(open_()) as limiter:
        for slot in range(PATTERNS):
            limit = random_limit(chance, Kind(slot % 3))
            for now, cost in arrivals(chance, (limit,)):
                decision = limiter.take(slot, (limit,), cost, now)
                if not decision.admitted and cost <= limit.capacity:
                    seconds = decision.retry_after_seconds
                    see(seconds >= 1, "whoever is refused waits at least a second")
                    see(_left(limiter, slot, limit, now + seconds) >= cost, f"{limit}: there is room for {cost} then")
                    see(
                        seconds == 1 or _left(limiter, slot, limit, now + seconds - 1) < cost,
                        f"{limit}: nobody waits in vain",
                    )


def the_reset_is_when_all_is_there_again(open_: Open) -> None:
    """For every kind, at ``resets_at`` the whole allowance is there, and no moment before."""
    chance = Chance(23)
    with closing(open_()) as limiter:
        for slot in range(PATTERNS):
            limit = random_limit(chance, Kind(slot % 3))
            for now, cost in arrivals(chance, (limit,)):
                resets_at = limiter.take(slot, (limit,), cost, now).states[0].resets_at
                see(_left(limiter, slot, limit, resets_at) == limit.capacity, f"{limit}: all is there at the reset")
                see(
                    limit.kind is Kind.FIXED
                    or resets_at <= now
                    or _left(limiter, slot, limit, resets_at - TICK) < limit.capacity,
                    f"{limit}: and not before",
                )


def _left(limiter: Limiter, slot: int, limit: Limit, now: float) -> int:
    return remaining(limiter.peek(slot, (limit,), now))[0]


def a_cost_that_never_has_room_is_refused(open_: Open) -> None:
    """More than a limit can ever hold is refused at any time, spends nothing, and names a wait all the same."""
    with closing(open_()) as limiter:
        for slot, limit in enumerate(MINUTE.values()):
            refused = limiter.take(slot, (limit,), 11, START)
            see(not refused.admitted and refused.retry_after_seconds >= 1, "never room, and a wait")
            see(remaining(limiter.take(slot, (limit,), 10, START)) == (0,), "what was refused spent nothing")
            see(limiter.take(slot, (limit,), 11, START).retry_after_seconds in (60, 61), "until all is there again")


def kinds_do_not_share(open_: Open) -> None:
    """Limits of the same window and another kind count each for themselves, in whatever order they come."""
    with closing(open_()) as limiter:
        for spent, limit in enumerate(MINUTE.values(), 1):
            spend(limiter, 1, (limit,), spent, START)
        for order in (tuple(MINUTE.values()), tuple(MINUTE.values())[::-1]):
            left = {state.limit.kind: state.remaining for state in limiter.peek(1, order, START).states}
            see(left == {Kind.FIXED: 9, Kind.SLIDING: 8, Kind.BUCKET: 7}, f"each kind has its own count, not {left}")


def changed_numbers_keep_what_was_spent(open_: Open) -> None:
    """Another count, burst or rate gives nothing for free, to and fro; what is left follows the new numbers."""
    sliding, bucket = MINUTE[Kind.SLIDING], MINUTE[Kind.BUCKET]
    with closing(open_()) as limiter:
        spend(limiter, 1, (sliding,), 8, START)
        see(_left(limiter, 1, Limit(20, 60, Kind.SLIDING), START) == 12, "a raised count leaves the rest")
        see(not limiter.take(1, (Limit(5, 60, Kind.SLIDING),), 1, START).admitted, "a lowered one may leave nothing")
        spend(limiter, 2, (bucket,), 8, START)
        for burst, left in ((100, 2), (1, 1), (10, 2)):
            see(_left(limiter, 2, Limit(10, 60, Kind.BUCKET, burst), START) == left, "a burst is room, not permits")
        slower = Limit(1, 60, Kind.BUCKET, 10)
        see(remaining(limiter.take(2, (slower,), 3, START)) == (2,), "another rate changes nothing of what is there")
        see(_left(limiter, 2, slower, START + 60) == 3, "from then on it fills at the new rate, refused or not")
        see(_left(limiter, 2, bucket, START) <= 2, "changing back gives nothing")


def clocks_that_differ_are_borne(open_: Open) -> None:
    """Who reads the clock a little earlier spends from the same count; a clock set back far refuses nobody for ever."""
    with closing(open_()) as limiter:
        for slot, limit in enumerate(MINUTE.values()):
            see(spend(limiter, slot, (limit,), 6, START) == 6, "there was room")
            early = spend(limiter, slot, (limit,), 6, START - 0.5)
            # What flows into a bucket in half a second is not there half a second before.
            see(early == 4 - (limit.kind is Kind.BUCKET), f"{limit}: one count for both")
            see(_left(limiter, slot, limit, START - 0.5) == 0, f"{limit}: nothing is left for either")
            see(spend(limiter, slot, (limit,), 12, START - 86_400) == 10, f"{limit}: a time of its own")
            see(spend(limiter, slot, (limit,), 12, START - 86_400 + 62) == 10, f"{limit}: which goes on")


def whoever_was_stopped_gets_nothing_twice(open_: Open) -> None:
    """A process that was stopped between reading the clock and deciding does not begin the count anew, also where the
    window is over by then."""
    late = SKEW_SECONDS - 1
    with closing(open_()) as limiter:
        for slot, limit in enumerate((Limit(10, 1), Limit(10, 1, Kind.SLIDING), Limit(10, 1, Kind.BUCKET, 10))):
            spend(limiter, slot, (limit,), 10, START + late)
            see(spend(limiter, slot, (limit,), 10, START) == 0, f"{limit}: what was spent since then is spent")
            see(spend(limiter, slot, (limit,), 1, START + late) == 0, f"{limit}: also for the others")


def a_limit_that_makes_room_for_another_starts_anew(open_: Open) -> None:
    """A key keeps counters of its last limits; beyond that, one that comes back finds nothing of another."""
    one, other = MINUTE[Kind.SLIDING], Limit(10, 61, Kind.SLIDING)
    longer = tuple(Limit(10, days * 86_400) for days in (100, 101, 102))
    # The time at which the slices of the one have the numbers that those of the other have now.
    later = START * 61 / 60 + 2
    with closing(open_()) as limiter:
        spend(limiter, 1, (one,), 9, START)
        spend(limiter, 1, longer, 1, START)
        see(remaining(limiter.take(1, (other,), 1, later)) == (9,), "a limit that was never used has all")
        see(remaining(limiter.take(1, (other,), 1, later)) == (8,), "and spends its own")
        see(remaining(limiter.peek(1, longer, later)) == (9, 9, 9), "those that still run are kept")


def an_account_shares_its_limits(open_: Open) -> None:
    """All keys of an account spend from its limits, each from its own besides, and no other account's do."""
    shared, own = AccountLimits(1, (Limit(5, 60),)), (Limit(3, 60),)
    with closing(open_()) as limiter:
        admitted = [[limiter.take(slot, own, 1, START, shared).admitted for _ in range(4)] for slot in (1, 2)]
        see(admitted == [[True] * 3 + [False], [True] * 2 + [False] * 2], "the key's limit refuses, then the account's")
        decision = limiter.peek(2, own, START, shared)
        see(remaining(decision) == (1, 0), "what the account refused was not charged to the key")
        see([state.holder for state in decision.states] == [Holder.KEY, Holder.ACCOUNT], "each says whose it is")
        see(limiter.take(3, (), 1, START, AccountLimits(2, shared.limits)).admitted, "another account has its own")
        see(not limiter.take(3, (), 1, START, shared).admitted, "a key without limits has its account's")
        see(remaining(limiter.peek(1, own, START)) == (0,), "a key's entry is not its account's of the same number")


def another_opening_sees_every_kind(open_: Open) -> None:
    """What one process spends of any kind, of key and account, the next one finds spent, also after all have closed."""
    kinds = tuple(MINUTE.values())
    shared = AccountLimits(7, kinds)
    with closing(open_()) as one, closing(open_()) as other:
        for turn in range(6):
            (one, other)[turn % 2].take(5, kinds, 1, START + turn, shared)
    with closing(open_()) as later:
        see(remaining(later.peek(5, kinds, START + 5, shared)) == (4,) * 6, "six are spent of each")


def every_kind_is_exact_among_processes(open_: Open) -> None:
    """4 processes, 1,000 requests each, a limit of 100 of each kind: exactly 100 pass."""
    limits = (Limit(100, 900), Limit(100, 900, Kind.SLIDING), Limit(100, 900, Kind.BUCKET, 100))
    for slot, limit in enumerate(limits):
        admitted = _among_processes(open_, [slot] * 4, (limit,), None)
        see(sum(admitted) == 100, f"{limit}: 100 of 4000 are admitted, not {admitted}")


def an_account_is_exact_among_processes(open_: Open) -> None:
    """4 processes with a key each hammer the limits of their account, of every kind: exactly as many pass, and each key
    is charged for what passed with it."""
    shared = AccountLimits(3, (Limit(100, 900), Limit(100, 60, Kind.SLIDING), Limit(100, 60, Kind.BUCKET, 100)))
    own = (Limit(90, 900),)
    admitted = _among_processes(open_, [11, 12, 13, 14], own, shared)
    see(sum(admitted) == 100, f"100 of 4000 are admitted, not {admitted}")
    with closing(open_()) as limiter:
        charged = [90 - remaining(limiter.peek(slot, own, START))[0] for slot in (11, 12, 13, 14)]
        see(sum(charged) == 100, f"the keys are charged for those that passed, and no more: {charged}")


def _among_processes(
    open_: Open, slots: list[int], limits: tuple[Limit, ...], account: AccountLimits | None
) -> list[int]:
    open_().close()

    def work(slot: int) -> int:
        with closing(open_()) as limiter:
            decisions: list[Decision] = [limiter.take(slot, limits, 1, START, account) for _ in range(1_000)]
            return sum(decision.admitted for decision in decisions)

    return in_children_each([partial(work, slot) for slot in slots])


CHECKS: tuple[Check, ...] = (
    every_kind_is_what_it_says,
    a_sliding_window_is_kept_wherever_it_begins,
    a_bucket_never_gives_more_than_flowed_in,
    all_kinds_are_decided_together,
    who_waits_as_told_is_admitted,
    the_reset_is_when_all_is_there_again,
    a_cost_that_never_has_room_is_refused,
    kinds_do_not_share,
    changed_numbers_keep_what_was_spent,
    clocks_that_differ_are_borne,
    whoever_was_stopped_gets_nothing_twice,
    a_limit_that_makes_room_for_another_starts_anew,
    an_account_shares_its_limits,
)

#: See `conformance.SHARED_CHECKS`.
SHARED_CHECKS: tuple[Check, ...] = (
    another_opening_sees_every_kind,
    every_kind_is_exact_among_processes,
    an_account_is_exact_among_processes,
)
