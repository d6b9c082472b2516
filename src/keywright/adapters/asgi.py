"""ASGI middleware: no request reaches the application without a good key.

What the application finds in ``scope["keywright"]`` is a `Caller`. Rate headers are added to whatever it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, TypeAlias

from keywright.adapters import answers
from keywright.adapters.answers import Fault
from keywright.adapters.credentials import Absent, Presented, presented_key
from keywright.build import Keywright
from keywright.errors import Misconfigured, Unavailable
from keywright.limits.base import Decision
from keywright.outcome import Accepted, Outcome, Refused
from keywright.reason import Reason
from keywright.record import Record, Request
from keywright.values import Value

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_NAME = "keywright"
#: The record of the key that was recognised, also where it was refused; None for a stranger. For logs.
RECORD_NAME = "keywright.record"
#: Where a server puts the id of the request, if it gives it one.
REQUEST_ID_NAME = "keywright.request_id"
#: Answers that say nothing about the key's limits: nobody was recognised, or nothing is known.
_WITHOUT_RATE_HEADERS = frozenset({401, 503})

_GONE = Refused(Reason.UNKNOWN)


class Caller(Value, frozen=True, gc=False):
    """Whose request it is.

    Attributes:
        record: the key's record.
        decision: where its limits stand after this request; None for a key without limits.
        if_refused: the answer, should the key turn out to be gone while the request is being handled.
    """

    record: Record
    decision: Decision | None
    if_refused: Fault


class KeyAuth:
    """The middleware.

    Args:
        app: what is protected.
        keywright: where keys are verified.
        protect: the paths that need a key; everything at or below them does, whether or not it exists, and also where
            they stand below another path. Other paths pass untouched.

    Raises:
        Misconfigured: ``protect`` names nothing, or something that is not a path.
    """

    def __init__(self, app: App, keywright: Keywright, protect: Sequence[str] = ("/",)) -> None:
        self._app = app
        self._keywright = keywright
        if not protect or not all(path.startswith("/") for path in protect):
            raise Misconfigured("protect must name paths, each with a leading '/'; '/' is every path.")
        self._everything = "/" in protect
        self._protected = tuple(path.rstrip("/") + "/" for path in protect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._protects(scope["path"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            # A websocket carries no documented way to be refused with a body; it is closed before it opens.
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _protects(self, path: str) -> bool:
        # At any depth, not only at the start: an application that is mounted below another path, or told of a
        # `root_path`, takes that prefix away before it looks for its handler. Too much is protected rather than too
        # little.
        return self._everything or any(each in path + "/" for each in self._protected)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        presented = presented_key(scope["headers"])
        if isinstance(presented, Absent):
            missing = presented is Absent.MISSING
            await self._refuse(scope, send, answers.missing_key() if missing else answers.conflicting_keys())
            return
        request = Request(address=client_address(scope), user_agent=header(scope, b"user-agent"))
        try:
            outcome = await self._verify(presented, request)
        except Unavailable as error:
            await self._refuse(scope, send, answers.unavailable(error.retry_after_seconds))
            return
        now = self._keywright.clock.now()
        scope[RECORD_NAME] = outcome.record
        rate = answers.rate_headers(outcome.decision, now)
        surface_prefix = self._keywright.settings.surface_prefix(scope["path"])
        if isinstance(outcome, Accepted):
            gone = answers.refusal(_GONE, presented.key, surface_prefix)
            scope[SCOPE_NAME] = Caller(outcome.record, outcome.decision, gone)
            await self._app(scope, receive, _adding(send, rate))
        else:
            await self._refuse(scope, send, answers.refusal(outcome, presented.key, surface_prefix), rate)

    async def _verify(self, presented: Presented, request: Request) -> Outcome:
        # What is remembered is answered here and now; only a look-up in the store leaves the event loop.
        verifier = self._keywright.verifier
        outcome = verifier.warm(presented.key, request)
        if outcome is None:
            outcome = await asyncio.to_thread(verifier.verify, presented.key, request)
        return outcome

    async def _refuse(
        self, scope: Scope, send: Send, fault: Fault, rate_headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        now = self._keywright.clock.now()
        await send_fault(send, fault, header(scope, b"accept"), now, rate_headers)


async def send_fault(
    send: Send, fault: Fault, accept: str, now: float, more_headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send an error in the form that the request prefers."""
    media_type, body = fault.body(now, accept)
    headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), *fault.headers, *more_headers]
    await send({"type": "http.response.start", "status": fault.status, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": body})


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def header(scope: Scope, name: bytes) -> str:
    """All values of a header, joined as HTTP joins them; empty if it is not there."""
    return ", ".join(value.decode("latin-1") for each, value in scope["headers"] if each.lower() == name)


def client_address(scope: Scope) -> str:
    """The address that the request came from, as far as the server in front of us knows."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _adding(send: Send, more: Sequence[tuple[str, str]]) -> Send:
    headers = encoded(more)

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] not in _WITHOUT_RATE_HEADERS:
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return wrapped
