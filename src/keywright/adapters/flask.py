"""Flask: no request reaches a view without a good key.

What a view finds in ``g.keywright`` is a `Caller`. Rate headers are added to whatever the application answers, its own
404, 405 and 500 included. Everything that `wsgi` says of servers holds here too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

from flask import Flask, Response, abort, current_app, g, request

from keywright.adapters.answers import FaultRaised
from keywright.adapters.guard import (
    ANY_KEY,
    UNCACHED,
    WANTED_NAME,
    Answer,
    Caller,
    Guard,
    Keys,
    Passed,
    Wanted,
    checked_first,
    required_caller,
    wanting,
)
from keywright.adapters.wsgi import ENVIRON_NAME, sent_of
from keywright.errors import ActError, Misconfigured, Unavailable

View = TypeVar("View", bound=Callable[..., Any])

EXTENSION_NAME = "keywright"
_PASSED_NAME = "keywright.passed"


class KeyAuth:
    """The extension: ``KeyAuth(app, keywright)``, or ``KeyAuth()`` and later ``init_app(app, keywright)``.

    Args:
        app: the application.
        keywright: where keys are verified.
        protect: the paths that need a key; everything at or below them does, whether or not it exists, and also where
            they stand below another path. A view with `require_key` needs one wherever it is.

    Raises:
        Misconfigured: ``protect`` names nothing, or something that is not a path; or one of ``app`` and ``keywright``
            was forgotten.
    """

    def __init__(
        self, app: Flask | None = None, keywright: Keys | None = None, protect: Sequence[str] = ("/",)
    ) -> None:
        self._protect = protect
        if (app is None) != (keywright is None):
            raise Misconfigured("KeyAuth takes an application and an open Keywright, or neither of them yet.")
        if app is not None and keywright is not None:
            self.init_app(app, keywright)

    def init_app(self, app: Flask, keywright: Keys) -> None:
        """Protect ``app``. One extension may protect several applications.

        Raises:
            Misconfigured: see `KeyAuth`.
        """
        guard = Guard(keywright, self._protect)

        app.extensions[EXTENSION_NAME] = guard
        # Before and after everything that the application does of its own: what looks objects up by values in the path
        # must not do so for strangers, and what changes an answer's status must not do so behind our back.
        app.url_value_preprocessors[None].insert(0, _admit)
        app.after_request_funcs[None].insert(0, _add_headers)
        for kind in (FaultRaised, Unavailable, ActError):
            app.register_error_handler(kind, _answer_to)


def require_key(*, scopes: Sequence[str] = (), cost: int = 1, environment: str = "") -> Callable[[View], View]:
    """A view that asks for more than a good key, wherever it is. Goes directly below the route's own decorator.

    Args:
        scopes: all that the key must have.
        cost: what a request takes from the key's limits.
        environment: the environment that the key must be of; empty for any.

    Raises:
        Misconfigured: when the view is called, without `KeyAuth` on the application, or with a cost that `KeyAuth`
            could not see because another decorator hides this one.
    """
    wanted = wanting(scopes, cost, environment)

    def decorator(view: View) -> View:
        wrapper = checked_first(view, lambda *_, **__: _enforce(wanted))
        setattr(wrapper, WANTED_NAME, wanted)
        return cast(View, wrapper)

    return decorator


def caller() -> Caller:
    """Whose request is being handled.

    Raises:
        Misconfigured: nobody has asked for a key here.
    """
    return required_caller(request.environ, ENVIRON_NAME)


def _admit(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    environ, guard = request.environ, _guard()
    view = current_app.view_functions.get(request.endpoint or "")
    wanted: Wanted | None = getattr(view, WANTED_NAME, None)
    if ENVIRON_NAME not in environ:  # else the WSGI middleware stands in front
        sent = sent_of(environ)
        if wanted is not None or guard.protects(sent.path):
            verdict = guard.decide(sent, wanted or ANY_KEY)
            if isinstance(verdict, Answer):
                _refuse(verdict)
            environ[ENVIRON_NAME], environ[_PASSED_NAME] = verdict.caller, verdict
    # Set in any case: in an application context that outlives a request, the last caller would still be there.
    g.keywright = environ.get(ENVIRON_NAME)


def _guard() -> Guard:
    guard: Guard = current_app.extensions[EXTENSION_NAME]
    return guard


def _enforce(wanted: Wanted) -> None:
    found = caller()
    lacking = _guard().lacking(found, wanted)
    if lacking is not None:
        _refuse(_guard().answer(lacking, request.environ.get("HTTP_ACCEPT", "")))


def _refuse(answer: Answer) -> NoReturn:
    # Raised whole, so that no error handler of the application takes it for an error of its own.
    abort(_response(answer))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, [*answer.headers, *UNCACHED])


def _answer_to(error: Exception) -> Response:
    answer = _guard().answer_to(error, request.environ.get("HTTP_ACCEPT", ""), request.environ.get(ENVIRON_NAME))
    if answer is None:
        raise error
    return _response(answer)


def _add_headers(response: Response) -> Response:
    passed: Passed | None = request.environ.get(_PASSED_NAME)
    if passed is not None:
        response.headers.extend(list(passed.headers_for(response.status_code)))
    return response
