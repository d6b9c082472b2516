"""S6, S72: a million forged keys cost next to nothing, and whoever has a good key does not notice them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keywright import Accepted, Keywright, Reason, Refused
from keywright.key import BUILT_IN_FORMATS, KeyFormats, checksum
from support.installation import Installation
from support.mutants import assert_caught
from support.statements import counting

MAX_READS = 10
MAX_BYTES = 32 * 2**20
MINUTE = 60.0
#: A verification takes about a microsecond; what a processor's caches lost to any other work may take longer than that.
COLD_SECONDS = 20e-6
#: Forged keys between two good ones.
AT_A_TIME = 20
MALFORMED = Refused(Reason.MALFORMED)
PREFIX = "lwa." + "sk_live_"
SHAPES: dict[str, Callable[[int], str]] = {
    "a right checksum and a made-up tag": lambda number: _checked(f"{PREFIX}{number:026}"),
    "the same in another format": lambda number: _checked(f"ss_{number:026}"),
    "a wrong checksum": lambda number: f"{PREFIX}{number:032}",
    "another length": lambda number: f"{PREFIX}{number}",
    "another prefix": lambda number: f"sk_live_{number:032}",
    "as long as a key may be": lambda number: f"{PREFIX}{number:0116}",
    "too long to be read": lambda number: f"{PREFIX}{number:0400}",
    "no letters at all": lambda number: f"{number} \N{KEY}\0",
}


def _checked(body: str) -> str:
    return body + checksum(body)


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def p99(seconds: list[float]) -> float:
    """What 99 of 100 are within."""
    return sorted(seconds)[len(seconds) * 99 // 100]


def ask(keywright: Keywright, good: str) -> float:
    """Seconds that a good key's verification takes."""
    started = time.perf_counter()
    outcome = keywright.verify(good)
    took = time.perf_counter() - started
    assert isinstance(outcome, Accepted)
    return took


def flood(keywright: Keywright, good: list[str], count: int) -> tuple[float, float]:
    """See that ``count`` forged keys are refused at no cost.

    They have no source, so nothing but their text keeps them from the store.

    Returns:
        the 99th percentile of the first good key's verification among other good ones, and among forged ones.
    """
    # Taken in turns, so that whatever else the machine does reaches both.
    quiet, loud = [], []
    shapes = list(SHAPES.values())
    with counting() as statements:
        for start in range(0, count, AT_A_TIME):
            for number in range(start, start + AT_A_TIME):
                # Half of them of the shape that needs the tag, for which all the rest is checked first.
                shape = shapes[0] if number % 2 else shapes[number // 2 % len(shapes)]
                assert keywright.verify(shape(number)) == MALFORMED
            loud.append(ask(keywright, good[0]))
            for key in good:
                keywright.verify(key)
            quiet.append(ask(keywright, good[0]))
            assert len(statements) <= MAX_READS
    return p99(quiet), p99(loud)


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.full)])
def test_s72_forged_keys_cost_nothing(installation: Installation, count: int) -> None:
    """S72: forged keys of every shape cause at most 10 statements and no memory to speak of, a million of them take
    less than a minute, and 99 of 100 uses of a good key meanwhile take at most twice as long as among good ones."""
    good = [installation.create(f"Key {number}", rate_limit=None).key for number in range(AT_A_TIME)]
    assert all(isinstance(installation.keywright.verify(key), Accepted) for key in good)
    flood(installation.keywright, good, 2_000)
    memory, started = resident_bytes(), time.perf_counter()
    quiet, loud = flood(installation.keywright, good, count)
    assert time.perf_counter() - started < MINUTE
    assert resident_bytes() - memory < MAX_BYTES
    assert loud <= 2 * quiet + COLD_SECONDS


def test_s6_keys_of_another_installation_cost_nothing(installation: Installation) -> None:
    """S6: keys that are right in everything but that another installation made them cost no statement."""
    elsewhere = KeyFormats(BUILT_IN_FORMATS, [b"e" * 32])
    with counting() as statements:
        for _ in range(2_000):
            assert installation.keywright.verify(elsewhere.mint("lwa", "live")) == MALFORMED
    assert len(statements) <= MAX_READS


def test_s72_a_missing_tag_check_is_caught(tmp_path: Path) -> None:
    """Without the tag every forged key with a right checksum would be looked up."""
    check = "any(_tag(tag_key, body) == tag for tag_key in self._tag_keys)"
    assert_caught(tmp_path, "key.py", check, "bool(tag)", "tests/core/test_forgeries.py")
