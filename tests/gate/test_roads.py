"""What a proxy is answered: the same on both roads, letter for letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from keywright import ManualClock
from keywright.manage.manager import Created
from keywright.server.gate import identity
from support.cases import CASES, Case as KeyCase, material
from support.faces import Headers
from support.gate import ABOUT, CLIENT, PROXY, SECRET, STRANGER, Roads, opened, written
from support.installation import ME


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Roads, dict[str, str]]]:
    """Roads that all cases share, and keys of every fate."""
    with opened(tmp_path_factory.mktemp("standing") / "data", ManualClock()) as roads:
        yield roads, material(roads)


IDENTITY = tuple(name.lower() for name in identity.NAMES)


@dataclass(frozen=True)
class Case:
    """What a proxy asks, and what it is told.

    Attributes:
        given: the key's values, and what is done to it before.
        fast: whether the lane answers it by itself.
    """

    name: str
    path: str
    status: int
    given: dict[str, Any]
    headers: Headers = ABOUT
    done: str = ""
    fast: bool = True


OTHERS = "192.0.2.0/28"
AGENT: Headers = (("User-Agent", "client/1.0"),)
GATE_CASES = (
    Case("a good key", "/v1/gate", 200, {}),
    Case("a good key, plain", "/v1/gate/plain", 200, {}),
    Case("a good key, nginx", "/v1/gate/nginx", 200, {}),
    Case("a good key, envoy", "/v1/gate/envoy/v1/orders", 200, {}),
    Case("a good key, envoy, with a query", "/v1/gate/envoy/v1/orders?a=1&b", 200, {}),
    Case("a good key without a limit", "/v1/gate", 200, {"rate_limit": None}),
    Case("a good key with several limits", "/v1/gate", 200, {"rate_limit": ["5/1s", "100/15m"]}),
    Case("a name in another script", "/v1/gate", 200, {"name": 'Größe "7" 100% / 测试'}),
    Case("a scope that it has", "/v1/gate/orders", 200, {"scopes": ["orders:read", "x"]}),
    Case("a scope that it lacks", "/v1/gate/orders", 403, {"scopes": ["orders:write"]}),
    Case("a scope that everything has", "/v1/gate/orders", 200, {}),
    Case("a key for tests", "/v1/gate/live", 403, {"environment": "test"}, fast=True),
    Case("a network that it is bound to", "/v1/gate", 200, {"networks": ["192.0.2.0/24"]}),
    Case("another network", "/v1/gate", 403, {"networks": ["198.51.100.0/24"]}),
    Case("a network, and no word of the client", "/v1/gate", 403, {"networks": ["10.0.0.0/8"]}, headers=AGENT),
    Case("dearer than it can ever pay", "/v1/gate/dear", 429, {"rate_limit": "50/15m"}),
    Case("deleted", "/v1/gate", 401, {}, done="delete"),
    Case("disabled", "/v1/gate", 401, {"disabled": True}),
    Case("expired", "/v1/gate", 401, {"expires_in_seconds": 1}, done="wait"),
    Case("another account's", "/v1/gate/ours", 401, {}),
    Case("nothing is said of the client", "/v1/gate", 200, {}, headers=()),
    Case("the client's address cannot be read", "/v1/gate", 200, {}, headers=(("X-Forwarded-For", "unknown"),)),
    Case("through two proxies", "/v1/gate", 200, {}, headers=(("X-Forwarded-For", f"{CLIENT}, {PROXY}"),)),
    Case("no such route", "/v1/gate/nowhere", 404, {}, fast=False),
    Case("below a route", "/v1/gate/orders/more", 404, {}, fast=False),
    Case("a problem is wanted", "/v1/gate/orders", 403, {"scopes": ["x"]},
         headers=(*ABOUT, ("Accept", "application/problem+json")), fast=False),
    Case("a body", "/v1/gate", 200, {}, headers=(*ABOUT, ("Content-Length", "2")), fast=False),
    Case("two addresses", "/v1/gate", 200, {}, headers=(*ABOUT, *ABOUT), fast=False),
)  # fmt: skip


def prepared(roads: Roads, case: Case, clock: ManualClock) -> Created:
    """The case's key, remembered, and then as the case wants it."""
    given = dict(case.given)
    disabled = given.pop("disabled", False)
    created = roads.remembered(**given)
    manager, account_id = roads.keywright.manager, roads.account_id
    if disabled:
        manager.update(ME, account_id, created.row.id, {"disabled": True})
    if case.done == "delete":
        manager.delete(ME, account_id, created.row.id)
    if case.done == "wait":
        clock.advance(2)
    roads.keywright.verifier.identify(created.key)
    return created


