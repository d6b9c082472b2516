"""A process that remembers very many keys never stops for long: not for the garbage collector, and not to make room or
to forget."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from keywright import Accepted, ManualClock, Request
from keywright.cache import PARTS, RecordCache
from keywright.flood import FloodGate
from keywright.record import ANY_REQUEST, Block, Record
from support.installation import Installation
from support.mutants import assert_caught, with_long_form
from support.servers import clean_environment

ME = "tests/core/test_pauses.py"
MANY = 20_000
MILLION = 1_000_000
LONGEST_COLLECTION_SECONDS = 0.010
#: A step may come upon a freed page that goes back to the system; on a busy machine that alone takes some time.
LONGEST_STEP_SECONDS = 0.025

#: A serving process, made and not yet run: how many objects the garbage collector would walk.
SERVER = """
import gc
from keywright.server.counts import private_counts
from keywright.server.serving import Process
from keywright.settings import load

process = Process(load(), [], alone=True, signals=(), counts=private_counts())
print(len(gc.get_objects()))
process.keywright.close()
"""

MUTANTS = {
    "records are walked": (
        "record.py",
        "class Record(Value, frozen=True, gc=False):",
        "class Record(Value, frozen=True, gc=True):",
        f"{ME}::test_verified_keys_are_not_walked",
    ),
    "all is freed at once": (
        "cache.py",
        "self._forgotten += filter(None, self.entries[: self._parts])",
        "",
        f"{ME}::test_what_is_forgotten_is_freed_in_pieces",
    ),
}


def remembered(number: int) -> Accepted:
    """What is remembered of a key that has scopes and a network of its own."""
    return Accepted(
        Record(
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
    )


def fill(cache: RecordCache, number: int) -> None:
    """Remember one more key."""
    cache.fill(cache.begin_fill(), (number * 0x9E3779B97F4A7C15 % 2**128).to_bytes(16, "little"), remembered(number))


def walked() -> int:
    """How many objects a full garbage collection walks, once it has found out which tuples it need not walk."""
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects())


def test_verified_keys_are_not_walked(installation: Installation) -> None:
    """A key that is used and remembered adds nothing to what the garbage collector walks, whatever it is bound to."""
    made = [
        installation.create(
            f"Key {number}",
            scopes=[f"customer:{number}"],
            networks=[f"192.0.2.{number}"],
            rate_limit=f"{number + 10}/1h",
        )
        for number in range(200)
    ]
    assert isinstance(installation.keywright.verify(made[0].key, Request(address="192.0.2.0")), Accepted)
    before = walked()
    for number, created in enumerate(made):
        outcome = installation.keywright.verify(created.key, Request(address=f"192.0.2.{number}"))
        assert isinstance(outcome, Accepted)
    assert walked() - before < len(made) / 4


def test_a_full_memory_is_not_walked(installation: Installation) -> None:
    """Neither the records, nor the dead, nor what strangers left behind, nor the uses of a moment are walked."""
    keywright = installation.keywright
    gate = FloodGate(keywright.clock)
    before = walked()
    for number in range(MANY):
        fill(keywright.cache, number)
        keywright.cache.bury(number.to_bytes(16))
        keywright.usage.note(remembered(number).record, ANY_REQUEST, 0, keywright.clock.now())
        gate.charge(f"192.0.2.{number}", number.to_bytes(16))
    assert len(keywright.cache) == MANY
    assert walked() - before < 2 * PARTS


def test_room_is_made_in_pieces(data_dir: Path, clock: ManualClock) -> None:
    """A full memory stays nearly full: no fill drops more than a few keys, and none goes beyond the bound."""
    with Installation(data_dir, clock, cache_max_keys=MANY) as small:
        cache, before = small.keywright.cache, 0
        for number in range(2 * MANY):
            fill(cache, number)
            assert before - MANY // PARTS / 2 < len(cache) <= MANY
            before = len(cache)
        assert before > 0.9 * MANY


def test_what_is_forgotten_is_freed_in_pieces(installation: Installation) -> None:
    """Whatever was remembered is out of use at once, and its memory comes back bit by bit, all of it in the end."""
    cache = installation.keywright.cache
    for number in range(MANY):
        fill(cache, number)
    cache.forget()
    assert len(cache) == 0
    waiting = [2 * MANY]
    while waiting[-1]:
        cache.free_forgotten()
        waiting.append(sum(map(len, cache._forgotten)))
        assert 0 < waiting[-2] - waiting[-1] <= MANY / 10
    assert len(waiting) > 10


def test_a_server_is_not_walked(data_dir: Path) -> None:
    """What a server is made of is exempt from garbage collection before it serves."""
    done = subprocess.run(
        [sys.executable, "-c", SERVER], env=clean_environment(data_dir), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000


@pytest.mark.full
def test_no_step_takes_long(installation: Installation) -> None:
    """With a million keys no garbage collection takes 10 ms, beyond what it takes to walk the libraries; and no step
    holds the others up for long."""
    cache = installation.keywright.cache
    gc.collect()
    gc.freeze()
    try:
        steps: dict[str, Callable[[], object]] = {
            "make room": lambda: fill(cache, MILLION),
            "forget": cache.forget,
            "catch up": cache.catch_up,
        }
        longest = {"fill": max(timed(partial(fill, cache, number)) for number in range(MILLION))}
        collection = timed(gc.collect)
        longest |= {name: timed(step) for name, step in steps.items()}
        longest["free"] = max(timed(cache.free_forgotten) for _ in range(5 * PARTS * 20))
        assert not cache._forgotten
    finally:
        gc.unfreeze()
    assert collection < LONGEST_COLLECTION_SECONDS
    assert {name: each for name, each in longest.items() if each > LONGEST_STEP_SECONDS} == {}


def timed(act: Callable[[], object]) -> float:
    """Seconds of this thread alone: others use the machine too."""
    started = time.thread_time()
    act()
    return time.thread_time() - started


#: Caught in the long form only: each takes several seconds.
LONG = {
    "records are walked",
}


@pytest.mark.parametrize("mutant", with_long_form(MUTANTS, LONG))
def test_a_long_pause_is_caught(mutant: str, tmp_path: Path) -> None:
    """Each fault that would make the process stop for long fails the check of it."""
    assert_caught(tmp_path, *MUTANTS[mutant])
