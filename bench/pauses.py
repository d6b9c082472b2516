"""How long the process stops, or one step holds the others up, with a million remembered keys."""

from __future__ import annotations

import gc
import secrets
import time
from collections.abc import Callable
from functools import partial

from bench.common import Collections, installation, report
from keywright import Keywright
from keywright.cache import MAX_DEAD, RecordCache
from keywright.outcome import Accepted
from keywright.record import ANY_REQUEST, Block, Record

KEYS = 1_000_000
FLUSHED_AT_ONCE = 100_000
GOAL_MILLISECONDS = 10.0


def main() -> None:
    """Fill the memory of one process, and take each step that could take long."""
    with installation() as keywright:
        empty = _full_collection()
        report("full collection of an empty process with its libraries", empty * 1e3, "ms")
        # As the server does once it has started, and as a program that embeds the library may do.
        gc.collect()
        gc.freeze()
        with Collections() as collections:
            longest = _fill_all(keywright)
            gc.collect()
        report(f"longest of {KEYS:,} fills", longest * 1e3, "ms", GOAL_MILLISECONDS)
        report(f"longest of {collections} collections meanwhile", collections.longest * 1e3, "ms", GOAL_MILLISECONDS)
        gc.unfreeze()
        report("what the remembered keys add to a full collection", (_full_collection() - empty) * 1e3, "ms")
        gc.freeze()
        _steps(keywright.cache)


def _fill_all(keywright: Keywright) -> float:
    longest = 0.0
    for number in range(KEYS):
        longest = max(longest, _timed(partial(_fill, keywright, number)))
        if number % FLUSHED_AT_ONCE == 0:
            keywright.usage.flush()
    return longest


def _steps(cache: RecordCache) -> None:
    buried = max(_timed(lambda: cache.bury(secrets.token_bytes(16))) for _ in range(2 * MAX_DEAD))
    report("longest bury", buried * 1e3, "ms", GOAL_MILLISECONDS)
    room = max(_timed(cache._make_room) for _ in range(512))
    report("longest making of room", room * 1e3, "ms", GOAL_MILLISECONDS)
    report("forgetting everything", _timed(cache.forget) * 1e3, "ms", GOAL_MILLISECONDS)
    freed = []
    while cache._forgotten:
        freed.append(_timed(cache.free_forgotten))
    report(f"longest of the {len(freed)} steps that free it", max(freed) * 1e3, "ms", GOAL_MILLISECONDS)


def _fill(keywright: Keywright, number: int) -> None:
    record = _record(number)
    keywright.cache.fill(keywright.cache.begin_fill(), secrets.token_bytes(16), Accepted(record))
    keywright.usage.note(record, ANY_REQUEST, 0, keywright.clock.now())


def _record(number: int) -> Record:
    """A key unlike any other: of its own network, scopes and name."""
    return Record(
        key_id=f"key_{number:09}",
        account_id="acc_000000000",
        slot=number,
        name=f"customer {number}",
        environment="live",
        scopes=("subscriptions:read", f"customer:{number}"),
        expires_at=float("inf"),
        disabled=False,
        limits=(),
        networks=(Block(4, number, number),),
        guarded=True,
        plain=False,
    )


def _timed(act: Callable[[], object]) -> float:
    """Seconds of this thread: what others do on this machine meanwhile is not ours."""
    started = time.thread_time()
    act()
    return time.thread_time() - started


def _full_collection() -> float:
    return min(_timed(gc.collect) for _ in range(5))
