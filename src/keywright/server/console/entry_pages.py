"""The pages of whoever has not signed in: setting up, signing in, and links that work once.

The token of a link stands behind the ``#`` of its address, which no server and no proxy ever sees: the page's script
moves it into the form, and people without script paste it there.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from keywright.build import Keywright
from keywright.errors import ActError, ActFault, NotFound
from keywright.people.entry import SignInRefused
from keywright.people.throttle import TooManyAttempts
from keywright.people.values import Entered
from keywright.server.console.ask import Ask, Route
from keywright.server.console.origin import THEMES, no_session_cookie, own_path, session_cookie, theme_cookie
from keywright.server.console.pages import Pages
from keywright.server.console.place import HOME

SIGN_IN = "/sign-in"
CODE = "/sign-in/code"
PASSKEY = "/sign-in/passkey"
LINK = "/sign-in/link"
SETUP = "/setup"
JOIN = "/join"


def sign_in_path(ask: Ask) -> str:
    """Where to sign in, and come back from."""
    wanted = own_path(ask.page, HOME)
    return SIGN_IN if wanted in (HOME, "/") else f"{SIGN_IN}?next={quote(wanted, safe='/')}"


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes."""
    made = _EntryPages(keywright, pages)
    return [
        Route("GET", "/", made.home),
        Route("GET", SETUP, made.setup, None),
        Route("POST", SETUP, made.claim, None),
        Route("GET", SIGN_IN, made.sign_in, None),
        Route("POST", SIGN_IN, made.enter, None),
        Route("POST", PASSKEY, made.enter_with_passkey, None),
        Route("POST", f"{PASSKEY}/options", made.passkey_options, None),
        Route("GET", CODE, made.code, None),
        Route("POST", CODE, made.show_code, None),
        Route("GET", LINK, made.link, None),
        Route("POST", LINK, made.use_link, None),
        Route("GET", JOIN, made.join, None),
        Route("POST", JOIN, made.joined, None),
        Route("POST", "/sign-out", made.sign_out),
        Route("POST", "/theme", made.theme, None),
    ]


