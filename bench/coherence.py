"""What it costs each verification to know that nothing has changed."""

from __future__ import annotations

import hashlib

from bench.common import best_seconds, installation, report

ROUNDS = 100_000
GOAL_MICROSECONDS = 0.3


def main() -> None:
    """Measure the comparison as it stands in the hot path, less the loop around it."""
    with installation() as keywright:
        store, cache = keywright.store, keywright.cache
        cache.catch_up()

        def loop() -> None:
            for _ in range(ROUNDS):
                pass

        def check() -> None:
            for _ in range(ROUNDS):
                if store.freshness() != cache.seen:
                    raise AssertionError("nobody has written")

        def bare() -> None:
            sha256, known, key = hashlib.sha256, {b"": None}, "lwa." + "sk_live_" + "x" * 32
            for _ in range(ROUNDS):
                known.get(sha256(key.encode()).digest())

        spent = {act: min(best_seconds(act, 5) for _ in range(5)) * 1e6 / ROUNDS for act in (loop, check, bare)}
        each = spent[check] - spent[loop]
        report("coherence check, per verification", each, "us", GOAL_MICROSECONDS, digits=3)
        report("coherence check / (sha256 and dict look-up)", each / (spent[bare] - spent[loop]), "x")
