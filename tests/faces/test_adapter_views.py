"""What each framework does of its own, and an adapter must not be fooled by."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import httpx
import litestar
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import override_settings
from django.urls import path
from fastapi import FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import support.adapters.django_app  # noqa: F401 - Django must know its settings before anything of it is imported
from keywright import Misconfigured
from keywright.adapters import (
    asgi,
    django as django_adapter,
    fastapi,
    flask as flask_adapter,
    litestar as litestar_adapter,
    starlette,
    wsgi,
)
from keywright.adapters.address import client_address
from keywright.adapters.guard import Caller, Guard, Passed, Sent, Wanted
from keywright.build import Keywright
from keywright.record import parse_network
from support.adapters.common import asgi_server
from support.cases import Verdict
from support.installation import Installation
from support.mutants import assert_caught
from support.waiting import eventually

HERE = "tests/faces/test_adapter_views.py"
SCOPED = "invoices:read"


def key_of(installation: Installation, **given: Any) -> dict[str, str]:
    """The headers of a request with a new key."""
    return {"X-API-Key": installation.create(**given).key}


def ask(app: Any, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """One request to an ASGI application."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path, headers=headers or {})

    return asyncio.run(send())


# The core


def test_only_a_trusted_peer_says_whose_request_it_is() -> None:
    """What a stranger writes into X-Forwarded-For is not believed, and neither is what stands beyond one."""
    trusted = (parse_network("10.0.0.0/8"),)
    assert client_address("198.51.100.9", "203.0.113.7", trusted) == "198.51.100.9"
    assert client_address("10.0.0.1", "203.0.113.7", ()) == "10.0.0.1"
    assert client_address("10.0.0.1", "203.0.113.7, 198.51.100.9, 10.0.0.2", trusted) == "198.51.100.9"
    assert client_address("", "203.0.113.7", trusted) == ""


def test_the_address_check_catches(tmp_path: Path) -> None:
    """The check above fails where everybody is believed."""
    old, new = "not is_trusted(peer, trusted)", "False"
    test = f"{HERE}::test_only_a_trusted_peer_says_whose_request_it_is"
    assert_caught(tmp_path, "adapters/address.py", old, new, test)


def test_what_is_wanted_must_make_sense() -> None:
    """A free request would be a hole in the limit, and a text in place of scopes would be a scope for each letter."""
    with pytest.raises(ValueError, match="at least 1"):
        Wanted(cost=0)
    with pytest.raises(TypeError, match="tuple"):
        Wanted(scopes=SCOPED)  # type: ignore[arg-type]


def test_nothing_is_charged_twice(installation: Installation) -> None:
    """A handler that turns out to cost more than was charged is a mistake of whoever set it up, and is told so."""
    guard = Guard(installation.keywright)
    passed = guard.decide(Sent("/", "127.0.0.1", (installation.create().key,)))
    assert isinstance(passed, Passed)
    with pytest.raises(Misconfigured, match="cost=5"):
        guard.lacking(passed.caller, Wanted(cost=5))
    assert guard.lacking(passed.caller, Wanted(account_id="acc_000000000")) is passed.caller.if_refused


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [(("guard", "asgi", "wsgi"), set()), (("flask",), {"flask"}), (("starlette",), {"starlette"})],
)
def test_an_adapter_brings_no_other_framework(modules: tuple[str, ...], allowed: set[str]) -> None:
    """Whoever protects a Flask application needs Flask, and nothing else that they do not use."""
    imports = ", ".join(f"keywright.adapters.{each}" for each in modules)
    code = f"import {imports}, json, sys; print(json.dumps([each for each in sys.modules if '.' not in each]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    frameworks = {"asgiref", "django", "fastapi", "flask", "litestar", "pydantic", "rest_framework", "starlette"}
    assert frameworks & set(json.loads(done.stdout)) == allowed


# WSGI


