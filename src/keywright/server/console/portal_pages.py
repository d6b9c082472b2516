"""The portal: opening a link, the pages about keys, and leaving.

As with every link that works once, the token stands behind the ``#`` of its address, which no server and no proxy ever
sees; the page's script sends it on at once, and people without script paste it. Whoever is at the keys of another
account already is asked first: a link that somebody else has sent them must not have them put their keys, unseen, into
an account that is not theirs.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from keywright.build import Keywright
from keywright.people.entry import SignInRefused
from keywright.people.values import PortalVisitor
from keywright.server.console.ask import Ask, Route
from keywright.server.console.edit_pages import routes as edit_routes
from keywright.server.console.insight_pages import key_routes as insight_routes
from keywright.server.console.key_pages import routes as key_routes
from keywright.server.console.origin import no_session_cookie, session_cookie
from keywright.server.console.pages import Pages
from keywright.server.console.place import Place
from keywright.stores.base import Account


def routes(keywright: Keywright, pages: Pages, place: Place) -> list[Route]:
    """The routes."""
    made = _PortalPages(keywright, pages)
    return [
        Route("GET", place.root, made.home),
        Route("GET", place.door, made.door, None),
        Route("POST", place.door, made.open, None),
        # Who has left may still switch between light and dark there.
        Route("GET", f"{place.root}/leave", made.door, None),
        Route("POST", f"{place.root}/leave", made.leave),
        *key_routes(keywright, pages, place),
        *edit_routes(keywright, pages, place),
        *insight_routes(keywright, pages, place),
    ]


class _PortalPages:
    def __init__(self, keywright: Keywright, pages: Pages) -> None:
        self._portals = keywright.portals
        self._pages = pages

    def home(self, ask: Ask) -> Response:
        return self._pages.redirect(ask, ask.place.keys)

    def door(self, ask: Ask) -> Response:
        return self._door(ask)

    def _door(self, ask: Ask, status: int = 200, **values: Any) -> Response:
        shown = {"refused": False, "left": False, "other": None, **values}
        return self._pages.answer(ask, "portal_door.html.j2", status, **shown)

    def open(self, ask: Ask) -> Response:
        if other := self._other_account(ask):
            return self._door(ask, other=other, token=ask.field("token"))
        try:
            visitor, text = self._portals.open(ask.field("token"), ask.visit, ask.cookie)
        except SignInRefused:
            return self._door(ask, 403, refused=True)
        cookie = session_cookie(ask.origin, text, ask.place, visitor.session.seconds)
        return self._pages.redirect(ask, ask.place.keys, (cookie,))

    def _other_account(self, ask: Ask) -> Account | None:
        """The account that a link leads to, if they are in another one and have not said that they want to go there."""
        if ask.guest is None:
            return None
        other = self._portals.leads_to(ask.field("token"))
        return other if other and other.id not in (ask.account_id, ask.field("as")) else None

    def leave(self, ask: Ask) -> Response:
        if isinstance(ask.guest, PortalVisitor):
            self._portals.leave(ask.guest, ask.visit)
        # A page, and no redirect: the browser's policy lets a form lead to no other site.
        response = self._door(ask, left=True)
        response.headers.append("Set-Cookie", no_session_cookie(ask.origin, ask.place))
        response.headers["Clear-Site-Data"] = '"storage"'
        return response
