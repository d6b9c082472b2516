"""A million keys: made in bulk, listed page by page, verified cold, remembered."""

from __future__ import annotations

import gc
import random
import time

from bench.common import ME, Collections, installation, report, resident_bytes
from keywright import Accepted, Keywright

KEYS = 1_000_000
SAMPLE = 20_000
GOAL_COLD_MICROSECONDS = 250.0
GOAL_BYTES = 500.0
GOAL_PAUSE_MILLISECONDS = 10.0


def main() -> None:
    """Measure all of it on one store."""
    with installation() as keywright:
        account_id = keywright.manager.operator_account().id
        keys = _make(keywright, account_id)
        _list(keywright, account_id)
        _cold(keywright, random.sample(list(keys), SAMPLE))
        _remember(keywright, keys)


def _make(keywright: Keywright, account_id: str) -> dict[str, None]:
    given = ({"name": f"customer {number}", "rate_limit": None} for number in range(KEYS))
    started = time.perf_counter()
    # A list of them would be walked by the garbage collector, which is measured below.
    keys = {created.key: None for created in keywright.manager.create_many(ME, account_id, given)}
    report(f"{KEYS:,} keys made in bulk", time.perf_counter() - started, "s", digits=1)
    return keys


def _list(keywright: Keywright, account_id: str) -> None:
    gc.collect()
    before, most, seen, after = resident_bytes(), 0, 0, 0
    started = time.perf_counter()
    while page := keywright.manager.keys(ME, account_id, after):
        seen += len(page)
        after = page[-1].row.slot
        most = max(most, resident_bytes())
    assert seen == KEYS
    report(f"{KEYS:,} keys listed page by page", time.perf_counter() - started, "s", digits=1)
    report("memory that listing them took", (most - before) / 2**20, "MiB", digits=1)


def _cold(keywright: Keywright, keys: list[str]) -> None:
    times = []
    for key in keys:
        started = time.perf_counter()
        outcome = keywright.verifier.verify(key)
        times.append(time.perf_counter() - started)
        assert isinstance(outcome, Accepted)
    times.sort()
    report("first verify of a key, median", times[len(times) // 2] * 1e6, "us", GOAL_COLD_MICROSECONDS, digits=0)
    report("first verify of a key, 99th percentile", times[len(times) * 99 // 100] * 1e6, "us", digits=0)


def _remember(keywright: Keywright, keys: dict[str, None]) -> None:
    # What usage notes is written and forgotten every second; only what is remembered for good is measured.
    keywright.usage.flush()
    already = len(keywright.cache)
    gc.collect()
    before, longest = resident_bytes(), 0.0
    with Collections() as collections:
        for number, key in enumerate(keys):
            started = time.thread_time()
            keywright.verifier.verify(key)
            longest = max(longest, time.thread_time() - started)
            if number % 10_000 == 0:
                keywright.usage.flush()
        keywright.usage.flush()
    gc.collect()
    added = len(keywright.cache) - already
    report("memory of a remembered key", (resident_bytes() - before) / added, "B", GOAL_BYTES, digits=0)
    report(f"longest of {collections} collections", collections.longest * 1e3, "ms", GOAL_PAUSE_MILLISECONDS)
    report("longest verification meanwhile, CPU", longest * 1e3, "ms", digits=1)
