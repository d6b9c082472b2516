"""The arithmetic of fixed windows. A cell is when the window was opened (Unix seconds), and what was spent in it."""

from __future__ import annotations

import math
from typing import TypeAlias

from keywright.limits.base import SECOND_NS, Decision, Limit, LimitState
from keywright.limits.standing import SKEW_SECONDS
from keywright.values import Value

Cell: TypeAlias = tuple[float, int]
CLOSED: Cell = (0.0, 0)


def current(cell: Cell, limit: Limit, now: float) -> Cell:
    """The window that is open at ``now``: the stored one, or a new one that opens now.

    A stored window that opens after ``now`` was opened by another process a moment ago, and counts. One that opens
    much later can only come from a clock that was set back; it would refuse for ever.
    """
    opened_at = cell[0]
    if now >= opened_at + limit.window_seconds or opened_at > now + max(limit.window_seconds, SKEW_SECONDS):
        return (now, 0)
    return cell


class Window(Value, frozen=True, gc=False):
    """Where a fixed window stands. See `Standing`."""

    limit: Limit
    opened_at: float
    used: int
    now: float

    @classmethod
    def at(cls, limit: Limit, cell: Cell, now: float) -> Window:
        """Where the limit of the stored ``cell`` stands at ``now``."""
        opened_at, used = current(cell, limit, now)
        return cls(limit, opened_at, used, now)

    def state(self) -> LimitState:
        """See `Standing.state`."""
        # A count that was lowered in an open window may be below what was spent.
        left = max(0, self.limit.count - self.used)
        return LimitState(self.limit, left, self.opened_at + self.limit.window_seconds)

    def has_room(self, cost: int) -> bool:
        """See `Standing.has_room`."""
        return self.used + cost <= self.limit.count

    def spend(self, cost: int) -> Window:
        """See `Standing.spend`."""
        return Window(self.limit, self.opened_at, self.used + cost, self.now)

    def wait_ns(self, cost: int) -> int:
        """See `Standing.wait_ns`. A cost above the count waits for the end of the window as any other."""
        # The difference of two times is exact, their nanoseconds are not.
        return math.ceil((self.opened_at + self.limit.window_seconds - self.now) * SECOND_NS)


def decide_one(opened_at: float, used: int, limit: Limit, cost: int, now: float) -> tuple[Decision, float, int]:
    """The same as `standing.decide` for a key with one fixed window, as most have, at a third of its time: the
    decision, and the cell as it is then."""
    resets_at = opened_at + limit.window_seconds
    if not opened_at <= now < resets_at:
        opened_at, used = current((opened_at, used), limit, now)
        resets_at = opened_at + limit.window_seconds
    left = limit.count - used
    if cost <= left:
        return Decision(True, (LimitState(limit, left - cost, resets_at),), 0, cost), opened_at, used + cost
    wait = max(1, math.ceil(resets_at - now))
    return Decision(False, (LimitState(limit, max(0, left), resets_at),), wait, cost), opened_at, used
