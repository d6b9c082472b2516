"""Making keys over HTTP: formats, names, what a key may hand on."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from keywright import ManualClock, timestamp
from support.cases import assert_flat_error, assert_rate_headers
from support.faces import Face, InProcess, OverHttp
from support.installation import Installation

KEYS = "/v1/account/api-keys"
CREATED_MEMBERS = ["id", "name", "key", "prefix", "last_used_at", "created_at"]
LISTED_MEMBERS = ["id", "name", "last_used_at", "created_at", "prefix"]
LATER_MEMBERS = ["hint", "environment", "status", "scopes", "expires_at", "rate_limit", "networks", "metadata"]


def make(face: Face, key: str, **body: Any) -> dict[str, Any]:
    """A key made over HTTP by the holder of ``key``."""
    answer = face.call("POST", KEYS, key, {"name": "Development Server", **body})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def test_s1_s2_s3_s7_a_new_key_is_a_live_lwa_key(face: Face) -> None:
    """By default a key has the documents' first format, 44 characters, and names its prefix."""
    created = make(face, face.key())
    assert re.fullmatch(r"lwa\.sk_live_[A-Za-z0-9]{32}", created["key"])
    assert len(created["key"]) == 44
    assert (created["prefix"], created["environment"]) == ("lwa.sk_live_", "live")
    assert created["hint"] == created["key"][-4:]


def test_s3_a_test_key(face: Face) -> None:
    """``environment: test`` gives ``sk_test_``, and that key works like any other."""
    created = make(face, face.key(), environment="test")
    assert re.fullmatch(r"lwa\.sk_test_[A-Za-z0-9]{32}", created["key"])
    assert created["prefix"] == "lwa.sk_test_"
    assert face.call("GET", "/v1/subscriptions", created["key"]).status_code == 200


def test_s5_s7_s83_a_swiftsell_key(face: Face) -> None:
    """``format: ss`` gives the second document's format, and one key works on every surface."""
    created = make(face, face.key(), format="ss")
    assert re.fullmatch(r"ss_[A-Za-z0-9]{32}", created["key"])
    assert created["prefix"] == "ss_"
    for path in ("/v1/subscriptions", "/api/campaigns", "/api/v1/account"):
        assert face.call("GET", path, created["key"]).status_code == 200


def test_s4_s6_tails_are_alphanumeric_and_unlike(face: Face) -> None:
    """Tails use the whole alphabet, not hex, and no two keys share even their first ten characters."""
    maker = face.key()
    tails = [make(face, maker)["key"].rpartition("_")[2] for _ in range(20)]
    assert len({tail[:10] for tail in tails}) == 20
    used = set("".join(tails))
    assert used & set("GHIJKLMNOPQRSTUVWXYZ")
    assert used & set("ghijklmnopqrstuvwxyz")


def test_s1_s28_a_format_of_the_operators_own(data_dir: Path, clock: ManualClock) -> None:
    """A key format from the settings mints, works on every surface, and is what its own surface speaks of."""
    own = {"name": "acme", "prefix": "acme_", "environments": {"live": "live_", "test": "test_"}, "rate_limit": "7/15m"}
    surfaces = {"/v1": "lwa.", "/api/campaigns": "ss_", "/v1/account": "acme_"}
    with (
        Installation(data_dir, clock, key_formats=[own], surfaces=surfaces) as made,
        InProcess(made.keywright) as face,
    ):
        key = face.key(format="acme")
        assert re.fullmatch(r"acme_live_[A-Za-z0-9]{32}", key)
        for path in ("/v1/subscriptions", "/api/campaigns", "/v1/account"):
            answer = face.call("GET", path, key)
            assert (answer.status_code, answer.headers["X-RateLimit-Limit"]) == (200, "7")
        assert make(face, key, environment="test")["prefix"] == "acme_test_"
        wrong = face.call("GET", "/v1/account", "foo").json()["message"]
        assert wrong == "Invalid API key format. Keys must start with 'acme_' prefix."
        assert "'lwa.'" in face.call("GET", "/v1/subscriptions", "foo").json()["message"]


