"""What every store promises of people: members and their roles, sessions, one-time tokens, recovery codes, attempts.

As in `stores.base`: every method raises `Unavailable` when the database cannot answer, and none knows of rights.
Nothing that opens a door is stored in the clear: of sessions, tokens and codes only their SHA-256.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

from keywright.values import Value


class Role(StrEnum):
    """What a member is in an account. Each may do all that the ones before it may."""

    VIEWER = "viewer"
    ADMIN = "admin"
    OWNER = "owner"

    def covers(self, other: Role) -> bool:
        """Whether this role may do all that ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Member(Value, frozen=True, gc=False):
    """A person.

    Attributes:
        email: in lower case; no two members share one.
        password: an Argon2 hash; None for somebody who signs in by other means only.
        totp_secret: the sealed secret of the second factor; None without one.
        totp_step: the step of the last one-time code that was taken.
    """

    id: str
    email: str
    name: str
    password: str | None
    totp_secret: bytes | None
    totp_step: int
    created_at: float

    def __repr__(self) -> str:
        return f"Member(id={self.id!r}, email={self.email!r})"


class Membership(Value, frozen=True, gc=False):
    """What a member is in one account."""

    account_id: str
    member_id: str
    role: Role
    created_at: float


class Session(Value, frozen=True, gc=False):
    """A browser in which a member has signed in.

    Attributes:
        digest: of the text in the cookie.
        id: what people call it by; opens nothing.
        complete: False until the second factor has been shown as well.
        proved_at: when the member last showed in it who they are; Unix seconds.
    """

    digest: bytes
    id: str
    member_id: str
    account_id: str
    complete: bool
    created_at: float
    used_at: float
    proved_at: float
    address: str
    user_agent: str


class TokenKind(StrEnum):
    """What a one-time token is good for. Those of passkeys are challenges, which an authenticator signs."""

    SETUP = "setup"
    SIGN_IN = "sign_in"
    INVITATION = "invitation"
    PASSKEY_ADD = "passkey_add"
    PASSKEY_ENTER = "passkey_enter"
    PASSKEY_SHOW = "passkey_show"


class Token(Value, frozen=True, gc=False):
    """A link that works once.

    Attributes:
        digest: of the text in the link.
        email: whom it is for; empty for whoever sets up.
        role: what they become; empty where they are something already.
    """

    digest: bytes
    id: str
    kind: TokenKind
    account_id: str
    email: str
    role: str
    created_by: str
    created_at: float
    expires_at: float


class Identity(Value, frozen=True, gc=False):
    """Who a member is at an identity provider. The two together never change, and are never given to somebody else; an
    e-mail address may be."""

    issuer: str
    subject: str
    member_id: str
    created_at: float


class Passkey(Value, frozen=True, gc=False):
    """A key pair in somebody's authenticator, of which we have the public half.

    Attributes:
        id: what people call it by; opens nothing.
        credential_id: what the authenticator calls it by.
        party: the host name that it was made for, and works at.
        sign_count: how often it was used when it was last seen, as its authenticator counts; 0 where it does not.
        used_at: Unix seconds; None if it was never used.
    """

    id: str
    member_id: str
    credential_id: bytes
    public_key: bytes
    party: str
    name: str
    sign_count: int
    created_at: float
    used_at: float | None


class PeopleReads(Protocol):
    """Reads of one moment; see `stores.base.Snapshot`."""

    def member(self, member_id: str) -> Member | None:
        """The member with that id."""
        ...

    def member_by_email(self, email: str) -> Member | None:
        """The member with that address, which is in lower case."""
        ...

    def membership(self, account_id: str, member_id: str) -> Membership | None:
        """What the member is in the account; in a transaction locked until it ends."""
        ...

    def memberships(self, member_id: str) -> list[Membership]:
        """Every account of the member, the oldest membership first."""
        ...

    def members(self, account_id: str) -> list[tuple[Member, Membership]]:
        """Everybody in the account, the oldest membership first."""
        ...

    def session(self, digest: bytes) -> Session | None:
        """The session whose cookie has that digest."""
        ...

    def sessions(self, member_id: str) -> list[Session]:
        """Every session of the member, the latest used first."""
        ...

    def token(self, digest: bytes, kind: TokenKind) -> Token | None:
        """The token of that kind with that digest."""
        ...

    def tokens(self, account_id: str, kind: TokenKind) -> list[Token]:
        """Every token of that kind, the oldest first."""
        ...

    def recovery_codes(self, member_id: str) -> int:
        """How many recovery codes the member has left."""
        ...

    def member_by_identity(self, issuer: str, subject: str) -> Member | None:
        """The member who is that at the provider."""
        ...

    def identities(self, member_id: str) -> list[Identity]:
        """Who the member is at providers, the oldest first."""
        ...

    def invitations_of(self, email: str) -> list[Token]:
        """Every invitation for that address, to whatever account, the oldest first."""
        ...

    def has_departed(self, email: str, issuer: str, subject: str) -> bool:
        """Whether a member was removed who had that address, or was that at a provider."""
        ...

    def passkeys(self, member_id: str) -> list[Passkey]:
        """Every passkey of the member, the oldest first."""
        ...

    def passkey(self, credential_id: bytes) -> Passkey | None:
        """The passkey that its authenticator calls so."""
        ...


