"""The hostile corpus at the gate: what no key is passes no proxy, and what no question is gets no verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from support import corpus
from support.corpus import BodyCase, HeaderCase
from support.faces import OverHttp
from support.installation import ME
from support.wire import assert_error, exchange, message

#: The lane, the ordinary road under its other name, and the dialects.
PATHS = (b"/v1/gate", b"/api/v1/gate", b"/v1/gate/nginx", b"/v1/gate/envoy/v1/orders")
QUESTIONS = (b"/v1/keys/verify", b"/api/v1/keys/verify", b"/v1/keys/verify/batch")


@pytest.fixture(scope="module")
def named(gate: OverHttp) -> Mapping[bytes, bytes]:
    """What the placeholders of the corpus stand for."""
    key, other, dead = (gate.create(f"Hostile {number}", rate_limit=None) for number in range(3))
    gate.keywright.manager.delete(ME, gate.account_id, dead.row.id)
    text = key.key
    found = {
        "key": text,
        "other": other.key,
        "dead": dead.key,
        "key_cut": text[:-1],
        "key_typo": text[:-1] + ("A" if text[-1] != "A" else "B"),
        "key_lower": text.lower(),
        "key_upper": text.upper(),
        "tail": text.removeprefix(key.row.prefix),
        "id": key.row.id,
        "other_id": other.row.id,
    }
    return {b"{%s}" % name.encode(): value.encode() for name, value in found.items()}


@pytest.mark.parametrize("case", corpus.HEADERS, ids=lambda case: case.label)
def test_every_way_of_sending_a_key_has_one_answer_at_the_gate(
    gate: OverHttp, named: Mapping[bytes, bytes], case: HeaderCase
) -> None:
    """S21 to S33, asked by a proxy, in each dialect and on both roads: whose key passes is told by its id, and of what
    is refused nothing is told."""
    lines = list(case.lines)
    for placeholder, value in named.items():
        lines = [line.replace(placeholder, value) for line in lines]
    status, text = case.expected
    for path in PATHS:
        answer = exchange(gate.server.url, message(b"GET", path, lines))
        assert answer is not None
        if status == 200:
            assert (answer.status, answer.headers["x-auth-key-id"]) == (200, named[b"{id}"].decode()), path
            continue
        # What is too large is refused before anybody sees that it is for the gate.
        assert answer.headers.get("x-auth-key-id", "") == ""
        if path.endswith(b"nginx") and status == 400:
            assert (answer.status, answer.headers["x-auth-error"]) == (403, answer.body.decode())
            answer = replace(answer, status=int(answer.headers["x-auth-status"]))
        assert_error(answer, status, text)


@pytest.fixture(scope="module")
def asking(gate: OverHttp) -> bytes:
    """A service's key, in memory, so that the lane reads what it sends."""
    made = gate.key("Gateway", rate_limit=None, scopes=["verify"])
    gate.send("POST", "/v1/keys/verify", (("X-API-Key", made), ("Content-Type", "application/json")), b"{}")
    return made.encode()


@pytest.mark.parametrize("case", corpus.BROKEN, ids=lambda case: case.label)
def test_what_is_no_question_gets_no_verdict(gate: OverHttp, asking: bytes, case: BodyCase) -> None:
    """A body that two readers could understand differently, or that is none, is refused in the documented form, alone
    and as a batch, on both roads."""
    lines = (b"X-API-Key: " + asking, b"Content-Type: " + case.content_type.encode())
    for path in QUESTIONS:
        assert_error(exchange(gate.server.url, message(b"POST", path, lines, case.raw)), case.status)
    assert "unexpected error" not in gate.server.log.read_text()