@pytest.mark.parametrize(
    "name",
    [
        "Production Server", "CI/CD Pipeline", "a", "x" * 255, "本番サーバー", "خادم الإنتاج", "сервер",
        "🔑 Zapier 🇫🇷", "<b>Shopify</b> & 'Co' \"Ltd\"", "a  b", "%2e%2e/../..", "null", "'; DROP TABLE keys; --",
        "👨‍👩‍👧‍👦", "é" + "e\u0301",
    ],
)  # fmt: skip
def test_s11_names_are_kept_unchanged(name: str, inside: InProcess) -> None:
    """A name is a free label: any script, slashes, markup; what was given comes back, character for character."""
    key = inside.key()
    created = make(inside, key, name=name)
    assert created["name"] == name
    assert inside.keys(key)[-1]["name"] == name


def test_s11_names_are_trimmed_and_may_have_255_characters(face: Face) -> None:
    """Only the blanks around a name go, and they do not count towards its length."""
    assert make(face, face.key(), name="  " + "é" * 255 + "\t ")["name"] == "é" * 255


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b'{"name":""}', 422, "VALIDATION_ERROR"),
        (b'{"name":"   "}', 422, "VALIDATION_ERROR"),
        (b'{"name":"' + b"x" * 256 + b'"}', 422, "VALIDATION_ERROR"),
        (b'{"name":42}', 422, "VALIDATION_ERROR"),
        (b'{"name":null}', 422, "VALIDATION_ERROR"),
        (b'{"name":["x"]}', 422, "VALIDATION_ERROR"),
        (b'{"name":"a\\u202eb"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"a\\nb"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","colour":"red"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","key":"mine"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","account_id":"acc_000000000"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","format":"nope"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","environment":"staging"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","format":"ss","environment":"test"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","scopes":[]}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","rate_limit":"many"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","networks":["10.0.0.1/8"]}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","expires_at":"tomorrow"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","expires_at":"2001-01-01T00:00:00Z"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","expires_in_seconds":0}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","expires_in_seconds":60,"expires_at":"2040-01-01T00:00:00Z"}', 422, "VALIDATION_ERROR"),
        (b'{"name":"x","metadata":[]}', 422, "VALIDATION_ERROR"),
        (b"{}", 400, "BAD_REQUEST"),
        (b"", 400, "BAD_REQUEST"),
        (b"{", 400, "BAD_REQUEST"),
        (b'{"name": "x"', 400, "BAD_REQUEST"),
        (b'["name"]', 400, "BAD_REQUEST"),
        (b'"name"', 400, "BAD_REQUEST"),
        (b'{"name":"x","name":"y"}', 400, "BAD_REQUEST"),
        (b'{"name":"\\ud800"}', 400, "BAD_REQUEST"),
        (b'{"name":"a\\u0000b"}', 400, "BAD_REQUEST"),
        (b'{"name":"\xff"}', 400, "BAD_REQUEST"),
    ],
)
def test_s19_a_body_that_is_no_good_makes_no_key(body: bytes, status: int, error: str, inside: InProcess) -> None:
    """What cannot be read is 400, what is not allowed 422; both flat, both counted, and no key comes of either."""
    key = inside.key()
    headers = (("X-API-Key", key), ("Content-Type", "application/json"))
    answer = inside.send("POST", KEYS, headers, body)
    assert_flat_error(answer, status, error, None, inside.keywright.clock.now())
    assert_rate_headers(answer, 99)
    assert len(inside.keys(key)) == 1
    if status == 422:
        assert answer.json()["details"][0]["member"] in {*json.loads(body)}


def test_s15_a_name_alone_suffices(face: Face) -> None:
    """The documents' own body makes a key that works at once."""
    created = make(face, face.key())
    assert created["name"] == "Development Server"
    assert face.call("GET", "/v1/subscriptions", created["key"]).headers["X-RateLimit-Remaining"] == "99"


