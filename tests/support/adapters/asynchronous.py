"""Starlette, FastAPI and Litestar."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Any

import litestar
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from keywright import Keywright
from keywright.adapters import asgi, fastapi, litestar as litestar_adapter, starlette
from keywright.adapters.guard import ANY_KEY, CALLER_NAME, Caller, Keys, Wanted
from support.adapters.common import COST, GOOD_PATHS, PROTECT, SCOPE, Adapter, asgi_server, busy, shown


def wanted(scope: asgi.Scope) -> Wanted:
    """What is charged before it is known which handler it will be."""
    return Wanted(cost=COST) if scope["path"] == "/v1/costly" else ANY_KEY


def starlette_app(keywright: Keywright) -> AbstractContextManager[int]:
    """Starlette, with functions of both kinds."""

    async def good(request: Request) -> Response:
        return JSONResponse(shown(starlette.caller_of(request)))

    @starlette.require_key(scopes=SCOPE)
    async def scoped(request: Request) -> Response:
        return JSONResponse(shown(starlette.caller_of(request)))

    @starlette.require_key(environment="live")
    def live(request: Request) -> Response:
        return JSONResponse(shown(starlette.caller_of(request)))

    def broken(_: Request) -> Response:
        raise RuntimeError("broken")

    def is_busy(_: Request) -> Response:
        raise busy()

    def is_open(request: Request) -> Response:
        return PlainTextResponse("somebody" if CALLER_NAME in request.scope else "open")

    routes = [Route(path, good) for path in (*GOOD_PATHS, "/v1/costly")]
    routes += [Route("/v1/scoped", scoped), Route("/v1/live", live), Route("/v1/broken", broken)]
    routes += [Route("/v1/busy", is_busy), Route("/v1/posted", good, methods=["POST"]), Route("/open", is_open)]
    app = Starlette(routes=routes)
    starlette.install_errors(app, keywright)
    return asgi_server(asgi.KeyAuth(app, keywright, PROTECT, wanted))


def fastapi_app(keywright: Keys) -> AbstractContextManager[int]:
    """FastAPI."""
    app = FastAPI()
    fastapi.install_errors(app, keywright)

    async def good(request: Request) -> dict[str, Any]:
        return shown(request.scope[CALLER_NAME])

    for path in (*GOOD_PATHS, "/v1/costly"):
        app.get(path)(good)
    app.post("/v1/posted")(good)

    @app.get("/v1/scoped")
    def scoped(caller: Annotated[Caller, fastapi.require_scope(SCOPE)]) -> dict[str, Any]:
        return shown(caller)

    @app.get("/v1/live")
    def live(caller: Annotated[Caller, fastapi.require_key(environment="live")]) -> dict[str, Any]:
        return shown(caller)

    @app.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError("broken")

    @app.get("/v1/busy")
    def is_busy() -> None:
        raise busy()

    @app.get("/open")
    def is_open(request: Request) -> Response:
        return PlainTextResponse("somebody" if CALLER_NAME in request.scope else "open")

    return asgi_server(asgi.KeyAuth(app, keywright, PROTECT, wanted))


def litestar_app(keywright: Keywright) -> AbstractContextManager[int]:
    """Litestar."""

    @litestar.get([*GOOD_PATHS, "/v1/costly"])
    async def good(caller: litestar_adapter.CallerDependency) -> dict[str, Any]:
        return shown(caller)

    @litestar.get("/v1/scoped", guards=[litestar_adapter.require_key(scopes=[SCOPE])], sync_to_thread=False)
    def scoped(caller: litestar_adapter.CallerDependency) -> dict[str, Any]:
        return shown(caller)

    @litestar.get("/v1/live", guards=[litestar_adapter.require_key(environment="live")], sync_to_thread=False)
    def live(caller: litestar_adapter.CallerDependency) -> dict[str, Any]:
        return shown(caller)

    @litestar.get("/v1/broken", sync_to_thread=False)
    def broken() -> None:
        raise RuntimeError("broken")

    @litestar.get("/v1/busy", sync_to_thread=False)
    def is_busy() -> None:
        raise busy()

    @litestar.post("/v1/posted", sync_to_thread=False)
    def posted(caller: litestar_adapter.CallerDependency) -> dict[str, Any]:
        return shown(caller)

    @litestar.get("/open", sync_to_thread=False)
    def is_open(request: litestar.Request[Any, Any, Any]) -> str:
        return "somebody" if CALLER_NAME in request.scope else "open"

    app = litestar.Litestar(
        [good, scoped, live, broken, is_busy, posted, is_open],
        plugins=[litestar_adapter.KeyAuthPlugin(keywright)],
        logging_config=None,
    )
    return asgi_server(asgi.KeyAuth(app, keywright, PROTECT, wanted))  # type: ignore[arg-type]


ADAPTERS = (
    Adapter("starlette", starlette_app),
    Adapter("fastapi", fastapi_app),
    Adapter("litestar", litestar_app),
)
