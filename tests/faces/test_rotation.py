"""Rotating a key without a gap: by hand, and in one call with a grace period."""

from __future__ import annotations

from typing import Any

import pytest

from keywright import ManualClock, timestamp
from keywright.manage.manager import MAX_GRACE_SECONDS
from support.cases import Verdict, assert_flat_error, assert_unauthorized
from support.faces import Face, InProcess

KEYS = "/v1/account/api-keys"


def status(face: Face, key: str) -> int:
    """What the key is answered now."""
    return face.call("GET", "/v1/subscriptions", key).status_code


def rotate(face: Face, key_id: str, caller: str, body: Any = None) -> dict[str, Any]:
    """The successor, as the API shows it."""
    answer = face.call("POST", f"{KEYS}/{key_id}/rotate", caller, body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_s61_by_hand(face: Face) -> None:
    """Create a new key, use both, delete the old one with the new one: there is no moment without a good key."""
    old = face.create("Production Server")
    new = face.call("POST", KEYS, old.key, {"name": "Production Server"}).json()["key"]
    assert (status(face, old.key), status(face, new)) == (200, 200)
    assert face.call("DELETE", f"{KEYS}/{old.row.id}", new).status_code == 204
    assert (status(face, old.key), status(face, new)) == (401, 200)


def test_s61_in_one_call_with_grace(moving: InProcess, clock: ManualClock) -> None:
    """Both keys work through the grace, and the old one ends with it, on the second."""
    old = moving.create()
    new = rotate(moving, old.row.id, old.key, {"grace_seconds": 3600})["key"]
    clock.advance(3599)
    assert (status(moving, old.key), status(moving, new)) == (200, 200)
    clock.advance(1)
    refused = moving.call("GET", "/v1/subscriptions", old.key)
    assert_unauthorized(refused, Verdict.INVALID.message, clock.now())
    assert status(moving, new) == 200


@pytest.mark.parametrize("body", [None, {}])
def test_s61_the_default_grace_is_a_day(body: Any, moving: InProcess, clock: ManualClock) -> None:
    """Without a grace, with a body or without one, the old key has a day."""
    old = moving.create()
    rotate(moving, old.row.id, old.key, body)
    shown = moving.keys(old.key)[0]
    assert (shown["status"], shown["expires_at"]) == ("rotating", timestamp(clock.now() + 86_400))


def test_s61_without_grace_the_old_key_ends_at_once(face: Face) -> None:
    """A grace of nothing ends the old key with the very answer."""
    old = face.create()
    new = rotate(face, old.row.id, old.key, {"grace_seconds": 0})["key"]
    assert (status(face, old.key), status(face, new)) == (401, 200)


def test_s61_never_later_than_its_own_expiry(moving: InProcess, clock: ManualClock) -> None:
    """A long grace does not lengthen a life: old and new end when the old one would have ended."""
    old = moving.create(expires_in_seconds=100)
    new = rotate(moving, old.row.id, old.key, {"grace_seconds": 3600})
    assert new["expires_at"] == timestamp(clock.now() + 100)
    clock.advance(100)
    assert (status(moving, old.key), status(moving, new["key"])) == (401, 401)


def test_s61_the_successor_is_the_same_but_for_its_secret(face: Face) -> None:
    """Everything about the key but id, text and times is handed on, and the answer is that of creating."""
    given: dict[str, Any] = {
        "format": "ss", "scopes": ["keys:read", "keys:write"], "rate_limit": ["10/m", "99/h"],
        "networks": ["127.0.0.0/8"], "metadata": {"team": "payments"},
    }  # fmt: skip
    old = face.create("Zapier", **given)
    created = face.call("POST", KEYS, old.key, {"name": "Other"}).json()
    before = face.keys(old.key)[0]
    new = rotate(face, old.row.id, old.key)
    assert list(new) == list(created)
    same = ("name", "prefix", "environment", "scopes", "rate_limit", "networks", "metadata", "expires_at")
    assert {name: new[name] for name in same} == {name: before[name] for name in same}
    assert (new["id"], new["key"]) != (old.row.id, old.key)
    assert (new["last_used_at"], new["status"]) == (None, "active")


def test_s61_only_an_active_key_is_rotated(face: Face) -> None:
    """A key that is being rotated already names its successor; a disabled or expired one has none."""
    caller, old, disabled = face.create(), face.create(), face.create()
    new = rotate(face, old.row.id, caller.key)
    face.call("PATCH", f"{KEYS}/{disabled.row.id}", caller.key, {"disabled": True})
    again = face.call("POST", f"{KEYS}/{old.row.id}/rotate", caller.key)
    assert_flat_error(again, 409, "CONFLICT", None, face.keywright.clock.now())
    assert again.json()["details"] == [{"existing": new["id"]}]
    refused = face.call("POST", f"{KEYS}/{disabled.row.id}/rotate", caller.key)
    assert_flat_error(refused, 409, "CONFLICT", None, face.keywright.clock.now())
    assert len(face.keys(caller.key)) == 4


def test_s61_the_old_keys_life_cannot_be_made_longer(moving: InProcess, clock: ManualClock) -> None:
    """Once its end is set by a rotation, no change gives a key more life."""
    old = moving.create()
    new = rotate(moving, old.row.id, old.key, {"grace_seconds": 60})["key"]
    for later in ({"expires_at": None}, {"expires_in_seconds": 61}):
        answer = moving.call("PATCH", f"{KEYS}/{old.row.id}", new, later)
        assert_flat_error(answer, 409, "CONFLICT", None, clock.now())
    clock.advance(60)
    assert moving.call("PATCH", f"{KEYS}/{old.row.id}", new, {"expires_in_seconds": 60}).status_code == 409
    assert status(moving, old.key) == 401


@pytest.mark.parametrize("grace", [-1, MAX_GRACE_SECONDS + 1, "1h", 1.5, True, None])
def test_s61_a_grace_that_is_none(grace: Any, inside: InProcess) -> None:
    """A wrong grace is named, and the key is not rotated."""
    old = inside.create()
    answer = inside.call("POST", f"{KEYS}/{old.row.id}/rotate", old.key, {"grace_seconds": grace})
    assert_flat_error(answer, 422, "VALIDATION_ERROR", None, inside.keywright.clock.now())
    assert answer.json()["details"] == [{"member": "grace_seconds"}]
    assert [each["status"] for each in inside.keys(old.key)] == ["active"]


def test_s20_s61_nobody_rotates_his_way_to_more_rights(inside: InProcess) -> None:
    """A key cannot get hold of the successor of a key that may do more than itself."""
    wide = inside.create()
    narrow = inside.key(scopes=["keys:write"])
    answer = inside.call("POST", f"{KEYS}/{wide.row.id}/rotate", narrow)
    assert_flat_error(answer, 403, "FORBIDDEN", None, inside.keywright.clock.now())
    assert "key" not in answer.json()
    assert len(inside.keys(wide.key)) == 2
