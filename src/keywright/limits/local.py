"""Counters in this process's memory: exact among its threads, gone with it. For where there is no data directory."""

from __future__ import annotations

import threading

from keywright.limits.base import Decision, Limit
from keywright.limits.window import CLOSED, Cell, decide, standing


class LocalLimiter:
    """A `Limiter` for one process. Holds one small entry for each key that was used; strangers have none."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], Cell] = {}
        self._lock = threading.Lock()

    def take(self, slot: int, limits: tuple[Limit, ...], cost: int, now: float) -> Decision:
        """See `Limiter.take`. Raises nothing."""
        names = [(slot, limit.window_seconds) for limit in limits]
        with self._lock:
            decision, cells = decide([self._cells.get(name, CLOSED) for name in names], limits, cost, now)
            if decision.admitted:
                self._cells.update(zip(names, cells, strict=True))
            return decision

    def peek(self, slot: int, limits: tuple[Limit, ...], now: float) -> Decision:
        """See `Limiter.peek`. Raises nothing."""
        with self._lock:
            cells = [self._cells.get((slot, limit.window_seconds), CLOSED) for limit in limits]
        return standing(cells, limits, now)

    def after_fork(self) -> None:
        """See `Limiter.after_fork`: the child counts for itself, from nothing."""
        self.__init__()  # type: ignore[misc]

    def close(self) -> None:
        """Forget every counter."""
        self._cells.clear()
