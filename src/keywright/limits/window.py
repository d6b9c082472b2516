"""The arithmetic of fixed windows, without any storage: cells in, a decision and the cells to store out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from keywright.limits.base import Decision, Limit, LimitState

#: When the window was opened (Unix seconds), and what was spent in it.
Cell: TypeAlias = tuple[float, int]
CLOSED: Cell = (0.0, 0)


def current(cell: Cell, limit: Limit, now: float) -> Cell:
    """The window that is open at ``now``: the stored one, or a new one that opens now.

    A stored window that opens after ``now`` was opened by another process a moment ago, and counts. One that opens
    more than a whole window later can only come from a clock that was set back; it would refuse for ever.
    """
    opened_at = cell[0]
    if now >= opened_at + limit.window_seconds or opened_at > now + limit.window_seconds:
        return (now, 0)
    return cell


def decide(
    cells: Sequence[Cell], limits: tuple[Limit, ...], cost: int, now: float
) -> tuple[Decision, tuple[Cell, ...]]:
    """Spend ``cost`` from all windows or none. Returns the decision and the cells as they are now.

    The cells are to be stored only if the decision admits: a refused request costs nothing and opens no window.
    """
    live = [current(cell, limit, now) for cell, limit in zip(cells, limits, strict=True)]
    admitted = all(used + cost <= limit.count for (_, used), limit in zip(live, limits, strict=True))
    if admitted:
        live = [(opened_at, used + cost) for opened_at, used in live]
    states = _states(live, limits)
    if admitted:
        return Decision(True, states), tuple(live)
    return Decision(False, states, retry_after(states, cost, now)), tuple(live)


def standing(cells: Sequence[Cell], limits: tuple[Limit, ...], now: float) -> Decision:
    """Where the windows stand for a request that spends nothing; ``admitted`` tells whether one of cost 1 has room."""
    states = _states([current(cell, limit, now) for cell, limit in zip(cells, limits, strict=True)], limits)
    return Decision(all(state.remaining >= 1 for state in states), states)


def _states(live: Sequence[Cell], limits: tuple[Limit, ...]) -> tuple[LimitState, ...]:
    # A count that was lowered in an open window may be below what was spent.
    return tuple(
        LimitState(limit, max(0, limit.count - used), opened_at + limit.window_seconds)
        for (opened_at, used), limit in zip(live, limits, strict=True)
    )


def decide_one(cell: Cell, limit: Limit, cost: int, now: float) -> tuple[Decision, Cell]:
    """The same as `decide` for a key with one limit, as most have, at a third of its time."""
    opened_at, used = current(cell, limit, now)
    resets_at = opened_at + limit.window_seconds
    left = limit.count - used
    if cost <= left:
        return Decision(True, (LimitState(limit, left - cost, resets_at),)), (opened_at, used + cost)
    wait = max(1, math.ceil(resets_at - now))
    return Decision(False, (LimitState(limit, max(0, left), resets_at),), wait), (opened_at, used)


def retry_after(states: Sequence[LimitState], cost: int, now: float) -> int:
    """Whole seconds, at least 1, until every limit that lacked room has opened a new window."""
    wait = max(state.resets_at - now for state in states if state.remaining < cost)
    return max(1, math.ceil(wait))
