"""What people's values may be, and the small things that every act of people shares."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from keywright.audit import Actor, ActorKind
from keywright.errors import InvalidValue
from keywright.stores.base import Account
from keywright.stores.people import Member, Membership, Role, Session
from keywright.stores.portal import PortalSession
from keywright.values import Value

MOST_EMAIL_CHARACTERS = 254
_EMAIL = re.compile(r"[^\s@<>\"'\\,;:()\[\]]{1,64}@[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9][a-z0-9-]{0,62}){0,20}")


class Visit(Value, frozen=True, gc=False):
    """Where somebody comes from: the address, what their browser says it is, and the request."""

    address: str = ""
    user_agent: str = ""
    request_id: str = ""


class Visitor(Value, frozen=True, gc=False):
    """Whoever has signed in: who they are, and what they are in the account they act in."""

    member: Member
    session: Session
    account: Account
    membership: Membership
    accounts: tuple[Account, ...]

    def actor(self, visit: Visit) -> Actor:
        """They, as somebody who manages."""
        return Actor(ActorKind.MEMBER, self.member.id, self.account.id, visit.address, visit.request_id)

    def may(self, role: Role) -> bool:
        """Whether they may do what a ``role`` may. For what a page shows; acts ask again, inside their transaction."""
        return self.membership.role.covers(role)


class PortalVisitor(Value, frozen=True, gc=False):
    """Whoever has opened a link to the portal: what they may do, and the one account that they may do it in."""

    session: PortalSession
    account: Account

    def actor(self, visit: Visit) -> Actor:
        """They, as somebody who manages keys."""
        return Actor(
            ActorKind.PORTAL,
            self.session.id,
            self.account.id,
            visit.address,
            visit.request_id,
            person=self.session.person,
            opened_by=self.session.maker_id,
        )

    def may(self, role: Role) -> bool:
        """See `Visitor.may`; nobody is an owner here."""
        return self.session.role.covers(role)


class Entered(Value, frozen=True, gc=False):
    """A session has begun. ``text`` goes into the cookie, and is nowhere else.

    Attributes:
        complete: whether the second factor is not needed any more.
    """

    text: str
    complete: bool

    def __repr__(self) -> str:
        return f"Entered(text=<hidden>, complete={self.complete})"


def new_secret() -> str:
    """256 random bits as text that fits into a URL."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> bytes:
    """What is stored of a text with 256 random bits. Such a text needs no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def email(value: Any) -> str:
    """An address, in lower case.

    Raises:
        InvalidValue: it does not look like one.
    """
    text = value.strip().lower() if isinstance(value, str) else ""
    if len(text) > MOST_EMAIL_CHARACTERS or not text.isprintable() or not _EMAIL.fullmatch(text):
        raise InvalidValue("This does not look like an e-mail address.", "email")
    return text


def role(value: Any) -> Role:
    """A role by its name.

    Raises:
        InvalidValue: there is no such role.
    """
    try:
        return Role(value)
    except ValueError:
        raise InvalidValue(f"role must be one of: {', '.join(Role)}.", "role") from None
