"""An ASGI application called by hand: what a server would pass to it, and what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, TypeAlias

from keywright.adapters.asgi import App, Scope

PROXY = ("10.0.0.1", 4711)
Messages: TypeAlias = list[MutableMapping[str, Any]]


def scope_of(method: str = "GET", path: str = "/", *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    """A request as a server hands it over."""
    base = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "query_string": b""}
    asked = {"method": method, "path": path, "raw_path": path.encode(), "headers": list(headers), "client": PROXY}
    return {**base, "server": ("test", 80), "root_path": "", **asked, **more}


def talk(app: App, scope: Scope, *coming: MutableMapping[str, Any], fails: Exception | None = None) -> Messages:
    """Hand one request over, and give back what was sent; ``fails`` is raised by every sending."""
    left = iter(coming)
    sent: Messages = []

    async def receive() -> MutableMapping[str, Any]:
        return next(left, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        if fails:
            raise fails
        sent.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return sent
