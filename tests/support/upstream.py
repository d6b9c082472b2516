"""An application behind a proxy: it answers with what it got, and remembers it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: A path below it is answered with the status that follows.
STATUS = "/status/"


@dataclass(frozen=True)
class Seen:
    """One request as it arrived.

    Attributes:
        headers: as they were sent, twice where they were sent twice, with names in lower case.
        trailers: what came behind a chunked body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    trailers: tuple[str, ...] = ()

    def values(self, name: str) -> list[str]:
        """All values of one header."""
        return [value for each, value in self.headers if each == name]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[Seen] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A proxy that hangs up is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        body, trailers = self._chunked() if self._is_chunked() else (self._whole(), ())
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        seen = Seen(self.command, self.path, headers, body, trailers)
        self.server.seen.append(seen)
        at = self.path.find(STATUS)
        self.send_response(int(self.path[at + len(STATUS) :][:3]) if at >= 0 else 200)
        self.send_header("Content-Type", "application/json")
        # An application may speak of limits, too; what the client is told is the gate's word.
        self.send_header("X-RateLimit-Limit", "1")
        echoed = json.dumps({"method": seen.method, "target": seen.target, "body": body.decode("latin-1")}).encode()
        self.send_header("Content-Length", str(len(echoed)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(echoed)

    def __getattr__(self, name: str) -> Any:
        # Whatever the method: an application that knows fewer would hide what reached it.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _is_chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def _whole(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _chunked(self) -> tuple[bytes, tuple[str, ...]]:
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body, tuple(iter(lambda: self.rfile.readline().decode("latin-1").strip(), ""))

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class calls it so
        """Nobody reads it."""


class Upstream:
    """A started application.

    Attributes:
        port: on 127.0.0.1.
        seen: every request that reached it, in its order.
    """

    def __init__(self, server: _Server) -> None:
        self.port: int = server.server_address[1]
        self.seen = server.seen

    def saw(self, marker: str) -> list[Seen]:
        """The requests whose target holds the marker."""
        return [each for each in self.seen if marker in each.target]


@contextmanager
def upstream() -> Iterator[Upstream]:
    """An application for the length of a block."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Upstream(server)
        finally:
            server.shutdown()
            thread.join()
