"""The only place that asks the time. Everything else is told it.

Times are Unix seconds in UTC as ``float``; a name ending in ``_at`` is such a time, one ending in ``_seconds`` a span.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Protocol

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NOT_A_TIME = "not an RFC 3339 time such as 2027-01-31T09:00:00Z"


class Clock(Protocol):
    """What may be asked of time."""

    def now(self) -> float:
        """Unix seconds, UTC. May step when the machine's clock is set."""
        ...

    def elapsed(self) -> float:
        """Seconds since some fixed moment; never steps. For deadlines and durations."""
        ...

    def pause(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        ...


class SystemClock:
    """The machine's clock. ``now`` is the C function itself, so that the hot path pays no wrapper."""

    now = staticmethod(time.time)
    elapsed = staticmethod(time.monotonic)
    pause = staticmethod(time.sleep)


class ManualClock:
    """A clock that moves only when told to; for tests and simulations."""

    def __init__(self, now: float = 1_737_369_000.0) -> None:
        self._now = now
        self._elapsed = 0.0

    def now(self) -> float:
        """The time last set."""
        return self._now

    def elapsed(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed

    def pause(self, seconds: float) -> None:
        """The same as ``advance``: nobody waits on a manual clock."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move both readings forward by ``seconds``."""
        self._now += seconds
        self._elapsed += seconds


def timestamp(at: float) -> str:
    """``at`` as the documents write it: UTC, whole seconds (rounded down), ``2025-01-20T10:30:00Z``."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> float:
    """Unix seconds of an RFC 3339 time with a zone.

    Raises:
        ValueError: not such a time, or outside the years 1970 to 9999.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(_NOT_A_TIME)
    try:
        at = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):  # the 31st of February, or a zone of 99 hours
        raise ValueError(_NOT_A_TIME) from None
    if not 0 <= at < 253_402_300_800:
        raise ValueError("outside the years 1970 to 9999")
    return at
