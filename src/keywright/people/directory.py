"""The people of an account: who they are, what they may do, who is invited. And what each may change of their own."""

from __future__ import annotations

from keywright.audit import Action, Actor
from keywright.errors import Conflict, InvalidValue, NotFound
from keywright.manage import values as key_values
from keywright.people import totp, values
from keywright.people.entry import SignInRefused, require_member
from keywright.people.office import Office, owners, stranger
from keywright.people.passwords import require_good
from keywright.people.presence import ProofNeeded, is_fresh
from keywright.people.throttle import Proof, count_proof, forget_proof
from keywright.people.values import Entered, Visit, Visitor
from keywright.stores.base import Account, Transaction
from keywright.stores.people import Member, Membership, Role, Token, TokenKind
from keywright.values import replace

INVITATION_SECONDS = 7 * 86_400
_MANAGE_MEMBERS = "account:write"
_NO_SUCH_MEMBER = "There is no such member."


class Directory(Office):
    """Owners come here for others, and everybody for themselves.

    Every method that takes an ``actor`` may raise `CallerRefused` or `Forbidden` for it, `NotFound` for an account
    that is not theirs, and `Unavailable` for the machine. Whatever is raised, nothing was changed.
    """

    # Members

    def members(self, actor: Actor, account_id: str) -> list[tuple[Member, Membership]]:
        """Everybody in the account, the oldest first."""
        with self._store.snapshot() as reads:
            self._authorise(reads, actor, "account:read", account_id)
            return reads.people.members(account_id)

    def create_member(
        self, actor: Actor, account_id: str, *, email: str, name: str, password: str, role: Role
    ) -> Member:
        """Make a member with a password. For installations that are set up by a program.

        Raises:
            InvalidValue: one of the values.
            Conflict: somebody has the address.
        """
        checked = values.email(email), key_values.name(name)
        hashed = self._passwords.hash(require_good(password, *checked))
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            member = self._admit(tx, account_id, role, *checked, hashed)
            details = {"email": member.email, "role": role}
            self._audit(tx, actor, account_id, Action.MEMBER_CREATE, member.id, details)
        return member

    def set_role(self, actor: Actor, account_id: str, member_id: str, role: Role) -> None:
        """Change what somebody is. In force with their next request; they sign in anew.

        Raises:
            NotFound: they are not in the account.
            Conflict: they are its last owner.
        """
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            theirs = tx.people.membership(account_id, member_id)
            if theirs is None:
                raise NotFound(_NO_SUCH_MEMBER)
            if role is theirs.role:
                return
            if theirs.role is Role.OWNER:
                _require_another_owner(tx, account_id)
            tx.people.set_role(replace(theirs, role=role))
            self._audit(tx, actor, account_id, Action.MEMBER_ROLE, member_id, {"from": theirs.role, "to": role})

    def remove(self, actor: Actor, account_id: str, member_id: str) -> None:
        """Take somebody out of the account. Keys that they have made stay: they belong to the account.

        Raises:
            NotFound: they are not in the account.
            Conflict: they are its last owner.
        """
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            theirs, member = tx.people.membership(account_id, member_id), tx.people.member(member_id)
            if theirs is None or member is None:
                raise NotFound(_NO_SUCH_MEMBER)
            if theirs.role is Role.OWNER:
                _require_another_owner(tx, account_id)
            tx.people.delete_membership(account_id, member_id)
            # An old invitation must not let them in again.
            tx.people.delete_tokens(TokenKind.INVITATION, account_id, member.email)
            if not tx.people.memberships(member_id):
                tx.people.delete_member(member_id, self._clock.now())
            self._audit(tx, actor, account_id, Action.MEMBER_REMOVE, member_id, {"email": member.email})

    # Invitations

    def invitations(self, actor: Actor, account_id: str) -> list[Token]:
        """Who is invited and has not come yet, the oldest first."""
        with self._store.snapshot() as reads:
            self._authorise(reads, actor, _MANAGE_MEMBERS, account_id)
            found = reads.people.tokens(account_id, TokenKind.INVITATION)
        return [each for each in found if each.expires_at > self._clock.now()]

    def invite(self, actor: Actor, account_id: str, email: str, role: Role) -> str:
        """A token with which whoever has that address joins; an older one for the address stops working.

        Raises:
            InvalidValue: not an address.
            Conflict: they are in the account already.
        """
        address = values.email(email)
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            member = tx.people.member_by_email(address)
            if member and tx.people.membership(account_id, member.id):
                raise Conflict("They are a member already.", "email")
            tx.people.delete_tokens(TokenKind.INVITATION, account_id, address)
            text, token = self._issue(
                tx, TokenKind.INVITATION, actor, account_id, INVITATION_SECONDS, email=address, role=role
            )
            self._audit(tx, actor, account_id, Action.MEMBER_INVITE, token.id, {"email": address, "role": role})
        return text

    def withdraw(self, actor: Actor, account_id: str, token_id: str) -> None:
        """Take an invitation back.

        Raises:
            NotFound: it was used or taken back, or is another account's.
        """
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            if not tx.people.delete_token(account_id, token_id):
                raise NotFound("There is no such invitation.")
            self._audit(tx, actor, account_id, Action.MEMBER_UNINVITE, token_id)

    def join(self, token: str, name: str, password: str, visit: Visit) -> Entered:
        """Take an invitation and become a member who can sign in. It works once.

        Raises:
            InvalidValue: one of the values; the invitation still works.
            Conflict: the address has a sign-in already: they sign in first, and then `join_as` takes the invitation.
            SignInRefused: it was used or taken back, or is too old.
        """
        invited = self._valid(token, TokenKind.INVITATION)
        if invited is None:
            raise SignInRefused
        called = key_values.name(name)
        hashed = self._passwords.hash(require_good(password, invited.email, called))
        with self._store.transaction() as tx:
            taken = self._take(tx, token, TokenKind.INVITATION)
            if taken is None:
                raise SignInRefused
            member = self._admit(tx, taken.account_id, Role(taken.role), taken.email, called, hashed)
            details = {"email": member.email, "role": taken.role, "invited_by": taken.created_by}
            self._audit(tx, stranger(visit), taken.account_id, Action.MEMBER_JOIN, member.id, details)
            return self._begin_session(tx, member, taken.account_id, visit, complete=True)

    def join_as(self, visitor: Visitor, token: str, visit: Visit) -> None:
        """Take an invitation as somebody who has signed in, and act in its account from now on.

        Raises:
            SignInRefused: it was used or taken back, is too old, or for somebody else.
        """
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            taken = self._take(tx, token, TokenKind.INVITATION)
            if taken is None or taken.email != member.email:
                raise SignInRefused
            if tx.people.membership(taken.account_id, member.id) is None:
                now = self._clock.now()
                tx.people.set_role(Membership(taken.account_id, member.id, Role(taken.role), now))
                details = {"email": member.email, "role": taken.role, "invited_by": taken.created_by}
                self._audit(tx, visitor.actor(visit), taken.account_id, Action.MEMBER_JOIN, member.id, details)
            tx.people.update_session(visitor.session.digest, account_id=taken.account_id)

    # The account

    def rename_account(self, actor: Actor, account_id: str, name: str) -> Account:
        """Change what the account is called.

        Raises:
            InvalidValue: not a name.
        """
        called = key_values.name(name)
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            account = tx.account(account_id)
            if account is None:
                raise NotFound("There is no such account.")
            tx.rename_account(account_id, called)
            details = {"from": account.name, "to": called}
            self._audit(tx, actor, account_id, Action.ACCOUNT_RENAME, account_id, details)
        return replace(account, name=called)

    # One's own password and second factor

    def change_password(self, visitor: Visitor, old: str, new: str, visit: Visit) -> None:
        """Change one's own password. All other sessions end.

        Raises:
            InvalidValue: ``old`` is not the password, or ``new`` is not a good one.
            ProofNeeded: there is no password yet, and they have not shown lately who they are.
            TooManyAttempts: wrong ones.
        """
        self._require_password(visitor, old, visit)
        hashed = self._passwords.hash(require_good(new, visitor.member.email, visitor.member.name))
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            tx.people.update_member(member.id, password=hashed)
            tx.people.delete_sessions(member.id, visitor.session.digest)
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.PASSWORD_CHANGE, member.id)

    def _require_password(self, visitor: Visitor, password: str, visit: Visit) -> None:
        if visitor.member.password is None:
            if not is_fresh(visitor, self._clock.now()):
                raise ProofNeeded
            return
        # Somebody at an unlocked screen must not be able to try them out.
        who = Proof.PASSWORD, visitor.member.id, visit.address
        count_proof(self._store, *who, self._clock.now(), session_id=visitor.session.id)
        if not self._passwords.matches(password, visitor.member.password):
            raise InvalidValue("This is not your password.", "password")
        # At once, and not with the act: what else is wrong with it must not count as a wrong password.
        with self._store.transaction() as tx:
            forget_proof(tx, *who, session_id=visitor.session.id)

    def set_totp(self, visitor: Visitor, secret: bytes, code: str, password: str, visit: Visit) -> list[str]:
        """Ask for a code at each sign-in from now on; answers the recovery codes, which are not shown again.

        Raises:
            InvalidValue: the code is not the secret's, so the telephone does not have it; or not the password.
            ProofNeeded: there is no password, and they have not shown lately who they are.
            TooManyAttempts: wrong ones.
        """
        self._require_password(visitor, password, visit)
        step = totp.matching_step(secret, code, self._clock.now())
        if step is None:
            raise InvalidValue("This is not the code of now. Check the clock of your telephone.", "code")
        codes = totp.new_recovery_codes()
        with self._store.transaction() as tx:
            member = require_member(tx, visitor)
            if member.totp_secret is not None:
                # Two at once: the telephone of the first would hold a secret that is no longer asked for.
                raise InvalidValue("A code is asked for already. Switch that off first.", "code")
            tx.people.update_member(member.id, totp_secret=self._sealer.seal(secret, member.id), totp_step=step)
            tx.people.set_recovery_codes(member.id, [self._sealer.digests(each)[0] for each in codes])
            tx.people.delete_sessions(member.id, visitor.session.digest)
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.TOTP_ON, member.id)
        return codes

    def new_recovery_codes(self, visitor: Visitor, visit: Visit) -> list[str]:
        """Other recovery codes, which are not shown again; those of before work no more.

        Raises:
            Conflict: no code is asked for.
            ProofNeeded: they have not shown lately who they are.
        """
        codes = totp.new_recovery_codes()
        with self._store.transaction() as tx:
            member = self._require_shown(tx, visitor)
            if member.totp_secret is None:
                raise Conflict("There is no second factor that they could stand in for.")
            tx.people.set_recovery_codes(member.id, [self._sealer.digests(each)[0] for each in codes])
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.RECOVERY_CODES, member.id)
        return codes

    def _require_shown(self, tx: Transaction, visitor: Visitor) -> Member:
        if not is_fresh(visitor, self._clock.now()):
            raise ProofNeeded
        return require_member(tx, visitor)

    def remove_totp(self, visitor: Visitor, visit: Visit) -> None:
        """Ask for no code any more. Recovery codes go as well.

        Raises:
            ProofNeeded: they have not shown lately who they are.
        """
        with self._store.transaction() as tx:
            member = self._require_shown(tx, visitor)
            if member.totp_secret is None:
                return
            tx.people.update_member(member.id, totp_secret=None)
            tx.people.set_recovery_codes(member.id, [])
            self._audit(tx, visitor.actor(visit), visitor.account.id, Action.TOTP_OFF, member.id)

    def recovery_codes(self, visitor: Visitor) -> int:
        """How many recovery codes are left."""
        with self._store.snapshot() as reads:
            return reads.people.recovery_codes(visitor.member.id)


def _require_another_owner(tx: Transaction, account_id: str) -> None:
    # Inside the transaction: of two owners who remove each other at the same moment, one stays.
    if len(owners(tx, account_id)) < 2:
        raise Conflict("An account needs an owner. Make somebody else an owner first.")
