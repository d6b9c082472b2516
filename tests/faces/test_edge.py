"""What the outermost layer does at its edges: addresses it cannot read, faults of its own, clients that are gone."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from keywright import ManualClock
from keywright.adapters.asgi import Receive, Scope, Send
from keywright.record import parse_network
from keywright.server.app import create_app
from keywright.server.edge import IS_CLOSING_NAME, Edge, real_client
from keywright.server.http import MAX_TOLD
from support.calls import scope_of, talk
from support.faces import InProcess
from support.installation import Installation
from support.mutants import assert_caught
from support.servers import Server, running
from support.waiting import eventually

HERE = "tests/faces/test_edge.py"
KEYS = "/v1/account/api-keys"
TRUSTED = (parse_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (None, "10.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:5511", "203.0.113.9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 203.0.113.9:5511, 10.0.0.2:80", "203.0.113.9"),
        ("203.0.113.9, unknown, 10.0.0.2", None),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("203.0.113.9,", None),
        ("203.0.113.9:123456", None),
        ("[203.0.113.9", None),
        ("10.0.0.256:80", None),
    ],
)
def test_who_is_behind_a_proxy(forwarded: str | None, client: str | None) -> None:
    """The proxy's own address is never that of a client that it names in a way that cannot be read."""
    headers = [] if forwarded is None else [(b"X-Forwarded-For", forwarded.encode())]
    found = real_client(scope_of("GET", "/", *headers), TRUSTED)
    assert (found and found[0]) == client


@pytest.mark.parametrize(("forwarded", "status"), [("unknown", 403), ("10.1.1.1", 200), ("203.0.113.9:80", 403)])
def test_a_key_bound_to_the_proxys_network_works_only_from_there(
    data_dir: Path, clock: ManualClock, forwarded: str, status: int
) -> None:
    """A key that is bound to the network of the proxy is refused where the real address is another, or unknown."""
    with Installation(data_dir, clock, trusted_proxies="127.0.0.0/8") as made:
        key = made.create(networks=["10.0.0.0/8", "127.0.0.0/8"]).key
        headers = ((b"x-api-key", key.encode()), (b"x-forwarded-for", forwarded.encode()))
        scope = scope_of("GET", "/v1/account", *headers, client=("127.0.0.1", 1))
        assert talk(create_app(made.keywright), scope)[0]["status"] == status


