"""HTTP as bytes: what no client library would send, and how an answer must look."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

WAIT_SECONDS = 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMIT_EXCEEDED",
    431: "HEADERS_TOO_LARGE",
    503: "SERVICE_UNAVAILABLE",
}
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


@dataclass(frozen=True)
class Answer:
    """What came back. ``headers`` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def answer_of(response: requests.Response) -> Answer:
    """A library's response as an `Answer`."""
    return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


def exchange(url: str, raw: bytes, *, method: str = "GET", half_closed: bool = False) -> Answer | None:
    """Send bytes and read one answer; None if the server closed the connection without one.

    Args:
        method: decides whether the answer has a body.
        half_closed: say that nothing more will be sent.
    """
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS) as connection:
        # The server may answer, and close, before it has read everything: its answer is still there to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(raw)
            if half_closed:
                connection.shutdown(socket.SHUT_WR)
        # Closed in any case: the response has a file of its own over the socket.
        with contextlib.closing(http.client.HTTPResponse(connection, method=method)) as response:
            try:
                response.begin()
                body = response.read()
            except (http.client.HTTPException, ConnectionResetError):
                return None
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)


def message(method: bytes, target: bytes, headers: Iterable[bytes] = (), body: bytes | None = None) -> bytes:
    """A request as bytes, with ``Host`` and, where there is a body, its length; headers are whole lines."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: test", *headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


def assert_error(answer: Answer | None, status: int, message: str | None = None) -> dict[str, Any]:
    """See that an answer is the documented error, in the flat shape, letter for letter; returns its body."""
    assert answer is not None, "the connection was closed without an answer"
    assert answer.status == status, answer.body[:300]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"req_[0-9a-f]{16}", answer.headers["x-request-id"])
    body: dict[str, Any] = answer.json()
    assert list(body)[:3] == ["error", "message", "timestamp"]
    assert set(body) <= {"error", "message", "timestamp", "details", "request_id"}
    assert body["error"] == CODES[status]
    assert isinstance(body["message"], str)
    assert len(body["message"]) > 10
    _assert_now(body["timestamp"])
    assert message is None or body["message"] == message
    assert not re.search(rb'Traceback|File \\?"|<html|\.py\b', answer.body)
    if status == 401:
        assert list(body) == ["error", "message", "timestamp"]
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
        assert not [name for name in RATE_HEADERS if name.lower() in answer.headers]
    return body


def _assert_now(text: str) -> None:
    assert _TIME.fullmatch(text), text
    at = time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert abs(at - time.time()) < 30, text