class PeopleWrites(PeopleReads, Protocol):
    """Reads and writes of one transaction; see `stores.base.Transaction`."""

    def insert_member(self, member: Member) -> None:
        """Add a member. The address must be free: ask before, in the same transaction."""
        ...

    def update_member(self, member_id: str, **changes: Any) -> None:
        """Set columns of a member, named as in `Member`."""
        ...

    def take_totp_step(self, member_id: str, step: int) -> bool:
        """Note that the code of ``step`` has been taken; False if that code or a later one was taken before."""
        ...

    def delete_member(self, member_id: str, left_at: float) -> None:
        """Remove a member, with their sessions, codes, passkeys, identities and memberships; they have departed from
        then on."""
        ...

    def insert_identity(self, identity: Identity) -> None:
        """Add an identity, which must be nobody's: ask before, in the same transaction."""
        ...

    def delete_identities(self, member_id: str, left_at: float) -> int:
        """Remove all identities of the member, which have departed from then on; how many there were."""
        ...

    def set_role(self, membership: Membership) -> None:
        """Make somebody a member of an account, or change what they are there."""
        ...

    def delete_membership(self, account_id: str, member_id: str) -> None:
        """Take somebody out of an account, and end the sessions that act in it."""
        ...

    def insert_session(self, session: Session) -> None:
        """Add a session."""
        ...

    def update_session(self, digest: bytes, /, **changes: Any) -> None:
        """Set columns of a session, named as in `Session`."""
        ...

    def delete_session(self, member_id: str, session_id: str) -> bool:
        """End a session of the member; whether there was one."""
        ...

    def delete_sessions(self, member_id: str, but: bytes = b"") -> int:
        """End all sessions of the member but the one with that digest; how many there were."""
        ...

    def delete_sessions_before(self, used_at: float, created_at: float) -> None:
        """Remove sessions that were last used, or begun, before."""
        ...

    def insert_token(self, token: Token) -> None:
        """Add a token."""
        ...

    def take_token(self, digest: bytes, kind: TokenKind) -> Token | None:
        """Remove the token and return it: of any number who try at once, one has it."""
        ...

    def delete_tokens(self, kind: TokenKind, account_id: str, email: str = "") -> None:
        """Remove every token of that kind in the account, or only those for that address."""
        ...

    def delete_token(self, account_id: str, token_id: str) -> bool:
        """Remove a token by its id; whether there was one."""
        ...

    def delete_tokens_before(self, kind: TokenKind, expires_at: float) -> None:
        """Remove the tokens of that kind that have ended before."""
        ...

    def insert_passkey(self, passkey: Passkey) -> None:
        """Add a passkey. Its credential id must be free: ask before, in the same transaction."""
        ...

    def use_passkey(self, passkey_id: str, sign_count: int, now: float) -> bool:
        """Note a use; False, and nothing noted, if ``sign_count`` is not above the last one. Where both are 0, the
        authenticator does not count."""
        ...

    def delete_passkey(self, member_id: str, passkey_id: str) -> bool:
        """Remove a passkey of the member; whether there was one."""
        ...

    def set_recovery_codes(self, member_id: str, digests: list[bytes]) -> None:
        """Replace all recovery codes of the member."""
        ...

    def take_recovery_code(self, member_id: str, digest: bytes) -> bool:
        """Remove a recovery code; whether there was such a one."""
        ...

    def count_attempt(self, subject: bytes, seconds: float, now: float) -> tuple[int, float]:
        """Count an attempt; how many there were in its window, this one with them, and when the window ends."""
        ...

    def forget_attempts(self, subject: bytes) -> None:
        """Begin anew: somebody has shown that they are who they say."""
        ...

    def take_attempt_back(self, subject: bytes) -> None:
        """Count one attempt less, where any is counted."""
        ...
