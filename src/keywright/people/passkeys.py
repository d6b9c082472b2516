"""Passkeys: a key pair in somebody's authenticator, which signs for nobody but them, and for no other site than ours.

Whoever signs in with one has shown two factors at once, what they have and who they are or what they know: so nothing
more is asked. Challenges are stored as one-time tokens are, by their digest, for one purpose each, and are used up by
the first answer.
"""

from __future__ import annotations

from keywright.audit import SYSTEM, Action, Actor
from keywright.errors import Conflict, NotFound
from keywright.manage import values as key_values
from keywright.manage.manager import new_id
from keywright.people import ceremony, throttle, values
from keywright.people.ceremony import CHALLENGE_SECONDS, AnswerRefused, Site
from keywright.people.entry import Entry, SignInRefused, require_machine, require_member
from keywright.people.office import stranger
from keywright.people.presence import ProofNeeded, ProofRefused, is_fresh
from keywright.people.throttle import Proof
from keywright.people.values import Entered, Visit, Visitor
from keywright.stores.base import Transaction
from keywright.stores.people import Member, Passkey, TokenKind

MOST_PASSKEYS = 20
_NO_SUCH_PASSKEY = "There is no such passkey."
#: In the place of an account, for challenges of people who have not said who they are.
_NOBODYS = ""


