"""S72: strangers cost little, and never at the expense of keys that exist."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from core.watched import Watching
from keywright import Accepted, ManualClock, Reason, Refused, Request, Unavailable
from keywright.flood import (
    BURST,
    MAX_LOOKUPS,
    MAX_SOURCES,
    MAX_UNKNOWN,
    PER_SECOND,
    UNKNOWN_SECONDS,
    FloodGate,
    source_of,
)
from keywright.key import BUILT_IN_FORMATS, KeyFormats
from support.installation import ME, Installation

STRANGER = Request(address="198.51.100.66")


@pytest.fixture
def watching(installation: Installation) -> Watching:
    """A verifier whose store is watched."""
    return Watching(installation)


def unknown(installation: Installation) -> str:
    """A key that looks like ours and never existed."""
    return installation.keywright.formats.mint("lwa", "live")


def flood(installation: Installation, watching: Watching, times: int) -> int:
    """How many of so many unknown keys from one address were looked up."""
    before = watching.store.calls["find"]
    for _ in range(times):
        with suppress(Unavailable):
            assert watching.verifier.verify(unknown(installation), STRANGER) == Refused(Reason.UNKNOWN)
    return watching.store.calls["find"] - before


def test_s72_garbage_costs_no_look_up(installation: Installation, watching: Watching, data_dir: Path) -> None:
    """S72: what cannot be a key of ours is refused without asking the store, and leaves nothing behind."""
    key = unknown(installation)
    elsewhere = KeyFormats(BUILT_IN_FORMATS, [b"e" * 32]).mint("lwa", "live")
    before = {path.name: path.stat().st_size for path in data_dir.iterdir()}
    garbage = ["", "lwa.", "foo", key[:-1], key + "x", key.swapcase(), elsewhere, "ключ", "\ud800", "\0", "x" * 100_000]
    for text in garbage:
        assert watching.verifier.verify(text, STRANGER) == Refused(Reason.MALFORMED)
    assert watching.store.calls["find"] == 0
    assert watching.usage.flush() == 0
    assert {path.name: path.stat().st_size for path in data_dir.iterdir()} == before


def test_s72_a_source_may_cause_so_many_look_ups(
    installation: Installation, watching: Watching, clock: ManualClock
) -> None:
    """S72: unknown keys from one address cause a burst of look-ups, then a few a second; beyond that it is told to
    wait, never that a key is bad."""
    assert flood(installation, watching, BURST + 20) == BURST
    with pytest.raises(Unavailable) as raised:
        watching.verifier.verify(unknown(installation), STRANGER)
    assert raised.value.retry_after_seconds >= 1
    clock.advance(1)
    assert flood(installation, watching, BURST) == PER_SECOND
    clock.advance(3_600)
    assert flood(installation, watching, BURST + 20) == BURST


def test_s72_one_source_does_not_throttle_another(installation: Installation, watching: Watching) -> None:
    """S72: what one address has used up is not taken from another."""
    flood(installation, watching, BURST + 1)
    outcome = watching.verifier.verify(unknown(installation), Request(address="192.0.2.1"))
    assert outcome == Refused(Reason.UNKNOWN)


def test_s72_an_ipv6_network_is_one_source(installation: Installation, watching: Watching) -> None:
    """S72: whoever has one IPv6 address has 2^64 of them, and is one source with all; the next network is another."""
    before = watching.store.calls["find"]
    for number in range(BURST + 20):
        with suppress(Unavailable):
            watching.verifier.verify(unknown(installation), Request(address=f"2001:db8:0:1::{number:x}"))
    assert watching.store.calls["find"] - before == BURST
    neighbour = watching.verifier.verify(unknown(installation), Request(address="2001:db8:0:2::1"))
    assert neighbour == Refused(Reason.UNKNOWN)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
        (":" * 1000, ":" * 64),
    ],
)
def test_s72_who_is_counted_as_one(address: str, source: str) -> None:
    """S72: an IPv4 address is one source however it is written, an IPv6 one as its network, and what is no address
    at all is short."""
    assert source_of(address) == source


def test_s72_a_known_key_is_never_throttled(installation: Installation, watching: Watching) -> None:
    """S72: a key in use goes on from an address that floods, and a deleted one is still answered as such."""
    living, deleted = installation.create(), installation.create()
    installation.keywright.manager.delete(ME, installation.account_id, deleted.row.id)
    assert watching.reads(living.key, deleted.key) == 2
    flood(installation, watching, BURST + 1)
    before = watching.store.calls["find"]
    for _ in range(20):
        assert isinstance(watching.verifier.verify(living.key, STRANGER), Accepted)
        assert watching.verifier.verify(deleted.key, STRANGER) == Refused(Reason.UNKNOWN)
    assert watching.store.calls["find"] == before


def test_s72_keys_that_exist_cost_a_source_nothing(installation: Installation, watching: Watching) -> None:
    """S72: first uses of good and of deleted keys, however many, are not taken for a flood."""
    created = [installation.create() for _ in range(BURST + 10)]
    for each in created[: BURST // 2]:
        installation.keywright.manager.delete(ME, installation.account_id, each.row.id)
    outcomes = [watching.verifier.verify(each.key, STRANGER) for each in created]
    assert [isinstance(each, Accepted) for each in outcomes] == [False] * (BURST // 2) + [True] * (BURST // 2 + 10)


def test_s72_an_unknown_key_is_looked_up_once_in_a_while(
    installation: Installation, watching: Watching, clock: ManualClock
) -> None:
    """S72: repeating an unknown key costs no look-up for a moment; after it the store is asked again."""
    key = unknown(installation)
    assert watching.reads(*[key] * 10) == 1
    clock.advance(UNKNOWN_SECONDS - 0.01)
    assert watching.reads(key) == 0
    clock.advance(0.01)
    assert watching.reads(*[key] * 10) == 1


def test_s72_memory_is_bounded(clock: ManualClock) -> None:
    """S72: however many addresses and unknown keys there are, what is remembered of them has a bound."""
    gate = FloodGate(clock)
    for number in range(MAX_UNKNOWN + 1_000):
        gate.charge(f"{number}", number.to_bytes(16))
    assert MAX_SOURCES / 2 <= len(gate._whole_at) <= MAX_SOURCES
    assert MAX_UNKNOWN / 2 <= len(gate._unknown) <= MAX_UNKNOWN
    assert gate.is_unknown((MAX_UNKNOWN + 999).to_bytes(16))
    assert not gate.is_unknown((0).to_bytes(16))


def test_s72_only_so_many_look_ups_run_at_once(clock: ManualClock) -> None:
    """S72: look-ups beyond the bound wait a moment and are then told to come again; places become free again."""
    gate = FloodGate(clock)
    with ExitStack() as running:
        for number in range(MAX_LOOKUPS):
            running.enter_context(gate.lookup(f"{number}"))
        with pytest.raises(Unavailable), gate.lookup("one more"):
            pytest.fail("there was no place")
    with gate.lookup("one more"):
        assert not gate.is_unknown(b"")
