"""ASGI middleware: no request reaches the application without a good key.

What the application finds in ``scope["keywright"]`` is a `Caller`. Rate headers are added to whatever it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from keywright.adapters.answers import Fault
from keywright.adapters.guard import (
    ANY_KEY,
    CALLER_NAME,
    UNCACHED,
    WITHOUT_RATE_HEADERS,
    Answer,
    Caller,
    Guard,
    Headers,
    Keys,
    Sent,
    Wanted,
)

__all__ = ["Caller", "KeyAuth"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_NAME = CALLER_NAME
#: The record of the key that was recognised, also where it was refused; None for a stranger. For logs.
RECORD_NAME = "keywright.record"
#: The `Guard` that let the request in.
GUARD_NAME = "keywright.guard"
#: Where a server puts the id of the request, if it gives it one.
REQUEST_ID_NAME = "keywright.request_id"


class KeyAuth:
    """The middleware.

    Args:
        app: what is protected.
        keywright: where keys are verified.
        protect: the paths that need a key; everything at or below them does, whether or not it exists, and also where
            they stand below another path. Other paths pass untouched.
        wanted: what a request must bring besides a good key, told by its scope, before it is known which handler it
            will reach; nothing more if None.

    Raises:
        Misconfigured: ``protect`` names nothing, or something that is not a path.
    """

    def __init__(
        self,
        app: App,
        keywright: Keys,
        protect: Sequence[str] = ("/",),
        wanted: Callable[[Scope], Wanted] | None = None,
    ) -> None:
        self._app = app
        self._guard = Guard(keywright, protect)
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._guard.protects(scope["path"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            # A websocket carries no documented way to be refused with a body; it is closed before it opens.
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent, wanted = sent_of(scope), self._wanted(scope) if self._wanted else ANY_KEY
        # What is remembered is answered here and now; only a look-up in the store leaves the event loop.
        verdict = self._guard.at_once(sent, wanted)
        if verdict is None:
            verdict = await asyncio.to_thread(self._guard.decide, sent, wanted)
        if isinstance(verdict, Answer):
            scope[RECORD_NAME] = verdict.record
            # A server of ours adds these to every answer.
            more = () if REQUEST_ID_NAME in scope else UNCACHED
            await send_answer(send, verdict, more)
        else:
            scope[RECORD_NAME] = verdict.caller.record
            scope[SCOPE_NAME] = verdict.caller
            scope[GUARD_NAME] = self._guard
            await self._app(scope, receive, _adding(send, verdict.headers))


def sent_of(scope: Scope) -> Sent:
    """What the guard looks at in a request."""
    # One look at each header: this is done for every request. Values of the same name are joined as HTTP joins them.
    found: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        lowered = name.lower()
        if lowered in _LOOKED_AT:
            found.setdefault(lowered, []).append(value.decode("latin-1"))
    forwarded_for = found.get(b"x-forwarded-for")
    return Sent(
        scope["path"],
        client_address(scope),
        found.get(b"x-api-key", ()),
        found.get(b"authorization", ()),
        ", ".join(found.get(b"user-agent", ())),
        ", ".join(found.get(b"accept", ())),
        ", ".join(forwarded_for) if forwarded_for is not None else None,
    )


_LOOKED_AT = frozenset({b"x-api-key", b"authorization", b"user-agent", b"accept", b"x-forwarded-for"})


async def send_fault(
    send: Send, fault: Fault, accept: str, now: float, more_headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send an error in the form that the request prefers."""
    media_type, body = fault.body(now, accept)
    headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), *fault.headers]
    await send_answer(send, Answer(fault.status, headers, body), more_headers)


async def send_answer(send: Send, answer: Answer, more_headers: Iterable[tuple[str, str]] = ()) -> None:
    """Send what is answered instead."""
    headers = encoded([*answer.headers, *more_headers])
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(_encoded_name(name), value.encode("latin-1")) for name, value in headers]


@lru_cache(maxsize=256)
def _encoded_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


def header(scope: Scope, name: bytes) -> str:
    """All values of a header, joined as HTTP joins them; empty if it is not there."""
    return ", ".join(value.decode("latin-1") for each, value in scope["headers"] if each.lower() == name)


def client_address(scope: Scope) -> str:
    """The address that the request came from, as far as the server in front of us knows."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _adding(send: Send, more: Headers) -> Send:
    if not more:
        return send
    headers = encoded(more)

    # Not a coroutine of its own: there would be one more for each piece of an answer.
    def wrapped(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start" and message["status"] not in WITHOUT_RATE_HEADERS:
            message["headers"] = [*message.get("headers", ()), *headers]
        return send(message)

    return wrapped
