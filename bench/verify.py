"""A warm verification against the least that any verification must do: one hash and one look-up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from bench.common import ME, best_seconds, installation, report

KEYS = 1000
GOAL_RATIO = 3.5


def main() -> None:
    """Measure without limits, and with the shared limiter."""
    with installation() as keywright:
        account_id = keywright.manager.operator_account().id
        for title, limit in (("without limits", None), ("with a limit", "1000000000/1d")):
            made = keywright.manager.create_many(
                ME, account_id, ({"name": f"key {number}", "rate_limit": limit} for number in range(KEYS))
            )
            keys = [created.key for created in made]
            bare, full = _measure(keywright.verifier.verify, keys)
            report(f"sha256 and dict look-up, {KEYS} keys", bare * 1e9 / KEYS, "ns", digits=0)
            report(f"verify {title}, warm, {KEYS} keys", full * 1e9 / KEYS, "ns", digits=0)
            report(f"verify {title} / bare", full / bare, "x", GOAL_RATIO if limit is None else None)


def _measure(verify: Callable[[str], object], keys: list[str]) -> tuple[float, float]:
    known = {hashlib.sha256(key.encode()).digest(): key for key in keys}

    def bare() -> None:
        sha256, get = hashlib.sha256, known.get
        for key in keys:
            get(sha256(key.encode()).digest())

    def full() -> None:
        for key in keys:
            verify(key)

    full()
    # Taken in turns, so that a change of the machine's speed reaches both.
    pairs = [(best_seconds(bare, 20), best_seconds(full, 20)) for _ in range(7)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