def call(app: Any, **environ: str) -> tuple[str, dict[str, str], bytes]:
    """One request to a WSGI application."""
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        started[:] = [status, dict(headers)]
        return lambda _: None

    answer = app(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    return started[0], started[1], body


@pytest.mark.filterwarnings("ignore::wsgiref.validate.WSGIWarning")
def test_the_middleware_keeps_to_wsgi(installation: Installation) -> None:
    """Servers and applications that insist on the letter of WSGI are content with what stands between them."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise RuntimeError("late")
        except RuntimeError:
            start_response("500 Oh no", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"sorry"]

    protected = validator(wsgi.KeyAuth(validator(app), installation.keywright))
    key = installation.create().key
    status, headers, body = call(protected, HTTP_X_API_KEY=key, QUERY_STRING="")
    assert (status, headers["X-RateLimit-Remaining"], body) == ("500 Oh no", "99", b"sorry")
    for method in ("GET", "HEAD"):
        status, headers, body = call(protected, REQUEST_METHOD=method, QUERY_STRING="")
        assert (status, bool(body)) == ("401 Unauthorized", method == "GET")


def test_a_path_is_protected_however_it_is_split(installation: Installation) -> None:
    """A server may put any part of the path into SCRIPT_NAME, and its bytes may be any."""
    protected = wsgi.KeyAuth(lambda *_: [b"open"], installation.keywright, ["/v1", "/früh"])
    early = "/früh".encode().decode("latin-1")
    for script, rest in (
        ("/v1", ""),
        ("/v1", "/a"),
        ("/below", "/v1/a"),
        ("/below/v1", "/a"),
        ("", early),
        (early, "/a"),
    ):
        assert call(protected, SCRIPT_NAME=script, PATH_INFO=rest)[0] == "401 Unauthorized", (script, rest)


_PREFORK = """
import os, sys
from keywright import Actor, ActorKind, Keywright
from keywright.adapters.wsgi import KeyAuth
keywright = Keywright.open(sys.argv[1])
me = Actor(ActorKind.LIBRARY, "test")
account = keywright.manager.operator_account().id
made = keywright.manager.create(me, account, {"name": "Fork"})
app = KeyAuth(lambda environ, start: start("200 OK", []) or [b""], keywright)

def status():
    found = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_API_KEY": made.key}
    app(environ, lambda status, headers: found.append((status[:3], dict(headers).get("X-RateLimit-Remaining"))))
    return found[0]

def child(go, told):
    seen = [status()]
    os.write(told, b"x")
    os.read(go, 1)
    seen.append(status()[0])
    os.write(told, repr(seen).encode())
    keywright.close()
    os._exit(0)

assert status() == ("200", "99")
pipes = []
for _ in range(2):
    (go, go_in), (told_out, told) = os.pipe(), os.pipe()
    if os.fork() == 0:
        child(go, told)
    assert os.read(told_out, 1) == b"x"
    pipes.append((go_in, told_out))
keywright.manager.delete(me, account, made.row.id)
for go_in, told_out in pipes:
    os.write(go_in, b"x")
    print(os.read(told_out, 1000).decode())
    os.wait()
keywright.close()
"""


def test_a_server_that_forks_after_opening(tmp_path: Path) -> None:
    """Workers that a server forks off its loaded application share limits, and none accepts what another deleted."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PREFORK, str(tmp_path / "data")],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[('200', '98'), '401']", "[('200', '97'), '401']"]


# Flask


@pytest.fixture
def app(installation: Installation) -> flask.Flask:
    """A Flask application that protects /api, and a bit more by decorators."""
    made = flask.Flask("test")
    made.testing = True
    flask_adapter.KeyAuth(protect=["/api"]).init_app(made, installation.keywright)
    return made


def test_a_decorated_view_needs_a_key_wherever_it_is(app: flask.Flask, installation: Installation) -> None:
    """What a view says of itself holds outside of the protected paths as well, for functions of both kinds."""

    @app.get("/elsewhere")
    @flask_adapter.require_key(scopes=SCOPED)
    async def elsewhere() -> str:
        return "secret"

    client = app.test_client()
    assert client.get("/elsewhere").status_code == 401
    assert client.get("/elsewhere", headers=key_of(installation, scopes=["other"])).status_code == 403
    assert client.get("/elsewhere", headers=key_of(installation)).text == "secret"


def test_a_hidden_decorator_still_asks(app: flask.Flask, installation: Installation) -> None:
    """Where another decorator hides ours, scopes are asked for all the same, and a cost is an error, not a gift."""

    def hiding(view: Callable[[], str]) -> Callable[[], str]:
        return partial(view)

    app.add_url_rule("/api/scoped", "scoped", hiding(flask_adapter.require_key(scopes=[SCOPED])(lambda: "secret")))
    app.add_url_rule("/api/costly", "costly", hiding(flask_adapter.require_key(cost=5)(lambda: "secret")))
    app.add_url_rule("/scoped", "outside", hiding(flask_adapter.require_key()(lambda: "secret")))

    client = app.test_client()
    assert client.get("/api/scoped", headers=key_of(installation, scopes=["other"])).status_code == 403
    assert client.get("/api/scoped", headers=key_of(installation)).text == "secret"
    for each in ("/api/costly", "/scoped"):
        with pytest.raises(Misconfigured):
            client.get(each, headers=key_of(installation))


