"""The arithmetic of token buckets: the generic cell rate algorithm, on one stored whole number.

That number is when the bucket was empty, or would have been had it been filling evenly ever since: ``empty_ns``. What
is in it now is the time since then divided by the time that one permit takes, and never more than the burst. (Add the
time that a whole bucket takes, and it is the algorithm's "theoretical arrival time".) Nothing else need be known of the
past, so that a changed burst neither gives nor takes anything. The count that it was filled by is stored beside it, so
that a changed rate does not either.
"""

from __future__ import annotations

from typing import TypeAlias

from keywright.limits.base import SECOND_NS, Limit, LimitState
from keywright.limits.standing import SKEW_SECONDS, moment, nanoseconds
from keywright.values import Value, replace

#: When it was empty, and the count of the limit that it was filled by.
Cell: TypeAlias = tuple[int, int]


class Bucket(Value, frozen=True, gc=False):
    """Where a bucket stands. See `Standing`.

    Attributes:
        empty_ns: when it was empty; never so long ago that more than the burst were in it.
        interval_ns: the limit's own.
    """

    limit: Limit
    empty_ns: int
    interval_ns: int
    now_ns: int

    @classmethod
    def at(cls, limit: Limit, cell: Cell | None, now: float) -> Bucket:
        """Where the limit of the stored ``cell`` stands at ``now``; without a cell the bucket is full."""
        now_ns, interval_ns = nanoseconds(now), limit.interval_ns
        full = now_ns - limit.burst * interval_ns
        if cell is None or cell[0] > now_ns + SKEW_SECONDS * SECOND_NS:
            # From a time that the clock was set back from: nobody can say what has flowed in since.
            return cls(limit, full, interval_ns, now_ns)
        empty_ns, count = cell
        if count != limit.count:
            # What is in it stays in it, in permits. Rounded so that nothing is won by changing to and fro.
            empty_ns = now_ns - (now_ns - empty_ns) * interval_ns // replace(limit, count=count).interval_ns
        return cls(limit, max(empty_ns, full), interval_ns, now_ns)

    @property
    def cell(self) -> Cell:
        """What is to be stored."""
        return self.empty_ns, self.limit.count

    def state(self) -> LimitState:
        """See `Standing.state`."""
        # A bucket that was emptied by somebody whose clock is a moment ahead of ours.
        left = max(0, (self.now_ns - self.empty_ns) // self.interval_ns)
        return LimitState(self.limit, left, moment(self.empty_ns + self.limit.burst * self.interval_ns))

    def has_room(self, cost: int) -> bool:
        """See `Standing.has_room`."""
        return cost <= self.limit.burst and self.empty_ns + cost * self.interval_ns <= self.now_ns

    def spend(self, cost: int) -> Bucket:
        """See `Standing.spend`."""
        return Bucket(self.limit, self.empty_ns + cost * self.interval_ns, self.interval_ns, self.now_ns)

    def wait_ns(self, cost: int) -> int:
        """See `Standing.wait_ns`. A cost above the burst waits until the bucket is full."""
        return self.empty_ns + min(cost, self.limit.burst) * self.interval_ns - self.now_ns
