"""What holds for every answer: form, headers, order of the checks, aliases, methods."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from keywright.adapters.answers import ERRORS
from support.cases import CASES, Verdict, assert_flat_error, assert_rate_headers, assert_unauthorized
from support.faces import Face, Headers, InProcess, OverHttp

KEYS = "/v1/account/api-keys"
PROBLEM = "application/problem+json"
BIG = b'{"name":"' + b"x" * 65_536 + b'"}'
JSON_TYPE = ("Content-Type", "application/json")


@pytest.mark.parametrize(
    ("method", "path", "with_key", "status"),
    [
        ("GET", "/v1/subscriptions", True, 200), ("GET", KEYS, True, 200), ("GET", "/v1/subscriptions", False, 401),
        ("GET", "/v1/nothing", True, 404), ("GET", "/nothing", False, 404), ("PUT", KEYS, True, 405),
        ("GET", "/healthz", False, 200), ("GET", "/readyz", False, 200), ("GET", "/openapi.json", False, 200),
        ("GET", "/help", False, 200), ("GET", "/", False, 200), ("POST", "/healthz", False, 405),
        ("GET", "/v1extra", False, 404), ("GET", "/apix", False, 404),
    ],
)  # fmt: skip
def test_s16_s75_headers_of_every_answer(method: str, path: str, with_key: bool, status: int, face: Face) -> None:
    """Nothing is cached, sniffed, or shared with browsers of other origins; every answer has an id of its own."""
    origin = (("Origin", "https://evil.example"),)
    headers: Headers = (("X-API-Key", face.key()), *origin) if with_key else origin
    first, second = (face.send(method, path, headers) for _ in range(2))
    assert first.status_code == status
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r"req_[0-9a-f]{16}", first.headers["X-Request-Id"])
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert not [name for name in first.headers if name.lower().startswith("access-control-")]
    if status >= 400:
        assert first.headers["Content-Type"] == "application/json"


def test_s75_a_preflight_is_not_answered(face: Face) -> None:
    """A browser that asks whether another origin may call the API gets no permission, with a key or without."""
    asking = (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "GET"))
    without = face.send("OPTIONS", KEYS, asking)
    with_key = face.send("OPTIONS", KEYS, (*asking, ("X-API-Key", face.key())))
    assert (without.status_code, with_key.status_code) == (401, 405)
    for answer in (without, with_key):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


# The order of the checks: size, credentials, verify, network, limit, scope, route and body


def test_s37_size_comes_before_credentials(face: Face) -> None:
    """A body or headers that are too large are refused before anybody asks who sent them."""
    large = face.send("POST", KEYS, (JSON_TYPE,), BIG)
    assert_flat_error(large, 413, "PAYLOAD_TOO_LARGE", None, face.keywright.clock.now())
    padding = ("X-Padding", "x" * 16_384)
    long = face.send("GET", KEYS, (padding,))
    assert_flat_error(long, 431, "HEADERS_TOO_LARGE", None, face.keywright.clock.now())
    many = face.send("GET", KEYS, tuple((f"X-{number}", "x") for number in range(101)))
    assert_flat_error(many, 431, "HEADERS_TOO_LARGE", None, face.keywright.clock.now())
    for answer in (large, long, many):
        assert "X-RateLimit-Limit" not in answer.headers


def test_s37_size_counts_for_a_good_key_as_well(face: Face) -> None:
    """With a good key too much is still too much, it makes no key, and 65,536 bytes are not too much."""
    key = face.key()
    assert face.send("POST", KEYS, (("X-API-Key", key), JSON_TYPE), BIG).status_code == 413
    fits = b" " * (65_536 - 14) + b'{"name":"fit"}'
    assert face.send("POST", KEYS, (("X-API-Key", key), JSON_TYPE), fits).status_code == 201
    assert len(face.keys(key)) == 2


def test_s37_credentials_come_before_the_body(face: Face) -> None:
    """A stranger with a broken body learns of the key first."""
    now = face.keywright.clock.now()
    assert_unauthorized(face.send("POST", KEYS, (JSON_TYPE,), b"{"), Verdict.MISSING.message, now)


def test_s37_the_network_comes_before_the_limit_and_the_limit_before_the_scope(face: Face) -> None:
    """Of several reasons the first in the order is told: network, then limit, then scope."""
    elsewhere = face.key(networks=["203.0.113.0/24"], rate_limit="1/15m", scopes=["keys:read"])
    assert [face.call("GET", "/v1/account", elsewhere).status_code for _ in range(3)] == [403, 403, 403]
    unscoped = face.key(rate_limit="1/15m", scopes=["keys:read"])
    assert [face.call("GET", "/v1/account", unscoped).status_code for _ in range(2)] == [403, 429]


def test_s37_the_limit_comes_before_the_route_and_the_scope_before_the_body(face: Face) -> None:
    """A key over its limit learns nothing of paths, one without the scope nothing of bodies and objects."""
    used_up = face.key(rate_limit="1/15m")
    assert [face.call("GET", "/v1/nothing", used_up).status_code for _ in range(2)] == [404, 429]
    unscoped = face.key(scopes=["keys:read"])
    headers = (("X-API-Key", unscoped), JSON_TYPE)
    assert face.send("POST", KEYS, headers, b"{").status_code == 403
    assert face.send("PATCH", f"{KEYS}/key_000000000", headers, b'{"name":1}').status_code == 403


# Aliases and methods


@pytest.mark.parametrize("path", ["/subscriptions", "/account", "/account/api-keys", "/account/usage", "/nothing", ""])
def test_s21_the_alias(path: str, inside: InProcess) -> None:
    """``/api/v1`` answers as ``/v1`` does, refusals in the words of ``/v1`` included."""
    key = inside.key()
    for headers in ((("X-API-Key", key),), (("X-API-Key", "ss_foo"),), ()):
        direct = inside.send("GET", "/v1" + path, headers)
        alias = inside.send("GET", "/api/v1" + path, headers)
        assert (alias.status_code, sorted(alias.json())) == (direct.status_code, sorted(direct.json()))
        if alias.status_code == 401:
            assert alias.json()["message"] == direct.json()["message"]


def test_s21_the_alias_creates_and_deletes(face: Face) -> None:
    """Under the alias keys are made and deleted like under the path itself."""
    key = face.key()
    made = face.call("POST", "/api/v1/account/api-keys", key, {"name": "Alias"})
    assert made.status_code == 201
    assert face.call("DELETE", f"/api/v1/account/api-keys/{made.json()['id']}", key).status_code == 204
    assert face.call("GET", "/v1/subscriptions", made.json()["key"]).status_code == 401


def test_s64_head_is_get_without_a_body(over_http: OverHttp) -> None:
    """HEAD has the status and headers of GET, costs the same, and no body."""
    key = over_http.key()
    for path, status in (("/v1/subscriptions", 200), (KEYS, 200), ("/v1/nothing", 404), ("/healthz", 200)):
        got = over_http.call("GET", path, key)
        head = over_http.call("HEAD", path, key)
        assert (got.status_code, head.status_code, head.content) == (status, status, b"")
        assert head.headers.get("Content-Type") == got.headers["Content-Type"]
    assert_rate_headers(over_http.call("HEAD", "/v1/subscriptions", key), 93)
    refused = over_http.send("HEAD", "/v1/subscriptions")
    assert (refused.status_code, refused.content) == (401, b"")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (KEYS, {"GET", "HEAD", "POST"}),
        (f"{KEYS}/key_000000000", {"GET", "HEAD", "PATCH", "DELETE"}),
        (f"{KEYS}/key_000000000/rotate", {"POST"}),
        ("/v1/account", {"GET", "HEAD"}),
        ("/v1/account/usage", {"GET", "HEAD"}),
        ("/v1/subscriptions", {"GET", "HEAD", "POST"}),
        ("/api/campaigns", {"GET", "HEAD", "POST"}),
        ("/api/campaigns/x/trigger", {"POST"}),
        ("/healthz", {"GET", "HEAD"}),
    ],
)
def test_s37_405_names_the_methods_there_are(path: str, allowed: set[str], inside: InProcess) -> None:
    """``Allow`` is true: what it names is not 405, and whatever it does not name is."""
    key = inside.key()
    found = set()
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = inside.call(method, path, key)
        if answer.status_code != 405:
            found.add(method)
            continue
        assert {each.strip() for each in answer.headers["Allow"].split(",")} == allowed
        if method != "HEAD":
            assert_flat_error(answer, 405, "METHOD_NOT_ALLOWED", None, inside.keywright.clock.now())
    assert found == allowed


# The form of errors

FAILURES: tuple[tuple[str, str, Any, int], ...] = (
    ("GET", "/v1/nothing", None, 404),
    ("PUT", KEYS, None, 405),
    ("POST", KEYS, {}, 400),
    ("POST", KEYS, {"name": ""}, 422),
    ("GET", f"{KEYS}?limit=0", None, 422),
    ("GET", f"{KEYS}/key_000000000", None, 404),
    ("GET", "/v1/subscriptions?limit=0", None, 422),
    ("POST", "/v1/subscriptions", {"entity_type": "planet"}, 422),
    ("POST", "/v1/subscriptions", {}, 400),
    ("POST", "/api/campaigns/x/trigger", {"phone": "1"}, 422),
)


@pytest.mark.parametrize(("method", "path", "body", "status"), FAILURES)
def test_s30_every_error_is_flat(method: str, path: str, body: Any, status: int, inside: InProcess) -> None:
    """A code for programs, one sentence for people, the time; after them details and nothing else."""
    answer = inside.call(method, path, inside.key(), body)
    code = next(code for code, (number, _) in ERRORS.items() if number == status)
    assert_flat_error(answer, status, code, None, inside.keywright.clock.now())
    assert set(answer.json()) <= {"error", "message", "timestamp", "details", "request_id"}
    message = answer.json()["message"]
    assert message.endswith(".")
    assert "\n" not in message
    assert "Traceback" not in answer.text
    assert "<" not in answer.text


def test_s59_404_bodies_are_equal_but_for_the_time(face: Face) -> None:
    """An unknown id, a deleted one and another account's give one and the same body."""
    caller, deleted = face.create(), face.create()
    theirs = face.create(account_id=face.account())
    face.call("DELETE", f"{KEYS}/{deleted.row.id}", caller.key)
    bodies = {
        json.dumps({**face.call("GET", f"{KEYS}/{key_id}", caller.key).json(), "timestamp": ""})
        for key_id in ("key_000000000", deleted.row.id, theirs.row.id)
    }
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("accept", "problem"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        (PROBLEM, True),
        ("APPLICATION/PROBLEM+JSON", True),
        (f"{PROBLEM}, application/json", False),
        (f"application/json, {PROBLEM}", False),
        (f"{PROBLEM}, application/json;q=0.9", True),
        (f"application/json;q=0.5, {PROBLEM};q=0.6", True),
        (f"{PROBLEM};q=0.5, application/json", False),
        (f"{PROBLEM}, */*", False),
        (f"{PROBLEM}, */*;q=0.1", True),
        (f"{PROBLEM};q=0", False),
        ("application/*", False),
        (f"text/html, {PROBLEM}", True),
        (f"{PROBLEM};q=x", False),
    ],
)
def test_s35_a_problem_document_only_where_it_is_preferred(accept: str, problem: bool, face: Face) -> None:
    """RFC 9457 where ``Accept`` ranks it strictly above JSON, also for a 401; the documents' form everywhere else."""
    headers: Headers = (("Accept", accept),) if accept else ()
    refused = face.send("GET", "/v1/subscriptions", headers)
    missing = face.call("GET", "/v1/nothing", face.key(), None, headers)
    for answer, status in ((refused, 401), (missing, 404)):
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == (PROBLEM if problem else "application/json")
    if not problem:
        assert_unauthorized(refused, Verdict.MISSING.message, face.keywright.clock.now())


