"""Litestar: who is calling, what a key must have, and a place in the API document.

Put `adapters.asgi.KeyAuth` around the application, not into its list of middleware: Litestar looks for the handler
first, and answers 404 and 405 before any middleware is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, TypeAlias

from litestar import Request, Response
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import SkipValidation
from litestar.plugins import InitPlugin

from keywright.adapters.answers import FaultRaised, internal_error
from keywright.adapters.asgi import GUARD_NAME, SCOPE_NAME
from keywright.adapters.guard import UNCACHED, Answer, Caller, Guard, Keys, required_caller, wanting
from keywright.errors import ActError, Misconfigured, Unavailable

#: A handler's parameter ``caller`` of this type is the `Caller`.
CallerDependency: TypeAlias = NamedDependency[SkipValidation[Caller]]
Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]

_log = logging.getLogger("keywright.adapters")
_log.addHandler(logging.NullHandler())

SCHEMES = {
    "ApiKey": SecurityScheme(
        type="apiKey",
        name="X-API-Key",
        security_scheme_in="header",
        description="The key itself. `Bearer KEY` is understood as well.",
    ),
    "Bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="The key as a bearer token. X-API-Key decides where both are sent.",
    ),
}


class KeyAuthPlugin(InitPlugin):
    """Gives every handler a dependency ``caller``, answers the errors that Keywright raises as documented, and names
    both ways of sending a key in the API document.

    Args:
        keywright: where keys are verified.
    """

    def __init__(self, keywright: Keys) -> None:
        self._guard = Guard(keywright)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """See `InitPlugin`."""
        for kind in (FaultRaised, Unavailable, ActError):
            app_config.exception_handlers.setdefault(kind, self._answer)
        app_config.exception_handlers.setdefault(Misconfigured, self._misconfigured)
        app_config.dependencies.setdefault("caller", Provide(caller_of, sync_to_thread=False))
        if app_config.openapi_config is not None:
            app_config.openapi_config = _documented(app_config.openapi_config)
        return app_config

    def _answer(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        caller: Any = request.scope.get(SCOPE_NAME)
        answer = self._guard.answer_to(error, request.headers.get("accept", ""), caller)
        if answer is None:
            raise error
        return _response(answer)

    def _misconfigured(self, request: Request[Any, Any, Any], error: Misconfigured) -> Response[bytes]:
        # Litestar logs what handlers raise only while it debugs, and nobody but the operator can mend this.
        _log.error("%s", error)
        return _response(self._guard.answer(internal_error(), request.headers.get("accept", "")))


def _response(answer: Answer) -> Response[bytes]:
    headers = {name: value for name, value in (*answer.headers, *UNCACHED) if name != "Content-Length"}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=headers["Content-Type"])


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Whose request it is.

    Raises:
        Misconfigured: nobody has asked for a key here.
    """
    return required_caller(request.scope)


def require_key(*, scopes: Sequence[str] = (), environment: str = "") -> Callable[[Connection, BaseRouteHandler], None]:
    """A guard for handlers that ask for more than a good key; else they answer 403.

    What it checks is what this process remembers of the key, which is current. A handler that changes rights must check
    again inside its own transaction. What a handler costs is told to `KeyAuth`, which charges before it is known which
    handler it will be.

    Args:
        scopes: all that the key must have.
        environment: the environment that the key must be of; empty for any.

    Raises:
        Misconfigured: when the handler is called, where `KeyAuth` is not in front, or lets the path pass.
    """
    wanted = wanting(scopes, environment=environment)

    def check(connection: Connection, _handler: BaseRouteHandler) -> None:
        scope: Any = connection.scope
        caller = required_caller(scope)
        guard: Guard = scope[GUARD_NAME]
        lacking = guard.lacking(caller, wanted)
        if lacking is not None:
            raise FaultRaised(lacking)

    return check


def _documented(config: OpenAPIConfig) -> OpenAPIConfig:
    given = config.components if isinstance(config.components, list) else [config.components]
    # A copy: the one that applications share by default belongs to nobody.
    documented = copy(config)
    documented.components = [*given, Components(security_schemes=dict(SCHEMES))]
    documented.security = config.security or [{name: []} for name in SCHEMES]
    return documented
