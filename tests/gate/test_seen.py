"""Requests that are not read again: they are answered as if they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from keywright import Keywright, ManualClock
from keywright.manage.manager import Created
from keywright.outcome import Outcome, Refused
from keywright.record import Request
from keywright.server.edge import EVERY_ANSWER
from keywright.server.gate.gate import Gate
from keywright.server.gate.lane import Answered, Lane
from keywright.server.gate.seen import MAX_KEPT_CHARACTERS
from keywright.server.gate.verdict import Verdicts
from keywright.server.verifying import CountedKeys
from support.faces import Headers, OverHttp, beside
from support.gate import ABOUT, PROXY, STRANGER, Roads, raw, written
from support.installation import ME
from support.line import line
from support.servers import running
from support.wire import message

#: What stands for all of a request's bytes.
DATA = b"the same bytes"
LINE = ("GET", "/v1/gate")


def first(roads: Roads, key: str, path: str = "/v1/gate") -> Headers:
    """Have a request answered that is read, and kept; its headers."""
    headers: Headers = (("X-API-Key", key), *ABOUT)
    answered = roads.lane.forward(path.encode(), raw(headers), PROXY)
    assert answered
    assert answered.status == 200
    roads.lane.keep(DATA, LINE, answered)
    return headers


def again(roads: Roads, peer: str = PROXY) -> Answered | Refused | None:
    """What becomes of the same bytes now."""
    found = roads.lane.again(DATA, peer)
    return found[1] if isinstance(found, tuple) else found


@pytest.mark.parametrize("limit", [None, "100/15m", ["100/15m", "1000/1d"], "100/15m sliding", "100/15m burst 80"])
@pytest.mark.parametrize("path", ["/v1/gate", "/v1/gate/nginx", "/v1/gate/envoy/v1/orders?x=1", "/v1/gate/dear"])
def test_what_is_not_read_again_is_answered_as_on_the_road(
    roads: Roads, clock: ManualClock, limit: Any, path: str
) -> None:
    """Two keys with the same history, one asked for on each road: after the third request as after the first, every
    byte is the same, and so is what is left."""
    fast, slow = roads.remembered(rate_limit=limit), roads.remembered(rate_limit=limit)
    first(roads, fast.key, path)
    roads.ordinary(path, (("X-API-Key", slow.key), *ABOUT))
    for _ in range(3):
        clock.advance(0.7)
        answered = again(roads)
        if path == "/v1/gate/dear" and limit is not None:
            # It has room for one only.
            assert isinstance(answered, Refused)
            answered = roads.lane.forward(path.encode(), raw((("X-API-Key", fast.key), *ABOUT)), PROXY, answered)
        assert isinstance(answered, Answered)
        ordinary = roads.ordinary(path, (("X-API-Key", slow.key), *ABOUT))
        expected = written(ordinary)[1].replace(slow.row.id.encode(), fast.row.id.encode())
        assert written(answered) == (ordinary.status_code, expected)


CHANGES: dict[str, dict[str, Any]] = {
    "disabled": {"disabled": True},
    "narrowed": {"scopes": ["invoices:read"]},
    "bound to a network": {"networks": ["198.51.100.0/24"]},
    "given less": {"rate_limit": "1/15m"},
    "renamed": {"name": "Another name"},
}


@pytest.mark.parametrize("name", [*CHANGES, "deleted", "forgotten", "rotated"])
@pytest.mark.parametrize("remembered_anew", [False, True])
def test_a_key_that_changed_is_looked_at_anew(roads: Roads, name: str, remembered_anew: bool) -> None:
    """S55: nothing that was read before a change stands in for it, also when the key is remembered again since."""
    created = roads.remembered(rate_limit=None)
    first(roads, created.key)
    assert isinstance(again(roads), Answered)
    change(roads, created, name)
    if remembered_anew:
        roads.keywright.verifier.identify(created.key)
    assert again(roads) is None


def change(roads: Roads, created: Created, name: str) -> None:
    """Change a key."""
    manager, who = roads.keywright.manager, (roads.account_id, created.row.id)
    if name == "deleted":
        manager.delete(ME, *who)
    elif name == "rotated":
        manager.rotate(ME, *who, 0)
    elif name == "forgotten":
        roads.keywright.cache.forget()
    else:
        manager.update(ME, *who, CHANGES[name])


def test_a_key_whose_time_is_over_is_refused(roads: Roads, clock: ManualClock) -> None:
    """S58: time passes between two requests of the same bytes."""
    created = roads.remembered(rate_limit=None, expires_in_seconds=60)
    headers = first(roads, created.key)
    clock.advance(61)
    decided = again(roads)
    assert isinstance(decided, Refused)
    answered = roads.lane.forward(b"/v1/gate", raw(headers), PROXY, decided)
    assert answered
    assert written(answered) == written(roads.ordinary("/v1/gate", headers))
    assert answered.status == 401


def test_a_limit_is_charged_once_and_to_its_end(roads: Roads) -> None:
    """S60: of the same bytes, exactly as many pass as the limit allows, and a refusal is noted once."""
    created = roads.remembered(rate_limit="5/15m")
    headers = first(roads, created.key)
    assert [isinstance(again(roads), Answered) for _ in range(6)] == [True] * 4 + [False] * 2
    decided = again(roads)
    assert isinstance(decided, Refused)
    answered = roads.lane.forward(b"/v1/gate", raw(headers), PROXY, decided)
    assert answered
    assert answered.status == 429
    roads.keywright.usage.flush()
    now = roads.keywright.clock.now()
    hours = roads.keywright.manager.report(
        ME, roads.account_id, now - 3600, now + 3600, key_id=created.row.id, daily=False
    )
    # One more was accepted without being charged, when the key was looked up.
    assert {hour.outcome: hour.count for hour in hours} == {"accepted": 6, "rate_limited": 3}


def test_from_somebody_else_the_same_bytes_are_another_request(roads: Roads) -> None:
    """Only who was allowed to ask is answered without a look."""
    first(roads, roads.remembered(rate_limit=None).key)
    assert isinstance(again(roads), Answered)
    assert again(roads, STRANGER) is None


def test_what_was_refused_is_not_kept(roads: Roads) -> None:
    """Whoever sends garbage fills nothing that others use."""
    roads.remembered()
    answered = roads.fast("/v1/gate", (("X-API-Key", "lwa.garbage"), *ABOUT))
    assert answered
    assert answered.seen is None
    roads.lane.keep(DATA, LINE, answered)
    assert again(roads) is None


class Interfering:
    """Keys that somebody changes at the very moment at which one was verified, and that are remembered anew at once."""

    def __init__(self, keywright: Keywright, change: Callable[[], object], remember: Sequence[str]) -> None:
        self._keywright, self._change, self._remember = keywright, change, remember
        self.again = keywright.verifier.again

    def warm(self, key: str, request: Request) -> Outcome | None:
        """See `Keys.warm`."""
        outcome = self._keywright.warm(key, request)
        self._change()
        for each in self._remember:
            self._keywright.verifier.identify(each)
        return outcome


def interfered(roads: Roads, created: Created, remember: Sequence[str]) -> Lane:
    """A lane under whose hands the key loses a scope that it had."""

    def change() -> None:
        roads.keywright.manager.update(ME, roads.account_id, created.row.id, {"scopes": ["invoices:read"]})

    keys = cast(CountedKeys, Interfering(roads.keywright, change, remember))
    return Lane(roads.keywright, keys, Gate(roads.keywright, lambda *_: ""), Verdicts(), EVERY_ANSWER)


def test_what_changes_while_it_is_looked_at_is_not_kept(roads: Roads) -> None:
    """S55: an answer that was written of a key as it was a moment ago is given once, and never again."""
    created = roads.remembered(rate_limit=None)
    lane = interfered(roads, created, [created.key])
    answered = lane.forward(b"/v1/gate", raw((("X-API-Key", created.key), *ABOUT)), PROXY)
    assert answered
    assert b"x-auth-scopes: *" in answered.tail
    lane.keep(DATA, LINE, answered)
    assert lane.again(DATA, PROXY) is None


def test_a_caller_that_changes_while_it_asks_is_not_kept(roads: Roads, caller: Created) -> None:
    """The same of whoever asks: what it was allowed a moment ago allows it nothing later."""
    asked = roads.remembered(rate_limit=None)
    lane = interfered(roads, caller, [caller.key, asked.key])
    headers = raw((("X-API-Key", caller.key), ("Content-Type", "application/json")))
    answered = lane.verify(headers, STRANGER, json.dumps({"key": asked.key}).encode())
    assert answered
    lane.keep(DATA, ("POST", "/v1/keys/verify"), answered)
    assert lane.again(DATA, STRANGER) is None


def test_what_is_long_is_not_kept(roads: Roads) -> None:
    """Whoever sends long texts fills no memory with them."""
    created = roads.remembered(rate_limit=None)
    for agent, kept in (("a" * MAX_KEPT_CHARACTERS, False), ("a" * (MAX_KEPT_CHARACTERS - 20), True)):
        headers = (("X-API-Key", created.key), ("X-Forwarded-For", "192.0.2.7"), ("User-Agent", agent))
        answered = roads.fast("/v1/gate", headers)
        assert answered
        roads.lane.keep(DATA, LINE, answered)
        assert (again(roads) is not None) is kept


def asks(roads: Roads, caller: Created, key: str) -> None:
    """Have a question answered that is read, and kept."""
    headers = (("X-API-Key", caller.key), ("Content-Type", "application/json"))
    answered = roads.fast_verify(headers, json.dumps({"key": key}).encode())
    assert answered
    roads.lane.keep(DATA, ("POST", "/v1/keys/verify"), answered)


@pytest.fixture
def caller(roads: Roads) -> Created:
    """A service's key, remembered."""
    return roads.remembered(rate_limit=None, scopes=["verify"])