def test_a_bug_outside_the_routes_is_answered_in_the_documented_shape(installation: Installation) -> None:
    """What a layer around the routes raises is a 500 of ours with an id that stands in the log, and logged as that."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a bug")

    with capture_logs() as logs:
        start, body = talk(Edge(broken, installation.keywright), scope_of())

    headers = dict(start["headers"])
    error = json.loads(body["body"])
    assert (start["status"], headers[b"content-type"], headers[b"cache-control"]) == (
        500,
        b"application/json",
        b"no-store",
    )
    assert list(error) == ["error", "message", "timestamp", "request_id"]
    assert (error["error"], error["request_id"].encode()) == ("INTERNAL_ERROR", headers[b"x-request-id"])
    assert [each["event"] for each in logs] == ["unexpected error"]


def test_a_bug_after_the_answer_began_is_told_of_once(installation: Installation) -> None:
    """An answer that was begun is not begun again; the bug is logged all the same, also where the server hangs up."""

    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("a bug")

    with capture_logs() as logs:
        sent = talk(Edge(breaks_off, installation.keywright), scope_of() | {IS_CLOSING_NAME: lambda: True})

    assert [each["type"] for each in sent] == ["http.response.start"]
    assert [each["event"] for each in logs] == ["unexpected error"]


@pytest.mark.parametrize(
    ("error", "closing"), [(OSError("gone"), False), (RuntimeError("the handler is closed"), True)]
)
def test_nobody_there_to_be_answered_is_no_bug(installation: Installation, error: Exception, closing: bool) -> None:
    """A client that is gone when it is answered leaves no traceback in the log."""
    scope = scope_of("GET", "/healthz") | {IS_CLOSING_NAME: lambda: closing}
    with capture_logs() as logs:
        talk(create_app(installation.keywright), scope, fails=error)
    assert logs == []


def test_an_answer_that_cannot_be_sent_to_somebody_is_a_bug(installation: Installation) -> None:
    """A sending that fails while the client is there is not passed over in silence."""
    scope = scope_of("GET", "/healthz") | {IS_CLOSING_NAME: lambda: False}
    with capture_logs() as logs:
        talk(create_app(installation.keywright), scope, fails=RuntimeError("Response content longer than"))
    assert "unexpected error" in [each["event"] for each in logs]


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}/key_000000000/rotate"])
def test_a_body_that_was_cut_off_is_no_bug(installation: Installation, path: str) -> None:
    """Whoever hangs up in the middle of a body gets 400, wherever the body is read, and the log stays quiet."""
    key = installation.create().key
    scope = scope_of("POST", path, (b"x-api-key", key.encode()), (b"content-length", b"20"))
    with capture_logs() as logs:
        sent = talk(
            create_app(installation.keywright), scope, {"type": "http.request", "body": b"{", "more_body": True}
        )
    assert sent[0]["status"] == 400
    assert logs == []


def test_a_method_that_is_not_there_is_told_in_a_sentence(inside: InProcess) -> None:
    """The message of a 405 reads well for one method and for several."""
    key = inside.key()
    one = inside.call("GET", f"{KEYS}/key_000000000/rotate", key).json()["message"]
    several = inside.call("PUT", KEYS, key).json()["message"]
    assert one == "GET is not possible here; use POST."
    assert several == "PUT is not possible here; use GET, POST or HEAD."


def test_a_long_member_is_not_sent_back_whole(inside: InProcess) -> None:
    """The name of an unknown member is cut in the answer."""
    key, name = inside.key(), "not a member " * 400
    answer = inside.call("POST", "/v1/subscriptions", key, {"entity_type": "contact", name: 1})
    assert answer.status_code == 422
    assert answer.json()["details"] == [{"member": name[:80]}]
    assert len(answer.content) < 500


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A server that keeps two connections."""
    with running(tmp_path / "data", KEYWRIGHT_MAX_CONNECTIONS="2") as started:
        yield started


def _connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=5)


def _answers(server: Server) -> bool:
    with _connected(server) as connection:
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.1 200 ")
        except ConnectionError:
            return False


def test_who_never_reads_does_not_hold_a_connection(small: Server) -> None:
    """Clients that ask and ask and never read are cut off, and others get their connections."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * 400
    readers = [_connected(small) for _ in range(2)]
    try:
        for each in readers:
            each.sendall(asked)
        assert not _answers(small)
        assert eventually(lambda: _answers(small), 20)
    finally:
        for each in readers:
            each.close()
    assert "Traceback" not in small.log.read_text()


def test_a_mass_of_connections_beyond_the_cap_is_cut_at_once(small: Server) -> None:
    """Only a few dozen of those that are too many are told so; the rest do not hold a descriptor."""
    crowd = [_connected(small) for _ in range(2 + MAX_TOLD + 20)]
    try:
        told = sum(_told(each) for each in crowd[2:])
    finally:
        for each in crowd:
            each.close()
    assert 0 < told <= MAX_TOLD
    assert eventually(lambda: _answers(small), 5)


def _told(connection: socket.socket) -> bool:
    assert select.select([connection], [], [], 5)[0]
    try:
        return connection.recv(4_096).startswith(b"HTTP/1.1 503 ")
    except ConnectionError:
        return False


@pytest.mark.planted
def test_a_reader_that_is_waited_for_for_ever_is_caught(tmp_path: Path) -> None:
    """The check of clients that never read fails where nobody counts their time."""
    old = "self.loop.call_later(READING_SECONDS, self._not_read)"
    new = "self.loop.call_later(READING_SECONDS * 100, self._not_read)"
    test = f"{HERE}::test_who_never_reads_does_not_hold_a_connection"
    assert_caught(tmp_path, "server/http.py", old, new, test)


def test_a_proxy_taken_for_its_client_is_caught(tmp_path: Path) -> None:
    """The check of unreadable addresses fails where the proxy's own stands in for them."""
    old, new = '            return ""\n', "            return peer\n"
    test = f"{HERE}::test_a_key_bound_to_the_proxys_network_works_only_from_there"
    assert_caught(tmp_path, "adapters/address.py", old, new, test)
