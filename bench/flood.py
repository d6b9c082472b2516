"""What strangers cost: forged keys, and the memory of what was found to be unknown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from bench.common import ME, installation, report, resident_bytes
from keywright import Keywright
from keywright.flood import MAX_SOURCES, MAX_UNKNOWN, FloodGate
from keywright.key import checksum

FORGED = 1_000_000
AT_A_TIME = 20
GOAL_SECONDS = 60.0
GOAL_MEBIBYTES = 32.0
PREFIX = "lwa." + "sk_live_"


def main() -> None:
    """Try a million keys that are right but for the tag; then fill what is remembered of strangers."""
    with installation() as keywright:
        account_id = keywright.manager.operator_account().id
        good = keywright.manager.create(ME, account_id, {"name": "good", "rate_limit": None}).key
        _flood(keywright, good, 10 * AT_A_TIME)
        memory, started = resident_bytes(), time.perf_counter()
        quiet, loud = _flood(keywright, good, FORGED)
        report(f"{FORGED:,} forged keys and as much other work", time.perf_counter() - started, "s", GOAL_SECONDS)
        report("memory that took", (resident_bytes() - memory) / 2**20, "MiB", GOAL_MEBIBYTES, digits=1)
        report("a good key among other work, 99th percentile", quiet * 1e6, "us")
        report("a good key among forged ones, 99th percentile", loud * 1e6, "us")
        _remember(keywright)


def _flood(keywright: Keywright, good: str, count: int) -> tuple[float, float]:
    verify = keywright.verifier.verify
    quiet, loud = [], []
    for start in range(0, count, AT_A_TIME):
        for number in range(start, start + AT_A_TIME):
            body = f"{PREFIX}{number:026}"
            verify(body + checksum(body))
        loud.append(_timed(verify, good))
        # What an application does between two requests: the processor has other things in its caches after it, too.
        for number in range(start, start + AT_A_TIME):
            json.loads(json.dumps({"number": number, "checksum": checksum(f"{PREFIX}{number:026}")}))
        quiet.append(_timed(verify, good))
    return _p99(quiet), _p99(loud)


def _timed(verify: Callable[[str], object], key: str) -> float:
    started = time.perf_counter()
    verify(key)
    return time.perf_counter() - started


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


def _remember(keywright: Keywright) -> None:
    gate = FloodGate(keywright.clock)
    before = resident_bytes()
    for number in range(MAX_UNKNOWN):
        gate.charge(f"2001:db8:{number % MAX_SOURCES:x}::/64", number.to_bytes(16))
    report(
        f"{MAX_UNKNOWN:,} unknown keys and {MAX_SOURCES:,} sources",
        (resident_bytes() - before) / 2**20,
        "MiB",
        GOAL_MEBIBYTES,
        digits=1,
    )
