"""Signing in with an identity provider: to it, and back from it."""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.responses import Response

from keywright.build import Keywright
from keywright.people.federation import NotAdmitted, Refusal
from keywright.people.values import Entered, Visitor
from keywright.provider import CALLBACK, Provider
from keywright.server.console.ask import Ask, Route
from keywright.server.console.entry_pages import entry_page, let_in
from keywright.server.console.origin import errand_cookie, own_path
from keywright.server.console.pages import Pages
from keywright.server.console.place import HOME
from keywright.server.oidc.asking import ProviderDown
from keywright.server.oidc.client import Client, NotAnew
from keywright.server.oidc.errand import Errand, begin, browser_secret, come_back
from keywright.server.oidc.id_token import NotGood

START = "/sign-in/oidc"

_log = logging.getLogger("keywright.server")


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes; none where there is no provider."""
    if keywright.provider is None:
        return []
    made = _OidcPages(keywright, keywright.provider, pages)
    return [
        Route("GET", START, made.leave, None, waits=True),
        Route("GET", CALLBACK, made.arrive, None, waits=True),
    ]


class _OidcPages:
    def __init__(self, keywright: Keywright, provider: Provider, pages: Pages) -> None:
        self._entry = keywright.entry
        self._federation = keywright.federation
        self._public_url = keywright.settings.public_url
        self._clock = keywright.clock
        self._provider = provider
        self._pages = pages
        self._client = Client(provider, keywright.clock)

    def leave(self, ask: Ask) -> Response:
        """Off to the provider."""
        following, anew = own_path(ask.query.get("next", ""), ""), "anew" in ask.query
        if ask.origin.url != self._public_url:
            # People come back to public_url; the cookie must be there before them.
            more = f"?next={quote(following, safe='/')}{'&anew=yes' if anew else ''}"
            return self._pages.redirect(ask, f"{self._public_url}{START}{more if following or anew else ''}")
        if ask.guest is not None and not anew:
            return self._pages.redirect(ask, following or HOME)
        secret = browser_secret(ask.errand)
        try:
            address = self._client.address(begin(secret, following, self._clock.now(), anew=anew))
        except ProviderDown as error:
            return self._down(ask, error, following)
        return self._pages.redirect(ask, address, (errand_cookie(ask.origin, secret),))

    def arrive(self, ask: Ask) -> Response:
        """Back from it."""
        errand = come_back(ask.errand, ask.query.get("state", ""), self._clock.now())
        following = own_path(errand.following, "") if errand else ""
        try:
            entered = self._entered(ask, errand)
        except NotAdmitted as refused:
            self._federation.note(refused, ask.visit)
            given = {"not_admitted": refused.refusal, "following": following}
            return entry_page(self._pages, ask, "sign_in", 403, **given)
        except ProviderDown as error:
            return self._down(ask, error, following)
        if isinstance(ask.guest, Visitor):
            # They go on in the new session.
            self._entry.sign_out(ask.guest, ask.visit)
        return let_in(self._pages, ask, entered, following or HOME)

    def _entered(self, ask: Ask, errand: Errand | None) -> Entered:
        if errand is None:
            self._federation.count_stray(ask.visit)
            raise NotAdmitted(Refusal.BEGUN)
        self._federation.count(ask.visit)
        self._federation.use_up(errand.state)
        if not self._client.comes_from_it(ask.query.get("iss")):
            raise NotAdmitted(Refusal.NOT_GOOD, "iss")
        if "error" in ask.query or not ask.query.get("code"):
            raise NotAdmitted(Refusal.DENIED, ask.query.get("error", ""))
        try:
            voucher = self._client.voucher(errand, ask.query["code"])
        except NotAnew as error:
            raise NotAdmitted(Refusal.ANEW, str(error)) from error
        except NotGood as error:
            raise NotAdmitted(Refusal.NOT_GOOD, str(error)) from error
        # Whoever was asked anew goes on in the account that they were in.
        return self._federation.enter(self._provider, voucher, ask.visit, ask.guest.account.id if ask.guest else "")

    def _down(self, ask: Ask, error: ProviderDown, following: str) -> Response:
        _log.warning("The identity provider: %s", error)
        response = entry_page(self._pages, ask, "sign_in", 503, not_admitted="down", following=following)
        response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response
