"""What the page of a key tells of single requests: its last refusals, and where it was used from. Who sees what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console.desk import Desk, seen
from core.test_traces import REFUSED
from keywright import ManualClock, Reason
from keywright.record import Request
from keywright.server.console import show
from keywright.server.console.words import Words
from keywright.stores.base import KEPT_ADDRESSES, Refusal, Sighting, UsageRow
from keywright.usage import OUTCOME_OF
from support.faces import InProcess
from support.installation import ME, Installation
from support.mutants import assert_caught, with_long_form

KEYS = "/settings/api-keys"
HOUR = 3600
HERE = "tests/console/test_traces.py::"


def left(installation: Installation, slot: int, *addresses: str, account_id: str = "") -> None:
    """Write that a key was used from there, and refused there for each reason, a minute apart."""
    now, account = installation.clock.now(), account_id or installation.account_id
    sightings = tuple(Sighting(each, now - 9 * HOUR, now - 60 * at) for at, each in enumerate(addresses))
    refusals = tuple(
        Refusal(now - 60 * at, reason, address) for address in addresses for at, reason in enumerate(OUTCOME_OF)
    )
    installation.keywright.usage_store.add([UsageRow(slot, account, None, (), sightings, refusals)], int(now))


def rows(page: str) -> list[list[str]]:
    """The table of refusals, row by row, without what stands in small print."""
    body = page[page.index('aria-labelledby="rf"') :].partition("<tbody>")[2].partition("</tbody>")[0]
    body = re.sub(r'<div class="sub">.*?</div>', "", body)
    return [re.findall(r">([^<>]+)<", row) for row in body.split("</tr>")[:-1]]


def test_refusals_stand_there_newest_first(installation: Installation, owner: Desk) -> None:
    """Each with how long ago it was, why, from where, and the status; where there are none, the page says what will
    show there."""
    row = installation.create().row
    assert "None yet" in seen(owner.get(f"{KEYS}/{row.id}"))
    left(installation, row.slot, "203.0.113.77")
    found = rows(owner.get(f"{KEYS}/{row.id}").text)

    words = Words()
    assert [each[1] for each in found] == [words(f"trace.reason.{reason}") for reason in OUTCOME_OF]
    assert [each[0] for each in found[:3]] == ["just now", "1 min ago", "2 min ago"]
    assert {each[2] for each in found} == {"203.0.113.77"}
    assert [each[3] for each in found] == [show.status(reason) for reason in OUTCOME_OF]


@pytest.mark.parametrize("reason", [each for each in REFUSED if each is not Reason.ENVIRONMENT])
def test_the_status_is_the_one_that_was_answered(
    installation: Installation, face: InProcess, clock: ManualClock, reason: Reason
) -> None:
    """A real request to the API that is refused so gets the status that the page will tell, and leaves this refusal."""
    given = {name: value for name, value in REFUSED[reason][0].items() if name != "disabled"}
    created = installation.create(**{**given, "rate_limit": "1/15m"})
    if reason is Reason.DISABLED:
        installation.keywright.manager.update(ME, installation.account_id, created.row.id, {"disabled": True})
    clock.advance(10)
    headers = (("X-API-Key", created.key),)
    if reason is Reason.RATE_LIMITED:
        face.send("GET", "/v1/account/api-keys", headers)
    answer = face.send("GET", "/v1/account/api-keys", headers)
    installation.keywright.usage.flush()
    (refusal,) = installation.keywright.usage_store.refusals(created.row.slot)

    assert refusal.reason == reason
    assert str(answer.status_code) == show.status(reason)


def test_addresses_stand_there_with_when_they_were_seen(
    installation: Installation, owner: Desk, clock: ManualClock
) -> None:
    """A real request's address stands on the page, with when it was seen first and last."""
    created = installation.create()
    first = show.recent(clock.now(), clock.now())
    for _ in range(2):
        installation.keywright.verify(created.key, Request(address="203.0.113.77"))
        installation.keywright.usage.flush()
        clock.advance(300)
    page = seen(owner.get(f"{KEYS}/{created.row.id}"))
    section = page[page.index("Addresses") : page.index("What it may do")]
    assert re.search(rf"203\.0\.113\.77\s+First seen {first}\s+5 min ago", section)


