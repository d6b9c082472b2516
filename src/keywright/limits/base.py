"""What a limit is, what a decision tells, and what every limiter promises.

A limit is a fixed window that opens with the key's first request and lasts ``window_seconds``; the request after that
opens the next one with a full allowance. Several limits on one key are decided together: all have room and all are
charged, or none is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from keywright.values import Value

MAX_LIMITS_PER_KEY = 4
MAX_COUNT = 1_000_000_000
MAX_WINDOW_SECONDS = 366 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXT = re.compile(r"([1-9][0-9]{0,9})/([1-9][0-9]{0,8})?([smhd])", re.ASCII)
HELP = "write it as count/window, such as 100/15m, 10/s or 1000000/30d"


class Limit(Value, frozen=True, gc=False):
    """At most ``count`` requests in each window of ``window_seconds``."""

    count: int
    window_seconds: int

    def __str__(self) -> str:
        for unit, seconds in reversed(_UNITS.items()):
            if self.window_seconds % seconds == 0:
                amount = self.window_seconds // seconds
                return f"{self.count}/{amount if amount > 1 else ''}{unit}"
        raise AssertionError("every window is a whole number of seconds")

    def within(self, other: Limit) -> bool:
        """Whether this limit never allows more than ``other`` does, in a burst or over time."""
        # As many windows as can open within one of the other's must fit into that one.
        windows = -(-other.window_seconds // self.window_seconds)
        return self.count * windows <= other.count


def parse_limit(text: str) -> Limit:
    """The limit written as ``text``, such as ``100/15m``.

    Raises:
        ValueError: not written so, or beyond a thousand million requests or 366 days.
    """
    match = _TEXT.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is not a limit: {HELP}")
    limit = Limit(int(match[1]), int(match[2] or 1) * _UNITS[match[3]])
    if limit.count > MAX_COUNT or limit.window_seconds > MAX_WINDOW_SECONDS:
        raise ValueError(f"{text!r} is beyond what a limit can be: at most {MAX_COUNT} requests in 366 days")
    return limit


@lru_cache(maxsize=4096)
def parse_limits(texts: tuple[str, ...]) -> tuple[Limit, ...]:
    """Several limits on one key, the shortest window first. Equal arguments give the same tuple (it is shared by keys).

    Raises:
        ValueError: one of them is not a limit, two have the same window, or there are more than four.
    """
    limits = sorted((parse_limit(text) for text in texts), key=lambda limit: limit.window_seconds)
    if len({limit.window_seconds for limit in limits}) < len(limits):
        raise ValueError("two limits have the same window")
    if len(limits) > MAX_LIMITS_PER_KEY:
        raise ValueError(f"a key has at most {MAX_LIMITS_PER_KEY} limits")
    return tuple(limits)


def all_within(child: Iterable[Limit], parent: Iterable[Limit]) -> bool:
    """Whether limits ``child`` never allow more than ``parent`` does. No limits at all allow the most."""
    child = tuple(child)
    return all(any(mine.within(theirs) for mine in child) for theirs in parent)


class LimitState(Value, frozen=True, gc=False):
    """Where one limit stands after a decision.

    Attributes:
        remaining: what is left in the window that is open now.
        resets_at: when that window ends; constant within it.
    """

    limit: Limit
    remaining: int
    resets_at: float

    @property
    def reset_epoch(self) -> int:
        """``resets_at`` in whole Unix seconds, rounded up: whoever waits until then finds a full allowance."""
        return math.ceil(self.resets_at)


class Decision(Value, frozen=True, gc=False):
    """What a limiter answered, for all limits of a key at once.

    Attributes:
        admitted: whether the request may pass. If not, nothing was spent anywhere.
        states: one for each limit, in the order they were given.
        retry_after_seconds: 0 if admitted; else after how many whole seconds, at least 1, the request has room.
    """

    admitted: bool
    states: tuple[LimitState, ...]
    retry_after_seconds: int = 0

    @property
    def tightest(self) -> LimitState:
        """The limit with the least left; of several such, the one that stays exhausted the longest."""
        return min(self.states, key=lambda state: (state.remaining, -state.resets_at))


class Limiter(Protocol):
    """Decides limits. Exact: between two openings of a window never more than ``count`` is admitted, however many
    threads and processes share the limiter, and a request is refused only when there is no room for it."""

    def take(self, slot: int, limits: tuple[Limit, ...], cost: int, now: float) -> Decision:
        """Spend ``cost`` from every limit of the key in ``slot``, or from none.

        Args:
            slot: the key's own number; never used again for another key.
            limits: at least one.
            cost: at least 1; a cost above a limit's count is always refused.

        Raises:
            Unavailable: the counters cannot be reached. Nothing was spent.
        """
        ...

    def try_take(self, slot: int, limits: tuple[Limit, ...], cost: int, now: float) -> Decision | None:
        """The same without waiting: None where somebody else holds the key's counters at this moment.

        Raises:
            Unavailable: see `take`.
        """
        ...

    def peek(self, slot: int, limits: tuple[Limit, ...], now: float) -> Decision:
        """Where the limits stand, without spending. ``admitted`` tells whether a request of cost 1 has room.

        Raises:
            Unavailable: the counters cannot be reached.
        """
        ...

    def after_fork(self) -> None:
        """In a forked child: share nothing with the parent that must not be shared."""
        ...

    def close(self) -> None:
        """Let go of files and memory. Counters that others share stay."""
        ...
