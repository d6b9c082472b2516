"""What single requests leave behind: where a key was used from, and its last refused requests with their reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.watched import Watching
from keywright import ManualClock, Reason, Request, Unavailable
from keywright.manage.insight import SPANS, KeyInsight
from keywright.manage.manager import Created
from keywright.record import record_of
from keywright.stores.base import KEPT_ADDRESSES, KEPT_REFUSALS, Refusal, Sighting
from keywright.usage import MOST_TRACES, OUTCOME_OF, UsageOutcome
from keywright.values import replace
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

HOME = "192.0.2.1"
AWAY = "198.51.100.7"
HERE = "tests/core/test_traces.py::"

#: By reason, a key that is refused for it, and what is asked of it.
REFUSED: dict[Reason, tuple[dict[str, Any], dict[str, Any]]] = {
    Reason.DISABLED: ({"disabled": True}, {}),
    Reason.EXPIRED: ({"expires_in_seconds": 1}, {}),
    Reason.NETWORK: ({"networks": ["203.0.113.0/24"]}, {}),
    Reason.ENVIRONMENT: ({}, {"environment": "test"}),
    Reason.RATE_LIMITED: ({"rate_limit": "1/15m"}, {"cost": 2}),
    Reason.SCOPE: ({"scopes": ["a"]}, {"scopes": ("b",)}),
}


def looked_at(installation: Installation, created: Created) -> KeyInsight:
    """What whoever looks closely sees of a key."""
    return installation.keywright.insight.key(ME, created.row.account_id, created.row.id, SPANS["24h"])


def from_(number: int) -> Request:
    """A request from an address of its own."""
    return Request(address=f"10.0.{number // 250}.{number % 250}")


def test_every_reason_has_its_case() -> None:
    """No reason that a known key can be refused for goes untested."""
    assert REFUSED.keys() == OUTCOME_OF.keys()


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_is_told_with_its_reason(installation: Installation, clock: ManualClock, reason: Reason) -> None:
    """When, why and from where: the very reason, and not only what it is counted as; and only authenticated requests
    are sightings."""
    given, asked = REFUSED[reason]
    off = given.get("disabled", False)
    created = installation.create(**{name: value for name, value in given.items() if name != "disabled"})
    if off:
        installation.keywright.manager.update(ME, installation.account_id, created.row.id, {"disabled": True})
    clock.advance(10)
    for address in (HOME, AWAY):
        outcome = installation.keywright.verify(created.key, Request(address=address, **asked))
        assert getattr(outcome, "reason", None) is reason
        clock.advance(5)
    installation.keywright.usage.flush()
    found = looked_at(installation, created)

    now = clock.now()
    assert found.refusals == (Refusal(now - 5, reason, AWAY), Refusal(now - 10, reason, HOME))
    authenticated = reason not in (Reason.DISABLED, Reason.EXPIRED)
    assert [each.address for each in found.sightings] == ([AWAY, HOME] if authenticated else [])


def test_what_is_no_known_key_leaves_nothing(installation: Installation) -> None:
    """A wrong key, and a key that does not exist for whoever asks, are nobody's refusals."""
    created = installation.create()
    stranger = Request(address=AWAY, account_id=installation.account())
    for text, request in ((created.key[:-1], Request(address=AWAY)), (created.key, stranger)):
        installation.keywright.verify(text, request)
    installation.keywright.usage.flush()
    found = looked_at(installation, created)
    assert (found.refusals, found.sightings) == ((), ())


def test_what_a_handler_finds_out_is_a_refusal(installation: Installation) -> None:
    """A request that was let in and then lacks a right in its handler stands there like any other refusal."""
    created = installation.create()
    outcome = installation.keywright.verify(created.key, Request(address=HOME))
    installation.keywright.note_forbidden(getattr(outcome, "record"), Reason.ENVIRONMENT, AWAY)  # noqa: B009
    installation.keywright.usage.flush()
    assert [(each.reason, each.address) for each in looked_at(installation, created).refusals] == [
        (Reason.ENVIRONMENT, AWAY)
    ]


def test_an_address_keeps_when_it_was_seen_first(installation: Installation, clock: ManualClock) -> None:
    """However often requests come from it, within a flush and across many, at once with others or in their turn."""
    created = installation.create(rate_limit=None)
    began = clock.now()
    for flush_between in (False, True):
        for address in (HOME, AWAY, "", HOME):
            clock.advance(1)
            installation.keywright.verify(created.key, Request(address=address))
            if flush_between:
                installation.keywright.usage.flush()
    # At one and the same moment, as two threads may be.
    installation.keywright.verify(created.key, Request(address="203.0.113.5"))
    installation.keywright.usage.flush()

    assert looked_at(installation, created).sightings == (
        Sighting(HOME, began + 1, began + 8),
        Sighting("203.0.113.5", began + 8, began + 8),
        Sighting(AWAY, began + 2, began + 6),
    )