@pytest.mark.parametrize("limit", [None, "3/15m"])
def test_a_question_that_is_not_read_again_gets_the_verdict_of_now(roads: Roads, caller: Created, limit: Any) -> None:
    """Verdicts count down as the limit does, and tell when it is used up, as on the ordinary road."""
    fast, slow = roads.remembered(rate_limit=limit), roads.remembered(rate_limit=limit)
    headers = (("X-API-Key", caller.key), ("Content-Type", "application/json"))
    asks(roads, caller, fast.key)
    roads.ordinary("/v1/keys/verify", headers, STRANGER, "POST", json.dumps({"key": slow.key}).encode())
    for _ in range(4):
        answered = again(roads, STRANGER)
        assert isinstance(answered, Answered)
        body = json.dumps({"key": slow.key}).encode()
        ordinary = roads.ordinary("/v1/keys/verify", headers, STRANGER, "POST", body)
        expected = written(ordinary)[1].replace(slow.row.id.encode(), fast.row.id.encode())
        assert written(answered) == (200, expected)


@pytest.mark.parametrize("whose", ["caller", "asked"])
@pytest.mark.parametrize("name", [*CHANGES, "deleted"])
def test_a_question_is_read_anew_when_either_key_changed(roads: Roads, caller: Created, whose: str, name: str) -> None:
    """Neither who asks nor what is asked about is what it was."""
    asked = roads.remembered(rate_limit=None)
    asks(roads, caller, asked.key)
    assert isinstance(again(roads, STRANGER), Answered)
    change(roads, caller if whose == "caller" else asked, name)
    for each in (caller, asked):
        roads.keywright.verifier.identify(each.key)
    assert again(roads, STRANGER) is None


