"""Signing in with what an identity provider vouches for: who comes in, as whom, and who does not.

Somebody is known by issuer and subject, which never change and are never given to another. An e-mail address may be:
so it only counts once, when a member or an invitation is found by it, and only if the provider says that it is theirs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from keywright.audit import Action, Actor, ActorKind
from keywright.errors import InvalidValue, NotFound
from keywright.manage import values as key_values
from keywright.people import throttle, values
from keywright.people.entry import Entry, SignInRefused
from keywright.people.office import stranger
from keywright.people.values import Entered, Visit
from keywright.provider import Provider
from keywright.stores.base import Transaction
from keywright.stores.people import Identity, Member, Membership, Role, TokenKind
from keywright.values import Value

#: How long somebody may take at the provider.
AWAY_SECONDS = 10 * 60
#: Of what is told of a refusal, in the audit log.
_TOLD_CHARACTERS = 160
_MANAGE_MEMBERS = "account:write"


class Refusal(StrEnum):
    """Why somebody who comes from the provider is not let in."""

    BEGUN = "begun"
    DENIED = "denied"
    NOT_GOOD = "not_good"
    UNVERIFIED = "unverified"
    DOMAIN = "domain"
    INVITED = "invited"
    TAKEN = "taken"
    ACR = "acr"
    GROUPS = "groups"
    ANEW = "anew"


class NotAdmitted(SignInRefused):
    """Somebody who comes from the provider is not let in.

    Attributes:
        refusal: why. They have shown the provider who they are, so they may be told.
        told: more, for the audit log.
    """

    def __init__(self, refusal: Refusal, told: str = "") -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.told = told


class Voucher(Value, frozen=True, gc=False):
    """What a provider vouches for, having been asked with all care.

    Attributes:
        email: as the provider writes it; empty if it says none.
        verified: whether the provider has seen that the address is theirs.
        acr: the class of authentication; empty if it says none.
        methods: of authentication.
        proved_at: when they last showed the provider who they are, as it says; Unix seconds, and 0 if it does not say.
    """

    issuer: str
    subject: str
    email: str = ""
    verified: bool = False
    name: str = ""
    acr: str = ""
    methods: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    proved_at: float = 0.0


class Federation(Entry):
    """Who comes from an identity provider enters here."""

    def count(self, visit: Visit) -> None:
        """Count somebody who says to come back from the provider.

        Raises:
            TooManyAttempts: from this network.
        """
        throttle.count_stranger(self._store, visit.address, self._clock.now())

    def count_stray(self, visit: Visit) -> None:
        """Count somebody who says so, and has not gone there in this browser.

        Raises:
            TooManyAttempts: too many of them, from this network.
        """
        throttle.count_stray(self._store, visit.address, self._clock.now())

    def use_up(self, state: str) -> None:
        """Take a state that was given out in the last `AWAY_SECONDS`: it works once.

        Raises:
            NotAdmitted: it was taken before.
        """
        with self._store.transaction() as tx:
            # Remembered for longer than it is good.
            subject = throttle.subject("state", state)
            uses, _ = tx.people.count_attempt(subject, 2 * AWAY_SECONDS, self._clock.now())
        if uses > 1:
            raise NotAdmitted(Refusal.BEGUN, "used")

    def note(self, refused: NotAdmitted, visit: Visit) -> None:
        """Write down that somebody was not let in."""
        # It is what others have said, and may hold what is no text.
        told = refused.told[:_TOLD_CHARACTERS].encode("utf-8", "replace").decode()
        details = {"provider": True, "why": refused.refusal, **({"told": told} if told else {})}
        with self._store.transaction() as tx:
            self._audit(tx, stranger(visit), self._operator(tx).id, Action.SIGN_IN_REFUSED, "", details)

    def enter(self, provider: Provider, voucher: Voucher, visit: Visit, account_id: str = "") -> Entered:
        """Begin a session for whoever the provider vouches for; if need be make them a member, or link them to the one
        they are. In the account of that id, if they are in it. Of a member with a second factor the code is still
        asked, unless the provider has asked for as much.

        Raises:
            NotAdmitted: they may not come in.
        """
        _require_terms(provider, voucher)
        with self._store.transaction() as tx:
            member = tx.people.member_by_identity(voucher.issuer, voucher.subject)
            member = member or self._link(tx, provider, voucher, visit)
            theirs = tx.people.memberships(member.id)
            if not theirs:
                raise NotAdmitted(Refusal.INVITED)
            complete = member.totp_secret is None or not {voucher.acr, *voucher.methods}.isdisjoint(provider.strong)
            if all(each.account_id != account_id for each in theirs):
                account_id = _first(theirs, self._operator(tx).id)
            # Many providers let people in without asking, who were there before. That shows nobody's presence now, or
            # whoever has found the screen unlocked could show it.
            return self._enter(tx, member, account_id, visit, complete=complete, proved_at=voucher.proved_at)

    def _link(self, tx: Transaction, provider: Provider, voucher: Voucher, visit: Visit) -> Member:
        email = _verified_email(provider, voucher)
        member, closed = tx.people.member_by_email(email), {}
        if member is None:
            member = self._join(tx, provider, voucher, email, visit)
        elif any(each.issuer == voucher.issuer for each in tx.people.identities(member.id)):
            # The address is somebody else's now. Whoever had it first is this member, and keeps what is theirs.
            raise NotAdmitted(Refusal.TAKEN, voucher.subject)
        else:
            closed = self._close_ways_of_others(tx, member)
        operator_id = self._operator(tx).id
        account_id = _first(tx.people.memberships(member.id), operator_id)
        tx.people.insert_identity(Identity(voucher.issuer, voucher.subject, member.id, self._clock.now()))
        details = {"issuer": voucher.issuer, "subject": voucher.subject, "email": email, **closed}
        self._audit(tx, _themselves(member, account_id, visit), account_id, Action.IDENTITY_LINK, member.id, details)
        return member

    def _close_ways_of_others(self, tx: Transaction, member: Member) -> dict[str, Any]:
        """Close what has let somebody in as a member whom an account other than the operator's may have made; what was
        closed, for the audit log.

        An owner can invite any address and take the invitation herself, with a password of her own. What she holds must
        not open what the person whose address it is may do from now on. The second factor stays: it lets nobody in.
        """
        operator_id = self._operator(tx).id
        if all(each.account_id == operator_id for each in tx.people.memberships(member.id)):
            return {}
        passkeys = tx.people.passkeys(member.id)
        for each in passkeys:
            tx.people.delete_passkey(member.id, each.id)
        tx.people.update_member(member.id, password=None)
        ended = tx.people.delete_sessions(member.id)
        return {
            "password_removed": member.password is not None,
            "passkeys_removed": len(passkeys),
            "sessions_ended": ended,
        }

    def _join(self, tx: Transaction, provider: Provider, voucher: Voucher, email: str, visit: Visit) -> Member:
        now = self._clock.now()
        invited = [each for each in tx.people.invitations_of(email) if each.expires_at > now]
        places = [(each.account_id, Role(each.role), each.created_by) for each in invited]
        # Who was removed is not to come back by the same door a moment later.
        departed = tx.people.has_departed(email, voucher.issuer, voucher.subject)
        operator_id = self._operator(tx).id
        # An invitation of another account, which anybody may have made, keeps nobody out of the operator's.
        if provider.new_members and not departed and all(each != operator_id for each, _, _ in places):
            places.insert(0, (operator_id, Role(provider.new_members), ""))
        if not places:
            raise NotAdmitted(Refusal.INVITED, "removed before" if provider.new_members else "")
        member = self._new_member(email, _name(voucher, email), None)
        tx.people.insert_member(member)
        for account_id, role, invited_by in places:
            tx.people.set_role(Membership(account_id, member.id, role, now))
            tx.people.delete_tokens(TokenKind.INVITATION, account_id, email)
            details = {"email": email, "role": role, "invited_by": invited_by, "issuer": voucher.issuer}
            self._audit(tx, stranger(visit), account_id, Action.MEMBER_JOIN, member.id, details)
        return member

    # For whoever is on the machine

    def identities(self, actor: Actor, account_id: str) -> list[tuple[Member, Identity]]:
        """Who the members of an account are at providers.

        Raises:
            CallerRefused, Forbidden, NotFound: as in `Directory`.
        """
        with self._store.snapshot() as reads:
            self._authorise(reads, actor, _MANAGE_MEMBERS, account_id)
            members = [member for member, _ in reads.people.members(account_id)]
            return [(member, each) for member in members for each in reads.people.identities(member.id)]

    def unlink(self, actor: Actor, account_id: str, email: str) -> int:
        """Forget who a member is at providers, and end all their sessions; how many identities there were.

        Whoever comes next with their address, verified, is linked to them anew. To keep somebody out, remove them. Who
        they were at providers is among who has departed from now on, so that no removal is too late for it.

        Raises:
            CallerRefused, Forbidden: as in `Directory`.
            NotFound: there is no such member in the account.
        """
        with self._store.transaction() as tx:
            self._authorise(tx, actor, _MANAGE_MEMBERS, account_id)
            member = tx.people.member_by_email(values.email(email))
            if member is None or tx.people.membership(account_id, member.id) is None:
                raise NotFound("There is no member with this address. `keywright admin list` shows them.")
            unlinked = tx.people.identities(member.id)
            tx.people.delete_identities(member.id, self._clock.now())
            tx.people.delete_sessions(member.id)
            for each in unlinked:
                details = {"issuer": each.issuer, "subject": each.subject}
                self._audit(tx, actor, account_id, Action.IDENTITY_UNLINK, member.id, details)
        return len(unlinked)


def _first(theirs: list[Membership], operator_id: str) -> str:
    """The account of the oldest membership; of several that began together, and where there is none, the operator's."""
    if not theirs:
        return operator_id
    return min(theirs, key=lambda each: (each.created_at, each.account_id != operator_id)).account_id


def _require_terms(provider: Provider, voucher: Voucher) -> None:
    if provider.acr and voucher.acr not in provider.acr:
        raise NotAdmitted(Refusal.ACR, voucher.acr)
    if provider.groups and set(provider.groups).isdisjoint(voucher.groups):
        raise NotAdmitted(Refusal.GROUPS)


def _verified_email(provider: Provider, voucher: Voucher) -> str:
    try:
        email = values.email(voucher.email)
    except InvalidValue:
        raise NotAdmitted(Refusal.UNVERIFIED, voucher.email) from None
    if not voucher.verified:
        raise NotAdmitted(Refusal.UNVERIFIED, email)
    if provider.domains and email.rpartition("@")[2] not in provider.domains:
        raise NotAdmitted(Refusal.DOMAIN, email)
    return email


def _name(voucher: Voucher, email: str) -> str:
    try:
        return key_values.name(voucher.name)
    except InvalidValue:
        return email.partition("@")[0]


def _themselves(member: Member, account_id: str, visit: Visit) -> Actor:
    return Actor(ActorKind.MEMBER, member.id, account_id, visit.address[:64], visit.request_id)
