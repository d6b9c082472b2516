"""What every proxy in front of the gate must do. Each check is a function of a site, so that tests run it over the
files as they are, and over files with a fault planted in them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from keywright.adapters import answers
from keywright.manage.manager import Created
from proxies.site import ELSEWHERE, TOKEN_SECONDS, Site, assert_own_identity, key_line
from support import faults
from support.installation import ME
from support.proxies import SCOPE
from support.waiting import eventually
from support.wire import RATE_HEADERS, Answer, assert_error

#: Which route of the gate's each proxy asks.
_ROUTES = {"nginx": "nginx_orders", "caddy": "plain_orders", "haproxy": "plain_orders", "envoy": "envoy_orders"}
RATE = tuple(name.lower() for name in (*RATE_HEADERS, "RateLimit-Policy", "RateLimit"))


def refused(site: Site, status: int, *headers: bytes, text: str | None = None, path: str = "", **more: Any) -> Answer:
    """The answer to a request that must be refused, in the documented form, and must not reach the application."""
    path = path + site.marker()
    answer = site.ask(path, *headers, **more)
    assert_error(answer, status, text)
    assert not site.house.application.saw(path)
    return answer


def a_good_key_passes(site: Site) -> None:
    """The application gets the request, and is told whose it is."""
    created = site.house.key(name="Production API Server")
    assert_own_identity(site.passed(created), created)


def a_token_says_who_passed(site: Site) -> None:
    """The application can check it with the keys that Keywright publishes: it is of this key, for the proxy's route,
    made just now, and good for as long as the setting says."""
    created = site.house.key()
    [token] = site.passed(created).values("x-auth-token")
    published: Any = requests.get(site.house.keywright.server.url + "/.well-known/jwks.json", timeout=10).json()
    claims = jwt.decode(token, KeySet.import_key_set(published), algorithms=["ES256"]).claims
    made = claims.pop("iat")
    assert abs(made - time.time()) < 30
    assert claims == {
        "iss": "keywright", "aud": _ROUTES[site.proxy], "sub": created.row.id, "account_id": created.row.account_id,
        "name": created.row.name, "scope": SCOPE, "environment": "live", "exp": made + TOKEN_SECONDS,
    }  # fmt: skip


def the_key_stays_outside(site: Site) -> None:
    """The key is nowhere in what reaches the application, whichever header it came in."""
    created = site.house.key()
    for line in (b"X-API-Key: %b", b"x-api-key: Bearer %b", b"Authorization: Bearer %b"):
        path = site.marker()
        assert site.ask(path, line % created.key.encode()).status == 200
        assert created.key not in str(site.house.application.saw(path))


def a_missing_key_is_told(site: Site) -> None:
    """S26: no key."""
    refused(site, 401, text=answers.MISSING_KEY)


def an_invalid_key_is_told(site: Site) -> None:
    """S27: garbage behind the right prefix."""
    refused(site, 401, b"X-API-Key: lwa.garbage", text=answers.INVALID_KEY)


def a_wrong_format_is_told_for_the_path(site: Site) -> None:
    """S28: the wording is that of the path which the client asked for, so the gate is told of it."""
    wrong = answers.WRONG_PREFIX
    refused(site, 401, b"X-API-Key: foo", text=wrong.format(prefix="lwa."), path="/v1")
    refused(site, 401, b"X-API-Key: foo", text=wrong.format(prefix="ss_"), path="/api/campaigns")


def a_lacking_scope_is_told(site: Site) -> None:
    """403, with what is missing, and where the limits stand."""
    created = site.house.key(scopes=["other:read"], rate_limit="5/1h")
    answer = refused(site, 403, key_line(created))
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert answer.headers["x-ratelimit-remaining"] == "4"


def two_keys_are_told(site: Site) -> None:
    """Two different keys are a 400, and not a choice."""
    created = site.house.key()
    other = b"X-API-Key: lwa.other"
    for lines in (
        (key_line(created), other),
        (other, key_line(created)),
        (key_line(created), key_line(created), other),
    ):
        path = site.marker()
        answer = site.ask(path, *lines)
        assert answer.status == 400
        # Envoy says so by itself, and has no id of ours.
        assert list(answer.json()) == ["error", "message", "timestamp"]
        assert answer.json()["message"] == answers.CONFLICTING_KEYS
        assert answer.headers["content-type"] == "application/json"
        assert not site.house.application.saw(path)
    # The same one twice is one.
    site.passed(created, key_line(created))


def a_used_up_limit_is_told(site: Site) -> None:
    """429 with when to come back, and the limits with every answer before it."""
    created = site.house.key(rate_limit="2/1h")
    for left in ("1", "0"):
        answer = site.ask(site.marker(), key_line(created))
        assert answer.status == 200
        # Once, and not the application's own: a client library joins two of the same name with a comma.
        assert [answer.headers[name] for name in RATE[:2]] == ["2", left], answer
        assert all(answer.headers[name] for name in RATE)
    answer = refused(site, 429, key_line(created))
    assert int(answer.headers["retry-after"]) > 3000
    assert [answer.headers[name] for name in RATE[:2]] == ["2", "0"]
    assert all(answer.headers[name] for name in RATE)


def limits_are_exact(site: Site) -> None:
    """S71: 30 requests at once with a key for 20: 20 pass, and no more reach the application."""
    created = site.house.key(rate_limit="20/1h")
    path = site.marker()
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: site.ask(path, key_line(created)).status, range(30)))
    assert sorted(statuses) == [200] * 20 + [429] * 10
    assert len(site.house.application.saw(path)) == 20


def without_limits_none_are_told(site: Site) -> None:
    """A key without limits has no limit headers, not even blank ones, and not the application's."""
    answer = site.ask(site.marker(), key_line(site.house.key()))
    assert not [name for name in RATE if name in answer.headers]


