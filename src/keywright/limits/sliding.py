"""The arithmetic of sliding windows: never more than ``count`` in any span of ``window_seconds``, wherever it begins.

Time is cut into slices, `SLICES` to a window, and what was spent is counted by slice. A span of one window's length
touches at most one slice more than a window has; so where all of those together stay within the count, every span does.
That is the price as well: what was spent gives its room back when its whole slice has left the window, up to one slice
later than it could.
"""

from __future__ import annotations

from collections.abc import Sequence

from keywright.limits.base import SECOND_NS, Limit, LimitState
from keywright.limits.standing import SKEW_SECONDS, moment, nanoseconds
from keywright.values import Value

#: Slices to a window. Room comes back at most this part of a window late.
SLICES = 60
#: How many slices a span of one window's length can touch: those that count.
LIVE = SLICES + 1
#: Places in the ring of counts. One more than can count at once: the place of the slice that comes next is always
#: empty before it is needed, so that moving on by one slice never takes anything from what still counts.
PLACES = LIVE + 1


class Slices(Value, frozen=True, gc=False):
    """Where a sliding window stands. See `Standing`.

    Attributes:
        newest: the number of the slice that it is now: of the clock's, or of a later one that something was spent in
            already (by somebody whose clock is a moment ahead). Time does not run backwards here.
        counts: what was spent, oldest slice first and ``newest`` last; `LIVE` of them.
    """

    limit: Limit
    newest: int
    counts: tuple[int, ...]
    now_ns: int

    @classmethod
    def at(cls, limit: Limit, newest: int, ring: Sequence[int], now: float) -> Slices:
        """Where the limit stands at ``now``, of which ``ring`` was stored: the count of each slice up to the
        ``newest``, slice number n at n modulo `PLACES`; an empty ring for a limit that was never used."""
        now_ns = nanoseconds(now)
        here = now_ns * SLICES // (limit.window_seconds * SECOND_NS)
        ahead = max(SLICES, SKEW_SECONDS * SLICES // limit.window_seconds)
        if not ring or here - newest >= LIVE or newest > here + ahead:
            # Never used, all of it past, or from a time that the clock was set back from.
            return cls(limit, here, (0,) * LIVE, now_ns)
        first = (newest + 1 - LIVE) % PLACES
        counts = (*ring[first:], *ring[:first])[:LIVE]
        passed = max(0, here - newest)
        return cls(limit, newest + passed, counts[passed:] + (0,) * passed, now_ns)

    def state(self) -> LimitState:
        """See `Standing.state`."""
        left = max(0, self.limit.count - sum(self.counts))
        return LimitState(self.limit, left, moment(self.now_ns + max(0, self._empty_in())))

    def has_room(self, cost: int) -> bool:
        """See `Standing.has_room`."""
        return sum(self.counts) + cost <= self.limit.count

    def spend(self, cost: int) -> Slices:
        """See `Standing.spend`."""
        return Slices(self.limit, self.newest, (*self.counts[:-1], self.counts[-1] + cost), self.now_ns)

    def wait_ns(self, cost: int) -> int:
        """See `Standing.wait_ns`. A cost above the count waits until nothing is spent any more."""
        over = sum(self.counts) + cost - self.limit.count
        if cost > self.limit.count:
            return self._empty_in()
        for place, count in enumerate(self.counts):
            over -= count
            if over <= 0:
                return self._gone_in(place)
        raise AssertionError("there was room")

    def _empty_in(self) -> int:
        """Nanoseconds until nothing counts any more; 0 if nothing does."""
        return next((self._gone_in(place) for place in reversed(range(LIVE)) if self.counts[place]), 0)

    def _gone_in(self, place: int) -> int:
        """Nanoseconds until the slice that is counted at ``place`` counts no more."""
        slice_number = self.newest + 1 - LIVE + place
        begins = -(-(slice_number + LIVE) * self.limit.window_seconds * SECOND_NS // SLICES)
        return begins - self.now_ns
