"""Django: no request reaches a view without a good key.

What a view finds in ``request.keywright`` is a `Caller`. Rate headers are added to whatever Django answers, its own
404, 405 and 500 included. Everything that `wsgi` says of servers holds here too; under ASGI headers are seen as they
came.

``MIDDLEWARE`` begins with ``"keywright.adapters.django.KeyAuthMiddleware"``, and ``KEYWRIGHT`` is a dictionary of

- ``"protect"``: the paths that need a key, with everything below them; every path if it is left out;
- ``"keys"``: an open `Keywright`, or the dotted path of one; or else
- the settings of Keywright by name, such as ``"data_dir"``: it is opened once in each process, and closed at its end.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction as is_marked, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string

from keywright.adapters import asgi, wsgi
from keywright.adapters.guard import (
    ANY_KEY,
    CALLER_NAME,
    UNCACHED,
    WANTED_NAME,
    Answer,
    Caller,
    Guard,
    Keys,
    Passed,
    Sent,
    Wanted,
    checked_first,
    required_caller,
    wanting,
)
from keywright.build import Keywright
from keywright.errors import Misconfigured

View = TypeVar("View", bound=Callable[..., Any])

SETTING = "KEYWRIGHT"
GUARD_NAME = "keywright_guard"
_opening = threading.Lock()
_open: dict[str, Keywright] = {}


class KeyAuthMiddleware:
    """The middleware, for synchronous and asynchronous stacks. Belongs before every other that does something for a
    request: what stands before it works for strangers, too.

    Raises:
        Misconfigured: the setting ``KEYWRIGHT`` is missing, or cannot be used.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._guard = configured_guard()
        self._is_async = is_marked(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        sent, wanted = sent_of(request), _wanted_by_view(request)
        if wanted is None and not self._guard.protects(sent.path):
            return self._get_response(request)
        if self._is_async:
            return self._later(request, sent, wanted or ANY_KEY)
        verdict = self._guard.decide(sent, wanted or ANY_KEY)
        if isinstance(verdict, Answer):
            return response_of(verdict, request)
        return _with_headers(self._get_response(self._let_in(request, verdict)), verdict)

    async def _later(self, request: HttpRequest, sent: Sent, wanted: Wanted) -> HttpResponseBase:
        verdict = self._guard.at_once(sent, wanted)
        if verdict is None:
            verdict = await asyncio.to_thread(self._guard.decide, sent, wanted)
        if isinstance(verdict, Answer):
            return response_of(verdict, request)
        return _with_headers(await self._get_response(self._let_in(request, verdict)), verdict)

    def _let_in(self, request: HttpRequest, passed: Passed) -> HttpRequest:
        setattr(request, CALLER_NAME, passed.caller)
        setattr(request, GUARD_NAME, self._guard)
        # A key is sent by a program on purpose, never by a browser for somebody else: there is nothing to forge.
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        return request

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The documented answer to what a view raised, where it is an error that Keywright itself raises."""
        caller: Caller | None = getattr(request, CALLER_NAME, None)
        answer = self._guard.answer_to(error, request.META.get("HTTP_ACCEPT", ""), caller)
        return None if answer is None else response_of(answer, request)


def require_key(*, scopes: Sequence[str] = (), cost: int = 1, environment: str = "") -> Callable[[View], View]:
    """A view that asks for more than a good key, wherever it is. For a class:
    ``@method_decorator(require_key(…), name="dispatch")``.

    Args:
        scopes: all that the key must have.
        cost: what a request takes from the key's limits.
        environment: the environment that the key must be of; empty for any.

    Raises:
        Misconfigured: when the view is called, without the middleware, or with a cost that the middleware could not see
            because another decorator hides this one.
    """
    wanted = wanting(scopes, cost, environment)

    def decorator(view: View) -> View:
        wrapper = checked_first(view, lambda request, *_, **__: _refusal(request, wanted))
        setattr(wrapper, WANTED_NAME, wanted)
        return cast(View, wrapper)

    return decorator


def caller_of(request: Any) -> Caller:
    """Whose request it is.

    Raises:
        Misconfigured: nobody has asked for a key here.
    """
    return required_caller({CALLER_NAME: getattr(request, CALLER_NAME, None)})


def configured_guard() -> Guard:
    """The guard that the setting ``KEYWRIGHT`` describes.

    Raises:
        Misconfigured: it is missing, or cannot be used.
    """
    configured = getattr(settings, SETTING, None)
    if not isinstance(configured, dict):
        raise Misconfigured(
            f'The Django setting {SETTING} is missing: a dictionary with at least "data_dir" or "keys".'
        )
    rest = {name: value for name, value in configured.items() if name not in {"protect", "keys"}}
    keys: Any = configured.get("keys")
    if isinstance(keys, str):
        keys = import_string(keys)
    return Guard(cast(Keys, keys or _opened(rest)), configured.get("protect", ("/",)))


def _opened(given: dict[str, Any]) -> Keywright:
    # Once for each directory: Django makes its middleware anew for every handler.
    data_dir = str(Path(given.pop("data_dir", "data")).absolute())
    with _opening:
        if data_dir not in _open:
            _open[data_dir] = Keywright.open(data_dir, **given)
            atexit.register(_open[data_dir].close)
        return _open[data_dir]


def sent_of(request: HttpRequest) -> Sent:
    """What the guard looks at in a request."""
    # Under ASGI, Django folds the headers as a WSGI server would, and has those that came beside it.
    scope = getattr(request, "scope", None)
    return asgi.sent_of(scope) if scope is not None else wsgi.sent_of(request.META, request.path)


def response_of(answer: Answer, request: HttpRequest) -> HttpResponse:
    """An answer as Django sends it."""
    body = answer.body if request.method != "HEAD" else b""
    return HttpResponse(body, status=answer.status, headers=dict([*answer.headers, *UNCACHED]))


def _wanted_by_view(request: HttpRequest) -> Wanted | None:
    try:
        view = resolve(request.path_info, getattr(request, "urlconf", None)).func
    except Resolver404:
        return None
    # A class of the REST framework says it by an attribute; where that is a property, only the view itself knows.
    wanted = getattr(view, WANTED_NAME, None) or getattr(getattr(view, "cls", None), WANTED_NAME, None)
    return wanted if isinstance(wanted, Wanted) else None


def _refusal(request: HttpRequest, wanted: Wanted) -> HttpResponse | None:
    caller, guard = caller_of(request), getattr(request, GUARD_NAME)
    lacking = guard.lacking(caller, wanted)
    if lacking is None:
        return None
    return response_of(guard.answer(lacking, request.META.get("HTTP_ACCEPT", "")), request)


def _with_headers(response: HttpResponseBase, passed: Passed) -> HttpResponseBase:
    for name, value in passed.headers_for(response.status_code):
        response[name] = value
    return response
