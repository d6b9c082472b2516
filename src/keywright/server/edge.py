"""The outermost layer: what holds for every request, whoever answers it.

Size before anything else, then the headers that every answer carries, and a log line that never shows a key. It also
gives each request an id, answers ``HEAD`` like ``GET``, and lets ``/api/v1`` mean ``/v1``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from keywright.adapters import answers
from keywright.adapters.address import client_address
from keywright.adapters.answers import Fault, FaultRaised
from keywright.adapters.asgi import (
    REQUEST_ID_NAME,
    App,
    Message,
    Receive,
    Scope,
    Send,
    encoded,
    header,
    send_fault,
)
from keywright.adapters.json_body import MAX_BODY_BYTES
from keywright.build import Keywright
from keywright.record import Network
from keywright.server.counts import PLACES, STATUSES, SURFACES, Counts, private_counts
from keywright.server.log import RequestLog
from keywright.server.peers import Peers
from keywright.server.ready import Readiness

if TYPE_CHECKING:
    from keywright.server.gate.lane import Answered, Lane
    from keywright.server.gate.seen import Line

MAX_HEADER_BYTES = 16_384
MAX_HEADERS = 100
#: Of the random part of a request's id.
REQUEST_ID_BYTES = 8
ALIAS = "/api/v1"
ALIAS_OF = "/v1"
#: Where a server puts a function that tells whether the connection is being closed, if it has one.
IS_CLOSING_NAME = "keywright.is_closing"
#: Where it puts a function that tells whether nothing will be read from the connection after this request.
IS_LAST_NAME = "keywright.is_last"
#: Who sent the request, where ``client`` is whoever it is about.
PEER_NAME = "keywright.peer"

_FORWARDED_FOR = b"x-forwarded-for"
_REQUESTS = {
    (surface, int(status[0])): PLACES["keywright_requests_total", surface, status]
    for surface in SURFACES
    for status in STATUSES
}
_SECONDS = {surface: PLACES["keywright_request_seconds", surface] for surface in SURFACES}
_ON_LANE = PLACES["keywright_lane_total",]
_LANE_REQUESTS = tuple(_REQUESTS.get(("gate", hundreds), 0) for hundreds in range(6))
_LANE_SECONDS = _SECONDS["gate"]
_CLOSE = (b"connection", b"close")
EVERY_ANSWER = encoded([("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")])
_TOO_LARGE = Fault("PAYLOAD_TOO_LARGE", f"The body is larger than {MAX_BODY_BYTES} bytes.", (("Connection", "close"),))
_HEADERS_TOO_LARGE = Fault("HEADERS_TOO_LARGE", f"The headers are larger than {MAX_HEADER_BYTES} bytes.")


class Edge:
    """The layer, around the application.

    Args:
        counts: where what happens is counted; None if nobody wants to know.
        readiness: what is told that the server has begun to stop.
        lane: what the server's protocol asks first, past this layer and everything in it; None for nothing.

    Attributes:
        draining: whether it has.
        peers: who has connections open.
        elapsed: a time to measure by; see `Clock.elapsed`.
    """

    def __init__(
        self,
        app: App,
        keywright: Keywright,
        counts: Counts | None = None,
        readiness: Readiness | None = None,
        lane: Lane | None = None,
    ) -> None:
        self._app = app
        self.lane = lane
        self._keywright = keywright
        self._log = RequestLog(keywright)
        self._trusted = keywright.settings.trusted_proxies
        self.max_connections = keywright.settings.max_connections
        self.peers = Peers(keywright.settings)
        self.draining = False
        self.elapsed = keywright.clock.elapsed
        self.counts = counts or private_counts()
        self.readiness = readiness or Readiness(keywright)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._keywright.clock.elapsed()
        inner = self._rewritten(scope)
        answer = _Answer(send, inner[REQUEST_ID_NAME], scope.get(IS_LAST_NAME, bool))
        client = _Client(scope, receive, answer)
        try:
            await self._limited(inner, client, answer)
        except FaultRaised as raised:
            # A body that grew too large while a layer around the API read it, which answers what it has raised itself.
            await self._told(inner, raised.fault, client, answer)
        except Exception as error:  # noqa: BLE001 - the last resort: what is left is to tell of it
            await self._failed(inner, error, client, answer)
        seconds = self._keywright.clock.elapsed() - started
        self._count(inner["path"], answer.status, seconds)
        self._log.answered(scope, inner, answer.status, seconds)

    def drain(self) -> None:
        """The server has begun to stop: readiness says so, and every answer may be its connection's last."""
        self.draining = self.readiness.draining = True

    def answered_on_lane(self, line: Line, answered: Answered, started: float) -> None:
        """Count and log what was answered without coming here."""
        seconds = self.elapsed() - started
        cells = self.counts.cells
        cells[_ON_LANE] += 1
        cells[_LANE_REQUESTS[answered.status // 100]] += 1
        self.counts.observe(_LANE_SECONDS, seconds)
        self._log.line(*line, answered.status, seconds, answered.client, answered.record, answered.request_id)

    def lane_failed(self, error: Exception) -> None:
        """Log a bug that sent a request down the ordinary road."""
        self._log.failed({REQUEST_ID_NAME: ""}, error)

    def now(self) -> float:
        """The time, for answers that are given before there is a request."""
        return self._keywright.clock.now()

    def headers_of_every_answer(self) -> list[tuple[bytes, bytes]]:
        """What `__call__` adds to an answer, for those that are given before there is a request."""
        return [*EVERY_ANSWER, (b"x-request-id", new_request_id().encode())]

    def refused(self, fault: Fault, client: tuple[str, int] | None) -> None:
        """Log and count what was refused before there was a request."""
        self.counts.add("keywright_refused_total", fault.code)
        self._log.refused(fault, client[0] if client else "")

    def too_many(self, cap: str) -> None:
        """Count a connection above a cap; ``cap`` is whose, see `counts.CAPS`."""
        self.counts.add("keywright_connections_refused_total", cap)

    def cut(self) -> None:
        """Count a connection that was closed without a word."""
        self.counts.add("keywright_refused_total", "cut")

    def _count(self, path: str, status: int, seconds: float) -> None:
        if not status:
            return
        surface = surface_of(path)
        self.counts.cells[_REQUESTS[surface, status // 100]] += 1
        self.counts.observe(_SECONDS[surface], seconds)
        if status == 503:
            self.counts.add("keywright_unavailable_total")
        elif status == 500:
            self.counts.add("keywright_internal_errors_total")

    def _rewritten(self, scope: Scope) -> Scope:
        inner = dict(scope)
        inner[REQUEST_ID_NAME] = new_request_id()
        inner[PEER_NAME] = scope.get("client")
        inner["client"] = real_client(scope, self._trusted)
        # The server drops the body of an answer to HEAD by itself; it looks at its own scope, not at this one.
        if scope["method"] == "HEAD":
            inner["method"] = "GET"
        if scope["path"] == ALIAS or scope["path"].startswith(ALIAS + "/"):
            inner["path"] = ALIAS_OF + scope["path"][len(ALIAS) :]
        return inner

    async def _failed(self, scope: Scope, error: Exception, client: _Client, answer: _Answer) -> None:
        # An answer that nobody is there to take is no bug, and a traceback for each of them would bury those that are.
        if client.has_gone(error):
            return
        self._log.failed(scope, error)
        # The server would send a text of its own that no client of this API can read.
        await self._told(scope, answers.internal_error(scope[REQUEST_ID_NAME]), client, answer)

    async def _told(self, scope: Scope, fault: Fault, client: _Client, answer: _Answer) -> None:
        """Answer with a fault, unless an answer has begun."""
        if answer.status:
            return
        try:
            await send_fault(answer, fault, header(scope, b"accept"), self._keywright.clock.now())
        except Exception as second:  # noqa: BLE001 - as above
            if not client.has_gone(second):
                self._log.failed(scope, second)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = self._keywright.clock.now()
        headers = scope["headers"]
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            await send_fault(send, _HEADERS_TOO_LARGE, "", now)
            return
        length = header(scope, b"content-length")
        if length.isdecimal() and int(length) > MAX_BODY_BYTES:
            await send_fault(send, _TOO_LARGE, header(scope, b"accept"), now)
            return
        await self._app(scope, _counting(receive), send)


def surface_of(path: str) -> str:
    """Where a request went, as one of few words: paths are the clients' to choose."""
    if path.startswith(("/v1/gate", "/v1/keys/verify")):
        return "gate"
    if path == ALIAS_OF or path.startswith(ALIAS_OF + "/"):
        return "v1"
    if path.startswith("/api/campaigns"):
        return "campaigns"
    return "health" if path in ("/healthz", "/readyz") else "other"


class _Answer:
    """Adds the headers that every answer has, and remembers how far it came."""

    def __init__(self, send: Send, request_id: str, is_last: Callable[[], bool]) -> None:
        self._send = send
        self._is_last = is_last
        self._more = [*EVERY_ANSWER, (b"x-request-id", request_id.encode())]
        self.status = 0
        self.complete = False
        self.unsendable: Exception | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            # A file that never changes says itself how long it may be kept.
            said = {name.lower() for name, _ in own}
            message["headers"] = [*own, *(each for each in self._more if each[0] not in said)]
            if self._is_last():
                message["headers"].append(_CLOSE)
        try:
            await self._send(message)
        except Exception as error:
            self.unsendable = error
            raise
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)


class _Client:
    """What comes from the client, and whether it is still there."""

    def __init__(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        self._receive = receive
        self._answer = answer
        self._is_closing: Callable[[], bool] = scope.get(IS_CLOSING_NAME, bool)
        self._left = False

    async def __call__(self) -> Message:
        message = await self._receive()
        # Once the answer is complete, servers call everybody gone.
        self._left = self._left or (message["type"] == "http.disconnect" and not self._answer.complete)
        return message

    def has_gone(self, error: Exception) -> bool:
        """Whether ``error`` came of nobody being there any more."""
        unsent = error is self._answer.unsendable and (isinstance(error, OSError) or self._is_closing())
        return self._left or unsent


def new_request_id() -> str:
    """The id of a request: random, and too short to be taken for a key's tail."""
    return "req_" + secrets.token_hex(REQUEST_ID_BYTES)


def _counting(receive: Receive) -> Receive:
    """The same messages, until the body is too large: what is sent without a length is counted as it comes."""
    received = 0

    async def wrapped() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise FaultRaised(_TOO_LARGE)
        return message

    return wrapped


def real_client(scope: Scope, trusted: tuple[Network, ...]) -> tuple[str, int] | None:
    """Who the request comes from, as `client_address` finds it: the peer itself with its port, somebody whom a trusted
    proxy names, or None where that cannot be read."""
    client: tuple[str, int] | None = scope.get("client")
    if not trusted or client is None or not any(name.lower() == _FORWARDED_FOR for name, _ in scope["headers"]):
        return client
    address = client_address(client[0], header(scope, _FORWARDED_FOR), trusted)
    if address == client[0]:
        return client
    return (address, 0) if address else None
