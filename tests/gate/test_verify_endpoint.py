"""``POST /v1/keys/verify``: what a service is told of the keys that it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keywright import ManualClock
from keywright.outcome import Accepted
from support.faces import Headers
from support.gate import Roads, written
from support.installation import ME

PATH = "/v1/keys/verify"
BATCH = PATH + "/batch"
TYPED: Headers = (("Content-Type", "application/json"),)


def ask(roads: Roads, caller: str, question: Any, path: str = PATH) -> Any:
    """What the ordinary road answers."""
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    return roads.ordinary(path, (("X-API-Key", caller), *TYPED), "192.0.2.99", "POST", body)


def left(roads: Roads, key: str) -> int | None:
    """What is left of a key's limit."""
    decision = roads.keywright.verifier.identify(key).decision
    return decision.tightest.remaining if decision else None


@pytest.fixture
def caller(roads: Roads) -> str:
    """The key of a service: it may ask, and nothing else."""
    return roads.remembered("Gateway", scopes=["verify"], rate_limit=None).key


def test_a_good_key(roads: Roads, caller: str) -> None:
    """Everything that a service needs to know of the key, and what is left of its limit."""
    made = roads.create("Production Server", scopes=["a", "b"])
    answer = ask(roads, caller, {"key": made.key, "scope": "a", "cost": 3, "address": "192.0.2.7"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    found = answer.json()
    assert found == {
        "valid": True, "code": "VALID", "key_id": made.row.id, "account_id": roads.account_id,
        "name": "Production Server", "scopes": ["a", "b"], "environment": "live", "expires_at": None,
        "ratelimit": {
            "policy": "100/15m", "limit": 100, "remaining": 97, "reset": found["ratelimit"]["reset"],
            "retry_after_seconds": 0,
        },
    }  # fmt: skip


REFUSALS: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    ({"disabled": True}, {}, "DISABLED"),
    ({"expires_in_seconds": 1}, {}, "EXPIRED"),
    ({"networks": ["192.0.2.0/24"]}, {"address": "198.51.100.1"}, "FORBIDDEN_ADDRESS"),
    ({"networks": ["192.0.2.0/24"]}, {}, "FORBIDDEN_ADDRESS"),
    ({"environment": "test"}, {"environment": "live"}, "FORBIDDEN_ENVIRONMENT"),
    ({"scopes": ["a"]}, {"scopes": ["a", "b"]}, "INSUFFICIENT_SCOPE"),
    ({"rate_limit": "1/15m"}, {"cost": 2}, "RATE_LIMITED"),
    ({"deleted": True}, {}, "NOT_FOUND"),
)


def refused(roads: Roads, given: dict[str, Any], clock: ManualClock) -> str:
    """A key of some bad fate."""
    given = dict(given)
    disabled, deleted = given.pop("disabled", False), given.pop("deleted", False)
    made = roads.remembered(**given)
    if disabled:
        roads.keywright.manager.update(ME, roads.account_id, made.row.id, {"disabled": True})
    if deleted:
        roads.keywright.manager.delete(ME, roads.account_id, made.row.id)
    if "expires_in_seconds" in given:
        clock.advance(2)
    roads.keywright.verifier.identify(made.key)
    return made.key


@pytest.mark.parametrize(("given", "asked", "code"), REFUSALS, ids=lambda each: each if isinstance(each, str) else "")
def test_every_refusal_is_a_verdict_and_the_same_on_both_roads(
    roads: Roads, clock: ManualClock, caller: str, given: dict[str, Any], asked: dict[str, Any], code: str
) -> None:
    """A bad key is no error of the question: 200, with the reason in the body; on the lane as on the road."""
    key = refused(roads, given, clock)
    roads.keywright.verifier.identify(caller)
    question = {"key": key, **asked}
    answer = ask(roads, caller, question)
    assert (answer.status_code, answer.json()["valid"], answer.json()["code"]) == (200, False, code)
    assert answer.json().get("missing_scopes") == (["b"] if code == "INSUFFICIENT_SCOPE" else None)
    if code == "RATE_LIMITED":
        assert answer.json()["ratelimit"]["retry_after_seconds"] >= 1
    fast = roads.fast_verify((("X-API-Key", caller), *TYPED), json.dumps(question).encode())
    assert fast
    spent = code == "INSUFFICIENT_SCOPE"
    assert written(fast)[1].replace(b'"remaining":98', b'"remaining":99') == written(answer)[1] if spent else True
    assert spent or written(fast) == written(answer)


def test_another_accounts_key_is_not_found(roads: Roads, caller: str) -> None:
    """S73: a service learns of its own account's keys only, spends nothing of others' limits and marks none as used; an
    operator learns of all."""
    other = roads.keywright.manager.create_account(ME, "Another").id
    theirs = roads.create(account_id=other)
    roads.keywright.verifier.identify(theirs.key)
    roads.keywright.usage.flush()
    for road in (ask(roads, caller, {"key": theirs.key}).content, fast(roads, caller, {"key": theirs.key})):
        assert b'"code":"NOT_FOUND"' in road
        assert theirs.row.id.encode() not in road
    assert left(roads, theirs.key) == 100
    operator = roads.keywright.manager.operator_account().id
    boss = roads.create(account_id=operator, scopes=["verify", "operator"], rate_limit=None).key
    assert ask(roads, boss, {"key": theirs.key}).json()["account_id"] == other
    nearly = roads.create(account_id=operator, scopes=["*"], rate_limit=None).key
    assert ask(roads, nearly, {"key": theirs.key}).json()["code"] == "NOT_FOUND"


def fast(roads: Roads, caller: str, question: Any) -> bytes:
    """What the lane answers."""
    found = roads.fast_verify((("X-API-Key", caller), *TYPED), json.dumps(question).encode())
    assert found
    return found.tail


def test_the_asker_pays_nothing(roads: Roads) -> None:
    """The call charges the key that it asks about; who asks is not charged, and goes on when his own limit is used up.
    His answers show where it stands (S66)."""
    asker, made = roads.create(scopes=["verify"], rate_limit="2/15m").key, roads.create()
    for remaining in (99, 98, 97, 96):
        answer = ask(roads, asker, {"key": made.key})
        assert answer.json()["ratelimit"]["remaining"] == remaining
        assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == ("2", "2")
    assert isinstance(roads.keywright.verify(asker), Accepted)
    assert isinstance(roads.keywright.verify(asker), Accepted)
    assert not isinstance(roads.keywright.verify(asker), Accepted)
    answer = ask(roads, asker, {"key": made.key})
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (200, "0")


@pytest.mark.parametrize("scopes", [["keys:read"], ["keys:write", "account:read", "verify:not"]])
def test_without_the_scope_nobody_asks(roads: Roads, scopes: list[str]) -> None:
    """A key that may not verify learns nothing, and nobody is charged."""
    caller, made = roads.remembered(scopes=scopes, rate_limit=None).key, roads.remembered()
    answer = ask(roads, caller, {"key": made.key})
    assert (answer.status_code, answer.json()["error"]) == (403, "FORBIDDEN")
    assert roads.fast_verify((("X-API-Key", caller), *TYPED), json.dumps({"key": made.key}).encode()) is None
    assert left(roads, made.key) == 100


@pytest.mark.parametrize("stranger", [True, False])
def test_a_question_without_a_bottom_is_left_to_the_road(roads: Roads, caller: str, stranger: bool) -> None:
    """JSON that is nested without end is no bug that fills the log, whoever sends it; the road says what is wrong."""
    key = "lwa.garbage" if stranger else caller
    assert roads.fast_verify((("X-API-Key", key), *TYPED), b"[" * 4_000) is None


@pytest.mark.parametrize("caller_", ["", "lwa.nothing", "deleted"])
def test_who_has_no_good_key_asks_nothing(roads: Roads, clock: ManualClock, caller_: str) -> None:
    """S26 to S28 hold for the asker as everywhere."""
    made = roads.remembered()
    key = refused(roads, {"deleted": True}, clock) if caller_ == "deleted" else caller_
    assert ask(roads, key, {"key": made.key}).status_code == 401
    assert roads.fast_verify((("X-API-Key", key), *TYPED), json.dumps({"key": made.key}).encode()) is None
    assert left(roads, made.key) == 100


def test_the_asker_is_used_once_on_either_road(roads: Roads, caller: str) -> None:
    """S47: asking is a use of the asker's key, counted once, also where the lane gave up half way."""
    made, cold = roads.remembered(), roads.create()
    roads.keywright.usage.flush()
    fast(roads, caller, {"key": made.key})
    assert roads.fast_verify((("X-API-Key", caller), *TYPED), json.dumps({"key": cold.key}).encode()) is None
    ask(roads, caller, {"key": cold.key})
    roads.keywright.usage.flush()
    now = roads.keywright.clock.now()
    asker = roads.keywright.verifier.identify(caller).record
    assert asker
    rows = roads.keywright.usage_store.hourly(roads.account_id, now - 7200, now + 7200, asker.slot)
    assert sum(row.count for row in rows) == 3, "once when it was remembered, and once for each question"


AMBIGUOUS = (
    b'{"key":"%k","key":"lwa.other"}',
    b'{"key":"lwa.other","key":"%k"}',
    b'{"key":"%k","cost":1,"cost":2}',
    b'{"key":"%k","scope":"a","scope":"b"}',
    b'{"k\\u0065y":"%k"}',
    b'{"key":"%k","scopes":["a"],"scopes":["b"]}',
    b'\xef\xbb\xbf{"key":"%k"}',
    b'{"key":"%k"}trailing',
    b'{"key":"%k","cost":1.0}',
    b'{"key":"%k","cost":1e2}',
    b'{"key":"%k","cost":true}',
    b'{"key":"%k","cost":null}',
    b'{"key":"%k","cost":NaN}',
    b'{"key":"%k","user_agent":{"a":1}}',
    b'{"key":"%k","more":1}',
    b'{"key":["%k"]}',
    b'["%k"]',
    b'"%k"',
    b'{"key":"%k\xff"}',
    b"{}",
    b"",
    b'{"key":"%k","scopes":[1]}',
    b'{"key":"%k","scopes":"a"}',
    b'{"key":"%k","address":"nowhere"}',
)


@pytest.mark.parametrize("body", AMBIGUOUS, ids=range(len(AMBIGUOUS)))
def test_the_lane_leaves_what_could_be_read_in_two_ways(roads: Roads, caller: str, body: bytes) -> None:
    """Everything about a question that is not plain is for the strict reader to take or to refuse, and costs nothing
    until it has."""
    made = roads.remembered()
    question = body.replace(b"%k", made.key.encode())
    assert roads.fast_verify((("X-API-Key", caller), *TYPED), question) is None
    assert left(roads, made.key) == 100
    answer = ask(roads, caller, question)
    taken = body.startswith((b"\xef", b'{"k\\'))
    assert answer.status_code == 200 if taken else answer.status_code in (400, 422)
    assert left(roads, made.key) == (99 if taken else 100)


@pytest.mark.parametrize(
    "question",
    [
        {"key": "%k"},
        {"key": "%k", "scope": "a"},
        {"scopes": ["a", "b"], "key": "%k"},
        {"key": "%k", "cost": 7, "address": "2001:db8::1", "environment": "live", "user_agent": "Größe 7"},
        {"key": "%k", "scopes": []},
        {"key": "lwa.nothing"},
        {"key": ""},
        {"key": "Größe"},
    ],
)
def test_both_roads_give_the_same_verdict(roads: Roads, caller: str, question: dict[str, Any]) -> None:
    """Plain questions take the lane, and are answered letter for letter as on the ordinary road."""
    one, other = (roads.remembered("Same", scopes=["a", "b"]) for _ in range(2))

    def about(key: str) -> bytes:
        return json.dumps(question, ensure_ascii=False).replace("%k", key).encode()

    answer = ask(roads, caller, about(one.key))
    quick = roads.fast_verify((("X-API-Key", caller), *TYPED), about(other.key))
    assert quick
    assert answer.status_code == 200
    assert written(quick) == (200, written(answer)[1].replace(one.row.id.encode(), other.row.id.encode()))


def test_a_batch_is_answered_in_its_order(roads: Roads, clock: ManualClock, caller: str) -> None:
    """Each key is decided and charged for itself, also one that comes twice."""
    made = roads.create(rate_limit="2/15m")
    keys = [{"key": made.key}, {"key": "lwa.nothing"}, {"key": made.key, "scope": "a"}, {"key": made.key}]
    answer = ask(roads, caller, {"keys": keys}, BATCH)
    assert [each["code"] for each in answer.json()["results"]] == ["VALID", "NOT_FOUND", "VALID", "RATE_LIMITED"]
    assert [(each["ratelimit"] or {}).get("remaining") for each in answer.json()["results"]] == [1, None, 0, 0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"keys": []}, 422),
        ({"keys": "x"}, 422),
        ({"keys": [{"key": "x"}] * 101}, 422),
        ({"keys": [{"key": "%k"}, {"key": 5}]}, 422),
        ({"keys": [{"key": "%k"}, {}]}, 400),
        ({"keys": [{"key": "%k"}], "more": 1}, 422),
        ({"keys": [["%k"]]}, 422),
    ],
)
def test_a_batch_that_is_wrong_somewhere_charges_nobody(roads: Roads, caller: str, body: Any, status: int) -> None:
    """All questions are read before the first is decided."""
    made = roads.create()
    filled = json.loads(json.dumps(body).replace("%k", made.key))
    assert ask(roads, caller, filled, BATCH).status_code == status
    assert left(roads, made.key) == 100


def test_a_path_below_it_is_any_other_path(roads: Roads) -> None:
    """S37: what is not there is 404, counts, and is charged like everywhere."""
    key = roads.create(rate_limit="5/15m").key
    answer = roads.ordinary(PATH + "/nowhere", (("X-API-Key", key),))
    assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (404, "4")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_told_which_there_is(roads: Roads, caller: str, method: str) -> None:
    """S37: credentials first, then what is wrong with the request."""
    assert roads.ordinary(PATH, (), method=method).status_code == 401
    answer = roads.ordinary(PATH, (("X-API-Key", caller),), method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
