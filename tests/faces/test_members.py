"""Changing keys, the account, and its usage."""

from __future__ import annotations

from typing import Any

import pytest

from keywright import ManualClock, timestamp
from support.cases import Verdict, assert_flat_error, assert_rate_headers, assert_unauthorized
from support.faces import Face, InProcess, OverHttp
from support.waiting import eventually

KEYS = "/v1/account/api-keys"
USAGE = "/v1/account/usage"


def status(face: Face, key: str) -> int:
    """What the key is answered now."""
    return face.call("GET", "/v1/subscriptions", key).status_code


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Renamed / 名前"},
        {"scopes": ["keys:read", "subscriptions:read"]},
        {"rate_limit": "6/m"},
        {"rate_limit": ["6/m", "50/h"]},
        {"networks": ["203.0.113.0/24", "2001:db8::/32"]},
        {"networks": []},
        {"metadata": {"team": "payments", "n": [1, None, True]}},
        {"expires_at": "2039-01-31T09:00:00Z"},
        {"expires_at": None},
        {},
    ],
)
def test_s38_patch_changes_what_it_names_and_nothing_else(change: dict[str, Any], inside: InProcess) -> None:
    """Every member that may be changed is changed as asked for; all others stay."""
    caller, changed = inside.key(), inside.create(metadata={"old": 1})
    path = f"{KEYS}/{changed.row.id}"
    before = inside.call("GET", path, caller).json()
    answer = inside.call("PATCH", path, caller, change)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == list(before)
    assert answer.json() == {**before, **change}
    assert inside.call("GET", path, caller).json() == {**before, **change}


def test_s38_patch_takes_an_expiry_in_seconds(moving: InProcess, clock: ManualClock) -> None:
    """``expires_in_seconds`` sets the end from now, and the key ends then."""
    created = moving.create()
    answer = moving.call("PATCH", f"{KEYS}/{created.row.id}", created.key, {"expires_in_seconds": 60})
    assert answer.json()["expires_at"] == timestamp(clock.now() + 60)
    clock.advance(60)
    assert status(moving, created.key) == 401


def test_s27_disabled_at_once_and_enabled_again(face: Face) -> None:
    """A disabled key is refused from the next request on, in the words for any bad key, and works when enabled."""
    caller, changed = face.key(), face.create()
    path = f"{KEYS}/{changed.row.id}"
    assert status(face, changed.key) == 200
    assert face.call("PATCH", path, caller, {"disabled": True}).json()["status"] == "disabled"
    refused = face.call("GET", "/v1/subscriptions", changed.key)
    assert_unauthorized(refused, Verdict.INVALID.message, face.keywright.clock.now())
    assert face.call("PATCH", path, caller, {"disabled": False}).json()["status"] == "active"
    assert status(face, changed.key) == 200


def test_s62_a_changed_limit_is_in_force_at_once(face: Face) -> None:
    """A lower limit counts for what the window has already seen."""
    caller, changed = face.key(), face.create()
    for _ in range(5):
        status(face, changed.key)
    face.call("PATCH", f"{KEYS}/{changed.row.id}", caller, {"rate_limit": "6/15m"})
    assert [status(face, changed.key) for _ in range(2)] == [200, 429]


