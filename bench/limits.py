"""What a decision of the shared limiter costs: alone, against another process, and among a million keys."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.common import best_seconds, report
from keywright import SystemClock
from keywright.limits.base import AccountLimits, parse_limits
from keywright.limits.shared import SharedLimiter

DECISIONS = 20_000
KEYS = 1_000_000
SECONDS_CONTENDED = 3.0
GOAL_CONTENDED_MICROSECONDS = 6.0
GOAL_AMONG_MANY = 1.5
MANY = "1000000000/1d"
ALONE = {
    "a fixed window": (MANY,),
    "two fixed windows": (MANY, "1000000000/30d"),
    "a sliding window": (f"{MANY} sliding",),
    "a bucket": ("1000000/s burst 1000000000",),
}


def main() -> None:
    """Measure all of it on one table."""
    with _limiter() as limiter:
        now = SystemClock.now()
        for slot, (title, texts) in enumerate(ALONE.items(), 1):
            _report(f"{title}, one process", partial(_decide, limiter, slot, texts, now))
        account = AccountLimits(1, parse_limits((MANY,)))
        _report("a fixed window of key and of account", partial(_decide, limiter, 9, (MANY,), now, account))
        _contended(limiter, now)
        _among_many(limiter, now)


@contextmanager
def _limiter() -> Iterator[SharedLimiter]:
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as directory:
        limiter = SharedLimiter(Path(directory) / "limits.table", SystemClock())
        yield limiter
        limiter.close()


def _report(title: str, act: Callable[[], None]) -> None:
    report(title, best_seconds(act) * 1e6 / DECISIONS, "us")


def _decide(
    limiter: SharedLimiter, slot: int, texts: tuple[str, ...], now: float, account: AccountLimits | None = None
) -> None:
    limits = parse_limits(texts)
    for _ in range(DECISIONS):
        limiter.take(slot, limits, 1, now, account)


def _contended(limiter: SharedLimiter, now: float) -> None:
    """Two processes hammer one key, for some seconds: the time that both have worked, trying for the lock included."""
    reading, writing = os.pipe()
    ends = time.perf_counter() + SECONDS_CONTENDED
    child = os.fork()
    if not child:
        limiter.after_fork()
        os.write(writing, " ".join(map(str, _hammer(limiter, now, ends))).encode())
        os._exit(0)
    made, worked = _hammer(limiter, now, ends)
    os.waitpid(child, 0)
    others = os.read(reading, 256).split()
    microseconds = (worked + float(others[1])) * 1e6 / (made + int(others[0]))
    report("a fixed window, two processes on one key", microseconds, "us", GOAL_CONTENDED_MICROSECONDS)


def _hammer(limiter: SharedLimiter, now: float, ends: float) -> tuple[int, float]:
    """How many decisions were made until then, and in how many seconds of this process's own time."""
    limits, made, started = parse_limits((MANY,)), 0, time.process_time()
    while time.perf_counter() < ends:
        for _ in range(100):
            limiter.take(100, limits, 1, now)
        made += 100
    return made, time.process_time() - started


def _among_many(limiter: SharedLimiter, now: float) -> None:
    """One key after another, of ten and of a million, in the same random order of as many decisions."""
    limits = parse_limits((MANY,))
    for slot in range(KEYS):
        limiter.take(slot, limits, 1, now)
    chance = random.Random(1)  # noqa: S311 - an order, not a secret
    few = [chance.randrange(10) for _ in range(DECISIONS)]
    many = [chance.randrange(KEYS) for _ in range(DECISIONS)]

    def over(slots: list[int]) -> Callable[[], None]:
        def act() -> None:
            for slot in slots:
                limiter.take(slot, limits, 1, now)

        return act

    # Taken in turns, so that a change of the machine's speed reaches both.
    pairs = [(best_seconds(over(few), 1), best_seconds(over(many), 1)) for _ in range(9)]
    one, all_of_them = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    report(f"a fixed window, among {KEYS:,} keys", all_of_them * 1e6 / DECISIONS, "us")
    report(f"a fixed window, among {KEYS:,} keys / among 10", all_of_them / one, "x", GOAL_AMONG_MANY)
