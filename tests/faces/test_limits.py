"""The rate limit: what is counted, what the headers say, and that it is exact."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import http_sf
import httpx
import pytest

from keywright import ManualClock
from keywright.flood import BURST
from support.cases import Verdict, assert_flat_error, assert_rate_headers, assert_unauthorized, forged
from support.faces import Face, InProcess, OverHttp
from support.installation import ME, Installation

PATH = "/v1/subscriptions"
KEYS = "/v1/account/api-keys"


def get(face: Face, key: str) -> httpx.Response:
    """One request with the key."""
    return face.call("GET", PATH, key)


def policy_and_state(answer: httpx.Response) -> tuple[Any, Any]:
    """The two IETF fields, as structured fields (RFC 9651)."""
    return tuple(  # type: ignore[return-value]
        http_sf.parse(answer.headers[name].encode(), tltype="list") for name in ("RateLimit-Policy", "RateLimit")
    )


def test_s62_s64_s65_a_hundred_and_no_more(face: Face) -> None:
    """By default 99 are left after the first request, 0 after the hundredth, and the next is refused."""
    key = face.key()
    answers = [get(face, key) for _ in range(100)]
    assert {each.status_code for each in answers} == {200}
    assert [each.headers["X-RateLimit-Limit"] for each in answers] == ["100"] * 100
    assert [each.headers["X-RateLimit-Remaining"] for each in answers] == [str(left) for left in range(99, -1, -1)]
    assert len({each.headers["X-RateLimit-Reset"] for each in answers}) == 1
    refused = get(face, key)
    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["X-RateLimit-Reset"] == answers[0].headers["X-RateLimit-Reset"]


def test_s69_the_refusal(face: Face) -> None:
    """429 with the documented headers and words; body and ``Retry-After`` agree, in whole seconds of at least one."""
    key = face.key(rate_limit="1/15m")
    get(face, key)
    refused = get(face, key)
    now = face.keywright.clock.now()
    seconds = refused.headers["Retry-After"]
    message = f"Rate limit exceeded. Try again in {seconds} seconds."
    assert_flat_error(refused, 429, "RATE_LIMIT_EXCEEDED", message, now)
    assert list(refused.json()) == ["error", "message", "timestamp"]
    assert re.fullmatch(r"[1-9][0-9]*", seconds)
    assert abs(int(seconds) - (int(refused.headers["X-RateLimit-Reset"]) - now)) <= 2
    assert_rate_headers(refused, 0)


def test_s69_the_ietf_fields(moving: InProcess, clock: ManualClock) -> None:
    """``RateLimit-Policy`` and ``RateLimit`` are structured fields that agree with the three headers."""
    key = moving.key(rate_limit=["5/1m", "100/15m"])
    clock.advance(0.5)
    get(moving, key)
    clock.advance(10)
    policy, state = policy_and_state(get(moving, key))
    assert policy == [("5/m", {"q": 5, "w": 60}), ("100/15m", {"q": 100, "w": 900})]
    assert state == [("5/m", {"r": 3, "t": 50}), ("100/15m", {"r": 98, "t": 890})]


def test_s69_the_ietf_fields_of_every_kind(moving: InProcess, clock: ManualClock) -> None:
    """The quota of a sliding window is its count, that of a bucket its burst; what is left and when all of it is there
    again follow the kind."""
    key = moving.key(rate_limit=["100/15m sliding", "10/s burst 50"])
    for _ in range(5):
        answer = get(moving, key)
    policy, state = policy_and_state(answer)
    assert policy == [("10/s burst 50", {"q": 50, "w": 5}), ("100/15m sliding", {"q": 100, "w": 900})]
    assert [name for name, _ in state] == [name for name, _ in policy]
    assert [each["r"] for _, each in state] == [45, 95]
    assert state[0][1]["t"] == 1
    assert 900 <= state[1][1]["t"] <= 915
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("50", "45")
    assert int(answer.headers["X-RateLimit-Reset"]) == int(clock.now()) + 1
    assert moving.keys(key)[-1]["rate_limit"] == ["10/s burst 50", "100/15m sliding"]


def test_s69_who_waits_as_told_is_admitted_by_every_kind(moving: InProcess, clock: ManualClock) -> None:
    """After ``Retry-After`` there is room, though not yet for a second request, where permits flow back one by one."""
    for limit, again in (("3/10s sliding", 3), ("1/10s burst 3", 1)):
        key = moving.key(rate_limit=limit)
        assert [get(moving, key).status_code for _ in range(4)] == [200, 200, 200, 429]
        clock.advance(int(get(moving, key).headers["Retry-After"]))
        assert [get(moving, key).status_code for _ in range(again + 1)] == [200] * again + [429]


def test_s64_of_several_limits_the_tightest_shows(moving: InProcess, clock: ManualClock) -> None:
    """The three headers are those of the limit with the least left, whichever that is at the time."""
    key = moving.key(rate_limit=["3/1m", "5/1h"])
    shown = [get(moving, key).headers["X-RateLimit-Limit"] for _ in range(3)]
    clock.advance(60)
    later = get(moving, key)
    assert shown == ["3", "3", "3"]
    assert (later.headers["X-RateLimit-Limit"], later.headers["X-RateLimit-Remaining"]) == ("5", "1")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", PATH, None, 200),
        ("POST", KEYS, {"name": "x"}, 201),
        ("POST", KEYS, {"name": ""}, 422),
        ("POST", KEYS, {}, 400),
        ("DELETE", f"{KEYS}/key_000000000", None, 404),
        ("GET", "/v1/nothing", None, 404),
        ("PATCH", PATH, {}, 405),
        ("OPTIONS", PATH, None, 405),
        ("POST", "/api/campaigns/nothing/trigger", {"phone": "+14155552671"}, 404),
    ],
)
def test_s64_s65_s66_on_every_authenticated_answer(method: str, path: str, body: Any, status: int, face: Face) -> None:
    """Whatever came of the request: the headers are there, once each, and it cost one."""
    key = face.key()
    get(face, key)
    answer = face.call(method, path, key, body)
    assert answer.status_code == status
    assert_rate_headers(answer, 98)


def test_s64_a_key_without_limits_has_no_rate_headers(face: Face) -> None:
    """Where there is no limit, nothing pretends that there is one."""
    answer = get(face, face.key(rate_limit=None))
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]


def test_s63_per_key_not_per_account(face: Face) -> None:
    """A key that has used up its limit takes nothing from the other keys of its account."""
    one, other = face.key(rate_limit="2/15m"), face.key(rate_limit="2/15m")
    assert [get(face, one).status_code for _ in range(3)] == [200, 200, 429]
    assert get(face, other).headers["X-RateLimit-Remaining"] == "1"


def test_s62_configurable_per_deployment_format_and_key(data_dir: Path, clock: ManualClock) -> None:
    """The limit of the key counts, else that of its format, else that of the deployment."""
    formats = [{"name": "own", "prefix": "own_", "rate_limit": "30/1m"}]
    with (
        Installation(data_dir, clock, key_formats=formats, default_limit="20/1m") as made,
        InProcess(made.keywright) as face,
    ):
        keys = [face.key(), face.key(format="own"), face.key(format="own", rate_limit="40/1m")]
        assert [get(face, key).headers["X-RateLimit-Limit"] for key in keys] == ["20", "30", "40"]
        assert face.call("GET", "/v1/account", keys[0]).json()["rate_limit"] == "20/m"


def test_s66_s67_the_window_opens_with_the_first_request(moving: InProcess, clock: ManualClock) -> None:
    """The window is not that of a clock on the wall: it opens when it is needed and stays where it is."""
    key = moving.key()
    clock.advance(123)
    opened_at = clock.now()
    resets = []
    for _ in range(4):
        resets.append(int(get(moving, key).headers["X-RateLimit-Reset"]))
        clock.advance(200)
    assert resets == [int(opened_at) + 900] * 4
    assert resets[0] % 900 != 0


def test_s67_s68_after_the_reset_a_full_allowance(moving: InProcess, clock: ManualClock) -> None:
    """One second before the reset the key is refused; at the reset it has everything again, in a new window."""
    key = moving.key()
    for _ in range(100):
        get(moving, key)
    clock.advance(899)
    refused = get(moving, key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    clock.advance(1)
    admitted = get(moving, key)
    assert (admitted.status_code, admitted.headers["X-RateLimit-Remaining"]) == (200, "99")
    assert int(admitted.headers["X-RateLimit-Reset"]) == int(clock.now()) + 900


def test_s69_who_waits_as_told_is_admitted(moving: InProcess, clock: ManualClock) -> None:
    """After ``Retry-After`` seconds, and from ``X-RateLimit-Reset`` on, there is room; also where a window opened
    between two seconds."""
    clock.advance(0.7)
    key = moving.key(rate_limit="1/10s")
    get(moving, key)
    clock.advance(4.2)
    refused = get(moving, key)
    clock.advance(int(refused.headers["Retry-After"]))
    assert clock.now() <= int(refused.headers["X-RateLimit-Reset"]) + 1
    assert get(moving, key).status_code == 200


def test_s70_a_refused_request_does_nothing(moving: InProcess, clock: ManualClock) -> None:
    """Over the limit nothing is made or deleted, nothing is spent, and the window does not move."""
    key, other = moving.create(rate_limit="2/15m"), moving.create()
    get(moving, key.key)
    reset = get(moving, key.key).headers["X-RateLimit-Reset"]
    for _ in range(50):
        clock.advance(10)
        for method, path, body in (
            ("POST", KEYS, {"name": "x"}),
            ("DELETE", f"{KEYS}/{other.row.id}", None),
            ("GET", "/v1/nothing", None),
        ):
            answer = moving.call(method, path, key.key, body)
            assert (answer.status_code, answer.headers["X-RateLimit-Reset"]) == (429, reset)
    assert len(moving.keys(other.key)) == 2
    clock.advance(400)
    assert get(moving, key.key).headers["X-RateLimit-Remaining"] == "1"


def test_s70_several_limits_are_spent_together_or_not_at_all(moving: InProcess, clock: ManualClock) -> None:
    """What one limit refuses is not taken from another: the hour has lost only what the minutes admitted."""
    key = moving.key(rate_limit=["2/1m", "10/1h"])
    assert [get(moving, key).status_code for _ in range(7)] == [200, 200, 429, 429, 429, 429, 429]
    clock.advance(60)
    _, state = policy_and_state(get(moving, key))
    assert state == [("2/m", {"r": 1, "t": 60}), ("10/h", {"r": 7, "t": 3540})]


def test_s71_exact_under_concurrency_across_workers(over_workers: OverHttp) -> None:
    """150 calls at once on a fresh key, on two processes: exactly 100 are admitted, each with its own remainder."""
    key = over_workers.key()
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: get(over_workers, key), range(150)))
    admitted = [each for each in answers if each.status_code == 200]
    refused = [each for each in answers if each.status_code == 429]
    assert (len(admitted), len(refused)) == (100, 50)
    assert sorted(int(each.headers["X-RateLimit-Remaining"]) for each in admitted) == list(range(100))
    assert {each.headers["X-RateLimit-Remaining"] for each in refused} == {"0"}
    assert len({each.headers["X-RateLimit-Reset"] for each in answers}) == 1


def test_s64_garbage_has_no_rate_headers(face: Face) -> None:
    """A 401 says nothing about anybody's limit, and refusing a disabled key spends nothing of its own."""
    created = face.create(rate_limit="3/15m")
    get(face, created.key)
    face.keywright.manager.update(ME, face.account_id, created.row.id, {"disabled": True})
    for _ in range(5):
        assert_unauthorized(get(face, created.key), Verdict.INVALID.message, face.keywright.clock.now())
    face.keywright.manager.update(ME, face.account_id, created.row.id, {"disabled": False})
    assert get(face, created.key).headers["X-RateLimit-Remaining"] == "1"


