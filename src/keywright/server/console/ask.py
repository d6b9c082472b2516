"""One request to the console, as its handlers see it; and the table that they stand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode

from starlette.responses import Response

from keywright.audit import Actor
from keywright.errors import NotFound
from keywright.people.values import PortalVisitor, Visit, Visitor
from keywright.server.console.origin import Origin
from keywright.server.console.place import CONSOLE, Place
from keywright.stores.people import Role
from keywright.values import Value

#: What SQLite can count to has more.
_NUMBER_CHARACTERS = 19


def query_of(values: Mapping[str, Any]) -> str:
    """The end of an address with these values; what is empty is left out."""
    given = {name: value for name, value in values.items() if value not in ("", None)}
    return "?" + urlencode(given) if given else ""


Guest: TypeAlias = Visitor | PortalVisitor


class Ask(Value, frozen=True, gc=False):
    """One request.

    Attributes:
        path: without the query.
        parts: what stands in the path where the route has a name in braces.
        query: the first value of each.
        form: all values of each.
        cookie: the text in the session's cookie; empty without one.
        errand: the secret in the cookie of sign-ins that are away at the identity provider; empty without one.
        theme: ``light``, ``dark``, or empty for what the system says.
        nonce: of this answer.
        page: the page that they are on, with its query: what can be gone back to, whatever they sent from it.
        shown_account: the account that the page shows which htmx asks for; empty for whoever else asks.
        in_place: whether htmx asks, and takes only what changes.
        guest: whoever has signed in, or is in a portal session; None for a stranger.
        place: where the page stands.
    """

    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, list[str]]
    cookie: str
    theme: str
    nonce: str
    in_place: bool
    origin: Origin
    visit: Visit
    guest: Guest | None = None
    place: Place = CONSOLE
    errand: str = ""
    shown_account: str = ""
    page: str = ""

    def field(self, name: str) -> str:
        """A field of the form; empty if it is not there."""
        return self.form.get(name, [""])[0]

    def number(self, name: str) -> int | None:
        """A whole number in the query, such as the place where a page begins; None for anything else."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < _NUMBER_CHARACTERS else None

    @property
    def visitor(self) -> Visitor:
        """Whoever has signed in. Only for routes that strangers do not reach; anybody else gets a 404, also who is in a
        portal session."""
        if not isinstance(self.guest, Visitor):
            raise NotFound("Nobody has signed in.")
        return self.guest

    @property
    def insider(self) -> Guest:
        """Whoever is in here, wherever here is; a stranger gets a 404."""
        if self.guest is None:
            raise NotFound("Nobody is in here.")
        return self.guest

    @property
    def actor(self) -> Actor:
        """They, as somebody who manages."""
        return self.insider.actor(self.visit)

    @property
    def account_id(self) -> str:
        """The account that they act in."""
        return self.insider.account.id

    @property
    def is_of_another_account(self) -> bool:
        """Whether the page or the form was made in another account than they are in: all tabs share one session, and
        they have gone elsewhere in one of them."""
        return any(each not in ("", self.account_id) for each in (self.shown_account, self.field("account_id")))


Handler: TypeAlias = Callable[[Ask], Response]


class Route(Value, frozen=True, gc=False):
    """One way in.

    Attributes:
        least: what somebody must be to come in; None for everybody. Acts ask again, inside their transaction.
        proof: whether they must have shown lately who they are, because it hands out power. The form of such an act
            may wait in a page, and holds no password.
        waits: whether another server is asked, for which nobody else should have to wait.
        page: where the form of this route stands, if its path does not tell.
    """

    method: str
    path: str
    handler: Handler
    least: Role | None = Role.VIEWER
    proof: bool = False
    waits: bool = False
    page: str = ""
