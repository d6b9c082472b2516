"""What is refused before there is a request: bytes through a real socket."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from keywright.server.http import MAX_UNFINISHED_HEAD_BYTES, REQUEST_SECONDS
from support.line import line
from support.mutants import assert_caught
from support.servers import Server, running

HERE = "tests/faces/test_http_edge.py"
GET = b"GET /healthz HTTP/1.1\r\nHost: here\r\n"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def converse(server: Server, sent: bytes, seconds: float = 5.0) -> tuple[bytes, bool]:
    """Everything that is answered to ``sent``, and whether the server hung up within the time."""
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as connection:
        connection.settimeout(seconds)
        connection.sendall(sent)
        received = b""
        try:
            while more := connection.recv(65_536):
                received += more
        except TimeoutError:
            return received, False
    return received, True


def assert_flat(answer: bytes, status: int, code: str) -> None:
    """The one shape of errors, with the headers that every answer has."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\ncontent-type: application/json\r\n" in head
    for header in (b"cache-control: no-store", b"x-content-type-options: nosniff", b"x-request-id: req_"):
        assert header in head
    error = json.loads(body)
    assert list(error) == ["error", "message", "timestamp"]
    assert error["error"] == code
    assert TIMESTAMP.fullmatch(error["timestamp"])


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: here\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: here\r\n\r\n",
        GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        GET + b"Content-Length: -1\r\n\r\n",
        GET + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        GET + b"broken header\r\n\r\n",
        GET + b"X: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    ],
    ids=["garbage", "method", "version", "path", "te+cl", "two lengths", "length", "chunk", "header", "nul", "tls"],
)
def test_what_is_not_http_is_refused_in_the_documented_shape(server: Server, sent: bytes) -> None:
    """A request that two readers could read differently, or none, is answered with 400 and the connection ends."""
    answer, closed = converse(server, sent)

    assert_flat(answer, 400, "BAD_REQUEST")
    assert closed


def test_an_endless_head_is_cut(server: Server) -> None:
    """A header that does not end fills no memory: it is refused as soon as it is too large."""
    answer, closed = converse(server, GET + b"X: " + b"a" * (2 * MAX_UNFINISHED_HEAD_BYTES))

    assert_flat(answer, 431, "HEADERS_TOO_LARGE")
    assert closed


def test_endless_trailers_are_cut(server: Server) -> None:
    """A trailer that does not end fills no memory either: the connection ends as soon as it is too large."""
    chunked = b"POST /healthz HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    _, closed = converse(server, chunked + b"X: " + b"a" * (8 * MAX_UNFINISHED_HEAD_BYTES))

    assert closed


def test_trailers_are_no_headers(server: Server) -> None:
    """S24: a key that comes after the body counts as missing; whoever looked at the head only has not seen it."""
    key = server.key()["key"].encode()
    head = b"GET /v1/account HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer, _ = converse(server, head + b"0\r\nX-API-Key: " + key + b"\r\n\r\n", 1.0)

    assert_flat(answer, 401, "UNAUTHORIZED")


@pytest.mark.parametrize("path", [b"/v1/account", b"/v1/gate", b"/v1/keys/verify"])
def test_one_request_gets_one_answer(server: Server, path: bytes) -> None:
    """A request that was answered before all of it came gets no second answer when the rest turns out to be wrong:
    that would be taken for the answer to the next one."""
    head = b"POST " + path + b" HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    with line(server.url) as there:
        there.send(head + b"1\r\na\r\n")
        first = there.answer()
        assert first.startswith(b"HTTP/1.1 4")
        there.send(b"zz\r\n")
        assert there.is_closed()


def test_a_second_answer_is_caught(tmp_path: Path) -> None:
    """The check of single answers fails where nobody asks whether there was one."""
    old, new = "if self.is_answered_already():", "if False:"
    test = f"{HERE}::test_one_request_gets_one_answer"
    assert_caught(tmp_path, "server/http.py", old, new, test)


