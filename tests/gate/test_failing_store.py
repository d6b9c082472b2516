"""A store or counters that cannot answer: 503 and when to come back, on both roads, and never a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from gate.test_roads import IDENTITY
from gate.test_verify_endpoint import BATCH, PATH as VERIFY, TYPED, ask
from keywright.adapters import answers
from keywright.build import LIMITS_FILE
from support import faults
from support.faces import Headers
from support.gate import ABOUT, PROXY, Roads, raw

#: What cannot answer. Without the store nothing is known of a key that is not in memory; without its counters, nothing
#: of what is left of one that is.
FAILING = ("store", "counters")


@contextmanager
def failing(roads: Roads, what: str) -> Iterator[None]:
    """It cannot answer for the length of a block."""
    data_dir = roads.keywright.settings.data_dir
    if what == "store":
        with faults.unreadable(data_dir / "keywright.db"):
            yield
    else:
        with faults.counters_held(data_dir / LIMITS_FILE):
            yield


def asked_about(roads: Roads, what: str) -> str:
    """A good key about which nobody can tell then."""
    return roads.create().key if what == "store" else roads.remembered().key


def assert_unavailable(answer: httpx.Response, status: int = 503) -> None:
    """See that it is the documented error, and says when to come back."""
    assert answer.status_code == status
    assert answer.headers["Retry-After"] == "1"
    assert (answer.json()["error"], answer.json()["message"]) == (
        "SERVICE_UNAVAILABLE",
        answers.UNAVAILABLE.format(seconds=1),
    )
    assert "WWW-Authenticate" not in answer.headers
    assert not [name for name in answer.headers if "ratelimit" in name]


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("path", ["/v1/gate", "/v1/gate/nginx", "/v1/gate/envoy/v1/orders", "/v1/gate/dear"])
def test_a_proxy_is_told_503_in_its_dialect(roads: Roads, what: str, path: str) -> None:
    """The lane gives no answer of its own, the road says 503 with the whole identity blank, and nginx, which takes no
    503, is told a 403 that says what is meant. Afterwards the key passes, and nothing was charged."""
    headers: Headers = (("X-API-Key", asked_about(roads, what)), *ABOUT)
    with failing(roads, what):
        assert roads.fast(path, headers) is None
        answer = roads.ordinary(path, headers)
    is_nginx = path.endswith("nginx")
    assert_unavailable(answer, 403 if is_nginx else 503)
    told = {name: answer.headers[name] for name in IDENTITY}
    error = answer.text if is_nginx else ""
    assert told == {**dict.fromkeys(IDENTITY, ""), "x-auth-status": "503", "x-auth-error": error}
    good = roads.ordinary(path, headers)
    assert (good.status_code, good.headers["X-RateLimit-Remaining"]) == (200, "40" if "dear" in path else "99")


def test_what_passed_before_does_not_pass_by_its_bytes(roads: Roads) -> None:
    """The same bytes as a moment ago are no way around counters that cannot answer."""
    headers: Headers = (("X-API-Key", roads.remembered().key), *ABOUT)
    answered = roads.fast("/v1/gate", headers)
    assert answered
    roads.lane.keep(b"the same bytes", ("GET", "/v1/gate"), answered)
    with failing(roads, "counters"):
        assert roads.lane.again(b"the same bytes", PROXY) is None
    assert isinstance(roads.lane.again(b"the same bytes", PROXY), tuple)


@pytest.mark.parametrize("what", FAILING)
def test_a_service_is_told_503_and_no_verdict(roads: Roads, what: str) -> None:
    """Asked about one key, the answer is 503 on the road and none on the lane; the caller, who is known and has no
    limits, is not taken for the one who cannot be looked at."""
    caller = roads.remembered("Gateway", scopes=["verify"], rate_limit=None).key
    body = json.dumps({"key": asked_about(roads, what)}).encode()
    with failing(roads, what):
        assert roads.lane.verify(raw((("X-API-Key", caller), *TYPED)), PROXY, body) is None
        answer = ask(roads, caller, body)
    assert_unavailable(answer)
    good = ask(roads, caller, body).json()
    assert (good["code"], good["ratelimit"]["remaining"]) == ("VALID", 99)


@pytest.mark.parametrize("what", FAILING)
def test_a_batch_says_which_of_its_keys_could_not_be_looked_at(roads: Roads, what: str) -> None:
    """Those before and behind it get their verdicts; it is neither good nor bad, and when to ask again stands there."""
    caller = roads.remembered("Gateway", scopes=["verify"], rate_limit=None).key
    known = roads.remembered(rate_limit=None).key
    keys = [known, asked_about(roads, what), "lwa.garbage", known]
    with failing(roads, what):
        answer = ask(roads, caller, {"keys": [{"key": each} for each in keys]}, BATCH)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [each["code"] for each in results] == ["VALID", "UNAVAILABLE", "NOT_FOUND", "VALID"]
    assert (results[1]["valid"], results[1]["key_id"], results[1]["retry_after_seconds"]) == (False, None, 1)


@pytest.mark.parametrize("path", [VERIFY, BATCH])
def test_a_caller_who_cannot_be_looked_at_is_told_503(roads: Roads, path: str) -> None:
    """Who asks with a good key that nobody can find now is not told that it is bad."""
    caller = roads.create("Gateway", scopes=["verify"], rate_limit=None).key
    question = {"key": "lwa.garbage"}
    body = question if path == VERIFY else {"keys": [question]}
    with failing(roads, "store"):
        assert_unavailable(ask(roads, caller, body, path))
    assert ask(roads, caller, body, path).status_code == 200
