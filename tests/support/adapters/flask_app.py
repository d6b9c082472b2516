"""Flask."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

import flask

from keywright import Keywright
from keywright.adapters.flask import KeyAuth, caller, require_key
from support.adapters.common import (
    COST,
    GOOD_PATHS,
    PROTECT,
    SCOPE,
    Adapter,
    busy,
    shown,
    wsgi_server,
)


def application(keywright: Keywright) -> flask.Flask:
    """The application, with error handlers of its own that must not get at refusals."""
    app = flask.Flask("test")
    app.logger.addHandler(logging.NullHandler())
    app.logger.propagate = False
    KeyAuth(app, keywright, PROTECT)

    def good() -> flask.Response:
        return flask.jsonify(shown(flask.g.keywright))

    for path in GOOD_PATHS:
        app.add_url_rule(path, path, good)
    app.add_url_rule("/v1/posted", "posted", good, methods=["POST"])
    app.add_url_rule("/v1/scoped", "scoped", require_key(scopes=[SCOPE])(good))
    app.add_url_rule("/v1/live", "live", require_key(environment="live")(good))

    @app.get("/v1/costly")
    @require_key(cost=COST)
    def costly() -> flask.Response:
        return flask.jsonify(shown(caller()))

    @app.get("/v1/broken")
    def broken() -> flask.Response:
        raise RuntimeError("broken")

    @app.get("/v1/busy")
    def is_busy() -> flask.Response:
        raise busy()

    @app.get("/open")
    def is_open() -> str:
        return "open" if flask.g.keywright is None else "somebody"

    return app


def serve(keywright: Keywright) -> AbstractContextManager[int]:
    """See `Adapter.serve`."""
    return wsgi_server(application(keywright))


ADAPTERS = (Adapter("flask", serve, folds=True),)
