"""The console as a layer: what is its own it answers, everything else goes on to the application."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from keywright.adapters import causes
from keywright.adapters.asgi import REQUEST_ID_NAME, App, Receive, Scope, Send, client_address, header
from keywright.build import Keywright
from keywright.errors import ActError, ActFault, CallerRefused, KeywrightError, Unavailable
from keywright.people.presence import ProofNeeded
from keywright.people.throttle import TooManyAttempts
from keywright.people.values import Visit
from keywright.server.console import accent, assets
from keywright.server.console.ask import Ask, Guest, Route, query_of
from keywright.server.console.assets import Assets, accepts_gzip
from keywright.server.console.audit_pages import routes as audit_routes
from keywright.server.console.confirm_pages import Confirming, confirm_path, routes as confirm_routes
from keywright.server.console.edit_pages import routes as edit_routes
from keywright.server.console.entry_pages import routes as entry_routes, sign_in_path
from keywright.server.console.insight_pages import routes as insight_routes
from keywright.server.console.key_pages import routes as key_routes
from keywright.server.console.oidc_pages import routes as oidc_routes
from keywright.server.console.origin import (
    HOST_CHARACTERS,
    THEME_COOKIE,
    THEMES,
    Origin,
    cookies,
    is_elsewhere,
    is_own_request,
    origin_of,
)
from keywright.server.console.own_pages import routes as own_routes
from keywright.server.console.pages import Pages, zipped
from keywright.server.console.passkey_pages import routes as passkey_routes
from keywright.server.console.people_pages import routes as people_routes
from keywright.server.console.place import CONSOLE, HOME, Place, portal
from keywright.server.console.portal_pages import routes as portal_routes
from keywright.server.console.settings_pages import routes as settings_routes
from keywright.server.console.words import Words
from keywright.stores.people import Role
from keywright.values import Value, replace

#: Whoever brings more pages adds theirs here. Of these only those about keys are shown in the portal, too.
_ROUTES = (
    entry_routes, oidc_routes, key_routes, edit_routes, insight_routes, audit_routes, people_routes, own_routes,
    passkey_routes,
    confirm_routes, settings_routes,
)  # fmt: skip
_log = logging.getLogger("keywright.server")
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 200
_THREADS = 4
#: Strangers' requests that may wait for their turn, in each process. Each waits for a slow hash or more; whoever comes
#: when so many wait already is told to come back.
MOST_WAITING = 32
_BACK_AFTER_SECONDS = 5
_MOST_CHARACTERS = 512
#: What an identity provider sends back is longer than what people type.
_MOST_QUERY_CHARACTERS = 4096
_STATUS = {
    ActFault.NOT_FOUND: 404,
    ActFault.CONFLICT: 409,
    ActFault.INVALID: 422,
    ActFault.FORBIDDEN: 403,
}


class _Area(Value, frozen=True, gc=False):
    """The pages of one place, whose sessions they take, and where everybody else is led."""

    place: Place
    routes: tuple[Route, ...]
    guest: Callable[[str], Guest | None]
    turned_away: Callable[[Ask], str]


class Console:
    """The layer: the console, and the portal beside it.

    Args:
        words: what it says; in English if None.

    Attributes:
        routes: every way into the console, with what somebody must be for it.
        portal_routes: the same of the portal.
    """

    def __init__(self, inner: App, keywright: Keywright, words: Words | None = None) -> None:
        self._inner = inner
        self._keywright = keywright
        self._assets = Assets(accent.files(keywright.settings.portal_accent))
        self._pages = Pages(keywright, self._assets, words)
        self._confirming = Confirming(keywright, self._pages)
        self.routes: tuple[Route, ...] = tuple(route for routes in _ROUTES for route in routes(keywright, self._pages))
        place = portal(keywright.settings)
        self.portal_routes = tuple(portal_routes(keywright, self._pages, place))
        self._portal = _Area(place, self.portal_routes, keywright.portals.visitor, lambda _: place.door)
        self._console = _Area(CONSOLE, self.routes, keywright.entry.visitor, sign_in_path)
        every = (*self.routes, *self.portal_routes)
        self._patterns = {route.path: compile_path(route.path)[0] for route in every}
        # Passwords are checked slowly, and strangers can have as many checked as they like: neither keys that must be
        # looked up, which have the event loop's own threads, nor whoever is in already may wait behind them.
        self._door, self._inside = ThreadPoolExecutor(_THREADS, "door"), ThreadPoolExecutor(_THREADS, "inside")
        # A provider that does not answer must keep nobody from signing in with a password.
        self._abroad = ThreadPoolExecutor(_THREADS, "abroad")
        self._strangers = {self._door: 0, self._abroad: 0}
        self._roots = {route.path.split("/")[1] for route in every} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_ours(scope):
            await self._inner(scope, receive, send)
        elif scope["path"].startswith(assets.PREFIX + "/"):
            await self._asset(scope)(scope, receive, send)
        else:
            response = await self._respond(scope, receive)
            await response(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        root = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        if scope["path"] == "/":
            return "text/html" in header(scope, b"accept")
        return root in self._roots or f"/{root}" == assets.PREFIX

    def _asset(self, scope: Scope) -> Response:
        # Any version in the path will do: a page that was made before an update still finds its style.
        name = scope["path"].removeprefix(assets.PREFIX + "/").partition("/")[2]
        found = self._assets.answer(name, header(scope, b"accept-encoding"))
        if found is None or scope["method"] != "GET":
            return Response("There is no such file.", 404, media_type="text/plain")
        return found

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        area = self._area(scope["path"])
        route, parts, allowed = self._find(area, scope["path"], scope["method"])
        ask = _ask(scope, parts, origin_of(scope, self._keywright.settings.public_url), area.place)
        if route is None:
            return self._fault(ask, 405 if allowed else 404, "method" if allowed else "not_found", allowed)
        if not ask.origin.usable or not is_own_request(scope, ask.origin):
            return self._not_from_here(ask)
        if scope["method"] == "POST":
            form = await _form(scope, receive)
            if form is None:
                return self._fault(ask, 415, "form")
            ask = replace(ask, form=form)
        ask = replace(ask, page=self._page(area, route, ask))
        response = await self._in_turn(area, route, ask)
        secret = scope["method"] != "GET" or not accepts_gzip(header(scope, b"accept-encoding"))
        return response if secret else zipped(response)

    def _not_from_here(self, ask: Ask) -> Response:
        public_url = self._keywright.settings.public_url
        if is_elsewhere(ask.origin, public_url):
            host = self._keywright.redact(ask.origin.host)[:HOST_CHARACTERS]
            _log.warning(
                "Refused a request with Host %r: public_url is %s. Proxies must pass Host on.", host, public_url
            )
            return self._fault(ask, 403, "elsewhere", host=host, url=public_url)
        if not ask.origin.usable:
            return self._fault(ask, 403, "insecure", url=ask.origin.url)
        return self._fault(ask, 403, "foreign")

    async def _in_turn(self, area: _Area, route: Route, ask: Ask) -> Response:
        loop = asyncio.get_running_loop()
        if route.least is not None:
            return await loop.run_in_executor(self._inside, self._handled, area, route, ask)
        threads = self._abroad if route.waits else self._door
        if self._strangers[threads] >= _THREADS + MOST_WAITING:
            # A line without an end would take all memory, and nobody in it would still be there when their turn comes.
            return self._told(ask, Unavailable("Too many people are at the door.", _BACK_AFTER_SECONDS))
        self._strangers[threads] += 1
        try:
            return await loop.run_in_executor(threads, self._handled, area, route, ask)
        finally:
            self._strangers[threads] -= 1

    def _area(self, path: str) -> _Area:
        root = self._portal.place.root
        return self._portal if path == root or path.startswith(root + "/") else self._console

    def _find(self, area: _Area, path: str, method: str) -> tuple[Route | None, dict[str, str], list[str]]:
        allowed = []
        for route in area.routes:
            match = self._patterns[route.path].match(path)
            if match and route.method == method:
                return route, match.groupdict(), []
            if match:
                allowed.append(route.method)
        return None, {}, allowed

    def _page(self, area: _Area, route: Route, ask: Ask) -> str:
        """The page that they are on: this one, or the one where the form stands that they sent."""
        if route.method == "GET":
            return ask.path + self._query(route, ask)
        pages = {each.path for each in area.routes if each.method == "GET"}
        # By the routes, not by what is asked for: `export` looks like the id of a key.
        pattern, path = route.path, route.page or ask.path
        while pattern not in pages and pattern and not route.page:
            pattern, path = pattern.rpartition("/")[0], path.rpartition("/")[0]
        return path or HOME

    def _query(self, route: Route, ask: Ask) -> str:
        """What of the query may go on into other addresses, and into logs: nothing with a key in it, and of strangers
        only where they were going, since an identity provider sends them with a code."""
        given = {name: ask.query[name] for name in reversed([*ask.query]) if route.least is not None or name == "next"}
        query = query_of(given)
        clean = all(self._keywright.redact(text) == text for each in given.items() for text in each)
        return query if clean and len(query) <= _MOST_CHARACTERS else ""

    def _handled(self, area: _Area, route: Route, ask: Ask) -> Response:
        try:
            if ask.cookie:
                ask = replace(ask, guest=area.guest(ask.cookie))
            if route.least is not None and (refused := self._turned_away(area, route.least, ask)):
                return refused
            if route.proof and not self._keywright.presence.is_shown(ask.visitor):
                raise ProofNeeded
            return route.handler(ask)
        except ProofNeeded:
            return self._asked_for_proof(route, ask)
        except CallerRefused:
            return self._pages.redirect(ask, area.place.door)
        except (ActError, TooManyAttempts, Unavailable) as error:
            return self._told(ask, error)

    def _turned_away(self, area: _Area, least: Role, ask: Ask) -> Response | None:
        """What somebody gets who may not come in; None for whoever may."""
        if ask.guest is None:
            return self._pages.redirect(ask, area.turned_away(ask))
        if ask.is_of_another_account:
            return self._fault(ask, 409, "account", here=ask.guest.account.name)
        return None if ask.guest.may(least) else self._fault(ask, 403, "forbidden")

    def _asked_for_proof(self, route: Route, ask: Ask) -> Response:
        if route.proof and route.method == "POST":
            return self._confirming.asked_with_form(ask)
        # Its form may hold a password, which is not to wait in a page: they come back to the page it stands on.
        return self._pages.redirect(ask, confirm_path(ask.page))

    def _told(self, ask: Ask, error: KeywrightError) -> Response:
        if isinstance(error, ActError):
            return self._fault(ask, _STATUS[error.fault], "act", message=error.message)
        if isinstance(error, Unavailable):
            causes.tell(error, self._keywright.redact)
        status, name = (429, "attempts") if isinstance(error, TooManyAttempts) else (503, "unavailable")
        seconds = getattr(error, "retry_after_seconds", 1)
        response = self._fault(ask, status, name, seconds=seconds)
        response.headers["Retry-After"] = str(seconds)
        return response

    def _fault(self, ask: Ask, status: int, name: str, allowed: Sequence[str] = (), **values: Any) -> Response:
        response = self._pages.answer(ask, "fault.html.j2", status, fault=name, values=values)
        if allowed:
            response.headers["Allow"] = ", ".join(_with_head(allowed))
        return response


def _with_head(methods: Iterable[str]) -> list[str]:
    return sorted({*methods, *(["HEAD"] if "GET" in methods else [])})


def _ask(scope: Scope, parts: dict[str, str], origin: Origin, place: Place) -> Ask:
    jar = cookies(scope)
    theme = jar.get(THEME_COOKIE, "")
    try:
        query = parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        query = []
    return Ask(
        path=scope["path"],
        parts={name: value[:_MOST_CHARACTERS] for name, value in parts.items()},
        query={name: value[:_MOST_QUERY_CHARACTERS] for name, value in reversed(query)},
        form={},
        cookie=jar.get(origin.cookie(place.cookie), ""),
        theme=theme if theme in THEMES else "",
        nonce=secrets.token_urlsafe(16),
        in_place=bool(header(scope, b"hx-request")),
        origin=origin,
        visit=Visit(client_address(scope), header(scope, b"user-agent"), scope[REQUEST_ID_NAME]),
        errand=jar.get(origin.errand_cookie, ""),
        shown_account=header(scope, b"keywright-account"),
        place=place,
    )


async def _form(scope: Scope, receive: Receive) -> dict[str, list[str]] | None:
    """The fields of a form; None for another kind of body."""
    if header(scope, b"content-type").partition(";")[0].strip().lower() not in (_FORM, ""):
        return None
    body = await Request(scope, receive).body()
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        return None