def test_s20_a_key_that_disables_itself_is_refused_from_then_on(face: Face) -> None:
    """A key may take away its own rights, and has them no longer in the next request."""
    created = face.create()
    path = f"{KEYS}/{created.row.id}"
    assert face.call("PATCH", path, created.key, {"scopes": ["subscriptions:read", "keys:write"]}).status_code == 200
    assert face.call("GET", KEYS, created.key).status_code == 403
    assert face.call("PATCH", path, created.key, {"disabled": True}).status_code == 200
    assert face.call("PATCH", path, created.key, {"disabled": False}).status_code == 401


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"format": "ss"}, "format"), ({"environment": "test"}, "environment"), ({"status": "active"}, "status"),
        ({"last_used_at": None}, "last_used_at"), ({"id": "key_000000000"}, "id"), ({"name": ""}, "name"),
        ({"name": 1}, "name"), ({"disabled": "yes"}, "disabled"), ({"disabled": 1}, "disabled"),
        ({"disabled": None}, "disabled"), ({"scopes": "keys:read"}, "scopes"), ({"scopes": ["Not A Scope"]}, "scopes"),
        ({"rate_limit": "0/1m"}, "rate_limit"), ({"rate_limit": []}, "rate_limit"),
        ({"rate_limit": ["1/1m", "2/60s"]}, "rate_limit"), ({"networks": ["nowhere"]}, "networks"),
        ({"metadata": {"x": "y" * 4096}}, "metadata"), ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_in_seconds": 1.5}, "expires_in_seconds"), ({"name": "good", "disabled": "yes"}, "disabled"),
    ],
)  # fmt: skip
def test_s19_a_change_that_is_none_changes_nothing(change: dict[str, Any], member: str, inside: InProcess) -> None:
    """One wrong or unknown member, and all of the change is refused, naming it."""
    created = inside.create()
    path = f"{KEYS}/{created.row.id}"
    before = inside.call("GET", path, created.key).json()
    answer = inside.call("PATCH", path, created.key, change)
    assert_flat_error(answer, 422, "VALIDATION_ERROR", None, inside.keywright.clock.now())
    assert answer.json()["details"] == [{"member": member}]
    assert_rate_headers(answer, 98)
    assert inside.call("GET", path, created.key).json() == before


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ["*"]}, {"scopes": ["keys:write", "keys:read"]}, {"rate_limit": "101/15m"}, {"rate_limit": None},
        {"networks": []}, {"networks": ["0.0.0.0/0"]}, {"expires_at": None}, {"scopes": ["operator"]},
    ],
)  # fmt: skip
def test_s20_no_key_makes_itself_more(change: dict[str, Any], inside: InProcess) -> None:
    """A key cannot widen itself beyond what it is, nor another key beyond itself."""
    created = inside.create(scopes=["keys:write"], networks=["127.0.0.0/8"], expires_in_seconds=1000)
    other = inside.create(scopes=["keys:write"], networks=["127.0.0.1"], expires_in_seconds=10, rate_limit="1/h")
    for target in (created, other):
        answer = inside.call("PATCH", f"{KEYS}/{target.row.id}", created.key, change)
        assert_flat_error(answer, 422, "VALIDATION_ERROR", None, inside.keywright.clock.now())


@pytest.mark.parametrize(
    ("scopes", "method", "path", "missing"),
    [
        (["keys:write"], "GET", KEYS, "keys:read"),
        (["keys:read"], "POST", KEYS, "keys:write"),
        (["keys:read"], "DELETE", f"{KEYS}/key_000000000", "keys:write"),
        (["keys:read"], "PATCH", f"{KEYS}/key_000000000", "keys:write"),
        (["keys:read"], "POST", f"{KEYS}/key_000000000/rotate", "keys:write"),
        (["keys:read"], "GET", "/v1/account", "account:read"),
        (["keys:read"], "GET", USAGE, "usage:read"),
        (["keys:read"], "GET", "/v1/subscriptions", "subscriptions:read"),
        (["subscriptions:read"], "POST", "/v1/subscriptions", "subscriptions:write"),
        (["keys:read"], "GET", "/api/campaigns", "campaigns:read"),
        (["campaigns:trigger"], "POST", "/api/campaigns", "campaigns:write"),
        (["campaigns:write"], "POST", "/api/campaigns/x/trigger", "campaigns:trigger"),
    ],
)
def test_s20_403_names_the_missing_scope(
    scopes: list[str], method: str, path: str, missing: str, inside: InProcess
) -> None:
    """A good key without the scope is 403, not 401: the answer names the scope, shows the limit, and cost one."""
    answer = inside.call(method, path, inside.key(scopes=scopes))
    assert_flat_error(answer, 403, "FORBIDDEN", None, inside.keywright.clock.now())
    assert missing in answer.json()["message"]
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="api", error="insufficient_scope", scope="{missing}"'
    assert_rate_headers(answer, 99)


def test_s73_the_account(moving: InProcess, clock: ManualClock) -> None:
    """The account of the calling key, and how many keys it has in each state."""
    key = moving.key()
    moving.key(expires_in_seconds=5)
    disabled, old = moving.create(), moving.create()
    moving.call("PATCH", f"{KEYS}/{disabled.row.id}", key, {"disabled": True})
    moving.call("POST", f"{KEYS}/{old.row.id}/rotate", key, {"grace_seconds": 60})
    moving.key(account_id=moving.account("Another Company"))
    made_at = timestamp(clock.now())
    clock.advance(10)
    answer = moving.call("GET", "/v1/account", key)
    assert answer.status_code == 200
    assert list(answer.json()) == [
        "id", "name", "created_at", "keys", "rate_limit", "account_rate_limit", "status",
    ]  # fmt: skip
    assert answer.json() == {
        "id": moving.account_id,
        "name": "A Company",
        "created_at": made_at,
        "keys": {"active": 2, "disabled": 1, "expired": 1, "rotating": 1},
        "rate_limit": "100/15m",
        "account_rate_limit": None,
        "status": "active",
    }