def a_delete_is_in_force_at_once(site: Site) -> None:
    """S55: a request that starts after the delete has answered is refused."""
    for _ in range(5):
        created = site.house.key()
        assert site.ask(site.marker(), key_line(created)).status == 200
        site.house.keywright.keywright.manager.delete(ME, site.house.keywright.account_id, created.row.id)
        refused(site, 401, key_line(created), text=answers.INVALID_KEY)


def a_request_arrives_as_it_was_sent(site: Site) -> None:
    """Method, path, query and body are the client's own, and so is the answer."""
    created = site.house.key()
    body = bytes(range(32, 127)) * 300
    for method, rest in (("POST", "?a=1&b=%2F&a=2"), ("PUT", "a%20b//c"), ("PATCH", "x.html"), ("DELETE", ";v=1")):
        path = site.marker() + rest
        answer = site.ask(path, key_line(created), b"X-Own: 1", method=method, body=body)
        assert answer.status == 200, answer
        assert json.loads(answer.body) == {"method": method, "target": path, "body": body.decode()}
        [seen] = site.house.application.saw(path)
        assert (seen.method, seen.target, seen.body) == (method, path, body)
        assert seen.values("x-own") == ["1"]


def a_refused_body_goes_nowhere(site: Site) -> None:
    """A request with a body is refused like any other, and what follows it on the connection is read for itself."""
    created = site.house.key()
    refused(site, 401, b"X-API-Key: lwa.garbage", method="POST", body=b"GET /inside HTTP/1.1\r\n\r\n")
    site.passed(created)


def head_has_no_body(site: Site) -> None:
    """HEAD passes and is refused as HEAD."""
    assert site.passed(site.house.key(), method="HEAD").method == "HEAD"
    answer = site.ask(site.marker(), b"X-API-Key: lwa.garbage", method="HEAD")
    assert (answer.status, answer.body) == (401, b"")
    assert answer.headers["www-authenticate"]


def the_applications_own_errors_stay(site: Site) -> None:
    """What the application answers is passed on, also where it is a status that the gate has."""
    created = site.house.key()
    for status in (401, 403, 404, 429, 500, 503):
        path = site.marker() + f"/status/{status}"
        answer = site.ask(path, key_line(created))
        assert answer.status == status
        assert json.loads(answer.body)["target"] == path


