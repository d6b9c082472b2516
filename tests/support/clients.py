"""Clients quick enough to race: kept-alive connections, each to a worker of which it is known that it is that one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from keywright import SystemClock, Unavailable
from support.crew import Open, Verify
from support.servers import Server
from support.waiting import eventually

KEYS = "/v1/account/api-keys"
#: Under a protected prefix, and nothing is there: the cheapest request that needs a key. 404 says that it was accepted.
NOTHING = "/v1/nothing/here"
_WAIT_SECONDS = 30
#: A server closes what was idle for longer than this.
_IDLE_SECONDS = 2
#: As the kernel calls it: stopped, or dead.
_STILL = "TtZX"


class Reply(NamedTuple):
    """What came back. ``headers`` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Wire:
    """One kept-alive connection.

    Raises:
        ConnectionError: the server has closed it, or nobody listens.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=_WAIT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def send(self, method: str, path: str, key: str | None = None, body: Any = None) -> None:
        """Send one request, and do not wait."""
        raw = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: race", f"Content-Length: {len(raw)}"]
        lines += [f"X-API-Key: {key}"] if key else []
        lines += ["Content-Type: application/json"] if raw else []
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + raw)

    def reply(self) -> Reply:
        """Wait for the answer to what was sent."""
        while b"\r\n\r\n" not in self._unread:
            self._receive()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        while len(self._unread) < length:
            self._receive()
        body, self._unread = self._unread[:length], self._unread[length:]
        return Reply(int(first.split()[1]), headers, body)

    def ask(self, method: str, path: str, key: str | None = None, body: Any = None) -> Reply:
        """One request and its answer."""
        self.send(method, path, key, body)
        return self.reply()

    def _receive(self) -> None:
        received = self._socket.recv(65_536)
        if not received:
            raise ConnectionResetError("The server has closed the connection.")
        self._unread += received

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def workers_of(server: Server) -> list[int]:
    """The process ids of a server's workers."""
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def serving(server: Server) -> list[int]:
    """The workers that have said that they serve."""
    said = server.log.read_text()
    return [pid for pid in workers_of(server) if f"Worker {pid} serves" in said]


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """The processes stand still, unless they have ended."""
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            assert eventually(lambda pid=pid: _state(pid) in _STILL), "it does not stop"  # type: ignore[misc]
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


@contextmanager
def wires_to_each(server: Server, times: int = 1) -> Iterator[list[Wire]]:
    """So many connections to each worker, the workers in turn. While one is connected to, the others stand still."""
    workers = workers_of(server)
    wires: list[list[Wire]] = []
    with ExitStack() as ends:
        for worker in workers:
            with stopped([pid for pid in workers if pid != worker]):
                wires.append([ends.enter_context(closing(Wire(server.url))) for _ in range(times)])
                for wire in wires[-1]:
                    wire.send("GET", "/healthz")
                assert all(wire.reply().status == 200 for wire in wires[-1])
        yield [wire for turn in zip(*wires, strict=True) for wire in turn]


def over_http(wires: list[Wire]) -> Open:
    """Verifies with a server over these connections in turn, which were opened before the fork."""

    @contextmanager
    def open_() -> Iterator[Verify]:
        turns = cycle(wires)
        yield lambda key: accepted(next(turns).ask("GET", NOTHING, key))

    return open_


def accepted(reply: Reply) -> bool | None:
    """Whether the key was accepted; None if the answer tells nothing of the key."""
    return {401: False, 404: True, 200: True}.get(reply.status)


class NewKey(NamedTuple):
    """A key that was made over the API."""

    id: str
    key: str


class Administrator:
    """Somebody with a key who makes and deletes keys over the API.

    Raises:
        Unavailable: the server could not do it now.
    """

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._wire = Wire(server.url)
        self._used_at = SystemClock.elapsed()
        self._key = key

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def ask(self, method: str, path: str, key: str, body: Any = None) -> Reply:
        """One request and its answer."""
        if SystemClock.elapsed() - self._used_at > _IDLE_SECONDS:
            self._wire.close()
            self._wire = Wire(self._server.url)
        reply = self._wire.ask(method, path, key, body)
        self._used_at = SystemClock.elapsed()
        return reply

    def create(self, key: str | None = None, **given: Any) -> NewKey | None:
        """A new key; None if the calling key is refused."""
        reply = self.ask("POST", KEYS, key or self._key, {"name": "Racing", **given})
        if reply.status == 401:
            return None
        self._require(reply, 201)
        created = reply.json()
        self._server.canaries.append(created["key"])
        return NewKey(created["id"], created["key"])

    def delete(self, key_id: str) -> None:
        """Delete a key."""
        self._require(self.ask("DELETE", f"{KEYS}/{key_id}", self._key), 204)

    def _require(self, reply: Reply, status: int) -> None:
        if reply.status == 503:
            raise Unavailable(reply.body.decode())
        assert reply.status == status, reply
