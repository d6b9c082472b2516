"""Starlette: who is calling, what a key must have, and every error in the documented form.

Put `adapters.asgi.KeyAuth` in front of the application; what is here builds on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, cast

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match

from keywright.adapters import answers, causes
from keywright.adapters.answers import CODE_OF, Fault, FaultRaised
from keywright.adapters.asgi import GUARD_NAME, REQUEST_ID_NAME, SCOPE_NAME
from keywright.adapters.guard import Caller, Guard, Keys, Wanted, checked_first, raised, required_caller, wanting
from keywright.errors import ActError, Unavailable
from keywright.record import missing_scopes

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: Starlette's own word for "anybody who is known".
_AUTHENTICATED = "authenticated"


def caller_of(connection: HTTPConnection) -> Caller:
    """Whose request it is.

    Raises:
        Misconfigured: nobody has asked for a key here.
    """
    return required_caller(connection.scope)


def require_key(*, scopes: Sequence[str] = (), environment: str = "") -> Callable[[Endpoint], Endpoint]:
    """An endpoint, a function or a method, that asks for more than a good key; else it answers 403.

    What it checks is what this process remembers of the key, which is current. An endpoint that changes rights must
    check again inside its own transaction. What an endpoint costs is told to `KeyAuth`, which charges before it is
    known which endpoint it will be.

    Args:
        scopes: all that the key must have.
        environment: the environment that the key must be of; empty for any.

    Raises:
        Misconfigured: when the endpoint is called, where `KeyAuth` is not in front, or lets the path pass.
    """
    wanted = wanting(scopes, environment=environment)

    def check(*args: Any, **values: Any) -> None:
        enforce(_request_in(args, values), wanted)

    def decorator(endpoint: Endpoint) -> Endpoint:
        return cast(Endpoint, checked_first(endpoint, check))

    return decorator


def enforce(connection: HTTPConnection, wanted: Wanted) -> Caller:
    """The caller, if its key has what is wanted; else 403, to be answered by `install_errors`.

    Raises:
        Misconfigured: nobody has asked for a key here. Not the caller's mistake, whatever they sent.
    """
    caller = caller_of(connection)
    guard: Guard = connection.scope[GUARD_NAME]
    lacking = guard.lacking(caller, wanted)
    if lacking is not None:
        raise FaultRaised(lacking)
    return caller


def _request_in(args: Sequence[Any], values: dict[str, Any]) -> Request:
    return next(each for each in (*args, *values.values()) if isinstance(each, Request))


class KeyUser(BaseUser):
    """The key as Starlette's user.

    Attributes:
        caller: whose request it is.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    @property
    def is_authenticated(self) -> bool:
        """Always."""
        return True

    @property
    def display_name(self) -> str:
        """The key's name."""
        return self.caller.record.name

    @property
    def identity(self) -> str:
        """The key's id."""
        return self.caller.record.key_id


class KeyBackend(AuthenticationBackend):
    """Makes ``request.user`` and ``request.auth`` of what `KeyAuth` has found, so that ``@requires`` knows the key's
    scopes. Belongs to Starlette's ``AuthenticationMiddleware``. Where no key is asked for, nobody is authenticated."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """The key's scopes and the key."""
        caller: Caller | None = conn.scope.get(SCOPE_NAME)
        if caller is None:
            return None
        credentials = AuthCredentials()
        credentials.scopes = _Held(caller.record.scopes)
        return credentials, KeyUser(caller)


class _Held(list[str]):
    """The scopes of a key: full access covers what it does not list."""

    def __contains__(self, scope: object) -> bool:
        # Asked of a set: what is asked of this list comes back here.
        return scope == _AUTHENTICATED or (isinstance(scope, str) and not missing_scopes(frozenset(self), (scope,)))


def http_fault(request: Request, error: HTTPException) -> Fault:
    """The answer to what the router itself found (no such path, or no such method on it), or what a handler raised."""
    if error.status_code == 405:
        allowed = allowed_methods(request)
        message = f"{request.method} is not possible here; use {_either(allowed)}."
        return Fault("METHOD_NOT_ALLOWED", message, (("Allow", ", ".join(allowed)),))
    if error.status_code == 404 and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return Fault("NOT_FOUND", "There is nothing at this path.")
    code = CODE_OF.get(error.status_code, "")
    return Fault(code, str(error.detail), tuple((error.headers or {}).items()))


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "another path"


def allowed_methods(request: Request) -> list[str]:
    """All methods of all routes at the request's path: the router itself names only those of the first."""
    routes = request.app.router.routes
    found = []
    for method in METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in routes):
            found.append(method)
    return found + (["HEAD"] if "GET" in found else [])


def fault_of(request: Request, error: Exception) -> Fault:
    """The answer to anything that a handler may raise."""
    ours = raised(error, request.scope.get(SCOPE_NAME))
    if ours is not None:
        return ours
    if isinstance(error, HTTPException):
        return http_fault(request, error)
    return answers.internal_error(request.scope.get(REQUEST_ID_NAME, ""))


def install_errors(
    app: Starlette,
    keywright: Keys,
    fault_of: Callable[[Request, Exception], Fault] = fault_of,
    more: Sequence[type[Exception]] = (),
) -> None:
    """Answer every error of ``app`` in the documented form; also those of the machine, as 503.

    Args:
        fault_of: what an error means.
        more: kinds of errors besides those that every application may raise.
    """

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code not in CODE_OF:
            return Response(error.detail, error.status_code, error.headers)
        if isinstance(error, Unavailable):
            causes.tell(error, keywright.redact)
        found = fault_of(request, error)
        media_type, text = found.body(keywright.clock.now(), request.headers.get("accept", ""))
        # A message may quote what was sent, and what was sent in the wrong place may be a key.
        body = keywright.redact(text.decode())
        return Response(body, found.status, dict(found.headers), media_type)

    for kind in (FaultRaised, Unavailable, ActError, HTTPException, *more, Exception):
        app.add_exception_handler(kind, answer)
