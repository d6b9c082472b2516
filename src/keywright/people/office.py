"""What every act of people stands on: the store, the clock, the audit log, and the seal of the second factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keywright.audit import SYSTEM, Action, Actor, ActorKind, AuditEvent
from keywright.clock import Clock
from keywright.errors import Conflict, Forbidden, NotFound
from keywright.manage.manager import new_id
from keywright.manage.rights import authorise
from keywright.people import values
from keywright.people.passwords import Passwords
from keywright.people.throttle import Proof, forget_proof
from keywright.people.totp import Sealer
from keywright.people.values import Entered, Visit, Visitor
from keywright.record import LimitPolicy
from keywright.stores.base import Account, Snapshot, Store, Transaction
from keywright.stores.people import Member, Membership, Role, Session, Token, TokenKind

#: Who may manage people, as far as the kind goes. A kind that is not named here may not.
_PERSONS = frozenset({ActorKind.MEMBER, ActorKind.COMMAND_LINE, ActorKind.LIBRARY, ActorKind.SYSTEM})


class Office:
    """The base of `Entry`, `Directory` and `Presence`. Every change and its audit line are one transaction."""

    def __init__(
        self, *, store: Store, passwords: Passwords, sealer: Sealer, policy: LimitPolicy, clock: Clock
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._sealer = sealer
        self._policy = policy
        self._clock = clock

    def _authorise(self, reads: Snapshot, actor: Actor, scope: str, account_id: str) -> None:
        """See `manage.rights.authorise`. Keys manage no people, whatever their scopes: a stolen key must not make
        itself a person."""
        if actor.kind not in _PERSONS:
            raise Forbidden("Keys cannot manage people.")
        authorise(reads, actor, scope, self._policy, self._clock.now(), account_id)

    def _operator(self, reads: Snapshot) -> Account:
        found = next((each for each in reads.accounts() if each.operator), None)
        if found is None:
            raise NotFound("There is no operator's account yet.")
        return found

    def _begin_session(
        self,
        tx: Transaction,
        member: Member,
        account_id: str,
        visit: Visit,
        *,
        complete: bool,
        proved_at: float | None = None,
    ) -> Entered:
        """``proved_at``: when they showed who they are; now, if not said. Never later than now."""
        now = self._clock.now()
        text = values.new_secret()
        session = Session(
            digest=values.digest(text),
            id=new_id("ses"),
            member_id=member.id,
            account_id=account_id,
            complete=complete,
            created_at=now,
            used_at=now,
            proved_at=now if proved_at is None else min(now, proved_at),
            address=visit.address[:64],
            user_agent=visit.user_agent[:255],
        )
        tx.people.insert_session(session)
        return Entered(text, complete)

    def _proved(self, tx: Transaction, visitor: Visitor, proof: Proof, visit: Visit) -> Entered:
        """They have shown who they are, and go on in the same session under another text: whoever has stolen the one
        before does not profit from what its owner shows."""
        forget_proof(tx, proof, visitor.member.id, visit.address)
        text = values.new_secret()
        tx.people.update_session(visitor.session.digest, digest=values.digest(text), proved_at=self._clock.now())
        details = {"by": str(proof)}
        self._audit(tx, visitor.actor(visit), visitor.account.id, Action.PRESENCE, visitor.member.id, details)
        return Entered(text, complete=True)

    def _not_proved(self, tx: Transaction, visitor: Visitor, proof: Proof, visit: Visit) -> None:
        details = {"by": str(proof)}
        self._audit(tx, visitor.actor(visit), visitor.account.id, Action.PRESENCE_REFUSED, visitor.member.id, details)

    def _issue(
        self, tx: Transaction, kind: TokenKind, actor: Actor, account_id: str, seconds: float, **given: str
    ) -> tuple[str, Token]:
        now = self._clock.now()
        text = values.new_secret()
        token = Token(
            digest=values.digest(text),
            id=new_id("tok"),
            kind=kind,
            account_id=account_id,
            created_by=actor.id[:64],
            created_at=now,
            expires_at=now + seconds,
            **{"email": "", "role": "", **given},
        )
        tx.people.insert_token(token)
        return text, token

    def _take(self, tx: Transaction, text: str, kind: TokenKind) -> Token | None:
        token = tx.people.take_token(values.digest(text.strip()), kind)
        return token if token and token.expires_at > self._clock.now() else None

    def _valid(self, text: str, kind: TokenKind) -> Token | None:
        """A look at a token before the slow part of an act. What counts is `_take`, inside the transaction."""
        with self._store.snapshot() as reads:
            token = reads.people.token(values.digest(text.strip()), kind)
        return token if token and token.expires_at > self._clock.now() else None

    def _new_member(self, email: str, name: str, password: str | None) -> Member:
        return Member(new_id("mem"), email, name, password, None, 0, self._clock.now())

    def _admit(self, tx: Transaction, account_id: str, role: Role, email: str, name: str, hashed: str) -> Member:
        if tx.people.member_by_email(email):
            raise Conflict("Somebody has this e-mail address already.", "email")
        if tx.account(account_id) is None:
            raise NotFound("There is no such account.")
        member = self._new_member(email, name, hashed)
        tx.people.insert_member(member)
        tx.people.set_role(Membership(account_id, member.id, role, self._clock.now()))
        return member

    def _audit(
        self,
        tx: Transaction,
        actor: Actor,
        account_id: str,
        action: Action,
        target: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        tx.audit(AuditEvent(self._clock.now(), actor, account_id, action, target, details or {}))


def stranger(visit: Visit) -> Actor:
    """Somebody who is nobody yet, for the audit log."""
    return Actor(SYSTEM.kind, "", "", visit.address[:64], visit.request_id)


def owners(reads: Snapshot, account_id: str) -> list[str]:
    """The ids of the account's owners."""
    return [member.id for member, theirs in reads.people.members(account_id) if theirs.role is Role.OWNER]