class Passkeys(Entry):
    """Whoever adds a passkey, or uses one, comes here.

    Every method may raise `Unavailable`, and then nothing was changed; those with a ``visitor`` may raise
    `CallerRefused`, when they have been signed out meanwhile.
    """

    def listed(self, visitor: Visitor) -> list[Passkey]:
        """One's own passkeys, the oldest first."""
        with self._store.snapshot() as reads:
            return reads.people.passkeys(visitor.member.id)

    # Adding and removing

    def ask_to_add(self, visitor: Visitor, site: Site) -> str:
        """What to ask an authenticator for a new passkey, as JSON.

        Raises:
            ProofNeeded: they have not shown lately who they are.
            Conflict: they have as many as one may have.
        """
        with self._store.transaction() as tx:
            member, theirs = self._may_add(tx, visitor)
            challenge = self._challenge(tx, TokenKind.PASSKEY_ADD, visitor.account.id, visitor.session.id)
        return ceremony.ask_to_make(site, challenge, member, [each.credential_id for each in theirs])

    def _may_add(self, tx: Transaction, visitor: Visitor) -> tuple[Member, list[Passkey]]:
        member = require_member(tx, visitor)
        if not is_fresh(visitor, self._clock.now()):
            raise ProofNeeded
        theirs = tx.people.passkeys(member.id)
        if len(theirs) >= MOST_PASSKEYS:
            raise Conflict(f"One may have {MOST_PASSKEYS} passkeys. Remove one first.")
        return member, theirs

    def add(self, visitor: Visitor, site: Site, answer: str, name: str, visit: Visit) -> Passkey:
        """Take the public half of a new passkey.

        Raises:
            AnswerRefused: the authenticator's answer is none to a challenge of this session, here.
            Conflict: the passkey is there already, or they have as many as one may have.
            InvalidValue: the name.
            ProofNeeded: they have not shown lately who they are.
        """
        called = key_values.name(name)
        challenge = ceremony.challenge_of(answer)
        self._use_up(challenge, TokenKind.PASSKEY_ADD, visitor.session.id)
        made = ceremony.check_made(answer, challenge, site)
        now = self._clock.now()
        with self._store.transaction() as tx:
            member, _ = self._may_add(tx, visitor)
            if tx.people.passkey(made.credential_id):
                raise Conflict("This passkey is there already.")
            passkey = Passkey(
                new_id("psk"), member.id, made.credential_id, made.public_key, site.party, called, made.sign_count,
                now, None,
            )  # fmt: skip
            tx.people.insert_passkey(passkey)
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.PASSKEY_ADD, member.id, _told(passkey))
        return passkey

    def remove(self, visitor: Visitor, passkey_id: str, visit: Visit) -> None:
        """Let a passkey of one's own open nothing any more. All other sessions end: one of them may be a thief's.

        Raises:
            NotFound: there is no such passkey, or it is somebody else's.
            Conflict: it is the last one, and without a password and an identity nothing would let them in any more.
            ProofNeeded: they have not shown lately who they are.
        """
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            if not is_fresh(visitor, self._clock.now()):
                raise ProofNeeded
            if [each.id for each in tx.people.passkeys(member.id)] == [passkey_id] and not _other_ways(tx, member):
                raise Conflict("Without it you could not sign in any more. Set a password first.")
            self._remove(tx, visitor.actor(visit), visitor.account.id, member, passkey_id)
            tx.people.delete_sessions(member.id, visitor.session.digest)

    def _remove(self, tx: Transaction, actor: Actor, account_id: str, member: Member, passkey_id: str) -> None:
        found = next((each for each in tx.people.passkeys(member.id) if each.id == passkey_id), None)
        if found is None or not tx.people.delete_passkey(member.id, passkey_id):
            raise NotFound(_NO_SUCH_PASSKEY)
        self._audit(tx, actor, account_id, Action.PASSKEY_REMOVE, member.id, _told(found))

    # For whoever is on the machine

    def of(self, actor: Actor, email: str) -> list[Passkey]:
        """The passkeys of a member, the oldest first.

        Raises:
            Forbidden: the actor is not on the machine.
            NotFound: there is no such member.
        """
        require_machine(actor)
        with self._store.snapshot() as reads:
            return reads.people.passkeys(self._known(reads.people.member_by_email(values.email(email))).id)

    def take_away(self, actor: Actor, email: str, passkey_id: str) -> None:
        """Take a passkey away that somebody has lost. All of their sessions end: one of them may be on what they lost.

        Raises:
            Forbidden: the actor is not on the machine.
            NotFound: there is no such member, or no such passkey of theirs.
        """
        require_machine(actor)
        with self._store.transaction() as tx:
            member = self._known(tx.people.member_by_email(values.email(email)))
            theirs = tx.people.memberships(member.id)
            account_id = theirs[0].account_id if theirs else self._operator(tx).id
            self._remove(tx, actor, account_id, member, passkey_id)
            tx.people.delete_sessions(member.id)

    def _known(self, member: Member | None) -> Member:
        if member is None:
            raise NotFound("There is no member with this address. `keywright admin list` shows them.")
        return member

    # Signing in, and showing who one is

    def ask_to_enter(self, site: Site, visit: Visit) -> str:
        """What to ask an authenticator of somebody who wants to sign in, as JSON: any passkey of this site will do.

        Raises:
            TooManyAttempts: from this network.
        """
        throttle.count_stranger(self._store, visit.address, self._clock.now())
        with self._store.transaction() as tx:
            challenge = self._challenge(tx, TokenKind.PASSKEY_ENTER, _NOBODYS, "")
        return ceremony.ask_to_show(site, challenge)

    def enter(self, site: Site, answer: str, visit: Visit) -> Entered:
        """Begin a session with a passkey.

        Raises:
            SignInRefused: the answer is not that of a passkey of somebody who may sign in, to a challenge of ours,
                here; or the passkey was used elsewhere since we saw it last, and so there are two of it.
            TooManyAttempts: from this network.
        """
        throttle.count_stranger(self._store, visit.address, self._clock.now())
        try:
            passkey, sign_count = self._checked(site, answer, TokenKind.PASSKEY_ENTER, "")
            if ceremony.read(answer).handle != passkey.member_id:
                raise AnswerRefused
        except AnswerRefused:
            with self._store.transaction() as tx:
                self._note_refused(tx, self._operator(tx).id, "", visit)
            raise SignInRefused from None
        with self._store.transaction() as tx:
            member, theirs = tx.people.member(passkey.member_id), tx.people.memberships(passkey.member_id)
            account_id = theirs[0].account_id if theirs else self._operator(tx).id
            if member and theirs and self._use(tx, passkey, sign_count, account_id, stranger(visit)):
                return self._enter(tx, member, account_id, visit, complete=True, details=_told(passkey))
            self._note_refused(tx, account_id, passkey.member_id, visit)
        raise SignInRefused

    def ask_to_show(self, visitor: Visitor, site: Site) -> str:
        """What to ask an authenticator of somebody who has signed in, as JSON: one of their own passkeys.

        Raises:
            ProofRefused: they have none that works here.
        """
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            known = [each.credential_id for each in tx.people.passkeys(member.id) if each.party == site.party]
            if not known:
                raise ProofRefused
            challenge = self._challenge(tx, TokenKind.PASSKEY_SHOW, visitor.account.id, visitor.session.id)
        return ceremony.ask_to_show(site, challenge, known)

    def show(self, visitor: Visitor, site: Site, answer: str, visit: Visit) -> Entered:
        """Show with a passkey who one is; see `Presence.show_password` for what follows.

        Raises:
            ProofRefused: the answer is not that of a passkey of theirs, to a challenge of this session, here; or there
                are two of it.
            TooManyAttempts: wrong ones.
        """
        throttle.count_proof(self._store, Proof.PASSKEY, visitor.member.id, visit.address, self._clock.now())
        actor = visitor.actor(visit)
        try:
            passkey, sign_count = self._checked(site, answer, TokenKind.PASSKEY_SHOW, visitor.session.id)
        except AnswerRefused:
            passkey, sign_count = None, 0
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            theirs = passkey is not None and passkey.member_id == member.id
            if passkey and theirs and self._use(tx, passkey, sign_count, visitor.account.id, actor):
                return self._proved(tx, visitor, Proof.PASSKEY, visit)
            self._not_proved(tx, visitor, Proof.PASSKEY, visit)
        raise ProofRefused

    # Challenges, and answers to them

    def _challenge(self, tx: Transaction, kind: TokenKind, account_id: str, session_id: str) -> str:
        now = self._clock.now()
        tx.people.delete_tokens_before(kind, now)
        text, _ = self._issue(tx, kind, Actor(SYSTEM.kind, session_id), account_id, CHALLENGE_SECONDS)
        return text

    def _use_up(self, challenge: str, kind: TokenKind, session_id: str) -> None:
        # In a transaction of its own, before anything of the answer is looked at: whatever it is, it had its only try.
        with self._store.transaction() as tx:
            taken = self._take(tx, challenge, kind)
        if taken is None or taken.created_by != session_id:
            raise AnswerRefused

    def _checked(self, site: Site, answer: str, kind: TokenKind, session_id: str) -> tuple[Passkey, int]:
        challenge = ceremony.challenge_of(answer)
        self._use_up(challenge, kind, session_id)
        with self._store.snapshot() as reads:
            passkey = reads.people.passkey(ceremony.read(answer).credential_id)
        if passkey is None or passkey.party != site.party:
            raise AnswerRefused
        return passkey, ceremony.check_shown(answer, challenge, site, passkey.public_key)

    def _use(self, tx: Transaction, passkey: Passkey, sign_count: int, account_id: str, actor: Actor) -> bool:
        now = self._clock.now()
        # Read again: it may have been removed since.
        if tx.people.passkey(passkey.credential_id) is None:
            return False
        if tx.people.use_passkey(passkey.id, sign_count, now):
            return True
        # Its signature is right, and its counter has gone back: somebody has a copy of it, the owner or a thief.
        details = {**_told(passkey), "count": sign_count}
        self._audit(tx, actor, account_id, Action.PASSKEY_COPIED, passkey.member_id, details)
        return False

    def _note_refused(self, tx: Transaction, account_id: str, member_id: str, visit: Visit) -> None:
        self._audit(tx, stranger(visit), account_id, Action.SIGN_IN_REFUSED, member_id, {"passkey": True})


def _other_ways(tx: Transaction, member: Member) -> bool:
    return member.password is not None or bool(tx.people.identities(member.id))


def _told(passkey: Passkey) -> dict[str, str]:
    return {"passkey": passkey.id, "name": passkey.name}