@pytest.mark.parametrize("case", GATE_CASES, ids=lambda case: case.name)
def test_both_roads_answer_alike(roads: Roads, clock: ManualClock, case: Case) -> None:
    """Status, headers in their order, and body: whoever asks cannot tell the roads apart. Two keys with the same
    history, so that what is left of their limits is the same."""
    on_one, on_other = (prepared(roads, case, clock) for _ in range(2))
    ordinary = roads.ordinary(case.path, (("X-API-Key", on_one.key), *case.headers))
    assert ordinary.status_code == case.status
    fast = roads.fast(case.path, (("X-API-Key", on_other.key), *case.headers))
    assert (fast is not None) is case.fast
    if fast is not None:
        status, tail = written(fast)
        expected = written(ordinary)[1].replace(on_one.row.id.encode(), on_other.row.id.encode())
        assert (status, tail) == (case.status, expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_no_key_is_refused_in_the_documents_words(
    standing: tuple[Roads, dict[str, str]], case: KeyCase
) -> None:
    """S21 to S34: the whole table of what may come as a key, asked by a proxy, on both roads."""
    roads, keys = standing
    headers: Headers = (*case.filled(keys), ("X-Forwarded-Uri", case.path + "?x=1"), *ABOUT)
    ordinary = roads.ordinary("/v1/gate", headers)
    assert ordinary.status_code == case.verdict.status
    if case.verdict.message:
        assert ordinary.json()["message"] == case.verdict.message
    fast = roads.fast("/v1/gate", headers)
    if fast is not None and case.verdict.status != 200:
        assert written(fast) == written(ordinary)


@pytest.mark.parametrize("path", ["/v1/gate", "/v1/gate/nginx", "/v1/gate/orders", "/v1/gate/envoy/x"])
@pytest.mark.parametrize("key", ["good", "bad", "none"])
def test_every_answer_carries_the_whole_identity(roads: Roads, path: str, key: str) -> None:
    """A proxy that copies them overwrites whatever a client wrote there: none is ever missing, and of who does not pass
    nothing is told."""
    good = roads.remembered("Größe", scopes=["orders:read", "b"], rate_limit="100/15m").key
    sent: Headers = {"good": (("X-API-Key", good),), "bad": (("X-API-Key", "lwa.nothing"),), "none": ()}[key]
    forged = tuple((name, "forged") for name in identity.NAMES)
    answer = roads.ordinary(path, (*sent, *forged, *ABOUT))
    assert [name for name in answer.headers if name.startswith("x-auth-")] == list(IDENTITY)
    assert "forged" not in str(answer.headers)
    told = [answer.headers[name] for name in IDENTITY[:5]]
    if key == "good":
        row = roads.keywright.verify(good).record
        assert row
        assert told == [row.key_id, row.account_id, "Gr%C3%B6%C3%9Fe", "b orders:read", "live"]
        assert answer.headers["X-Auth-Limits"] == '"100/15m";r=99;t=900'
    else:
        assert told == [""] * 5
        assert answer.headers["X-Auth-Limits"] == ""


def assert_blank_identity(answer: httpx.Response) -> None:
    """See that every name is sent, once, and says nothing."""
    assert [each for each in answer.headers.multi_items() if each[0].startswith("x-auth-")] == [
        (name, "") for name in IDENTITY
    ]


@pytest.mark.parametrize("path", ["/v1/gate/nowhere", "/v1/gate/orders/more"])
def test_no_such_route_carries_a_blank_identity(roads: Roads, path: str) -> None:
    """A proxy whose route is misspelt still overwrites what a client wrote: all names are there, also the status, by
    which it sees that nobody has decided."""
    forged = tuple((name, "forged") for name in identity.NAMES)
    answer = roads.ordinary(path, (("X-API-Key", roads.remembered().key), *forged, *ABOUT))
    assert answer.status_code == 404
    assert_blank_identity(answer)


def test_nginx_is_told_the_truth_in_headers(roads: Roads) -> None:
    """A 429 reaches nginx as a 403, with everything that its configuration needs to tell the client: the true status,
    when to come back, and the body."""
    key = roads.remembered(rate_limit="1/15m").key
    first, second = (roads.ordinary("/v1/gate/nginx", (("X-API-Key", key), *ABOUT)) for _ in range(2))
    assert (first.status_code, first.headers["X-Auth-Status"], first.headers["X-Auth-Error"]) == (200, "200", "")
    assert (second.status_code, second.headers["X-Auth-Status"], second.headers["Retry-After"]) == (403, "429", "900")
    assert json.loads(second.headers["X-Auth-Error"]) == second.json()
    assert second.json()["error"] == "RATE_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("peer", "headers", "may"),
    [
        (PROXY, (), True),
        (STRANGER, (), False),
        (STRANGER, (("X-Gate-Secret", SECRET),), True),
        (STRANGER, (("X-Gate-Secret", SECRET[:-1]),), False),
        (STRANGER, (("X-Gate-Secret", ""),), False),
        (STRANGER, (("X-Gate-Secret", "é" * 24),), False),
        (STRANGER, (("X-Forwarded-For", PROXY),), False),
        (STRANGER, (("X_Gate_Secret", SECRET),), False),
        ("", (), False),
        ("testclient", (), False),
    ],
)
def test_only_a_configured_proxy_may_ask(roads: Roads, peer: str, headers: Headers, may: bool) -> None:
    """By its own address or the shared secret, and by nothing that it says of itself; the answer says what to do."""
    key = roads.remembered().key
    answer = roads.ordinary("/v1/gate", (("X-API-Key", key), *headers), peer)
    assert answer.status_code == (200 if may else 403)
    assert (roads.fast("/v1/gate", (("X-API-Key", key), *headers), peer) is not None) is may
    if not may:
        assert "gate_proxies" in answer.json()["message"]
        assert_blank_identity(answer)
        outcome = roads.keywright.verifier.identify(key)
        assert outcome.decision
        assert outcome.decision.tightest.remaining == 100, "who may not ask has charged the key"