def test_s72_garbage_leaves_no_counters(moving: InProcess) -> None:
    """However many made-up keys come, no counter is made for them and the table does not grow."""
    key = moving.key()
    get(moving, key)
    table = moving.keywright.settings.data_dir / "limits.table"
    before = (table.stat().st_size, table.read_bytes())
    for number in range(200):
        garbage = ("foo", f"lwa.sk_live_{number:032d}", forged(key))[number % 3]
        assert moving.send("GET", PATH, (("X-API-Key", garbage),)).status_code == 401
    assert (table.stat().st_size, table.read_bytes()) == before


def test_s72_a_flood_of_unknown_keys_is_503_and_stops_nobody_else(moving: InProcess, clock: ManualClock) -> None:
    """Past its share of look-ups an address gets 503 for keys that could be ours and are not; never for a known key,
    a deleted one, or one with a wrong tag."""
    known, deleted = moving.key(), moving.create()
    assert (get(moving, known).status_code, get(moving, deleted.key).status_code) == (200, 200)
    moving.keywright.manager.delete(ME, moving.account_id, deleted.row.id)
    assert get(moving, deleted.key).status_code == 401
    mint = moving.keywright.formats.mint

    statuses = [get(moving, mint("lwa", "live")).status_code for _ in range(BURST + 5)]

    assert statuses == [401] * BURST + [503] * 5
    flooded = get(moving, mint("lwa", "live"))
    assert_flat_error(flooded, 503, "SERVICE_UNAVAILABLE", None, clock.now())
    assert int(flooded.headers["Retry-After"]) >= 1
    assert not [name for name in flooded.headers if "ratelimit" in name.lower()]
    assert get(moving, known).status_code == 200
    assert get(moving, deleted.key).status_code == 401
    assert get(moving, forged(known)).status_code == 401
    clock.advance(int(flooded.headers["Retry-After"]))
    assert get(moving, mint("lwa", "live")).status_code == 401


def test_s64_a_foreign_network_is_told_and_costs_nothing(face: Face) -> None:
    """A key that may not be used from here is 403 before its limit is touched, and the headers show what is left."""
    key = face.key(networks=["203.0.113.0/24"])
    answers = [get(face, key) for _ in range(3)]
    for answer in answers:
        assert_flat_error(answer, 403, "FORBIDDEN", None, face.keywright.clock.now())
        assert_rate_headers(answer, 100)
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