class _EntryPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._entry = keywright.entry
        self._directory = keywright.directory
        self._passkeys = keywright.passkeys
        self._pages = pages

    def home(self, ask: Ask) -> Response:
        return self._pages.redirect(ask, HOME)

    # The first owner

    def setup(self, ask: Ask) -> Response:
        self._require_unclaimed()
        return self._form(ask, "setup")

    def claim(self, ask: Ask) -> Response:
        self._require_unclaimed()
        try:
            entered = self._entry.claim(
                ask.field("token"), ask.field("name"), ask.field("email"), ask.field("password"), ask.visit
            )
        except SignInRefused:
            return self._form(ask, "setup", 403, refused=True)
        except ActError as error:
            return self._form(ask, "setup", 422, error=error)
        return self._in(ask, entered, HOME)

    def _require_unclaimed(self) -> None:
        if self._entry.is_claimed():
            raise NotFound(self._pages.words("fault.not_found.text"))

    # Signing in

    def sign_in(self, ask: Ask) -> Response:
        if ask.guest is not None:
            return self._pages.redirect(ask, own_path(ask.query.get("next", ""), HOME))
        return self._form(ask, "sign_in")

    def enter(self, ask: Ask) -> Response:
        following = own_path(ask.field("next"), HOME)
        try:
            entered = self._entry.sign_in(ask.field("email"), ask.field("password"), ask.visit)
        except SignInRefused:
            return self._form(ask, "sign_in", 403, refused=True)
        except TooManyAttempts as error:
            return self._late(ask, "sign_in", error)
        return self._in(ask, entered, following)

    def passkey_options(self, ask: Ask) -> Response:
        return self._pages.data(ask, self._passkeys.ask_to_enter(self._pages.require_site(ask), ask.visit))

    def enter_with_passkey(self, ask: Ask) -> Response:
        following = own_path(ask.field("next"), HOME)
        try:
            entered = self._passkeys.enter(self._pages.require_site(ask), ask.field("passkey"), ask.visit)
        except SignInRefused:
            return self._form(ask, "sign_in", 403, refused_passkey=True)
        except TooManyAttempts as error:
            return self._late(ask, "sign_in", error)
        return self._in(ask, entered, following)

    def code(self, ask: Ask) -> Response:
        if not self._entry.waits_for_code(ask.cookie):
            return self._pages.redirect(ask, SIGN_IN)
        return self._form(ask, "code")

    def show_code(self, ask: Ask) -> Response:
        following = own_path(ask.field("next"), HOME)
        if not self._entry.waits_for_code(ask.cookie):
            return self._pages.redirect(ask, SIGN_IN)
        try:
            entered = self._entry.show_code(ask.cookie, ask.field("code"), ask.visit)
        except SignInRefused:
            return self._form(ask, "code", 403, refused=True)
        except TooManyAttempts as error:
            return self._late(ask, "code", error)
        return self._in(ask, entered, following)

    # Links that work once

    def link(self, ask: Ask) -> Response:
        return self._form(ask, "link")

    def use_link(self, ask: Ask) -> Response:
        try:
            entered = self._entry.use_link(ask.field("token"), ask.visit)
        except SignInRefused:
            return self._form(ask, "link", 403, refused=True)
        return self._in(ask, entered, HOME)

    def join(self, ask: Ask) -> Response:
        return self._form(ask, "join")

    def joined(self, ask: Ask) -> Response:
        try:
            if ask.guest is not None:
                self._directory.join_as(ask.visitor, ask.field("token"), ask.visit)
                return self._pages.redirect(ask, HOME)
            entered = self._directory.join(ask.field("token"), ask.field("name"), ask.field("password"), ask.visit)
        except SignInRefused:
            return self._form(ask, "join", 403, refused=True)
        except ActError as error:
            status = 409 if error.fault is ActFault.CONFLICT else 422
            return self._form(ask, "join", status, error=error)
        return self._in(ask, entered, HOME)

    # The way out, and light and dark

    def sign_out(self, ask: Ask) -> Response:
        self._entry.sign_out(ask.visitor, ask.visit)
        response = self._pages.redirect(ask, SIGN_IN, (no_session_cookie(ask.origin),))
        response.headers["Clear-Site-Data"] = '"storage"'
        return response

    def theme(self, ask: Ask) -> Response:
        wanted = ask.field("theme")
        cookie = theme_cookie(ask.origin, wanted if wanted in THEMES else "")
        return self._pages.redirect(ask, own_path(ask.field("next"), HOME), (cookie,))

    def _in(self, ask: Ask, entered: Entered, following: str) -> Response:
        return let_in(self._pages, ask, entered, following)

    def _late(self, ask: Ask, page: str, error: TooManyAttempts) -> Response:
        response = self._form(ask, page, 429, late=error.retry_after_seconds)
        response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    def _form(self, ask: Ask, page: str, status: int = 200, **values: Any) -> Response:
        following = own_path(ask.field("next") or ask.query.get("next", ""), "")
        given = {name: ask.field(name) for name in ("name", "email", "token")}
        return entry_page(self._pages, ask, page, status, **{"following": following, "given": given, **values})


def entry_page(pages: Pages, ask: Ask, page: str, status: int, **values: Any) -> Response:
    """One of the pages of whoever has not signed in, with what is to be said on it."""
    given = {"name": "", "email": "", "token": ""}
    passkeys = pages.site(ask) is not None
    nothing = {
        "passkeys": passkeys,
        "refused": False,
        "late": 0,
        "not_admitted": "",
        "refused_passkey": False,
        "following": "",
        "given": given,
    }
    return pages.answer(ask, "entry.html.j2", status, page=page, **{**nothing, **values})


def let_in(pages: Pages, ask: Ask, entered: Entered, following: str) -> Response:
    """On to a page with the new session; by way of the second factor, where it is still to come."""
    if not entered.complete:
        following = CODE if following == HOME else f"{CODE}?next={quote(following, safe='/')}"
    return pages.redirect(ask, following, (session_cookie(ask.origin, entered.text),))
