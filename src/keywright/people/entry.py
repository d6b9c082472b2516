"""The way in: setting up, signing in, links that sign in once, and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from keywright.audit import Action, Actor, ActorKind
from keywright.errors import CallerRefused, Conflict, Forbidden, KeywrightError, NotFound, Unavailable
from keywright.manage import values as key_values
from keywright.people import throttle, totp, values
from keywright.people.office import Office, owners, stranger
from keywright.people.passwords import require_good
from keywright.people.throttle import Proof
from keywright.people.values import Entered, Visit, Visitor
from keywright.stores.base import Snapshot, Transaction
from keywright.stores.people import Member, Role, Session, TokenKind

SETUP_SECONDS = 30 * 60
LINK_SECONDS = 10 * 60
IDLE_SECONDS = 12 * 3600
ABSOLUTE_SECONDS = 7 * 86_400
#: How long the second factor may take.
SECOND_FACTOR_SECONDS = 5 * 60
#: A session's last use is written at most so often.
TOUCH_SECONDS = 60


class SignInRefused(KeywrightError):
    """The address, the password, the code or the link is not right; which of them, nobody is told."""


class Entry(Office):
    """Who has not signed in comes here.

    Every method may raise `Unavailable`, and then nothing was changed.
    """

    # The first owner

    def is_claimed(self) -> bool:
        """Whether the installation has an owner."""
        with self._store.snapshot() as reads:
            return bool(owners(reads, self._operator(reads).id))

    def new_setup_token(self, actor: Actor) -> str:
        """A token with which one person can become the first owner; the one before it stops working.

        Raises:
            Conflict: there is an owner.
            Forbidden: the actor is not on the machine.
        """
        require_machine(actor)
        with self._store.transaction() as tx:
            account_id = self._operator(tx).id
            if owners(tx, account_id):
                raise Conflict("There is an owner already. `keywright admin login-link` lets them in again.")
            tx.people.delete_tokens(TokenKind.SETUP, account_id)
            text, token = self._issue(tx, TokenKind.SETUP, actor, account_id, SETUP_SECONDS)
            self._audit(tx, actor, account_id, Action.SETUP_LINK, token.id)
        return text

    def claim(self, token: str, name: str, email: str, password: str, visit: Visit) -> Entered:
        """Become the first owner. Of any number who try at once, one does.

        Raises:
            InvalidValue: one of the values; the token still works.
            SignInRefused: the token is not the newest one, was used, or is too old; or there is an owner.
        """
        if self._valid(token, TokenKind.SETUP) is None:
            raise SignInRefused
        checked = values.email(email), key_values.name(name)
        hashed = self._passwords.hash(require_good(password, *checked))
        # Of many at once most are too late by now, and need not wait for their turn to write.
        if self._valid(token, TokenKind.SETUP) is None:
            raise SignInRefused
        with self._store.transaction() as tx:
            account_id = self._operator(tx).id
            taken = self._take(tx, token, TokenKind.SETUP)
            if taken is None or owners(tx, account_id):
                raise SignInRefused
            member = self._admit(tx, account_id, Role.OWNER, *checked, hashed)
            self._audit(tx, _as(member, account_id, visit), account_id, Action.SETUP_CLAIM, member.id)
            return self._begin_session(tx, member, account_id, visit, complete=True)

    # Signing in

    def sign_in(self, email: str, password: str, visit: Visit) -> Entered:
        """Begin a session. Takes as long, and says the same, whether or not there is such a person.

        Raises:
            SignInRefused: no such person, or not their password, or they are in no account.
            TooManyAttempts: from this network, or at this person's sign-in.
        """
        email = email.strip().lower()[: values.MOST_EMAIL_CHARACTERS]
        throttle.count_sign_in(self._store, email, visit.address, self._clock.now())
        with self._store.snapshot() as reads:
            member = reads.people.member_by_email(email)
        right = self._passwords.matches(password, member.password if member else None)
        with self._store.transaction() as tx:
            # Read again: the password may have been changed while the slow hash was made.
            current = tx.people.member(member.id) if member else None
            theirs = tx.people.memberships(current.id) if current else []
            if right and member and current and theirs and current.password == member.password:
                throttle.forget(tx, email, visit.address)
                return self._enter(tx, current, theirs[0].account_id, visit, complete=current.totp_secret is None)
            # Whoever is wrong leaves the same line and costs the same commit, whether or not there is such a person.
            self._audit(tx, stranger(visit), self._operator(tx).id, Action.SIGN_IN_REFUSED, member.id if member else "")
        raise SignInRefused

    def _enter(
        self,
        tx: Transaction,
        member: Member,
        account_id: str,
        visit: Visit,
        *,
        complete: bool,
        proved_at: float | None = None,
        details: Mapping[str, str] | None = None,
    ) -> Entered:
        now = self._clock.now()
        tx.people.delete_sessions_before(now - IDLE_SECONDS, now - ABSOLUTE_SECONDS)
        entered = self._begin_session(tx, member, account_id, visit, complete=complete, proved_at=proved_at)
        if complete:
            self._audit(tx, _as(member, account_id, visit), account_id, Action.SIGN_IN, member.id, details)
        return entered

    def show_code(self, text: str, code: str, visit: Visit) -> Entered:
        """Show the second factor, or a recovery code, and go on in a new session; a code works once.

        Raises:
            SignInRefused: not the code, or it was used, or the session is none that waits for one.
            TooManyAttempts: at this person's codes from this network, or at their codes of six figures.
        """
        waiting = self._waiting(text)
        if waiting is None:
            raise SignInRefused
        proof = proof_of(code)
        throttle.count_proof(self._store, proof, waiting.member_id, visit.address, self._clock.now())
        with self._store.transaction() as tx:
            member = tx.people.member(waiting.member_id)
            if member and tx.people.session(waiting.digest) and self._takes_code(tx, member, code):
                tx.people.delete_session(member.id, waiting.id)
                throttle.forget_proof(tx, proof, member.id, visit.address)
                return self._enter(tx, member, waiting.account_id, visit, complete=True)
            self._audit(
                tx, stranger(visit), waiting.account_id, Action.SIGN_IN_REFUSED, waiting.member_id, {"code": True}
            )
        raise SignInRefused

    def _waiting(self, text: str) -> Session | None:
        with self._store.snapshot() as reads:
            session = reads.people.session(values.digest(text))
        if session is None or session.complete or self._clock.now() - session.created_at > SECOND_FACTOR_SECONDS:
            return None
        return session

    def waits_for_code(self, text: str) -> bool:
        """Whether the password was right, and the code is still to come."""
        return self._waiting(text) is not None

    def _takes_code(self, tx: Transaction, member: Member, code: str) -> bool:
        return takes_code(self._sealer, tx, member, code, self._clock.now())

    # Links that sign in once

    def new_link(self, actor: Actor, email: str) -> str:
        """A token that signs somebody in, once, without password and second factor. For whoever is on the machine.

        Raises:
            Forbidden: the actor is not on the machine.
            NotFound: there is no such member.
        """
        require_machine(actor)
        with self._store.transaction() as tx:
            member = tx.people.member_by_email(values.email(email))
            theirs = tx.people.memberships(member.id) if member else []
            if member is None or not theirs:
                raise NotFound("There is no member with this address. `keywright admin list` shows them.")
            account_id = theirs[0].account_id
            text, token = self._issue(tx, TokenKind.SIGN_IN, actor, account_id, LINK_SECONDS, email=member.email)
            self._audit(tx, actor, account_id, Action.SIGN_IN_LINK, member.id, {"token": token.id})
        return text

    def use_link(self, token: str, visit: Visit) -> Entered:
        """Sign in with a link.

        Raises:
            SignInRefused: it was used, or is too old, or its member is gone.
        """
        with self._store.transaction() as tx:
            taken = self._take(tx, token, TokenKind.SIGN_IN)
            member = tx.people.member_by_email(taken.email) if taken else None
            theirs = tx.people.memberships(member.id) if member else []
            if member and theirs:
                return self._enter(tx, member, theirs[0].account_id, visit, complete=True)
        raise SignInRefused

    # Sessions

    def visitor(self, text: str) -> Visitor | None:
        """Whose session it is; None where it is nobody's, has ended, or waits for the second factor. Read anew each
        time: whoever was taken out of the account is out with their next request."""
        now = self._clock.now()
        with self._store.snapshot() as reads:
            session = reads.people.session(values.digest(text))
            if session is None or not session.complete or _has_ended(session, now):
                return None
            found = _visitor(reads, session)
        if found and now - session.used_at >= TOUCH_SECONDS:
            # A page that can be read must not fail because its being read cannot be noted.
            with suppress(Unavailable), self._store.transaction() as tx:
                tx.people.update_session(session.digest, used_at=now)
        return found

    def sign_out(self, visitor: Visitor, visit: Visit) -> None:
        """End the session."""
        with self._store.transaction() as tx:
            if tx.people.delete_session(visitor.member.id, visitor.session.id):
                self._audit(tx, visitor.actor(visit), visitor.account.id, Action.SIGN_OUT, visitor.member.id)

    def sessions(self, visitor: Visitor) -> list[Session]:
        """The member's sessions that have not ended, the latest used first."""
        now = self._clock.now()
        with self._store.snapshot() as reads:
            theirs = reads.people.sessions(visitor.member.id)
        return [each for each in theirs if each.complete and not _has_ended(each, now)]

    def end_session(self, visitor: Visitor, session_id: str, visit: Visit) -> None:
        """End one of one's own sessions.

        Raises:
            NotFound: it is not there (any more), or somebody else's.
        """
        with self._store.transaction() as tx:
            if not tx.people.delete_session(visitor.member.id, session_id):
                raise NotFound("There is no such session.")
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.SESSION_END, session_id)

    def end_other_sessions(self, visitor: Visitor, visit: Visit) -> int:
        """End all of one's own sessions but this one; how many there were."""
        with self._store.transaction() as tx:
            ended = tx.people.delete_sessions(visitor.member.id, visitor.session.digest)
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.SESSION_END, "others", {"count": ended})
        return ended

    def switch_account(self, visitor: Visitor, account_id: str) -> None:
        """Act in another of one's accounts from now on.

        Raises:
            NotFound: it is none of theirs.
        """
        with self._store.transaction() as tx:
            if tx.people.membership(account_id, visitor.member.id) is None:
                raise NotFound("There is no such account.")
            tx.people.update_session(visitor.session.digest, account_id=account_id)