def test_half_an_extension_is_refused(installation: Installation) -> None:
    """Who forgets to say where keys are verified is told at the start, and not left with an open application."""
    with pytest.raises(Misconfigured, match="KeyAuth takes"):
        flask_adapter.KeyAuth(flask.Flask("test"))
    with pytest.raises(Misconfigured, match="KeyAuth takes"):
        flask_adapter.KeyAuth(keywright=installation.keywright)


def test_a_decorated_view_without_the_extension_answers_nobody() -> None:
    """A view that asks for a key, in an application that nobody protects, does not answer."""
    app = flask.Flask("test")
    app.testing = True
    app.add_url_rule("/", "view", flask_adapter.require_key()(lambda: "secret"))
    with pytest.raises(Misconfigured, match="KeyAuth"):
        app.test_client().get("/")


def test_nothing_of_the_application_runs_for_strangers(app: flask.Flask, installation: Installation) -> None:
    """What looks objects up by the path, or prepares a request, is not there for everybody to call."""
    ran = []
    app.before_request_funcs[None].insert(0, lambda: ran.append("before"))
    app.url_value_preprocessors[None].append(lambda _, values: ran.append(str(values)))
    app.add_url_rule("/api/<thing>", "thing", lambda thing: thing)
    client = app.test_client()
    assert (client.get("/api/a").status_code, ran) == (401, [])
    assert client.get("/api/a", headers=key_of(installation)).text == "a"
    assert ran == ["{'thing': 'a'}", "before"]


def test_error_handlers_of_the_application_do_not_get_at_refusals(app: flask.Flask) -> None:
    """An application that answers every error with a page of its own still refuses as documented."""
    page = flask.Blueprint("page", "page", url_prefix="/api")
    page.add_url_rule("/a", "a", lambda: "a")
    page.register_error_handler(Exception, lambda _: ("<html>", 200))
    app.register_error_handler(Exception, lambda _: ("<html>", 200))
    app.register_error_handler(401, lambda _: ("<html>", 200))
    app.register_blueprint(page)
    answer = app.test_client().get("/api/a")
    assert (answer.status_code, answer.get_json()["message"]) == (401, Verdict.MISSING.message)


def test_a_context_that_outlives_a_request_remembers_nobody(app: flask.Flask, installation: Installation) -> None:
    """Where requests share an application context, one without a key does not inherit the caller of the last."""
    app.add_url_rule("/api/a", "a", lambda: flask_adapter.caller().record.name)
    app.add_url_rule("/open", "open", lambda: str(flask.g.keywright))
    with app.app_context():
        client = app.test_client()
        assert client.get("/api/a", headers=key_of(installation, name="Somebody")).text == "Somebody"
        assert client.get("/open").text == "None"


# Django


@django_adapter.require_key(scopes=[SCOPED])
def decorated(_: HttpRequest) -> HttpResponse:
    """A view that asks for a scope."""
    return HttpResponse("secret")


urlpatterns = [path("elsewhere", decorated)]


@contextmanager
def django_client(keywright: Keywright | None, **settings: Any) -> Iterator[Client]:
    """A client of the decorated view, which stands outside of what is protected."""
    urls = type("urls", (), {"urlpatterns": urlpatterns})
    given = {} if keywright is None else {"KEYWRIGHT": {"keys": keywright, "protect": ["/api"]}}
    with override_settings(ROOT_URLCONF=urls, **given, **settings):
        yield Client()


def test_a_decorated_django_view_needs_a_key_wherever_it_is(installation: Installation) -> None:
    """What a view says of itself holds outside of the protected paths as well."""
    with django_client(installation.keywright) as client:
        assert client.get("/elsewhere").status_code == 401
        assert client.get("/elsewhere", headers=key_of(installation, scopes=["other"])).status_code == 403
        assert client.get("/elsewhere", headers=key_of(installation)).content == b"secret"


def test_a_decorated_django_view_without_the_middleware_answers_nobody() -> None:
    """A view that asks for a key, in a project that nobody protects, does not answer."""
    with django_client(None, MIDDLEWARE=[]) as client, pytest.raises(Misconfigured, match="KeyAuth"):
        client.get("/elsewhere")


