"""The portal: links under which the people of one account see and manage that account's keys, and nothing else.

A link is stored, as the hash of its text, and not signed: so it works once, and it and the session that it becomes can
be ended at any moment. Every request asks the store anew whether the session is still good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keywright.audit import Action, Actor, AuditEvent
from keywright.clock import Clock
from keywright.errors import CallerRefused, Conflict, Forbidden, InvalidValue, NotFound
from keywright.links import web_url
from keywright.manage import values as key_values
from keywright.manage.manager import new_id
from keywright.manage.rights import ON_THE_MACHINE, authorise, require_portal, settled
from keywright.people.entry import SignInRefused
from keywright.people.values import PortalVisitor, Visit, digest, new_secret
from keywright.record import FULL_ACCESS, OPERATOR_SCOPE, LimitPolicy
from keywright.stores.base import Account, Snapshot, Store, Transaction
from keywright.stores.people import Role
from keywright.stores.portal import PortalSession
from keywright.values import Value, replace

#: How long a link can be opened.
PORTAL_LINK_SECONDS = 5 * 60
#: How long a session lasts from when it was opened.
PORTAL_SESSION_SECONDS = 3600
LEAST_SESSION_SECONDS = 60
MOST_SESSION_SECONDS = 12 * 3600
#: What a link may allow, by its name.
ACCESS = {"manage": Role.ADMIN, "read": Role.VIEWER}
DEFAULT_ACCESS = "manage"
LINK_MEMBERS = ("account_id", "actor", "access", "scopes", "session_seconds", "return_url")


class PortalLink(Value, frozen=True, gc=False):
    """A new link: what it is good for, and its text, which exists nowhere else from now on."""

    session: PortalSession
    text: str

    def __repr__(self) -> str:
        return f"PortalLink(session={self.session!r}, text=<hidden>)"


class Portals:
    """Who makes links to the portal comes here, and whoever opens them. Every change and its audit line are one
    transaction. Every method may raise `Unavailable`, and then nothing was changed."""

    def __init__(self, *, store: Store, policy: LimitPolicy, clock: Clock) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock

    # Links

    def new_link(self, actor: Actor, given: Mapping[str, Any]) -> PortalLink:
        """Make a link. For keys with the scope ``operator``, and whoever is on the machine; to the
        operator's own account for the latter alone.

        Args:
            given: ``account_id``, and any of ``actor`` (whom it is for: up to 255 characters, for the audit log),
                ``access`` (``manage`` or ``read``), ``scopes`` (the most that keys made there may have; full access if
                left out), ``session_seconds`` and ``return_url`` (where the page leads back to).

        Raises:
            InvalidValue: one of them cannot be used; names the member.
            NotFound: there is no such account.
            Conflict: the account is disabled.
            CallerRefused: the actor's key is no longer good.
            Forbidden: it lacks the scope ``operator``, or the account is the operator's own.
        """
        session, text = self._parsed(actor, given)
        with settled(self._store), self._store.transaction() as tx:
            authorise(tx, actor, OPERATOR_SCOPE, self._policy, session.created_at, session.account_id)
            account = tx.account(session.account_id)
            if account is None:
                raise NotFound("There is no such account.")
            if account.operator and actor.kind not in ON_THE_MACHINE:
                # In its portal a key that has this scope and no other would make keys with full access and without end,
                # and delete the operator's own.
                raise Forbidden("A key makes no link to the operator's own account.")
            if account.terms.disabled:
                raise Conflict("This account is disabled.")
            tx.portal.delete_sessions_before(session.created_at)
            tx.portal.insert_session(session)
            told = {"person": session.person, "access": _access(session.role), "scopes": list(session.scopes)}
            self._audit(tx, actor, session, Action.PORTAL_LINK, {**told, "session_seconds": session.seconds})
        return PortalLink(session, text)

    def _parsed(self, actor: Actor, given: Mapping[str, Any]) -> tuple[PortalSession, str]:
        key_values.only(given, LINK_MEMBERS)
        now, text = self._clock.now(), new_secret()
        scopes = key_values.scopes(given.get("scopes", [FULL_ACCESS]))
        if OPERATOR_SCOPE in scopes:
            raise InvalidValue("scopes: nobody gives the scope operator from a portal.", "scopes")
        seconds = given.get("session_seconds", PORTAL_SESSION_SECONDS)
        session = PortalSession(
            digest=digest(text),
            id=new_id("prt"),
            account_id=_account_id(given),
            maker_kind=actor.kind,
            maker_id=actor.id,
            person=key_values.name(given["actor"], "actor") if "actor" in given else "",
            role=ACCESS[key_values.one_of(given.get("access", DEFAULT_ACCESS), "access", ACCESS)],
            scopes=scopes,
            return_url=_return_url(given),
            seconds=key_values.whole(seconds, "session_seconds", LEAST_SESSION_SECONDS, MOST_SESSION_SECONDS),
            opened=False,
            created_at=now,
            expires_at=now + PORTAL_LINK_SECONDS,
        )
        return session, text

    # Sessions

    def open(self, text: str, visit: Visit, before: str = "") -> tuple[PortalVisitor, str]:
        """Open a link: begin a session in the place of the link. Of any number who try at once, one does.

        Args:
            before: the text of the session that the same browser had until now, which ends.

        Returns:
            Whose session it is, and its text, which goes into the cookie and is nowhere else.

        Raises:
            SignInRefused: the link was used, is too old or was taken back, or its account or its maker is not good any
                more.
        """
        asked = digest(text.strip())
        # Most of what is not a link is found out without anybody having to wait for their turn to write.
        self._opened(asked)
        new = new_secret()
        with self._store.transaction() as tx:
            link = self._link(tx, asked)
            session = replace(link, digest=digest(new), opened=True, expires_at=self._clock.now() + link.seconds)
            if not tx.portal.open_session(asked, session.digest, session.expires_at):
                raise SignInRefused
            visitor = self._visitor(tx, session)
            self._audit(tx, visitor.actor(visit), session, Action.PORTAL_OPEN)
            if (old := tx.portal.session(digest(before))) and old.opened:
                tx.portal.delete_session(old.id)
        return visitor, new

    def leads_to(self, text: str) -> Account | None:
        """Whose keys a link is about, without opening it; None where it cannot be opened (any more)."""
        with self._store.snapshot() as reads:
            try:
                return reads.account(self._link(reads, digest(text.strip())).account_id)
            except SignInRefused:
                return None

    def _opened(self, asked: bytes) -> None:
        with self._store.snapshot() as reads:
            self._link(reads, asked)

    def _link(self, reads: Snapshot, asked: bytes) -> PortalSession:
        link = reads.portal.session(asked)
        if link is None or link.opened:
            raise SignInRefused
        try:
            require_portal(reads, link, self._policy, self._clock.now())
        except CallerRefused as error:
            raise SignInRefused from error
        return link

    def _visitor(self, reads: Snapshot, session: PortalSession) -> PortalVisitor:
        return PortalVisitor(session, require_portal(reads, session, self._policy, self._clock.now()))

    def visitor(self, text: str) -> PortalVisitor | None:
        """Whose session it is; None where it is nobody's or has ended. Read anew each time; see
        `rights.require_portal`."""
        with self._store.snapshot() as reads:
            session = reads.portal.session(digest(text))
            if session is None or not session.opened:
                return None
            try:
                return self._visitor(reads, session)
            except CallerRefused:
                return None

    def leave(self, visitor: PortalVisitor, visit: Visit) -> None:
        """End one's own session."""
        with self._store.transaction() as tx:
            if tx.portal.delete_session(visitor.session.id):
                self._audit(tx, visitor.actor(visit), visitor.session, Action.PORTAL_END)

    def end(self, actor: Actor, session_id: str) -> None:
        """Take back a link, or end the session that it became. For the same actors as `new_link`.

        Raises:
            NotFound: it is not there (any more).
            CallerRefused: the actor's key is no longer good.
            Forbidden: it lacks the scope ``operator``.
        """
        with settled(self._store), self._store.transaction() as tx:
            authorise(tx, actor, OPERATOR_SCOPE, self._policy, self._clock.now())
            session = tx.portal.session_by_id(session_id)
            if session is None:
                raise NotFound("There is no such portal session.")
            tx.portal.delete_session(session_id)
            self._audit(tx, actor, session, Action.PORTAL_END, {"person": session.person})

    def _audit(
        self,
        tx: Transaction,
        actor: Actor,
        session: PortalSession,
        action: Action,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        tx.audit(AuditEvent(self._clock.now(), actor, session.account_id, action, session.id, details or {}))


def _access(role: Role) -> str:
    return next(name for name, each in ACCESS.items() if each is role)


def _account_id(given: Mapping[str, Any]) -> str:
    if not isinstance(given.get("account_id"), str):
        raise InvalidValue("account_id must be the id of an account.", "account_id")
    return str(given["account_id"])


def _return_url(given: Mapping[str, Any]) -> str:
    value = given.get("return_url", "")
    try:
        return web_url(value) if value != "" else ""
    except (ValueError, AttributeError) as error:
        raise InvalidValue(
            "return_url must be an address such as https://app.example.com/settings.", "return_url"
        ) from error