def test_s16_the_answer(face: Face) -> None:
    """201, the members in their order, never cached, and no second place that shows the key."""
    answer = face.call("POST", KEYS, face.key(), {"name": "Development Server"})
    created = answer.json()
    assert answer.status_code == 201
    assert list(created) == [*CREATED_MEMBERS, *LATER_MEMBERS]
    assert created["last_used_at"] is None
    assert re.fullmatch(r"key_[A-Za-z0-9]{9}", created["id"])
    now = face.keywright.clock.now()
    assert timestamp(now - 5) <= created["created_at"] <= timestamp(now + 1)
    assert answer.headers["Cache-Control"] == "no-store"
    assert_rate_headers(answer, 99)
    assert created["key"] not in str(answer.headers)


def test_s17_s18_s74_many_keys_with_the_same_or_the_sample_names(face: Face) -> None:
    """The sample names make four keys, equal names make more, and every one of them works."""
    key = face.key("Production API Server")
    names = ["Staging Environment", "Local Development", "GitHub Actions", "GitHub Actions", "GitHub Actions"]
    made = [make(face, key, name=name) for name in names]
    assert [each["name"] for each in face.keys(key)] == ["Production API Server", *names]
    assert len({each["id"] for each in made} | {each["key"] for each in made}) == 10
    assert all(face.call("GET", "/v1/subscriptions", each["key"]).status_code == 200 for each in made)


def test_s14_s40_s78_the_key_is_stored_nowhere(over_http: OverHttp) -> None:
    """After making, using and listing a key, no file and no log line holds twelve characters of it."""
    created = make(over_http, over_http.key())
    over_http.call("GET", "/v1/subscriptions", created["key"])
    listed = over_http.call("GET", KEYS, created["key"]).text
    tail = created["key"].rpartition("_")[2]
    parts = [tail[start : start + 12].encode() for start in range(len(tail) - 11)]
    server = over_http.server
    files = [each for each in [*server.data_dir.rglob("*"), server.log] if each.is_file()]
    assert len(files) >= 4
    for file in files:
        content = file.read_bytes()
        assert not [part for part in parts if part in content], file
    assert not [part for part in parts if part.decode() in listed]


# S20: never more than its maker


def test_s20_what_is_left_out_is_the_makers_own(face: Face) -> None:
    """A key that is narrow in every way hands on exactly its own narrowness."""
    narrow: dict[str, Any] = {
        "environment": "test", "scopes": ["keys:read", "keys:write"], "networks": ["127.0.0.0/8"],
        "expires_in_seconds": 3600, "rate_limit": ["10/m", "50/h"],
    }  # fmt: skip
    maker = face.create(**narrow)
    made = make(face, maker.key)
    own = next(each for each in face.keys(maker.key) if each["id"] == maker.row.id)
    same = ("prefix", "environment", "scopes", "networks", "expires_at", "rate_limit")
    assert {name: made[name] for name in same} == {name: own[name] for name in same}


def test_s20_s73_the_new_key_belongs_to_the_makers_account(face: Face) -> None:
    """A key made by a key of one account is in that account and in no other."""
    other = face.create(account_id=face.account("Another Company"))
    mine = face.key()
    made = make(face, other.key)
    assert made["id"] in [each["id"] for each in face.keys(other.key)]
    assert made["id"] not in [each["id"] for each in face.keys(mine)]
    assert face.call("GET", "/v1/account", made["key"]).json()["id"] == other.row.account_id