def test_s73_account_ids(face: Face) -> None:
    """``acc_`` and nine characters; the account has no keys of anybody else."""
    shown = face.call("GET", "/v1/account", face.key()).json()
    assert shown["id"].startswith("acc_")
    assert len(shown["id"]) == len("acc_") + 9
    assert shown["keys"] == {"active": 1, "disabled": 0, "expired": 0, "rotating": 0}


def test_s47_usage_counts_every_outcome(moving: InProcess, clock: ManualClock) -> None:
    """Accepted, over the limit, without the scope, refused: each is counted where it belongs, in its hour."""
    reader = moving.key()
    used = moving.create(rate_limit="3/15m", scopes=["subscriptions:read"])
    start = timestamp(int(clock.now()) // 3600 * 3600)
    for path in ("/v1/subscriptions", "/v1/subscriptions", "/v1/account", "/v1/subscriptions"):
        moving.call("GET", path, used.key)
    moving.call("PATCH", f"{KEYS}/{used.row.id}", reader, {"disabled": True})
    moving.call("GET", "/v1/subscriptions", used.key)
    moving.keywright.usage.flush()
    end = timestamp(clock.now() + 3600)
    answer = moving.call("GET", f"{USAGE}?key_id={used.row.id}&to={end}", reader)
    assert answer.json()["data"] == [
        {"start": start, "outcome": "accepted", "count": 2},
        {"start": start, "outcome": "forbidden", "count": 1},
        {"start": start, "outcome": "rate_limited", "count": 1},
        {"start": start, "outcome": "refused", "count": 1},
    ]


def test_s47_usage_by_hour_and_day(moving: InProcess, clock: ManualClock) -> None:
    """Hours are summed to UTC days; what lies outside the asked span is left out; deleted keys stay in the sums."""
    used, reader = moving.create(), moving.key()
    first = clock.now()
    for _ in range(3):
        status(moving, used.key)
        moving.keywright.usage.flush()
        clock.advance(3600)
    moving.call("DELETE", f"{KEYS}/{used.row.id}", reader)
    span = f"from={timestamp(first - 3600)}&to={timestamp(clock.now())}&key_id={used.row.id}"
    hours = moving.call("GET", f"{USAGE}?{span}", reader).json()
    days = moving.call("GET", f"{USAGE}?{span}&interval=day", reader).json()
    assert [each["start"] for each in hours["data"]] == [f"2025-01-20T{hour}:00:00Z" for hour in (10, 11, 12)]
    assert days["data"] == [{"start": "2025-01-20T00:00:00Z", "outcome": "accepted", "count": 3}]
    assert (hours["interval"], days["interval"]) == ("hour", "day")
    outside = moving.call("GET", f"{USAGE}?from={timestamp(first + 9000)}&to={timestamp(first + 9001)}", reader).json()
    assert outside["data"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=yesterday", 422), ("to=2025", 422), ("from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z", 422),
        ("from=2020-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", 422), ("interval=week", 422),
        ("key_id=key_000000000", 404), ("key_id=" + "x" * 65, 422),
    ],
)  # fmt: skip
def test_s47_usage_of_nothing(query: str, code: int, inside: InProcess) -> None:
    """A span, interval or key that is none is told, never answered with somebody else's numbers."""
    answer = inside.call("GET", f"{USAGE}?{query}", inside.key())
    assert_flat_error(
        answer, code, "NOT_FOUND" if code == 404 else "VALIDATION_ERROR", None, inside.keywright.clock.now()
    )


def test_s73_usage_of_another_account_is_not_there(face: Face) -> None:
    """Another account's key, living or deleted, is 404 for usage as well, and its requests are in no sum of ours."""
    theirs = face.create(account_id=face.account())
    mine = face.key()
    status(face, theirs.key)
    assert face.call("GET", f"{USAGE}?key_id={theirs.row.id}", mine).status_code == 404
    face.call("DELETE", f"{KEYS}/{theirs.row.id}", theirs.key)
    assert face.call("GET", f"{USAGE}?key_id={theirs.row.id}", mine).status_code == 404


def test_s51_usage_of_the_real_server(over_http: OverHttp) -> None:
    """What a running server served is in the report within seconds."""
    key = over_http.key()
    for _ in range(3):
        status(over_http, key)

    def counted() -> bool:
        to = timestamp(over_http.keywright.clock.now() + 1)
        data = over_http.call("GET", f"{USAGE}?to={to}", key).json()["data"]
        return sum(int(each["count"]) for each in data) >= 3

    assert eventually(counted)
