"""Django REST framework: an authentication class and a permission.

With `django.KeyAuthMiddleware` in front, everything is as it is there, and what is here makes ``request.user`` and
``request.auth`` of it. Without it, a view that has the authentication class is protected, and its answers carry the
rate headers; what the framework refuses before it authenticates (``Accept`` that it cannot satisfy), and paths that no
view has, are not.

A view asks for more than a good key by an attribute ``keywright_wanted``, a `Wanted`; as a property it may depend on
the request, but then the middleware cannot see it, and it cannot name a cost.
"""

from __future__ import annotations

import json
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from keywright.adapters.answers import CHALLENGE, PROBLEM_JSON, missing_key
from keywright.adapters.django import GUARD_NAME, configured_guard, sent_of
from keywright.adapters.guard import (
    ANY_KEY,
    CALLER_NAME,
    UNCACHED,
    WANTED_NAME,
    Answer,
    Caller,
    Guard,
    Headers,
    Wanted,
    required_caller,
)


class KeyUser:
    """The key as Django's user: somebody who is known, and has no row among the users.

    Attributes:
        caller: whose request it is.
        pk: the id of the key's account.
    """

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.pk = self.id = caller.record.account_id

    def __str__(self) -> str:
        return self.caller.record.name


class KeyAuthentication(BaseAuthentication):
    """``request.user`` is a `KeyUser` and ``request.auth`` a `Caller`. A request without a key is refused, unless the
    view has other authentication classes as well, which are asked then.

    Raises:
        Misconfigured: the Django setting ``KEYWRIGHT`` is missing, or cannot be used.
    """

    def authenticate(self, request: Request) -> tuple[KeyUser, Caller] | None:
        """See `BaseAuthentication`."""
        view = request.parser_context.get("view")
        wanted = _wanted_by(view)
        caller: Caller | None = getattr(request, CALLER_NAME, None)
        if caller is not None:
            _enforce(request, caller, wanted)
            return KeyUser(caller), caller
        guard, sent = configured_guard(), sent_of(request._request)
        if not sent.api_keys and not sent.authorizations and len(request.authenticators or ()) > 1:
            return None
        verdict = guard.decide(sent, wanted)
        if isinstance(verdict, Answer):
            raise _refused(request, verdict)
        setattr(request._request, CALLER_NAME, verdict.caller)
        setattr(request._request, GUARD_NAME, guard)
        _add_headers(view, verdict.headers)
        return KeyUser(verdict.caller), verdict.caller

    def authenticate_header(self, request: Request) -> str:
        """See `BaseAuthentication`."""
        return CHALLENGE


class HasKey(BasePermission):
    """A good key, and one with everything that the view wants; also where another class has authenticated.

    Raises:
        Misconfigured: when the view is called, where nobody asks for a key: it has not got `KeyAuthentication`, and the
            middleware is not in front, or lets the path pass.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """See `BasePermission`. 403 names the scope that is missing."""
        caller: Caller | None = getattr(request, CALLER_NAME, None)
        if caller is None:
            # The page of a schema asks for views that nobody has called, with a request that is its own.
            called = (request.parser_context or {}).get("view") is view
            if called and not any(isinstance(each, KeyAuthentication) for each in request.authenticators or ()):
                required_caller({})
            raise _refused(request, configured_guard().answer(missing_key(), _accept(request)))
        _enforce(request, caller, _wanted_by(view))
        return True


class Refusal(APIException):
    """A documented answer, as the framework's exception handlers know errors. Its ``detail`` is the body."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__()
        self.status_code = status
        self.detail = detail


class _ProblemRenderer(JSONRenderer):
    media_type = PROBLEM_JSON


def _wanted_by(view: Any) -> Wanted:
    wanted = getattr(view, WANTED_NAME, None)
    return wanted if isinstance(wanted, Wanted) else ANY_KEY


def _enforce(request: Request, caller: Caller, wanted: Wanted) -> None:
    guard: Guard = getattr(request, GUARD_NAME)
    lacking = guard.lacking(caller, wanted)
    if lacking is not None:
        raise _refused(request, guard.answer(lacking, _accept(request)))


def _refused(request: Request, answer: Answer) -> Refusal:
    headers = dict([*answer.headers, *UNCACHED])
    del headers["Content-Length"]
    # The documented form, whatever renderer the request would have had: no pages for programs.
    renderer = _ProblemRenderer if headers.pop("Content-Type") == PROBLEM_JSON else JSONRenderer
    request.accepted_renderer, request.accepted_media_type = renderer(), renderer.media_type
    _add_headers(request.parser_context.get("view"), tuple(headers.items()))
    return Refusal(answer.status, json.loads(answer.body))


def _add_headers(view: Any, headers: Headers) -> None:
    # What a view has in `headers` goes on each of its answers, errors included.
    if hasattr(view, "headers"):
        view.headers.update(headers)


def _accept(request: Request) -> str:
    accept: str = request.META.get("HTTP_ACCEPT", "")
    return accept