def the_clients_address_is_what_the_proxy_saw(site: Site) -> None:
    """A key that is bound to a network passes from there, and from nowhere else, whatever the client says of itself."""
    created = site.house.key(networks=[ELSEWHERE + "/32"])
    seen = site.passed(created, source=ELSEWHERE)
    assert seen.values("x-forwarded-for") == [ELSEWHERE]
    for lie in (b"X-Forwarded-For: 127.0.0.2", b"X-Forwarded-For: 127.0.0.2, 127.0.0.1", b"Forwarded: for=127.0.0.2"):
        refused(site, 403, key_line(created), lie)
        refused(site, 403, key_line(created), lie, lie)
    free = site.house.key()
    # One value, which is not the client's. (Envoy says its own address of a client on its own machine.)
    [told] = site.passed(free, b"X-Forwarded-For: 8.8.8.8").values("x-forwarded-for")
    assert "8.8.8.8" not in told


def what_is_asked_is_not_the_clients_to_say(site: Site) -> None:
    """Neither another route nor another path is asked about because a client says so."""
    created = site.house.key(scopes=["other:read"])
    for lie in (b"X-Original-URI: /api/campaigns/1", b"X-Forwarded-Uri: /api/campaigns/1"):
        refused(site, 403, key_line(created), lie)
        wording = answers.WRONG_PREFIX.format(prefix="lwa.")
        refused(site, 401, b"X-API-Key: foo", lie, text=wording, path="/v1")


def the_gate_is_asked_on_its_fast_lane(site: Site) -> None:
    """The proxy asks in the plain form, over connections that it keeps."""
    created = site.house.key()
    site.passed(created)
    before = site.house.on_lane()
    for _ in range(10):
        site.passed(created, method="POST", body=b"body")
    # Counted when it is sent, by somebody else than whoever shows the count; and one of them may have found that a key
    # was made a moment ago, and looked.
    assert eventually(lambda: site.house.on_lane() - before >= 9, 2), site.house.on_lane() - before


def no_word_from_the_gate_is_503(site: Site, *created: Created) -> None:
    """Where Keywright cannot be asked, nothing passes and nobody is told that a key is wrong."""
    path = site.marker()
    for line in [key_line(each) for each in created] or [b"X-API-Key: lwa.garbage", b"X-None: 1"]:
        answer = site.ask(path, line)
        assert answer.status == 503, answer
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        body = json.loads(answer.body)
        assert list(body) == ["error", "message", "timestamp"]
        assert body["error"] == "SERVICE_UNAVAILABLE"
        assert body["message"] == answers.UNAVAILABLE.format(seconds=5)
        assert len(body["timestamp"]) == len("2026-01-01T00:00:00Z")
        assert "www-authenticate" not in answer.headers
    assert not site.house.application.saw(path)


def a_store_that_cannot_answer_is_told(site: Site) -> None:
    """503 in the gate's own words, and when to come back; the client is not told that its key is bad."""
    created = site.house.key(rate_limit="100/1h")
    with faults.unreadable(site.house.keywright.server.data_dir / "keywright.db"):
        if site.proxy == "envoy":  # takes any 5xx for no word at all
            no_word_from_the_gate_is_503(site, created)
        else:
            answer = refused(site, 503, key_line(created), text=answers.UNAVAILABLE.format(seconds=1))
            assert answer.headers["retry-after"] == "1"
            assert "www-authenticate" not in answer.headers
            assert not [name for name in RATE if name in answer.headers]
    assert site.ask(site.marker(), key_line(created)).status == 200


Check = Callable[[Site], None]
#: In one list for all proxies.
CHECKS: Mapping[str, Check] = {
    each.__name__: each
    for each in (
        a_good_key_passes,
        a_token_says_who_passed,
        the_key_stays_outside,
        a_missing_key_is_told,
        an_invalid_key_is_told,
        a_wrong_format_is_told_for_the_path,
        a_lacking_scope_is_told,
        two_keys_are_told,
        a_used_up_limit_is_told,
        limits_are_exact,
        without_limits_none_are_told,
        a_delete_is_in_force_at_once,
        a_request_arrives_as_it_was_sent,
        a_refused_body_goes_nowhere,
        head_has_no_body,
        the_applications_own_errors_stay,
        the_clients_address_is_what_the_proxy_saw,
        what_is_asked_is_not_the_clients_to_say,
        the_gate_is_asked_on_its_fast_lane,
        a_store_that_cannot_answer_is_told,
    )
}