def test_the_django_setting(tmp_path: Path) -> None:
    """Settings open an installation once in a process, with what they say; without them nothing starts."""
    given = {"data_dir": str(tmp_path / "data"), "protect": ["/api"], "trusted_proxies": ["10.0.0.0/8"]}
    with override_settings(KEYWRIGHT=given):
        first, second = django_adapter.configured_guard(), django_adapter.configured_guard()
    opened = first.keys
    assert isinstance(opened, Keywright)
    opened.close()
    assert second.keys is opened
    assert opened.trusted_proxies == (parse_network("10.0.0.0/8"),)
    assert (first.protects("/api/a"), first.protects("/a")) == (True, False)
    with override_settings(KEYWRIGHT=None), pytest.raises(Misconfigured, match="KEYWRIGHT"):
        django_adapter.configured_guard()


def test_other_authentication_is_asked_where_no_key_came(installation: Installation) -> None:
    """Beside other classes, a request without a key is left to them, and one with a bad key is not."""
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.response import Response as RestResponse
    from rest_framework.schemas.generators import BaseSchemaGenerator
    from rest_framework.views import APIView

    from keywright.adapters.django_rest import HasKey, KeyAuthentication

    class Known(BaseAuthentication):
        def authenticate(self, request: Any) -> tuple[str, str]:
            return "somebody", "known"

    class Either(APIView):
        authentication_classes = (KeyAuthentication, Known)

        def get(self, request: Any) -> RestResponse:
            return RestResponse(str(request.user))

    class OnlyKeys(Either):
        permission_classes = (HasKey,)

    urls = type("urls", (), {"urlpatterns": [path("either", Either.as_view()), path("keys", OnlyKeys.as_view())]})

    class Forgotten(APIView):
        authentication_classes = (Known,)
        permission_classes = (HasKey,)

        def get(self, request: Any) -> RestResponse:
            return RestResponse("secret")

    urls.urlpatterns.append(path("forgotten", Forgotten.as_view()))  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[], KEYWRIGHT={"keys": installation.keywright}):
        client = Client()
        with pytest.raises(Misconfigured, match="KeyAuth"):
            client.get("/forgotten", headers=key_of(installation))
        assert client.get("/either").json() == "somebody"
        assert client.get("/either", headers=key_of(installation, name="A key")).json() == "A key"
        assert client.get("/either", headers={"X-API-Key": "foo"}).status_code == 401
        assert client.get("/keys").json()["message"] == Verdict.MISSING.message
        # A page of the schema, open to all, asks for views that nobody has called: they are left out of it, no more.
        schema = BaseSchemaGenerator()
        request = APIView().initialize_request(RequestFactory().get("/schema"))
        request.parser_context["view"] = APIView()
        for view in (Forgotten, OnlyKeys):
            asked = schema.create_view(view.as_view(), "GET", request)
            assert not schema.has_view_permissions("/forgotten", "GET", asked)


# Starlette and FastAPI


def test_starlettes_own_user_and_scopes(installation: Installation) -> None:
    """`request.user` is the key, and `@requires` knows that full access covers what it does not list, but no more."""

    def view(scope: str) -> Callable[[Request], Awaitable[Response]]:
        @requires(scope)
        async def shown(request: Request) -> Response:
            return PlainTextResponse(f"{request.user.display_name} {request.user.identity[:4]}")

        return shown

    routes = [Route(f"/{scope.partition(':')[0]}", view(scope)) for scope in (SCOPED, "operator", "authenticated")]
    middleware = [Middleware(AuthenticationMiddleware, backend=starlette.KeyBackend())]
    plain = Starlette(routes=routes, middleware=middleware)
    starlette.install_errors(plain, installation.keywright)
    protected = asgi.KeyAuth(plain, installation.keywright)
    full, other = key_of(installation, name="Full"), key_of(installation, scopes=["other"])

    assert ask(protected, "/invoices", full).text == "Full key_"
    assert ask(protected, "/authenticated", other).status_code == 200
    assert [ask(protected, each, other).status_code for each in ("/invoices", "/operator")] == [403, 403]
    assert ask(protected, "/operator", full).json()["error"] == "FORBIDDEN"
    assert ask(plain, "/authenticated", full).status_code == 403


