"""Is it you? What whoever has signed in is asked before an act that hands out power, and how they come back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from keywright.build import Keywright
from keywright.people.presence import PRESENCE_SECONDS, ProofRefused
from keywright.people.throttle import TooManyAttempts
from keywright.people.values import Entered
from keywright.server.console.ask import Ask, Route
from keywright.server.console.origin import own_path, session_cookie
from keywright.server.console.pages import Pages
from keywright.server.console.place import HOME

PATH = "/confirm"
#: The fields of the page's own form; what else is in it belongs to the act that waits.
_OWN = frozenset({"next", "again", "password", "code", "proof"})


def confirm_path(page: str) -> str:
    """Where to show who one is, and come back from to a page."""
    return f"{PATH}?next={quote(page, safe='/')}"


def routes(keywright: Keywright, pages: Pages) -> list[Route]:
    """The routes."""
    made = Confirming(keywright, pages)
    return [
        Route("GET", PATH, made.form),
        Route("POST", PATH, made.shown),
        Route("POST", f"{PATH}/options", made.options),
    ]


class Confirming:
    """Asks for a proof.

    A form that was sent is not lost: the page holds what was in it, and sends it again, to where it was meant for.
    """

    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._presence = keywright.presence
        self._passkeys = keywright.passkeys
        self._pages = pages

    def asked_with_form(self, ask: Ask) -> Response:
        """What somebody gets in place of what their form was to do; the form waits in the page."""
        return self._page(ask, 403, ask.path, ask.form)

    def form(self, ask: Ask) -> Response:
        """The page by itself."""
        return self._page(ask, 200, own_path(ask.query.get("next", ""), HOME), None)

    def shown(self, ask: Ask) -> Response:
        """Take the proof, and lead on."""
        following = own_path(ask.field("next"), HOME)
        try:
            entered = self._show(ask)
        except ProofRefused:
            return self._page(ask, 403, following, self._waiting(ask), refused=True)
        except TooManyAttempts as error:
            late = error.retry_after_seconds
            response = self._page(ask, 429, following, self._waiting(ask), late=late)
            response.headers["Retry-After"] = str(late)
            return response
        return self._on(ask, following, entered)

    def options(self, ask: Ask) -> Response:
        """What the page's script is to ask an authenticator."""
        site = self._pages.require_site(ask)
        try:
            return self._pages.data(ask, self._passkeys.ask_to_show(ask.visitor, site))
        except ProofRefused:
            return self._page(ask, 403, HOME, None, refused=True)

    def _show(self, ask: Ask) -> Entered:
        site = self._pages.site(ask)
        if ask.field("proof") and site:
            return self._passkeys.show(ask.visitor, site, ask.field("proof"), ask.visit)
        if ask.field("code"):
            return self._presence.show_code(ask.visitor, ask.field("code"), ask.visit)
        return self._presence.show_password(ask.visitor, ask.field("password"), ask.visit)

    def _waiting(self, ask: Ask) -> Mapping[str, list[str]] | None:
        return ask.form if ask.field("again") else None

    def _on(self, ask: Ask, following: str, entered: Entered) -> Response:
        response = self._pages.redirect(ask, following, (session_cookie(ask.origin, entered.text),))
        if ask.field("again"):
            # 307 has the browser send the whole form again, there.
            response.status_code = 307
        return response

    def _page(
        self, ask: Ask, status: int, following: str, waiting: Mapping[str, list[str]] | None, **more: Any
    ) -> Response:
        """The page, with the form that waits for the proof; None where none does."""
        held = waiting or {}
        shown = {
            "with_passkey": self._has_passkey(ask),
            "proofs": self._presence.proofs(ask.visitor),
            "following": following,
            "again": waiting is not None,
            "fields": [(name, value) for name, values in held.items() if name not in _OWN for value in values],
            "minutes": PRESENCE_SECONDS // 60,
            "refused": False,
            "late": 0,
        }
        return self._pages.answer(ask, "confirm.html.j2", status, **{**shown, **more})

    def _has_passkey(self, ask: Ask) -> bool:
        site = self._pages.site(ask)
        return site is not None and any(each.party == site.party for each in self._passkeys.listed(ask.visitor))
