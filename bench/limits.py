"""What a decision of the shared limiter costs."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from bench.common import best_seconds, report
from keywright import SystemClock
from keywright.limits.base import Limit, parse_limits
from keywright.limits.shared import SharedLimiter

DECISIONS = 20_000


def main() -> None:
    """Alone on one key, with one limit and with two."""
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as directory:
        limiter = SharedLimiter(Path(directory) / "limits.table", SystemClock())
        now = SystemClock.now()
        for slot, texts in ((1, ("1000000000/1d",)), (2, ("1000000000/1d", "1000000000/30d"))):
            seconds = best_seconds(partial(_decide, limiter, slot, parse_limits(texts), now))
            report(f"shared limiter, {len(texts)} limit(s), one process", seconds * 1e6 / DECISIONS, "us")
        limiter.close()


def _decide(limiter: SharedLimiter, slot: int, limits: tuple[Limit, ...], now: float) -> None:
    for _ in range(DECISIONS):
        limiter.take(slot, limits, 1, now)