@pytest.mark.parametrize("flush_between", [False, True])
def test_a_flood_leaves_the_newest(installation: Installation, clock: ManualClock, flush_between: bool) -> None:
    """Of more addresses and refusals than are kept the last stay, in memory and in the database; and who keeps coming
    from one address keeps its first time."""
    watching = Watching(installation)
    created = installation.create(rate_limit=None)
    many = KEPT_ADDRESSES + KEPT_REFUSALS + 50
    began = clock.now()
    for number in range(many):
        clock.advance(1)
        watching.verifier.verify(created.key, Request(address=HOME))
        clock.advance(1)
        watching.verifier.verify(created.key, replace(from_(number), environment="test"))
        if flush_between:
            watching.usage.flush()
        noted = watching.usage._noted.get(created.row.slot)
        assert noted is None or len(noted.seen or ()) <= KEPT_ADDRESSES
        assert noted is None or len(noted.denied or ()) <= KEPT_REFUSALS
    watching.usage.flush()
    found = looked_at(installation, created)

    newest = [from_(number).address for number in reversed(range(many))]
    assert [each.address for each in found.refusals] == newest[:KEPT_REFUSALS]
    assert len(found.sightings) == KEPT_ADDRESSES
    assert found.sightings[1] == Sighting(HOME, began + 1, clock.now() - 1)
    assert [each.address for each in found.sightings if each.address != HOME] == newest[: KEPT_ADDRESSES - 1]


def test_many_keys_from_many_addresses_fill_no_memory(installation: Installation, clock: ManualClock) -> None:
    """What all keys together leave behind between two flushes is bounded; every request is counted all the same, and
    the next flush makes room."""
    watching = Watching(installation)
    record = record_of(installation.create().row, installation.keywright.policy)
    each_key, slots = KEPT_ADDRESSES // 2, MOST_TRACES // KEPT_ADDRESSES + 500
    for slot in range(1, slots + 1):
        for number in range(each_key):
            asked, now = from_(number), clock.now() + number
            watching.usage.note(replace(record, slot=slot), asked, UsageOutcome.FORBIDDEN, now, Reason.SCOPE)

    (table,) = watching.usage._tables.values()
    assert sum(len(each.seen or ()) + len(each.denied or ()) for each in table.values()) == MOST_TRACES
    assert watching.usage.flush() == slots
    found = watching.usage_store.hourly(record.account_id, 0, clock.now() + 3_600, None)
    assert sum(each.count for each in found) == slots * each_key
    watching.usage.note(replace(record, slot=slots), from_(99), UsageOutcome.FORBIDDEN, clock.now(), Reason.NETWORK)
    watching.usage.flush()
    assert Reason.NETWORK in [each.reason for each in watching.usage_store.refusals(slots)]


def test_a_failed_flush_loses_no_trace(installation: Installation, clock: ManualClock) -> None:
    """What could not be written is joined with what came since: first and last times, and the newest refusals."""
    watching = Watching(installation)
    created = installation.create(rate_limit=None)
    began = clock.now()
    watching.usage_store.unreachable.add("add")
    for address in (HOME, AWAY, HOME, "", AWAY):
        for asked in ("", "test"):
            clock.advance(1)
            watching.verifier.verify(created.key, Request(address=address, environment=asked))
        with pytest.raises(Unavailable):
            watching.usage.flush()
    watching.usage_store.unreachable.clear()
    watching.usage.flush()
    watching.usage.flush()
    found = looked_at(installation, created)

    assert found.sightings == (Sighting(AWAY, began + 3, began + 10), Sighting(HOME, began + 1, began + 6))
    assert [(each.at - began, each.address) for each in found.refusals] == [
        (10, AWAY),
        (8, ""),
        (6, HOME),
        (4, AWAY),
        (2, HOME),
    ]


def test_a_hostile_address_is_cut_and_stored(installation: Installation) -> None:
    """Whatever a program hands over as an address fills nobody's disk and costs nobody's counts."""
    created = installation.create()
    for text in ("\ud800\0", "a" * 1_000, HOME):
        installation.keywright.verify(created.key, Request(address=text, environment="test"))
    assert installation.keywright.usage.flush() == 1
    found = looked_at(installation, created)
    wanted = {"??", "a" * 64, HOME}
    assert {each.address for each in found.refusals} == {each.address for each in found.sightings} == wanted


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "a limit that is used up leaves no refusal": (
        "verify.py",
        "UsageOutcome.RATE_LIMITED, now, Reason.RATE_LIMITED)",
        "UsageOutcome.RATE_LIMITED, now)",
        "test_a_refusal_is_told_with_its_reason",
    ),
    "memory has no end": (
        "usage.py",
        "room=self._traces < MOST_TRACES)\n\n    def _begin",
        "room=True)\n\n    def _begin",
        "test_many_keys_from_many_addresses_fill_no_memory",
    ),
    "the last address takes the first time along": (
        "usage.py",
        "                        noted.since = now\n",
        "",
        "test_an_address_keeps_when_it_was_seen_first",
    ),
    "the database keeps all": (
        "stores/sql.py",
        "        traces_sql.trim(connection, [row.slot for row in rows])\n",
        "",
        "test_a_flood_leaves_the_newest",
    ),
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, MUTANTS.keys()))
def test_a_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Mutants: reasons, bounds, first times."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)
