"""Django and its REST framework. Settings are the process's own, and can be made only once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=["keywright.adapters.django.KeyAuthMiddleware", "django.middleware.common.CommonMiddleware",
                    "django.middleware.csrf.CsrfViewMiddleware"],
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
        ROOT_URLCONF="support.adapters.django_app",
        SECRET_KEY="test",
        USE_TZ=True,
    )  # fmt: skip
    django.setup()

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test.utils import override_settings
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_POST
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from keywright import Keywright
from keywright.adapters.django import caller_of, require_key
from keywright.adapters.django_rest import HasKey, KeyAuthentication
from keywright.adapters.guard import Caller, Wanted
from support.adapters.common import COST, GOOD_PATHS, PROTECT, SCOPE, Adapter, asgi_server, busy, shown, wsgi_server


def good(request: HttpRequest) -> HttpResponse:
    """Shows who calls."""
    return JsonResponse(shown(caller_of(request)))


@require_key(scopes=[SCOPE])
async def scoped(request: HttpRequest) -> HttpResponse:
    """An asynchronous view."""
    return JsonResponse(shown(caller_of(request)))


@method_decorator(require_key(environment="live"), name="dispatch")
class Live(View):
    """A class."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Shows who calls."""
        return good(request)


def broken(_: HttpRequest) -> HttpResponse:
    """Raises."""
    raise RuntimeError("broken")


def is_busy(_: HttpRequest) -> HttpResponse:
    """Raises what Keywright raises."""
    raise busy()


def is_open(request: HttpRequest) -> HttpResponse:
    """Is not protected."""
    return HttpResponse("somebody" if hasattr(request, "keywright") else "open")


class RestView(APIView):
    """A view of the REST framework."""

    authentication_classes = (KeyAuthentication,)
    permission_classes = (HasKey,)

    def get(self, request: Request) -> Response:
        """Shows who calls."""
        assert request.user.is_authenticated
        assert isinstance(request.auth, Caller)
        assert request.user.pk == request.auth.record.account_id
        return Response(shown(request.auth))


class RestScoped(RestView):
    """Wants a scope."""

    keywright_wanted = Wanted(scopes=(SCOPE,))


class RestLive(RestView):
    """Wants a live key, which only the view itself knows."""

    @property
    def keywright_wanted(self) -> Wanted:
        """Depends on the request."""
        return Wanted(environment="live") if self.request.method == "GET" else Wanted()


class RestCostly(RestView):
    """Costs more."""

    keywright_wanted = Wanted(cost=COST)


class RestPosted(APIView):
    """Only POST."""

    authentication_classes = (KeyAuthentication,)
    permission_classes = (HasKey,)

    def post(self, request: Request) -> Response:
        """Shows who calls."""
        assert isinstance(request.auth, Caller)
        return Response(shown(request.auth))


class RestBroken(RestView):
    """Raises."""

    def get(self, request: Request) -> Response:
        """Raises."""
        raise RuntimeError("broken")


def _urls(table: dict[str, Any]) -> list[URLPattern]:
    return [path(each.removeprefix("/"), view) for each, view in table.items()]


class PlainUrls:
    """The paths for Django."""

    urlpatterns = _urls({
        **dict.fromkeys(GOOD_PATHS, good), "/v1/scoped": scoped, "/v1/live": Live.as_view(),
        "/v1/costly": require_key(cost=COST)(good), "/v1/broken": broken, "/v1/busy": is_busy,
        "/v1/posted": require_POST(good), "/open": is_open,
    })  # fmt: skip


class RestUrls:
    """The paths for the REST framework."""

    urlpatterns = _urls({
        **dict.fromkeys(GOOD_PATHS, RestView.as_view()), "/v1/scoped": RestScoped.as_view(),
        "/v1/live": RestLive.as_view(), "/v1/costly": RestCostly.as_view(), "/v1/broken": RestBroken.as_view(),
        "/v1/busy": is_busy, "/v1/posted": RestPosted.as_view(), "/open": is_open,
    })  # fmt: skip


urlpatterns = PlainUrls.urlpatterns


@contextmanager
def serve(keywright: Keywright, *, asynchronous: bool = False, **more: Any) -> Iterator[int]:
    """See `Adapter.serve`."""
    with override_settings(KEYWRIGHT={"keys": keywright, "protect": list(PROTECT)}, **more):
        serving = asgi_server(ASGIHandler()) if asynchronous else wsgi_server(WSGIHandler())
        with serving as port:
            yield port


def _asynchronous(keywright: Keywright) -> Any:
    return serve(keywright, asynchronous=True)


def _rest(keywright: Keywright) -> Any:
    return serve(keywright, ROOT_URLCONF=RestUrls)


def _rest_alone(keywright: Keywright) -> Any:
    return serve(keywright, ROOT_URLCONF=RestUrls, MIDDLEWARE=[])


ADAPTERS = (
    Adapter("django", serve, folds=True),
    Adapter("django-asgi", _asynchronous),
    Adapter("rest", _rest, folds=True),
    Adapter("rest-alone", _rest_alone, folds=True, answers_errors=False, routes=False),
)
