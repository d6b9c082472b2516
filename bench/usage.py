"""What it costs to write usage down."""

from __future__ import annotations

import time

from bench.common import installation, report
from keywright.record import ANY_REQUEST, Record
from keywright.usage import UsageOutcome

KEYS = 10_000
ROUNDS = 10
GOAL_MICROSECONDS = 5.0


def main() -> None:
    """Note a request of each of many keys, and flush; several times over."""
    with installation() as keywright:
        records = [_record(slot) for slot in range(1, KEYS + 1)]
        best = best_wall = float("inf")
        for _ in range(ROUNDS):
            now = keywright.clock.now()
            for record in records:
                keywright.usage.note(record, ANY_REQUEST, UsageOutcome.ACCEPTED, now)
            started, started_wall = time.thread_time(), time.perf_counter()
            keywright.usage.flush()
            best = min(best, time.thread_time() - started)
            best_wall = min(best_wall, time.perf_counter() - started_wall)
        report(f"usage flush, {KEYS:,} touched keys, CPU per key", best * 1e6 / KEYS, "us", GOAL_MICROSECONDS)
        report("the same with the disk, and with whoever else uses the machine", best_wall * 1e6 / KEYS, "us")


def _record(slot: int) -> Record:
    return Record(
        key_id=f"key_{slot:09}",
        account_id="acc_000000000",
        slot=slot,
        name="a key",
        environment="live",
        scopes=("*",),
        expires_at=float("inf"),
        disabled=False,
        limits=(),
        networks=(),
        guarded=False,
        plain=True,
    )