def test_a_caller_whose_time_is_over_asks_nothing(roads: Roads, clock: ManualClock) -> None:
    """Nothing is told to, or noted for, a service whose key has expired."""
    caller = roads.remembered(rate_limit=None, scopes=["verify"], expires_in_seconds=60)
    asks(roads, caller, roads.remembered(rate_limit=None).key)
    clock.advance(61)
    assert again(roads, STRANGER) is None


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """A server whose gate this machine may ask."""
    data_dir = tmp_path_factory.mktemp("seen") / "data"
    with running(data_dir, KEYWRIGHT_GATE_PROXIES="127.0.0.1") as server, beside(server) as keywright:
        yield OverHttp(keywright, server)


def get(path: bytes, key: bytes, *more: bytes) -> bytes:
    """A proxy's request."""
    return message(b"GET", path, (b"X-API-Key: " + key, b"X-Forwarded-For: 192.0.2.7", *more))


def post(path: bytes, caller: bytes, key: bytes) -> bytes:
    """A service's question."""
    headers = (b"X-API-Key: " + caller, b"Content-Type: application/json")
    return message(b"POST", path, headers, b'{"key":"%b"}' % key)


PACKETS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "two": lambda one, _: one + one,
    "three of two kinds": lambda one, other: one + other + one,
    "one and a line break": lambda one, _: one + b"\r\n",
    "a line break and one": lambda one, _: b"\r\n" + one,
    "one and a half": lambda one, other: one + other[:40],
    "bare line breaks": lambda one, other: one.replace(b"\r\n", b"\n") + other,
}


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_packets_are_taken_apart_each_time(gate: OverHttp, name: str, prefix: str) -> None:
    """However requests lie in packets, and whatever came before: each is answered, in its order, and none twice. The
    ordinary road is asked the same."""
    key, caller = gate.key(rate_limit=None).encode(), gate.key(rate_limit=None, scopes=["verify"]).encode()
    one, other = get(prefix.encode() + b"/gate", key), post(prefix.encode() + b"/keys/verify", caller, key)
    whole = {b"GET": 0, b"POST": 0}
    with line(gate.server.url) as there:
        for alone in (one, other, one, other):
            there.send(alone)
            assert b" 200 " in there.answer()
        packet = PACKETS[name](one, other)
        for method in whole:
            whole[method] = packet.count(method + b" ")
        for _ in range(3):
            there.send(packet)
            if name == "bare line breaks":
                assert b" 400 " in there.answer()
                assert there.is_closed()
                return
            if name == "one and a half":
                there.send(other[40:])
            answers = [there.answer() for _ in range(sum(whole.values()))]
            assert all(b" 200 " in each for each in answers)
        there.send(one)
        assert b"x-auth-key-id: key_" in there.answer()
