"""How long a refusal takes says nothing of use: judged on samples that were taken in turn, in one process."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from keywright import ManualClock
from support.cases import forged
from support.gate import ABOUT, PROXY, Roads, opened, raw, written
from support.installation import ME

KEYS = 64
#: Beyond this a difference is none of chance.
WELCH = 4.5
#: What the fates of keys may differ by. Measured: 0.2 µs for one that was never made, 0.9 µs for one that is expired or
#: disabled, because their use is noted. Whoever can tell them apart holds the text of a key that was good once.
MOST_NS = 5_000
_SHARE_KEPT = 0.95


def sampled(roads: Roads, keys: Mapping[str, Sequence[str]], samples: int) -> dict[str, list[float]]:
    """The mean time of a refusal for each key, by class, its slowest few left out: those were interrupted.

    A mean for each key, because where in memory a key is found makes it faster or slower every time: its samples are no
    chances of their own.
    """
    times: dict[tuple[str, str], list[int]] = {(name, key): [] for name, each in keys.items() for key in each}
    questions = [(found, raw((*ABOUT, ("X-API-Key", key)))) for (_, key), found in times.items()]
    for _ in range(samples // KEYS):
        random.shuffle(questions)
        for found, headers in questions:
            start = time.perf_counter_ns()
            answered = roads.lane.forward(b"/v1/gate", headers, PROXY)
            found.append(time.perf_counter_ns() - start)
            assert answered is not None
            assert answered.status == 401
    means: dict[str, list[float]] = {name: [] for name in keys}
    for (name, _), found in times.items():
        means[name].append(statistics.fmean(sorted(found)[: int(len(found) * _SHARE_KEPT)]))
    return means


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """How many standard errors two means are apart."""
    error = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(error)


def fates(roads: Roads, clock: ManualClock) -> dict[str, list[str]]:
    """Keys that are no good, by why; all of them remembered as such."""
    manager, account = roads.keywright.manager, roads.account_id
    made = {name: [roads.remembered() for _ in range(KEYS)] for name in ("deleted", "disabled")}
    made["expired"] = [roads.remembered(expires_in_seconds=1) for _ in range(KEYS)]
    for each in made["deleted"]:
        manager.delete(ME, account, each.row.id)
    for each in made["disabled"]:
        manager.update(ME, account, each.row.id, {"disabled": True})
    clock.advance(2)
    keys = {name: [each.key for each in created] for name, created in made.items()}
    keys["unknown"] = [roads.keywright.formats.mint("lwa", "live") for _ in range(KEYS)]
    for key in (key for found in keys.values() for key in found):
        roads.keywright.verify(key)
    return keys


def test_what_became_of_a_key_does_not_stand_in_the_answer(data_dir: Path, clock: ManualClock) -> None:
    """S34: to a key that was deleted, disabled, expired or never made, the answer is the same to the last byte, on both
    roads, in every dialect."""
    with opened(data_dir, clock) as roads:
        keys = [each[0] for each in fates(roads, clock).values()]
        assert len(keys) == 4
        for path in ("/v1/gate", "/v1/gate/nginx", "/v1/gate/envoy/x"):
            headers = [(("X-API-Key", key), *ABOUT) for key in keys]
            told = {written(roads.ordinary(path, each)) for each in headers}
            for each in headers:
                answered = roads.fast(path, each)
                assert answered
                told.add(written(answered))
            assert len(told) == 1, told


@pytest.mark.full
def test_how_near_a_forgery_comes_does_not_show(data_dir: Path, clock: ManualClock) -> None:
    """A text that differs from a living key in one character of its tag is refused as fast as one that differs in all:
    nobody gets nearer to a key by the clock."""
    with opened(data_dir, clock) as roads:
        living = [roads.remembered().key for _ in range(KEYS)]
        mint = roads.keywright.formats.mint
        keys = {"near": [forged(key) for key in living], "far": [forged(mint("lwa", "live")) for _ in living]}
        found = sampled(roads, keys, 100_000)
    assert abs(welch(found["near"], found["far"])) < WELCH


@pytest.mark.full
def test_what_became_of_a_key_hardly_shows(data_dir: Path, clock: ManualClock) -> None:
    """S34: deleted, unknown, disabled and expired keys are refused within microseconds of each other, far below what a
    network adds by itself."""
    with opened(data_dir, clock) as roads:
        found = sampled(roads, fates(roads, clock), 20_000)
    means = {name: statistics.fmean(each) for name, each in found.items()}
    assert max(means.values()) - min(means.values()) < MOST_NS, means


@pytest.mark.full
def test_a_difference_would_be_found(data_dir: Path, clock: ManualClock) -> None:
    """The same arithmetic tells keys that are disabled from those that are deleted, which do differ, by less than a
    microsecond."""
    with opened(data_dir, clock) as roads:
        found = sampled(roads, fates(roads, clock), 20_000)
    assert abs(welch(found["deleted"], found["disabled"])) > WELCH
