"""Listing keys: what is shown, in which order, to whom, and page by page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from keywright import ManualClock, timestamp
from support.cases import assert_flat_error, assert_rate_headers
from support.faces import Face, InProcess
from support.installation import ME

KEYS = "/v1/account/api-keys"
MEMBERS = [
    "id", "name", "last_used_at", "created_at", "prefix", "hint", "environment", "status", "scopes", "expires_at",
    "rate_limit", "networks", "metadata",
]  # fmt: skip


def test_s38_s39_s41_s42_s43_the_list(face: Face) -> None:
    """The documents' four members come first and in their order; ids and times have the documents' forms."""
    key = face.key("Production Server")
    face.key("Development")
    answer = face.call("GET", KEYS, key)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert_rate_headers(answer, 99)
    assert list(answer.json()) == ["keys"]
    listed = answer.json()["keys"]
    assert [each["name"] for each in listed] == ["Production Server", "Development"]
    for each in listed:
        assert list(each) == MEMBERS
        assert re.fullmatch(r"key_[A-Za-z0-9]{9}", each["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each["created_at"])
        assert each["last_used_at"] is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each["last_used_at"])
        assert [each[name] for name in MEMBERS[6:]] == ["live", "active", ["*"], None, "100/15m", [], {}]


def test_s40_s41_neither_key_nor_digest_nor_anything_of_it(face: Face) -> None:
    """No answer but that of creating holds more than four characters of a key, or its digest; ids owe it nothing."""
    created = face.create()
    for path in (KEYS, f"{KEYS}/{created.row.id}", "/v1/account"):
        text = face.call("GET", path, created.key).text
        assert created.row.digest.hex() not in text
        tail = created.key.rpartition("_")[2]
        assert not [start for start in range(len(tail) - 4) if tail[start : start + 5] in text]
    assert created.row.id.removeprefix("key_")[:5] not in created.key


def test_s42_s43_times_are_whole_seconds_rounded_down(moving: InProcess, clock: ManualClock) -> None:
    """A use at half past a second shows as that second; never one that has not begun."""
    clock.advance(0.9)
    key = moving.key()
    clock.advance(1)
    moving.call("GET", "/v1/subscriptions", key)
    moving.keywright.usage.flush()
    listed = moving.keys(key)[0]
    assert (listed["created_at"], listed["last_used_at"]) == ("2025-01-20T10:30:00Z", "2025-01-20T10:30:01Z")


def test_s44_oldest_first_and_whole(inside: InProcess) -> None:
    """Without parameters the whole list comes, however long, in the order of making."""
    key = inside.key("0")
    manager, account = inside.keywright.manager, inside.account_id
    made = [each.row.id for each in manager.create_many(ME, account, ({"name": str(n)} for n in range(1, 2101)))]
    listed = inside.keys(key)
    assert [each["name"] for each in listed] == [str(n) for n in range(2101)]
    assert [each["id"] for each in listed[1:]] == made


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 6, 1000])
def test_s44_pages(limit: int, inside: InProcess) -> None:
    """Followed to its end, ``next_cursor`` gives every key once and in order, also where pages come out even."""
    keys = [inside.key(str(number)) for number in range(5)]
    found: list[str] = []
    cursor = ""
    for _ in range(6):
        page = inside.call("GET", f"{KEYS}?limit={limit}{cursor}", keys[0]).json()
        assert len(page["keys"]) <= limit
        found += [each["name"] for each in page["keys"]]
        if not page.get("next_cursor"):
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["0", "1", "2", "3", "4"]


def test_s44_a_page_boundary_survives_a_deletion(face: Face) -> None:
    """A key that is deleted between two pages makes no other key appear twice or not at all."""
    made = [face.create(str(number)) for number in range(5)]
    first = face.call("GET", f"{KEYS}?limit=2", made[4].key).json()
    assert face.call("DELETE", f"{KEYS}/{made[1].row.id}", made[4].key).status_code == 204
    rest = face.call("GET", f"{KEYS}?limit=10&cursor={first['next_cursor']}", made[4].key).json()
    assert [each["name"] for each in rest["keys"]] == ["2", "3", "4"]


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("limit=0", "limit"), ("limit=-1", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
        ("cursor=", "cursor"), ("cursor=nonsense", "cursor"), ("cursor=W3RydWVd", "cursor"),
        ("cursor=W10", "cursor"), ("cursor=Wy0xXQ", "cursor"), ("cursor=%C3%A9", "cursor"),
        ("cursor=" + "W" * 65, "cursor"),
    ],
)  # fmt: skip
def test_s44_bad_parameters_are_422(query: str, member: str, inside: InProcess) -> None:
    """A limit or cursor that is none is named as the value at fault; it never lists from somewhere else."""
    answer = inside.call("GET", f"{KEYS}?{query}", inside.key())
    assert_flat_error(answer, 422, "VALIDATION_ERROR", None, inside.keywright.clock.now())
    assert answer.json()["details"] == [{"member": member}]
    assert_rate_headers(answer, 99)


def test_s45_s73_all_keys_of_the_account_and_nobody_elses(face: Face) -> None:
    """Each of two accounts sees all of its keys, whichever of them asks, and none of the other's."""
    mine = [face.key(f"mine {number}") for number in range(3)]
    other = face.account("Another Company")
    theirs = face.create("theirs", other)
    face.call("POST", KEYS, theirs.key, {"name": "theirs too"})
    for key in mine:
        assert [each["name"] for each in face.keys(key)] == ["mine 0", "mine 1", "mine 2"]
    assert [each["name"] for each in face.keys(theirs.key)] == ["theirs", "theirs too"]


def test_s45_keys_of_every_state_are_listed(moving: InProcess, clock: ManualClock) -> None:
    """Disabled, expired and rotated keys stay in the list, with their state; only deleted ones go."""
    key = moving.key("active")
    disabled, old = moving.create("disabled"), moving.create("rotating")
    moving.create("expired", expires_in_seconds=10)
    moving.call("PATCH", f"{KEYS}/{disabled.row.id}", key, {"disabled": True})
    moving.call("POST", f"{KEYS}/{old.row.id}/rotate", key, {"grace_seconds": 60})
    clock.advance(10)
    states = [(each["name"], each["status"]) for each in moving.keys(key)]
    assert states == [
        ("active", "active"), ("disabled", "disabled"), ("rotating", "rotating"), ("expired", "expired"),
        ("rotating", "active"),
    ]  # fmt: skip


def test_s38_one_key_by_its_id(face: Face) -> None:
    """A key shows itself as the list shows it."""
    created = face.create(metadata={"team": "payments"})
    shown: dict[str, Any] = face.call("GET", f"{KEYS}/{created.row.id}", created.key).json()
    assert shown["metadata"] == {"team": "payments"}
    assert shown == {**face.keys(created.key)[0], "last_used_at": shown["last_used_at"]}
    assert shown["created_at"] == timestamp(created.row.created_at)