def test_s29_s35_the_problem_document(inside: InProcess) -> None:
    """A problem has RFC 9457's members, the same words, the same headers, and the same extra members."""
    wants: Headers = (("Accept", PROBLEM),)
    refused = inside.send("GET", "/v1/subscriptions", wants)
    assert refused.json() == {
        "type": "about:blank",
        "title": ERRORS["UNAUTHORIZED"][1],
        "status": 401,
        "detail": Verdict.MISSING.message,
        "code": "UNAUTHORIZED",
        "timestamp": "2025-01-20T10:30:00Z",
    }
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    wrong = inside.call("POST", KEYS, inside.key(), {"name": ""}, wants)
    assert (wrong.json()["status"], wrong.json()["details"]) == (422, [{"member": "name"}])
    key = inside.key(rate_limit="1/15m")
    inside.call("GET", KEYS, key)
    limited = inside.call("GET", KEYS, key, None, wants)
    assert limited.json()["violated-policies"] == ["1/15m"]
    assert limited.json()["type"].endswith("#quota-exceeded")
    assert limited.headers["Retry-After"] == "900"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201), ("Application/JSON; charset=utf-8", 201), ("application/merge-patch+json", 201),
        ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("application/xml", 415), ("", 415),
    ],
)  # fmt: skip
def test_s19_415_for_what_is_not_json(content_type: str, status: int, inside: InProcess) -> None:
    """A body of another type is not guessed at, even if it would read as JSON."""
    headers = (("X-API-Key", inside.key()), ("Content-Type", content_type))
    answer = inside.send("POST", KEYS, headers, b'{"name":"x"}')
    assert answer.status_code == status
    assert_rate_headers(answer, 99)


def test_s25_a_content_type_on_a_get_without_a_body_is_no_error(face: Face) -> None:
    """What the Node sample sends is taken as it is meant."""
    answer = face.send("GET", "/v1/subscriptions", (("X-API-Key", face.key()), JSON_TYPE))
    assert answer.status_code == 200


def test_s79_the_troubleshooting_page_speaks_of_the_very_messages(inside: InProcess) -> None:
    """Whoever searches the page for what he was told finds it."""
    page = inside.send("GET", "/help")
    assert page.headers["Content-Type"].startswith("text/plain")
    for case in CASES:
        if case.verdict in (Verdict.MISSING, Verdict.INVALID):
            assert case.verdict.message in page.text
    assert "Invalid API key format. Keys must start with" in page.text


def test_s72_health_needs_no_key_and_tells_nothing(face: Face) -> None:
    """Health and readiness answer without a key and name no account and no path on the machine."""
    assert face.send("GET", "/healthz").json() == {"status": "ok"}
    ready = face.send("GET", "/readyz")
    assert (ready.status_code, ready.json()["store"]) == (200, "ok")
    assert "/" not in ready.text
