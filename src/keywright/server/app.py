"""The application: the API, the resource APIs, health, and the layers around them, in their order."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

import keywright
from keywright.adapters import openapi, verdicts
from keywright.adapters.asgi import KeyAuth
from keywright.adapters.fastapi import install_errors
from keywright.adapters.guard import Keys
from keywright.build import Keywright
from keywright.errors import Unavailable
from keywright.reference import campaigns, storage, subscriptions
from keywright.server.api import account, keys, portal
from keywright.server.api.keys import json_answer
from keywright.server.console.app import Console
from keywright.server.counts import Counts, private_counts
from keywright.server.edge import EVERY_ANSWER, Edge
from keywright.server.gate import api as verification
from keywright.server.gate.gate import Gate
from keywright.server.gate.lane import Lane
from keywright.server.gate.road import AskingFree, ByPath, ForwardAuth
from keywright.server.gate.token import JWKS_PATH, TokenMaker
from keywright.server.gate.verdict import Verdicts
from keywright.server.help import help_page
from keywright.server.ready import Readiness
from keywright.server.verifying import CountedKeys

#: Below these every request needs a key, whether or not there is anything at its path.
PROTECTED = ("/v1", "/api")

_log = logging.getLogger("keywright.server")

DESCRIPTION = "Issue, list, change, rotate and delete API keys. Every path under `/v1` is also under `/api/v1`."


def create_app(opened: Keywright, counts: Counts | None = None) -> Edge:
    """The whole application over ``opened``, which is closed when the application stops.

    Args:
        counts: where it counts what happens; None if nobody wants to know.
    """
    counts = counts or private_counts()
    readiness = Readiness(opened)
    keys = CountedKeys(opened, counts)
    routes = Console(build_api(opened, readiness, keys), opened)
    # Who asks about another key is asked who he is, and pays nothing.
    free = (verdicts.PATH, verification.BATCH_PATH)
    keyed = ByPath(free, KeyAuth(routes, AskingFree(opened), PROTECTED), KeyAuth(routes, keys, PROTECTED))
    gate = Gate(opened, TokenMaker(opened.gate_token_keys, opened.settings.gate_token_seconds))
    lane = Lane(opened, keys, gate, Verdicts(), EVERY_ANSWER)
    return Edge(ForwardAuth(keyed, keys, gate), opened, counts, readiness, lane)


def build_api(opened: Keywright, readiness: Readiness | None = None, keys_asked: Keys | None = None) -> FastAPI:
    """The routes of the application, without the layers around them: nothing here asks for a key.

    Args:
        keys_asked: who is asked about the keys that callers ask about; ``opened`` itself if None.
    """
    resources = storage.Resources(opened.settings.data_dir, opened.clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        # The server has answered everything by now; what is left is in memory only.
        end(opened)
        resources.close()

    app = FastAPI(
        title="Keywright", version=keywright.__version__, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    install_errors(app, opened)
    app.include_router(keys.router(opened))
    app.include_router(account.router(opened))
    app.include_router(portal.router(opened))
    app.include_router(verification.router(keys_asked or opened, Verdicts()))
    app.include_router(subscriptions.router(resources))
    app.include_router(campaigns.router(resources))
    _add_open_routes(app, opened, readiness or Readiness(opened))
    return app


def end(opened: Keywright) -> None:
    """Write what is still in memory, then close. What cannot be written any more is told in the log."""
    try:
        opened.close()
    except Unavailable as error:
        _log.error("The usage of the last moments could not be written and is lost: %s", error)


def _add_open_routes(app: FastAPI, opened: Keywright, readiness: Readiness) -> None:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi_document(app, opened)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False)
    def api_document() -> Response:
        return json_answer(document())

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        """This process answers."""
        return json_answer({"status": "ok"})

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        """This process can verify keys, knows of every change, and will go on to."""
        return await readiness.answer()

    if opened.settings.gate_token_seconds:
        tokens = TokenMaker(opened.gate_token_keys, opened.settings.gate_token_seconds)

        @app.get(JWKS_PATH, include_in_schema=False)
        def token_keys() -> Response:
            """What the gate's tokens are checked with."""
            return json_answer(tokens.public_keys())

    @app.get("/help", include_in_schema=False)
    def troubleshooting() -> Response:
        return Response(help_page(opened.settings.support_contact), media_type="text/plain; charset=utf-8")

    @app.get("/", include_in_schema=False)
    def root() -> Response:
        links = {"api": "/openapi.json", "health": "/healthz", "ready": "/readyz", "help": "/help"}
        return json_answer({"name": "Keywright", "version": keywright.__version__, **links})


def openapi_document(app: FastAPI, opened: Keywright) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    contact = opened.settings.support_contact
    document = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes,
        contact={"name": "Support", "url" if "//" in contact else "email": contact} if contact else None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )  # fmt: skip
    document["components"]["schemas"] = openapi.components()
    openapi.drop_framework_answers(document)
    return document