def takes_code(sealer: totp.Sealer, tx: Transaction, member: Member, code: str, now: float) -> bool:
    """Whether the code is right; if it is, it is used up."""
    if not totp.is_figures(code):
        return any(tx.people.take_recovery_code(member.id, digest) for digest in sealer.digests(code))
    secret = sealer.unseal(member.totp_secret, member.id) if member.totp_secret else None
    step = totp.matching_step(secret, code, now) if secret else None
    return step is not None and tx.people.take_totp_step(member.id, step)


def proof_of(code: str) -> Proof:
    """As what a code is counted. What is not of six figures is never compared with the telephone's."""
    return Proof.FIGURES if totp.is_figures(code) else Proof.RECOVERY_CODE


def _has_ended(session: Session, now: float) -> bool:
    return now - session.used_at > IDLE_SECONDS or now - session.created_at > ABSOLUTE_SECONDS


def _visitor(reads: Snapshot, session: Session) -> Visitor | None:
    member = reads.people.member(session.member_id)
    theirs = {each.account_id: each for each in reads.people.memberships(session.member_id)}
    if member is None or session.account_id not in theirs:
        return None
    found = [account for each in theirs if (account := reads.account(each))]
    account = next((each for each in found if each.id == session.account_id), None)
    return Visitor(member, session, account, theirs[session.account_id], tuple(found)) if account else None


def _as(member: Member, account_id: str, visit: Visit) -> Actor:
    return Actor(ActorKind.MEMBER, member.id, account_id, visit.address[:64], visit.request_id)


def require_machine(actor: Actor) -> None:
    """Nothing, for whoever is on the machine itself.

    Raises:
        Forbidden: the actor is not.
    """
    if actor.kind not in (ActorKind.COMMAND_LINE, ActorKind.LIBRARY, ActorKind.SYSTEM):
        raise Forbidden("Only somebody on the machine itself may do this.")


def require_member(reads: Snapshot, visitor: Visitor) -> Member:
    """The member as they are now.

    Raises:
        CallerRefused: they are gone.
    """
    member = reads.people.member(visitor.member.id)
    if member is None or reads.people.session(visitor.session.digest) is None:
        raise CallerRefused("You have been signed out.")
    return member