def open_starlette(keywright: Keywright) -> Any:
    """A route that asks for a key, in an application that nobody protects."""
    view = starlette.require_key()(lambda _: PlainTextResponse("secret"))
    app = Starlette(routes=[Route("/open", view)])
    starlette.install_errors(app, keywright)
    return app


def open_fastapi(keywright: Keywright) -> Any:
    """The same."""
    app = FastAPI()
    fastapi.install_errors(app, keywright)

    @app.get("/open")
    def open_(_: Annotated[Caller, fastapi.require_scope(SCOPED)]) -> str:
        return "secret"

    return app


def open_litestar(keywright: Keywright) -> Any:
    """The same."""

    @litestar.get("/open", guards=[litestar_adapter.require_key()], sync_to_thread=False)
    def open_() -> str:
        return "secret"

    return litestar.Litestar([open_], plugins=[litestar_adapter.KeyAuthPlugin(keywright)], logging_config=None)


@pytest.mark.parametrize("protect", [None, ["/v1"]], ids=["not in front", "lets it pass"])
@pytest.mark.parametrize("made", [open_starlette, open_fastapi, open_litestar])
def test_a_key_is_wanted_where_nobody_asked_for_one(
    installation: Installation, made: Callable[[Keywright], Any], protect: list[str] | None, caplog: Any
) -> None:
    """A route that wants a key, on a path that is left open by mistake, lets nobody in. Good key or none, that is no
    mistake of the caller's: 500, and the operator is told what is wrong."""
    app = made(installation.keywright)
    with asgi_server(asgi.KeyAuth(app, installation.keywright, protect) if protect else app) as port:
        for headers in (key_of(installation), {}):
            answer = httpx.get(f"http://127.0.0.1:{port}/open", headers=headers, timeout=30, trust_env=False)
            assert (answer.status_code, answer.json()["error"]) == (500, "INTERNAL_ERROR")
            assert "KeyAuth" not in answer.text
        assert eventually(lambda: caplog.text.count("KeyAuth is not in front, or lets this path pass.") >= 2)


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (HTTPException(409, "Already paid."), 409, "CONFLICT", "Already paid."),
        (HTTPException(404, "No such invoice."), 404, "NOT_FOUND", "No such invoice."),
        (HTTPException(404), 404, "NOT_FOUND", "There is nothing at this path."),
    ],
    ids=["409", "404 with words", "404"],
)
def test_an_http_exception_keeps_its_meaning(
    installation: Installation, error: HTTPException, status: int, code: str, message: str
) -> None:
    """What a handler raises on purpose gets the documented form, and is not taken for a path that is not there."""
    api = FastAPI()
    fastapi.install_errors(api, installation.keywright)

    @api.get("/")
    def fails() -> None:
        raise error

    answer = ask(asgi.KeyAuth(api, installation.keywright), "/", key_of(installation))
    assert (answer.status_code, answer.json()["error"], answer.json()["message"]) == (status, code, message)
    assert answer.headers["X-RateLimit-Remaining"] == "99"


def test_an_http_exception_of_another_status_passes(installation: Installation) -> None:
    """A status that is not among the documented errors keeps its number, its text and its headers."""
    api = FastAPI()
    fastapi.install_errors(api, installation.keywright)

    @api.get("/")
    def fails() -> None:
        raise HTTPException(418, "short and stout", {"X-Spout": "here"})

    answer = ask(asgi.KeyAuth(api, installation.keywright), "/", key_of(installation))
    assert (answer.status_code, answer.text, answer.headers["X-Spout"]) == (418, "short and stout", "here")


def test_api_documents_tell_how_to_send_a_key(installation: Installation) -> None:
    """FastAPI's and Litestar's documents name both ways of sending a key; Litestar's default is left as it was."""
    api = FastAPI()

    @api.get("/")
    def shown(_: Annotated[Caller, fastapi.require_scope(SCOPED)]) -> None: ...

    document = api.openapi()
    assert document["paths"]["/"]["get"]["security"] == [{"ApiKey": [SCOPED]}, {"Bearer": [SCOPED]}]

    plugin = litestar_adapter.KeyAuthPlugin(installation.keywright)
    schema = litestar.Litestar([], plugins=[plugin]).openapi_schema.to_schema()
    for found in (document, schema):
        kinds = {name: each["type"] for name, each in found["components"]["securitySchemes"].items()}
        assert kinds == {"ApiKey": "apiKey", "Bearer": "http"}
    assert schema["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert "security" not in litestar.Litestar([]).openapi_schema.to_schema()
