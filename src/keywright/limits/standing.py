"""What the arithmetic of every kind of limit has in common: a standing goes in, a decision and new standings come out.

A standing is where one limit stands at one moment: what was stored, and the time. It knows no storage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

from keywright.limits.base import SECOND_NS, Decision, Holder, Limit, LimitState
from keywright.values import replace

#: How far ahead of the clock a stored time may lie and still be believed: it was stored by somebody who read the clock
#: after we did (we may have been stopped in between), or the clock was set back a little. Beyond that, and beyond the
#: limit's own window, the clock was set back; who waited for it to come round again might wait for ever.
SKEW_SECONDS = 60

S = TypeVar("S", bound="Standing")


class Standing(Protocol):
    """Where a limit stands at one moment. Immutable."""

    @property
    def limit(self) -> Limit:
        """The limit."""
        ...

    def state(self) -> LimitState:
        """What is left, and when all of it is there again."""
        ...

    def has_room(self, cost: int) -> bool:
        """Whether ``cost`` can be spent."""
        ...

    def spend(self: S, cost: int) -> S:
        """The standing after ``cost`` was spent, for which there must be room."""
        ...

    def wait_ns(self, cost: int) -> int:
        """After how many nanoseconds there is room for ``cost``, for which there is none now."""
        ...


def nanoseconds(at: float) -> int:
    """A time as the arithmetic counts it. The clock itself has steps of a quarter of a microsecond."""
    return int(at * SECOND_NS)


def moment(at_ns: int) -> float:
    """The first time at which `nanoseconds` is not below ``at_ns``."""
    at = at_ns / SECOND_NS
    while nanoseconds(at) < at_ns:
        at = math.nextafter(at, math.inf)
    return at


def whole_seconds(wait_ns: int) -> int:
    """A wait in whole seconds, at least 1."""
    return max(1, -(-wait_ns // SECOND_NS))


def decide(standings: Sequence[Standing], of_key: int, cost: int) -> tuple[Decision, Sequence[Standing]]:
    """Spend ``cost`` everywhere or nowhere. Returns the decision and where the limits stand now.

    The standings are to be stored only if the decision admits: a refused request costs nothing and opens no window.

    Args:
        of_key: how many of them are the key's own; those that follow are its account's.
    """
    lacking = [each.wait_ns(cost) for each in standings if not each.has_room(cost)]
    if lacking:
        return Decision(False, _states(standings, of_key), whole_seconds(max(lacking)), cost), standings
    spent = [each.spend(cost) for each in standings]
    return Decision(True, _states(spent, of_key), 0, cost), spent


def look(standings: Sequence[Standing], of_key: int) -> Decision:
    """Where the limits stand for a request that spends nothing; ``admitted`` tells whether one of cost 1 has room."""
    return Decision(all(each.has_room(1) for each in standings), _states(standings, of_key))


def _states(standings: Sequence[Standing], of_key: int) -> tuple[LimitState, ...]:
    states = tuple(each.state() for each in standings)
    if of_key == len(states):
        return states
    return states[:of_key] + tuple(replace(each, holder=Holder.ACCOUNT) for each in states[of_key:])
