"""ASGI and WSGI without a framework."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from keywright.adapters import asgi, wsgi
from keywright.adapters.guard import ANY_KEY, CALLER_NAME, Keys, Wanted
from support.adapters.common import (
    COST,
    GOOD_PATHS,
    PROTECT,
    SCOPE,
    Adapter,
    asgi_server,
    busy,
    shown_json,
    wsgi_server,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

WANTED = {
    "/v1/scoped": Wanted(scopes=(SCOPE,)),
    "/v1/live": Wanted(environment="live"),
    "/v1/costly": Wanted(cost=COST),
}


def answer(method: str, path: str, found: Any) -> tuple[int, bytes]:
    """What the application answers."""
    if path == "/open":
        return 200, b"open" if found is None else b"somebody"
    if path == "/v1/broken":
        raise RuntimeError("broken")
    if path == "/v1/busy":
        raise busy()
    if path == "/v1/posted":
        return (200 if method == "POST" else 405), b""
    return (200, shown_json(found)) if path in GOOD_PATHS or path in WANTED else (404, b"nothing")


def asgi_app(keywright: Keys) -> AbstractContextManager[int]:
    """Bare ASGI."""

    async def app(scope: asgi.Scope, _receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        status, body = answer(scope["method"], scope["path"], scope.get(CALLER_NAME))
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def wanted(scope: asgi.Scope) -> Wanted:
        return WANTED.get(scope["path"], ANY_KEY)

    return asgi_server(asgi.KeyAuth(app, keywright, PROTECT, wanted))


def wsgi_app(keywright: Keys) -> AbstractContextManager[int]:
    """Bare WSGI."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, body = answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get(wsgi.ENVIRON_NAME))
        start_response(f"{status} Whatever", [("Content-Length", str(len(body)))])
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def wanted(environ: WSGIEnvironment) -> Wanted:
        return WANTED.get(environ["PATH_INFO"], ANY_KEY)

    return wsgi_server(wsgi.KeyAuth(app, keywright, PROTECT, wanted))


ADAPTERS = (
    Adapter("asgi", asgi_app, answers_errors=False),
    Adapter("wsgi", wsgi_app, folds=True, answers_errors=False),
)
