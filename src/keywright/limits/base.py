"""What a limit is, what a decision tells, and what every limiter promises.

A limit is of one of three kinds (`Kind`). Several limits are decided together: all have room and all are charged, or
none is. A request may cost more than one; it is charged whole or not at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Protocol

from keywright.values import Value

MAX_LIMITS_PER_KEY = 4
MAX_COUNT = 1_000_000_000
MAX_WINDOW_SECONDS = 366 * 86_400
SECOND_NS = 1_000_000_000
#: The shortest time between two permits of a bucket: below it, the clock's own steps would be what is counted.
LEAST_INTERVAL_NS = 1_000
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXT = re.compile(r"([1-9][0-9]{0,9})/([1-9][0-9]{0,8})?([smhd])(?: (sliding)| burst ([1-9][0-9]{0,9}))?", re.ASCII)
HELP = "write it as count/window, such as 100/15m, or as 100/15m sliding, or as 10/s burst 50"


class Kind(IntEnum):
    """How a limit counts. The numbers are stored with the counters.

    Attributes:
        FIXED: at most ``count`` in a window that opens with the first request and has a fixed length.
        SLIDING: at most ``count`` in any span of ``window_seconds``, wherever it begins.
        BUCKET: a bucket of ``burst`` permits, into which ``count`` flow back evenly over ``window_seconds``.
    """

    FIXED = 0
    SLIDING = 1
    BUCKET = 2


class Limit(Value, frozen=True, gc=False):
    """How much may be done, and in what time. See `Kind` for what the numbers mean; ``burst`` is 0 but for a bucket."""

    count: int
    window_seconds: int
    kind: Kind = Kind.FIXED
    burst: int = 0

    def __str__(self) -> str:
        suffix = {Kind.FIXED: "", Kind.SLIDING: " sliding", Kind.BUCKET: f" burst {self.burst}"}[self.kind]
        for unit, seconds in reversed(_UNITS.items()):
            if self.window_seconds % seconds == 0:
                amount = self.window_seconds // seconds
                return f"{self.count}/{amount if amount > 1 else ''}{unit}{suffix}"
        raise AssertionError("every window is a whole number of seconds")

    @property
    def capacity(self) -> int:
        """The most that can ever be there at once; a request that costs more never has room."""
        return self.burst or self.count

    @property
    def interval_ns(self) -> int:
        """Nanoseconds until the next permit flows back. Rounded up, so that it is never one too many: what flows back
        comes at most one nanosecond a permit too late."""
        return -(-self.window_seconds * SECOND_NS // self.count)

    @property
    def refill_seconds(self) -> int:
        """The time, in whole seconds, in which all of `capacity` comes back."""
        if self.kind is Kind.BUCKET:
            return -(-self.burst * self.interval_ns // SECOND_NS)
        return self.window_seconds

    def within(self, other: Limit) -> bool:
        """Whether this limit never allows more than ``other`` does: not from the first request on, and not in any
        span, however long and wherever it begins. Where that is close, the answer is no.

        A window that is fixed allows up to twice its count in no time at all, around its border. A sliding one is
        taken for what it promises, without the slice by which it may be late.
        """
        if other.kind is not Kind.BUCKET:
            return self._most_within(other) <= other.count
        # Never more at once, and never more on the way: then never more at any time.
        if self.kind is Kind.BUCKET:
            return self.burst <= other.burst and self.interval_ns >= other.interval_ns
        at_once = self.count * (2 if self.kind is Kind.FIXED else 1)
        return at_once <= other.burst and self.count * other.interval_ns <= self.window_seconds * SECOND_NS

    def _most_within(self, other: Limit) -> int:
        """The most that can pass here in one window of ``other``."""
        if self.kind is Kind.BUCKET:
            return self.burst + -(-other.window_seconds * SECOND_NS // self.interval_ns) - 1
        # As many windows as can open within one of the other's. Where that one slides, it may begin between the last
        # request of one window and the first of the next.
        windows = -(-other.window_seconds // self.window_seconds)
        across = self.kind is Kind.FIXED and other.kind is Kind.SLIDING
        return self.count * (windows + across)


def parse_limit(text: str) -> Limit:
    """The limit written as ``text``, such as ``100/15m``, ``100/15m sliding`` or ``10/s burst 50``.

    Raises:
        ValueError: not written so, or beyond a thousand million requests or 366 days; or a bucket that fills faster
            than one permit in a microsecond, or takes longer than 366 days to be full.
    """
    match = _TEXT.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is not a limit: {HELP}")
    kind = Kind.SLIDING if match[4] else Kind.BUCKET if match[5] else Kind.FIXED
    limit = Limit(int(match[1]), int(match[2] or 1) * _UNITS[match[3]], kind, int(match[5] or 0))
    if limit.capacity > MAX_COUNT or limit.count > MAX_COUNT or limit.window_seconds > MAX_WINDOW_SECONDS:
        raise ValueError(f"{text!r} is beyond what a limit can be: at most {MAX_COUNT} requests in 366 days")
    if kind is Kind.BUCKET and limit.count * LEAST_INTERVAL_NS > limit.window_seconds * SECOND_NS:
        raise ValueError(f"{text!r} is beyond what a limit can be: a bucket gets at most 1000000 requests a second")
    if limit.refill_seconds > MAX_WINDOW_SECONDS:
        raise ValueError(f"{text!r} is beyond what a limit can be: a bucket is full again within 366 days")
    return limit


@lru_cache(maxsize=4096)
def parse_limits(texts: tuple[str, ...]) -> tuple[Limit, ...]:
    """Several limits on one key, the shortest window first. Equal arguments give the same tuple (it is shared by keys).

    Raises:
        ValueError: one of them is not a limit, two have the same window and kind, or there are more than four.
    """
    limits = sorted((parse_limit(text) for text in texts), key=lambda limit: (limit.window_seconds, limit.kind))
    if len({(limit.window_seconds, limit.kind) for limit in limits}) < len(limits):
        raise ValueError("two limits have the same window and are of the same kind")
    if len(limits) > MAX_LIMITS_PER_KEY:
        raise ValueError(f"there are at most {MAX_LIMITS_PER_KEY} limits on one key or account")
    return tuple(limits)


def all_within(child: Iterable[Limit], parent: Iterable[Limit]) -> bool:
    """Whether limits ``child`` never allow more than ``parent`` does. No limits at all allow the most."""
    child = tuple(child)
    return all(any(mine.within(theirs) for mine in child) for theirs in parent)


class AccountLimits(Value, frozen=True, gc=False):
    """The limits that all keys of an account share.

    Attributes:
        number: the account's own number; never used again for another account.
        limits: at least one.
    """

    number: int
    limits: tuple[Limit, ...]


class Holder(StrEnum):
    """Whose limit it is."""

    KEY = "key"
    ACCOUNT = "account"


class LimitState(Value, frozen=True, gc=False):
    """Where one limit stands after a decision.

    Attributes:
        remaining: what is left now.
        resets_at: when all of it is there again, if nothing more is spent. For a fixed window its end, which is
            constant within it; for the other kinds every request moves it, and where nothing is spent it is now.
        holder: whose limit it is.
    """

    limit: Limit
    remaining: int
    resets_at: float
    holder: Holder = Holder.KEY

    @property
    def reset_epoch(self) -> int:
        """``resets_at`` in whole Unix seconds, rounded up: whoever waits until then finds a full allowance."""
        return math.ceil(self.resets_at)


def limit_name(limit: Limit, holder: Holder) -> str:
    """The limit as it is written; one that the account shares says so, and is never taken for one of the key's."""
    return str(limit) if holder is Holder.KEY else f"{holder} {limit}"


