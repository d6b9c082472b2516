"""When a key was last used: what counts as use, when it shows, and that it never goes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from keywright import ManualClock, timestamp
from keywright.usage import VISIBLE_WITHIN_SECONDS
from support.faces import Headers, InProcess, OverHttp
from support.installation import ME, Installation
from support.waiting import eventually

KEYS = "/v1/account/api-keys"


def last_used(face: InProcess, key_id: str) -> str | None:
    """What the list says of a key, read by somebody whose reading is nobody's use."""
    face.keywright.usage.flush()
    listed = face.keywright.manager.key(ME, face.account_id, key_id)
    return timestamp(listed.last_use.at) if listed.last_use else None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/subscriptions", None, 200),
        ("GET", "/api/v1/account", None, 200),
        ("GET", "/api/campaigns", None, 200),
        ("GET", "/v1/nothing", None, 404),
        ("PUT", "/v1/account", None, 405),
        ("POST", KEYS, {"name": ""}, 422),
        ("POST", KEYS, {}, 400),
        ("POST", "/api/campaigns/camp_000000000/trigger", {"phone": "+14155552671"}, 404),
        ("POST", "/api/campaigns/camp_000000000/trigger", {"phone": "nobody"}, 422),
    ],
)
def test_s47_s48_every_authenticated_request_is_a_use(
    method: str, path: str, body: Any, status: int, moving: InProcess, clock: ManualClock
) -> None:
    """Whatever the surface and however it ended: a request with a good key is the key's last use."""
    created = moving.create()
    assert last_used(moving, created.row.id) is None
    clock.advance(100)
    assert moving.call(method, path, created.key, body).status_code == status
    assert last_used(moving, created.row.id) == timestamp(clock.now())


def test_s47_s48_a_request_over_the_limit_is_a_use(moving: InProcess, clock: ManualClock) -> None:
    """A key that is refused for its limit is in use, and shows it."""
    created = moving.create(rate_limit="1/15m")
    moving.call("GET", "/v1/subscriptions", created.key)
    clock.advance(60)
    assert moving.call("GET", "/v1/subscriptions", created.key).status_code == 429
    assert last_used(moving, created.row.id) == timestamp(clock.now())


def test_s49_a_failed_authentication_moves_nothing(moving: InProcess, clock: ManualClock) -> None:
    """Refused requests, with the disabled or expired key itself or with something like it, are no use of it."""
    created, other = moving.create(expires_in_seconds=1000), moving.create()
    moving.call("GET", "/v1/subscriptions", created.key)
    used = last_used(moving, created.row.id)
    clock.advance(100)
    moving.keywright.manager.update(ME, moving.account_id, created.row.id, {"disabled": True})
    attempts: list[Headers] = [
        (("X-API-Key", created.key),),
        (("X-API-Key", created.key[:-1] + "0"),),
        (("X-API-Key", created.key), ("X-API-Key", other.key)),
        (),
    ]
    statuses = [moving.send("GET", "/v1/subscriptions", headers).status_code for headers in attempts]
    clock.advance(1000)
    moving.keywright.manager.update(ME, moving.account_id, created.row.id, {"disabled": False})
    statuses.append(moving.call("GET", "/v1/subscriptions", created.key).status_code)
    assert statuses == [401, 401, 400, 401, 401]
    assert last_used(moving, created.row.id) == used
    assert last_used(moving, other.row.id) is None


def test_s49_another_key_of_the_account_moves_nothing(moving: InProcess, clock: ManualClock) -> None:
    """Listing, showing and changing a key is a use of the key that asks, not of the key that is asked about."""
    asked, asking = moving.create(), moving.create()
    moving.call("GET", KEYS, asking.key)
    moving.call("GET", f"{KEYS}/{asked.row.id}", asking.key)
    moving.call("PATCH", f"{KEYS}/{asked.row.id}", asking.key, {"name": "Renamed"})
    assert last_used(moving, asked.row.id) is None
    assert last_used(moving, asking.row.id) == timestamp(clock.now())


def test_s50_it_never_goes_back(data_dir: Path) -> None:
    """A process whose clock is behind, or which writes late, does not move a last use into the past."""
    early, late = ManualClock(1_737_369_100.0), ManualClock(1_737_369_500.0)
    with (
        Installation(data_dir, late) as first,
        Installation(data_dir, early) as second,
        InProcess(first.keywright) as ahead,
        InProcess(second.keywright) as behind,
    ):
        created = ahead.create()
        for face in (ahead, behind):
            assert face.call("GET", "/v1/subscriptions", created.key).status_code == 200
        ahead.keywright.usage.flush()
        behind.keywright.usage.flush()
        assert last_used(ahead, created.row.id) == timestamp(late.now())


def test_s51_visible_within_two_seconds(over_http: OverHttp) -> None:
    """A use shows in the list of a running server within two seconds, and it is the second of the use."""
    used, asking = over_http.create(), over_http.create(rate_limit=None)
    before = over_http.keywright.clock.now()
    answer: httpx.Response = over_http.call("GET", "/v1/subscriptions", used.key)
    after = over_http.keywright.clock.now()
    assert answer.status_code == 200

    def shown() -> Any:
        return over_http.call("GET", f"{KEYS}/{used.row.id}", asking.key).json()["last_used_at"]

    found = eventually(shown, VISIBLE_WITHIN_SECONDS)
    assert found is not None
    assert timestamp(before) <= found <= timestamp(after)


def test_s51_visible_across_processes(over_workers: OverHttp) -> None:
    """Whichever process served the use, whichever process lists: within two seconds it shows, and stays."""
    # Who asks again and again must not run into its own limit before the answer is there.
    used, asking = over_workers.create(), over_workers.create(rate_limit=None)
    over_workers.call("GET", "/v1/subscriptions", used.key)
    path = f"{KEYS}/{used.row.id}"

    def shown() -> bool:
        answers = [over_workers.call("GET", path, asking.key).json()["last_used_at"] for _ in range(4)]
        return None not in answers

    assert eventually(shown, VISIBLE_WITHIN_SECONDS)