def test_a_viewer_sees_networks(installation: Installation, viewer: Desk, admin: Desk) -> None:
    """In place of every address, a viewer sees the network that it is in, each once, seen first when any of it was."""
    row = installation.create().row
    left(installation, row.slot, "203.0.113.77", "203.0.113.78", "2001:db8::77")
    addresses = ("203.0.113.77", "203.0.113.78", "2001:db8::77")
    looked, managed = (desk.get(f"{KEYS}/{row.id}").text for desk in (viewer, admin))

    assert [each for each in addresses if each in looked] == []
    assert [each for each in addresses if each not in managed] == []
    listed = looked[looked.index('aria-labelledby="ad"') :]
    assert (listed.count("203.0.113.0/24"), listed.count("2001:db8::/48")) == (1, 1)


def test_networks_are_joined() -> None:
    """What is shown as one was seen first when the first of it was, and last when the last was; order stays."""
    found = [Sighting("192.0.2.9", 5, 9), Sighting("198.51.100.1", 7, 8), Sighting("192.0.2.1", 1, 6)]
    assert show.sightings(found, masked=False) == found
    assert show.sightings(found, masked=True) == [Sighting("192.0.2.0/24", 1, 9), Sighting("198.51.100.0/24", 7, 8)]


def test_nothing_of_another_account_is_seen(installation: Installation, owner: Desk) -> None:
    """What another account's key left behind stands on no page of this one."""
    theirs = installation.account("Their company")
    key, mine = installation.create("Theirs", theirs).row, installation.create().row
    left(installation, key.slot, "192.0.2.231", account_id=theirs)

    assert owner.get(f"{KEYS}/{key.id}").status_code == 404
    for path in (f"{KEYS}/{mine.id}", KEYS, "/overview", "/audit-log"):
        assert "192.0.2" not in owner.get(path).text


def test_the_longest_page_fits(installation: Installation, owner: Desk) -> None:
    """As much as is ever kept, and texts that are no addresses, are shown as text."""
    row = installation.create().row
    hostile = "<img src=x>"
    left(installation, row.slot, hostile, *(f"192.0.2.{each}" for each in range(KEPT_ADDRESSES - 1)))
    answer = owner.get(f"{KEYS}/{row.id}")
    assert hostile in seen(answer)
    assert hostile not in answer.text


def test_every_reason_has_its_words() -> None:
    """Whatever a known key can be refused for is called by a word of the catalogue, and has a status."""
    words = Words()
    names = [f"trace.{kind}.{reason}" for kind in ("reason", "reason_text") for reason in OUTCOME_OF]
    assert [each for each in names if not words.has(each)] == []
    assert all(show.status(reason) for reason in OUTCOME_OF)
    assert show.status("of_a_newer_version") == ""


#: What goes wrong: file, what stands there, what stands there then, who notices.
MUTANTS = {
    "viewers see the addresses of refusals": (
        "server/console/templates/traces.html.j2",
        "show.address(each.address, masked)",
        "show.address(each.address, false)",
        "test_a_viewer_sees_networks",
    ),
    "viewers see addresses": (
        "server/console/templates/key.html.j2",
        "traces.addresses(found.sightings, not can)",
        "traces.addresses(found.sightings, false)",
        "test_a_viewer_sees_networks",
    ),
    "refusals are everybody's": (
        "stores/traces_sql.py",
        "select(refused.at, refused.reason, refused.address).where(refused.slot == slot)",
        "select(refused.at, refused.reason, refused.address)",
        "test_nothing_of_another_account_is_seen",
    ),
}


@pytest.mark.parametrize("fault", with_long_form(MUTANTS, MUTANTS.keys()))
def test_a_fault_is_caught(tmp_path: Path, fault: str) -> None:
    """Mutants: masking, tenancy."""
    file, old, new, test = MUTANTS[fault]
    assert_caught(tmp_path, file, old, new, HERE + test)