@pytest.mark.parametrize(
    ("own", "wanted", "member"),
    [
        ({"environment": "test"}, {"environment": "live"}, "environment"),
        ({"scopes": ["keys:write"]}, {"scopes": ["*"]}, "scopes"),
        ({"scopes": ["keys:write"]}, {"scopes": ["keys:write", "keys:read"]}, "scopes"),
        ({}, {"scopes": ["operator"]}, "scopes"),
        ({"expires_in_seconds": 60}, {"expires_at": None}, "expires_at"),
        ({"expires_in_seconds": 60}, {"expires_in_seconds": 61}, "expires_at"),
        ({"networks": ["127.0.0.0/8"]}, {"networks": []}, "networks"),
        ({"networks": ["127.0.0.0/8"]}, {"networks": ["0.0.0.0/0"]}, "networks"),
        ({"networks": ["127.0.0.0/8"]}, {"networks": ["127.0.0.1/32", "10.0.0.0/8"]}, "networks"),
        ({}, {"rate_limit": "101/15m"}, "rate_limit"),
        ({}, {"rate_limit": None}, "rate_limit"),
        ({"rate_limit": "5/1m"}, {"rate_limit": "6/1m"}, "rate_limit"),
        ({"rate_limit": "60/1h"}, {"rate_limit": "60/1m"}, "rate_limit"),
        ({"rate_limit": ["5/1m", "50/1h"]}, {"rate_limit": "5/1m"}, "rate_limit"),
    ],
)
def test_s20_never_more_than_its_maker(
    own: dict[str, Any], wanted: dict[str, Any], member: str, inside: InProcess
) -> None:
    """A key cannot make one that may do more, in any of the ways in which it could be more."""
    maker = inside.key(**own)
    answer = inside.call("POST", KEYS, maker, {"name": "More", **wanted})
    assert_flat_error(answer, 422, "VALIDATION_ERROR", None, inside.keywright.clock.now())
    assert answer.json()["details"] == [{"member": member}]
    assert len(inside.keys(inside.key())) == 2


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({}, {"environment": "test"}),
        ({}, {"scopes": ["subscriptions:read"]}),
        ({}, {"expires_in_seconds": 60, "rate_limit": "1/d", "networks": ["203.0.113.0/24", "2001:db8::/32"]}),
        ({"rate_limit": "5/1m"}, {"rate_limit": ["5/m", "6/h"]}),
        ({"networks": ["127.0.0.0/8"]}, {"networks": ["127.0.0.1/32"]}),
        ({"rate_limit": None}, {"rate_limit": None}),
        ({}, {"metadata": {"team": "payments", "deep": {"a": [1, 2.5, None]}}}),
    ],
)
def test_s20_less_or_equal_is_granted(own: dict[str, Any], wanted: dict[str, Any], inside: InProcess) -> None:
    """Whatever lies within the maker's own is made as it was asked for."""
    made = make(inside, inside.key(**own), **wanted)
    asked = {name: value for name, value in wanted.items() if name in made}
    assert {name: made[name] for name in asked} == asked


def test_s20_another_format_does_not_widen_the_limit(data_dir: Path, clock: ManualClock) -> None:
    """A format with a wide limit of its own gives none of it to a key made by a narrow one."""
    wide = {"name": "wide", "prefix": "wide_", "rate_limit": "1000/1m"}
    with Installation(data_dir, clock, key_formats=[wide]) as made, InProcess(made.keywright) as face:
        assert make(face, face.key(), format="wide")["rate_limit"] == "100/15m"


def test_s16_an_idempotency_key_makes_one_key(face: Face) -> None:
    """A repeated create makes nothing, names the key that was made, and does not show its text again."""
    key, other = face.key(), face.key(account_id=face.account())

    def create(caller: str) -> httpx.Response:
        return face.call("POST", KEYS, caller, {"name": "Once"}, (("Idempotency-Key", "6f1c"),))

    first, second, elsewhere = create(key), create(key), create(other)

    assert (first.status_code, second.status_code, elsewhere.status_code) == (201, 409, 201)
    assert_flat_error(second, 409, "CONFLICT", None, face.keywright.clock.now())
    assert second.json()["details"] == [{"existing": first.json()["id"]}]
    assert first.json()["id"] in second.json()["message"]
    assert first.json()["key"] not in second.text
    assert_rate_headers(second, 98)
    assert [each["name"] for each in face.keys(key)].count("Once") == 1


def test_s16_an_idempotency_key_makes_one_key_however_many_ask_at_once(over_workers: OverHttp) -> None:
    """Of many equal calls at the same moment, on two processes, one makes the key and all others name it."""
    caller = over_workers.key()

    def create(_: int) -> httpx.Response:
        return over_workers.call("POST", KEYS, caller, {"name": "Once"}, (("Idempotency-Key", "at-once"),))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))
    made = [each.json()["id"] for each in answers if each.status_code == 201]
    refused = [each for each in answers if each.status_code == 409]
    assert (len(made), len(refused)) == (1, 15)
    assert {each.json()["details"][0]["existing"] for each in refused} == set(made)
    assert len(over_workers.keys(caller)) == 2