class Decision(Value, frozen=True, gc=False):
    """What a limiter answered, for all limits of a request at once.

    Attributes:
        admitted: whether the request may pass. If not, nothing was spent anywhere.
        states: one for each limit, in the order they were given; the key's own first, then the account's.
        retry_after_seconds: 0 if admitted; else after how many whole seconds, at least 1, the request has room if
            nobody else takes it. For a cost above a limit's `Limit.capacity`, which never has room, the time in which
            that limit is back to its full allowance.
        cost: what the request would have taken, or has.
    """

    admitted: bool
    states: tuple[LimitState, ...]
    retry_after_seconds: int = 0
    cost: int = 1

    @property
    def tightest(self) -> LimitState:
        """The limit with the least left; of several such, the one that stays exhausted the longest."""
        return min(self.states, key=lambda state: (state.remaining, -state.resets_at))


class Limiter(Protocol):
    """Decides limits. Exact, however many threads and processes share the limiter, by the clock that they share:

    * a fixed window never admits more than its count between two openings, and refuses only where that has no room;
    * a sliding one never admits more than its count in any span of its length, and what was spent gives room back at
      most `sliding.SLICES`-th of a window later than it could;
    * a bucket never admits more than its burst and what has flowed in meanwhile, and refuses only where it holds too
      little.
    """

    def take(
        self, slot: int, limits: tuple[Limit, ...], cost: int, now: float, account: AccountLimits | None = None
    ) -> Decision:
        """Spend ``cost`` from every limit of the key in ``slot`` and of its account, or from none.

        Args:
            slot: the key's own number; never used again for another key.
            limits: at least one, unless there is an ``account``.
            cost: at least 1; a cost above a limit's `Limit.capacity` is always refused.

        Raises:
            Unavailable: the counters cannot be reached. Nothing was spent.
        """
        ...

    def try_take(
        self, slot: int, limits: tuple[Limit, ...], cost: int, now: float, account: AccountLimits | None = None
    ) -> Decision | None:
        """The same without waiting: None where somebody else holds counters of the key or account at this moment.

        Raises:
            Unavailable: see `take`.
        """
        ...

    def peek(self, slot: int, limits: tuple[Limit, ...], now: float, account: AccountLimits | None = None) -> Decision:
        """Where the limits stand, without spending. ``admitted`` tells whether a request of cost 1 has room.

        Raises:
            Unavailable: the counters cannot be reached.
        """
        ...

    def is_current(self) -> bool:
        """Whether this process counts where a process that starts now would count."""
        ...

    def follow(self) -> None:
        """Count there from now on.

        Raises:
            Misconfigured, Unavailable: that cannot be. Nothing is changed then.
        """
        ...

    def after_fork(self) -> None:
        """In a forked child: share nothing with the parent that must not be shared."""
        ...

    def close(self) -> None:
        """Let go of files and memory. Counters that others share stay."""
        ...