def test_without_proxies_nobody_may_ask(data_dir: Any, clock: ManualClock) -> None:
    """A gate that nobody has set up lets nobody ask, from wherever."""
    with opened(data_dir, clock, gate_proxies="", gate_secret=None) as roads:
        for peer in (PROXY, "127.0.0.1", "::1"):
            assert roads.ordinary("/v1/gate", (("X-Gate-Secret", ""),), peer).status_code == 403


def test_the_client_is_who_the_proxy_says(roads: Roads, clock: ManualClock) -> None:
    """The last use shows the client, and neither the proxy nor what the client wrote to the left of the proxy's
    word."""
    said: Headers = (("X-Forwarded-For", f"203.0.113.9, {CLIENT}"), ("User-Agent", "a/1"))
    key = roads.remembered()
    for road in (roads.ordinary, roads.fast):
        clock.advance(1)
        road("/v1/gate", (("X-API-Key", key.key), *said))
        roads.keywright.usage.flush()
        (listed,) = roads.keywright.manager.keys(ME, roads.account_id)
        assert listed.last_use
        assert (listed.last_use.address, listed.last_use.user_agent) == (CLIENT, "a/1")


def test_a_refusal_by_the_lane_is_timed_now(roads: Roads, clock: ManualClock) -> None:
    """S31: also an answer that is kept for a second says the second in which it is sent."""
    roads.remembered()
    for _ in range(3):
        answer = roads.fast("/v1/gate", (("X-API-Key", "lwa.garbage"), *ABOUT))
        ordinary = roads.ordinary("/v1/gate", (("X-API-Key", "lwa.garbage"), *ABOUT))
        assert answer
        assert written(answer) == written(ordinary)
        clock.advance(1)
