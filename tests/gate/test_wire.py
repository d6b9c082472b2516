"""The gate over a real socket: however the bytes come, the answers are those of the ordinary road."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
import requests

from support.faces import OverHttp
from support.installation import ME
from support.line import WAIT_SECONDS, line
from support.servers import Server, running
from support.waiting import eventually
from support.wire import message

LANE, ROAD = b"/v1/gate", b"/api/v1/gate"
VERIFY_LANE, VERIFY_ROAD = b"/v1/keys/verify", b"/api/v1/keys/verify"


@pytest.fixture(scope="module")
def key(gate: OverHttp) -> bytes:
    """A key without limits that the server remembers, so that nothing changes from one answer to the next."""
    made = gate.key(rate_limit=None)
    assert gate.send("GET", LANE.decode(), (("X-API-Key", made),)).status_code == 200
    return made.encode()


@pytest.fixture(scope="module")
def caller(gate: OverHttp) -> bytes:
    """A service's key, remembered."""
    made = gate.key(rate_limit=None, scopes=["verify"])
    gate.send("POST", VERIFY_LANE.decode(), (("X-API-Key", made), ("Content-Type", "application/json")), b"{}")
    return made.encode()


def on_lane(server: Server) -> int:
    """How many requests the lane has answered so far."""
    text = requests.get(server.metrics, timeout=10).text  # type: ignore[attr-defined]
    found = re.search(r"^keywright_lane_total (\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


def asking(path: bytes, key: bytes, *more: bytes, method: bytes = b"GET") -> bytes:
    """A proxy's request."""
    return message(method, path, (b"X-API-Key: " + key, b"X-Forwarded-For: 192.0.2.7", *more))


def question(path: bytes, caller: bytes, key: bytes, *more: bytes) -> bytes:
    """A service's question."""
    headers = (b"X-API-Key: " + caller, b"Content-Type: application/json", *more)
    return message(b"POST", path, headers, b'{"key":"%b"}' % key)


def test_plain_requests_take_the_lane_and_are_answered_as_on_the_road(
    gate: OverHttp, key: bytes, caller: bytes
) -> None:
    """One connection, kept open: to the last byte the same answers, and the lane is where they came from."""
    before = on_lane(gate.server)
    with line(gate.server.url) as there:
        for lane, road in (
            (asking(LANE, key), asking(ROAD, key)),
            (asking(LANE, b"lwa.garbage"), asking(ROAD, b"lwa.garbage")),
            (asking(LANE + b"/nginx", b"foo"), asking(ROAD + b"/nginx", b"foo")),
            (asking(LANE + b"/envoy/v1/x?y=1", key), asking(ROAD + b"/envoy/v1/x?y=1", key)),
            (asking(LANE, key, method=b"PUT"), asking(ROAD, key, method=b"PUT")),
            (asking(LANE, key, b"Connection: keep-alive"), asking(ROAD, key, b"Connection: keep-alive")),
            (question(VERIFY_LANE, caller, key), question(VERIFY_ROAD, caller, key)),
            (question(VERIFY_LANE, caller, b"lwa.x"), question(VERIFY_ROAD, caller, b"lwa.x")),
        ):
            there.send(lane)
            fast = there.answer()
            there.send(road)
            assert fast == there.answer()
            assert fast.startswith(b"HTTP/1.1 ")
    # Counted when it is sent, by somebody else than whoever shows the count; and one of them may have found that a key
    # was made a moment ago, and looked.
    assert eventually(lambda: on_lane(gate.server) - before >= 7)


UNUSUAL = (
    (b"Connection: close",),
    (b"Expect: 100-continue",),
    (b"Transfer-Encoding: chunked",),
    (b"X-API-Key: other",),
    (b"Accept: application/problem+json",),
    (b"Connection: upgrade", b"Upgrade: websocket"),
    (b"Content-Length: 3",),
    (b"X-Filler: " + b"a" * 9000,),
    tuple(b"X-%d: 1" % each for each in range(60)),
)


@pytest.mark.parametrize("headers", UNUSUAL, ids=lambda headers: headers[0].decode()[:30])
def test_unusual_requests_take_the_road(gate: OverHttp, key: bytes, headers: tuple[bytes, ...]) -> None:
    """What is unusual is answered by the road, the same under both names, and the connection ends as it would there."""
    body = {b"Transfer-Encoding: chunked": b"3\r\nabc\r\n0\r\n\r\n", b"Content-Length: 3": b"abc"}.get(headers[0], b"")
    # Whatever was answered before this was counted before this is answered.
    assert gate.send("GET", "/healthz").status_code == 200
    before = on_lane(gate.server)
    answers = []
    for path in (LANE, ROAD):
        with line(gate.server.url) as there:
            there.send(asking(path, key, *headers) + body)
            answers.append((there.answer(), headers[0].startswith(b"Connection") and there.is_closed()))
    assert answers[0] == answers[1]
    assert answers[0][0]
    assert on_lane(gate.server) == before


@pytest.mark.parametrize(
    "raw",
    [
        b"GET %p HTTP/1.0\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"HEAD %p HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %p HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET %p HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET %p HTTP/1.1\r\nHost: t\r\nX-API-Key : %k\r\n\r\n",
        b"GET %p HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n folded\r\n\r\n",
        b"GET %p HTTP/9.9\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET  %p HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET http://elsewhere%p HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %p#fragment HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %p?x=1 HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %p/ HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %p%%2f HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %p/nowhere HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
        b"GET %px HTTP/1.1\r\nHost: t\r\nX-API-Key: %k\r\n\r\n",
    ],
)
def test_odd_bytes_are_answered_alike(gate: OverHttp, key: bytes, raw: bytes) -> None:
    """Old versions, conflicting lengths, odd targets: never another answer because the gate was asked."""
    answers = []
    for path in (LANE, ROAD):
        with line(gate.server.url) as there:
            there.send(raw.replace(b"%p", path).replace(b"%k", key).replace(b"%%", b"%"))
            answers.append(there.answer(body=not raw.startswith(b"HEAD")))
    assert answers[0] == answers[1]


def test_pipelined_requests_are_answered_in_their_order(gate: OverHttp, key: bytes, caller: bytes) -> None:
    """Requests for lane and road in one packet: each answer is the next one's, and none is lost."""
    slow = message(b"GET", b"/v1/account", (b"X-API-Key: " + key,))
    asked = [
        asking(LANE, key), asking(LANE, b"garbage"), slow, asking(LANE, key), question(VERIFY_LANE, caller, key),
        slow, asking(ROAD, b"garbage"), asking(LANE, b"lwa.garbage"), question(VERIFY_ROAD, caller, b"x"),
        asking(LANE, key),
    ]  # fmt: skip
    alone = []
    for each in asked:
        with line(gate.server.url) as there:
            there.send(each)
            alone.append(there.answer())
    with line(gate.server.url) as there:
        there.send(b"".join(asked))
        assert [there.answer() for _ in asked] == alone


@pytest.mark.parametrize("what", ["gate", "verify"])
def test_a_request_in_pieces_is_the_same_request(gate: OverHttp, key: bytes, caller: bytes, what: str) -> None:
    """Cut anywhere, the answer is the same: the head, the body, between them, and two requests in three packets."""
    raw = asking(LANE, key) if what == "gate" else question(VERIFY_LANE, caller, key)
    with line(gate.server.url) as there:
        there.send(raw)
        whole = there.answer()
        assert b" 200 " in whole
        for cut in range(1, len(raw), 7):
            there.send(raw[:cut], raw[cut:])
            assert there.answer() == whole, cut
        there.send((raw + raw)[: len(raw) - 5], (raw + raw)[len(raw) - 5 : len(raw) + 5], raw[5:])
        assert there.answer() == there.answer() == whole


def test_a_body_that_grows_too_large_for_the_lane_goes_on_on_the_road(
    gate: OverHttp, key: bytes, caller: bytes
) -> None:
    """A question with blanks for padding is the same question, and one that is too large for anybody is 413."""
    for size, status in ((5_000, b" 200 "), (60_000, b" 200 "), (70_000, b" 413 ")):
        answers = []
        for path in (VERIFY_LANE, VERIFY_ROAD):
            with line(gate.server.url) as there:
                headers = (b"X-API-Key: " + caller, b"Content-Type: application/json")
                raw = message(b"POST", path, headers, b'{"key":"%b"%b}' % (key, b" " * size))
                there.send(raw[:300], raw[300:4_000], raw[4_000:])
                answers.append(there.answer())
        assert status in answers[0]
        assert answers[0] == answers[1]


def test_a_chunked_question_is_read_whole(gate: OverHttp, key: bytes, caller: bytes) -> None:
    """A body without a length is the road's, and the verdict the same."""
    headers = (b"X-API-Key: " + caller, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    body = b'{"key":"%b"}' % key
    with line(gate.server.url) as there:
        there.send(question(VERIFY_LANE, caller, key))
        whole = there.answer()
        there.send(
            message(b"POST", VERIFY_LANE, headers),
            b"5\r\n" + body[:5] + b"\r\n",
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 5, body[5:]),
        )
        assert there.answer() == whole


@pytest.mark.parametrize("path", [LANE, ROAD])
def test_trailers_do_not_speak_for_the_proxy(gate: OverHttp, path: bytes) -> None:
    """Where a request came from stands in the head that the proxy wrote; what follows the body is the client's."""
    bound = gate.key(networks=["203.0.113.0/24"]).encode()
    with line(gate.server.url) as there:
        there.send(asking(path, bound, b"Transfer-Encoding: chunked") + b"0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
        assert there.answer().startswith(b"HTTP/1.1 403 ")


def test_expect_is_answered_before_the_body(gate: OverHttp, key: bytes, caller: bytes) -> None:
    """A client that waits for 100 Continue gets it, and then its verdict."""
    raw = question(VERIFY_LANE, caller, key, b"Expect: 100-continue")
    head, _, body = raw.partition(b"\r\n\r\n")
    with line(gate.server.url) as there:
        there.send(head + b"\r\n\r\n")
        assert there.answer(body=False).startswith(b"HTTP/1.1 100 ")
        there.send(body)
        assert b'"valid":true' in there.answer()


def test_a_slow_request_to_the_gate_has_the_same_deadline(gate: OverHttp, key: bytes) -> None:
    """Half a request that would have taken the lane is given up like any other, with 408."""
    with line(gate.server.url) as there:
        there.send(asking(LANE, key)[:-2])
        started = time.monotonic()
        assert b" 408 " in there.answer()
        assert 5 < time.monotonic() - started < WAIT_SECONDS


def test_an_idle_connection_is_closed_after_a_while(gate: OverHttp, key: bytes) -> None:
    """A proxy's connection that is used now and then stays; one over which nothing comes is closed."""
    with line(gate.server.url) as there:
        for _ in range(3):
            there.send(asking(LANE, key))
            assert there.answer()
        started = time.monotonic()
        assert there.is_closed()
        assert 3 < time.monotonic() - started < WAIT_SECONDS


def test_the_log_tells_of_both_roads_alike(gate: OverHttp, key: bytes) -> None:
    """A line for each request, with the same members and the client that the proxy named, and no key anywhere."""
    ids = []
    for path in ("/v1/gate", "/api/v1/gate"):
        answer = gate.send("GET", path, (("X-API-Key", key.decode()), ("X-Forwarded-For", "192.0.2.99")))
        ids.append(answer.headers["X-Request-Id"])
    deadline = time.monotonic() + WAIT_SECONDS
    found: list[list[str]] = []
    while len(found) < 2 and time.monotonic() < deadline:
        lines = gate.server.log.read_text().splitlines()
        found = [re.sub(r'"[^"]*": ', "", each).split(", ") for each in lines if any(one in each for one in ids)]
    fast, ordinary = found
    assert [fast[0], *fast[2:3], *fast[4:7]] == [ordinary[0], *ordinary[2:3], *ordinary[4:7]]
    assert fast[4] == '"192.0.2.99"'


def test_a_delete_is_in_force_on_the_lane_at_once(gate: OverHttp) -> None:
    """S55: a request that starts after the delete has answered is refused, on a connection that has just passed."""
    with line(gate.server.url) as there:
        for _ in range(30):
            made = gate.create(rate_limit=None)
            raw = asking(LANE, made.key.encode())
            there.send(raw)
            assert b" 200 " in there.answer()
            there.send(raw)
            assert b" 200 " in there.answer()
            gate.keywright.manager.delete(ME, gate.account_id, made.row.id)
            there.send(raw)
            assert b" 401 " in there.answer()


def test_half_a_question_is_answered_while_the_server_stops(tmp_path: Path) -> None:
    """A stop waits for a question whose head was read, on the lane as on the road."""
    with running(tmp_path / "data") as server:
        caller, key = server.key("caller", "--scope", "verify", "--limit", "none")["key"], server.key()["key"]
        raw = question(VERIFY_LANE, caller.encode(), key.encode())
        with line(server.url) as there, line(server.url) as idle:
            there.send(raw)
            assert b'"valid":true' in there.answer()
            there.send(raw[:-5])
            idle.send(raw)
            assert idle.answer()
            server.process.send_signal(signal.SIGTERM)
            # Whoever asks nothing is hung up on first.
            assert idle.is_closed()
            there.send(raw[-5:])
            assert b'"valid":true' in there.answer()