def test_a_form_without_an_end_is_no_bug(server: Server) -> None:
    """A form that is too large is answered with 413 like any other body, and leaves no traceback in the log."""
    head = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
    body = b"Transfer-Encoding: chunked\r\n\r\n11170\r\n" + b"a" * 70_000 + b"\r\n0\r\n\r\n"
    answer, closed = converse(server, head + body)

    assert_flat(answer, 413, "PAYLOAD_TOO_LARGE")
    assert closed
    assert "unexpected error" not in server.log.read_text()


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Several requests in one packet each get their answer, in their order."""
    third = b"GET /help HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    answer, closed = converse(server, GET + b"\r\nGET /v1/nothing HTTP/1.1\r\nHost: here\r\n\r\n" + third)

    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"401", b"200"]
    assert closed


def test_an_offer_of_another_protocol_is_declined(server: Server) -> None:
    """An upgrade is answered in HTTP/1.1 and the connection ends, so that nothing sent after it is lost unseen."""
    answer, closed = converse(server, GET + b"Upgrade: h2c\r\nConnection: upgrade\r\n\r\n" + GET + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert closed


def _held(server: Server, sent: bytes) -> tuple[bytes, float]:
    started = time.monotonic()
    answer, closed = converse(server, sent, REQUEST_SECONDS + 5)
    assert closed
    return answer, time.monotonic() - started


def test_slow_requests_are_cut_off(server: Server) -> None:
    """One byte and then nothing, half a head, half a body or nothing at all: none of them holds a connection."""
    key = server.key()["key"].encode()
    post = b"POST /v1/account/api-keys HTTP/1.1\r\nHost: here\r\nContent-Length: 20\r\nX-API-Key: " + key + b"\r\n\r\n{"
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda sent: _held(server, sent), [b"G", GET + b"X: ", post, b""]))

    assert all(REQUEST_SECONDS - 1 < seconds < REQUEST_SECONDS + 3 for _, seconds in results)
    assert_flat(results[0][0], 408, "REQUEST_TIMEOUT")
    assert_flat(results[1][0], 408, "REQUEST_TIMEOUT")
    assert_flat(results[2][0], 408, "REQUEST_TIMEOUT")
    assert results[3][0] == b""
    assert len(server.request("GET", "/v1/account/api-keys", key.decode()).json()["keys"]) >= 1


def test_connections_have_a_cap(tmp_path: Path) -> None:
    """One connection too many is told so and closed; those that are open go on."""
    with running(tmp_path / "data", KEYWRIGHT_MAX_CONNECTIONS="3") as few:
        port = int(few.url.rsplit(":", 1)[1])
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for each in held:
            assert answered(each)
        answer, closed = converse(few, b"")
        assert_flat(answer, 503, "SERVICE_UNAVAILABLE")
        assert b"\r\nretry-after: " in answer
        assert closed
        assert answered(held[0])
        for each in held:
            each.close()


def answered(connection: socket.socket) -> bool:
    """Whether one more request is answered, to its last byte: the head and the body may come apart."""
    connection.sendall(GET + b"\r\n")
    answer = connection.recv(65_536)
    while not answer.endswith(b"}") and (more := connection.recv(65_536)):
        answer += more
    return answer.startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[Server, ssl.SSLContext]]:
    """A server with a certificate, and what trusts it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    flags = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with running(tmp_path / "data", *flags, scheme="https") as started:
        yield started, context


def test_an_idle_tls_client_does_not_hold_up_the_stop(encrypted: tuple[Server, ssl.SSLContext]) -> None:
    """A client that keeps its connection open and says nothing is not waited for."""
    server, context = encrypted
    plain = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
        client.sendall(GET + b"\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 5


@pytest.mark.planted
def test_a_cap_that_nobody_is_held_to_is_caught(tmp_path: Path) -> None:
    """The check of the cap on all connections fails where they are not counted."""
    old, new = "of_all = len(self.connections) - self.app.max_connections", "of_all = 0"
    assert_caught(tmp_path, "server/http.py", old, new, f"{HERE}::test_connections_have_a_cap")


@pytest.mark.planted
def test_a_deadline_that_never_comes_is_caught(tmp_path: Path) -> None:
    """The check of slow requests fails where there is no deadline."""
    old = "self.loop.call_later(REQUEST_SECONDS, self._too_late)"
    new = "self.loop.call_later(REQUEST_SECONDS * 100, self._too_late)"
    assert_caught(tmp_path, "server/http.py", old, new, f"{HERE}::test_slow_requests_are_cut_off")
