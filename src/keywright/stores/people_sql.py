"""The statements about people, the same for every SQL engine."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, false, func, insert, or_, select, update

from keywright.stores import tables
from keywright.stores.people import Identity, Member, Membership, Passkey, Role, Session, Token, TokenKind
from keywright.values import Value

#: Rows of attempts whose window is over that are removed with each new one: more than are made, so they never pile up.
_SWEEP = 4


def _columns(value: Value) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _mark(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()


def _to_member(found: Row[Any]) -> Member:
    return Member(
        found.id, found.email, found.name, found.password, found.totp_secret, found.totp_step, found.created_at
    )


def _to_membership(found: Row[Any]) -> Membership:
    return Membership(found.account_id, found.member_id, Role(found.role), found.created_at)


def _to_session(found: Row[Any]) -> Session:
    values = {name: found._mapping[name] for name in Session.__struct_fields__}
    return Session(**{**values, "complete": bool(values["complete"])})


def _to_token(found: Row[Any]) -> Token:
    values = {name: found._mapping[name] for name in Token.__struct_fields__}
    return Token(**{**values, "kind": TokenKind(values["kind"])})


def _to_passkey(found: Row[Any]) -> Passkey:
    return Passkey(**{name: found._mapping[name] for name in Passkey.__struct_fields__})


class SqlPeople:
    """`PeopleReads` and, in a write transaction, `PeopleWrites` over one connection.

    Args:
        locks: whether what decides about rights is locked until the transaction ends. SQLite has one writer at a time
            and leaves the locks out.
    """

    def __init__(self, connection: Connection, *, locks: bool) -> None:
        self._connection = connection
        self._locks = locks

    def _one(self, table: Table, *conditions: Any) -> Row[Any] | None:
        return self._connection.execute(select(table).where(*conditions)).first()

    def _remove(self, table: Table, *conditions: Any) -> int:
        return self._connection.execute(delete(table).where(*conditions)).rowcount

    def member(self, member_id: str) -> Member | None:
        """See `PeopleReads.member`."""
        found = self._one(tables.members, tables.members.c.id == member_id)
        return _to_member(found) if found else None

    def member_by_email(self, email: str) -> Member | None:
        """See `PeopleReads.member_by_email`."""
        found = self._one(tables.members, tables.members.c.email == email)
        return _to_member(found) if found else None

    def membership(self, account_id: str, member_id: str) -> Membership | None:
        """See `PeopleReads.membership`."""
        theirs = tables.memberships.c
        statement = select(tables.memberships).where(theirs.account_id == account_id, theirs.member_id == member_id)
        if self._locks:
            statement = statement.with_for_update(read=True)
        found = self._connection.execute(statement).first()
        return _to_membership(found) if found else None

    def memberships(self, member_id: str) -> list[Membership]:
        """See `PeopleReads.memberships`."""
        theirs = tables.memberships.c
        statement = select(tables.memberships).where(theirs.member_id == member_id)
        found = self._connection.execute(statement.order_by(theirs.created_at, theirs.account_id))
        return [_to_membership(each) for each in found]

    def members(self, account_id: str) -> list[tuple[Member, Membership]]:
        """See `PeopleReads.members`."""
        people, theirs = tables.members, tables.memberships
        statement = (
            select(people, theirs.c.role, theirs.c.created_at.label("since"))
            .join(theirs, theirs.c.member_id == people.c.id)
            .where(theirs.c.account_id == account_id)
            .order_by(theirs.c.created_at, people.c.number)
        )
        found = self._connection.execute(statement).all()
        return [(_to_member(each), Membership(account_id, each.id, Role(each.role), each.since)) for each in found]

    def session(self, digest: bytes) -> Session | None:
        """See `PeopleReads.session`."""
        found = self._one(tables.sessions, tables.sessions.c.digest == digest)
        return _to_session(found) if found else None

    def sessions(self, member_id: str) -> list[Session]:
        """See `PeopleReads.sessions`."""
        theirs = tables.sessions.c
        statement = select(tables.sessions).where(theirs.member_id == member_id).order_by(theirs.used_at.desc())
        return [_to_session(each) for each in self._connection.execute(statement)]

    def token(self, digest: bytes, kind: TokenKind) -> Token | None:
        """See `PeopleReads.token`."""
        found = self._one(tables.tokens, tables.tokens.c.digest == digest, tables.tokens.c.kind == kind)
        return _to_token(found) if found else None

    def tokens(self, account_id: str, kind: TokenKind) -> list[Token]:
        """See `PeopleReads.tokens`."""
        those = tables.tokens.c
        statement = select(tables.tokens).where(those.account_id == account_id, those.kind == kind)
        return [_to_token(each) for each in self._connection.execute(statement.order_by(those.created_at))]

    def recovery_codes(self, member_id: str) -> int:
        """See `PeopleReads.recovery_codes`."""
        codes = tables.recovery_codes
        number = self._connection.execute(select(func.count()).where(codes.c.member_id == member_id)).scalar_one()
        return int(number)

    def member_by_identity(self, issuer: str, subject: str) -> Member | None:
        """See `PeopleReads.member_by_identity`."""
        known = tables.identities.c
        found = self._one(tables.identities, known.issuer == issuer, known.subject == subject)
        return self.member(found.member_id) if found else None

    def identities(self, member_id: str) -> list[Identity]:
        """See `PeopleReads.identities`."""
        known = tables.identities.c
        statement = select(tables.identities).where(known.member_id == member_id)
        found = self._connection.execute(statement.order_by(known.created_at, known.issuer))
        return [Identity(each.issuer, each.subject, each.member_id, each.created_at) for each in found]

    def invitations_of(self, email: str) -> list[Token]:
        """See `PeopleReads.invitations_of`."""
        those = tables.tokens.c
        statement = select(tables.tokens).where(those.kind == TokenKind.INVITATION, those.email == email)
        return [_to_token(each) for each in self._connection.execute(statement.order_by(those.created_at))]

    def has_departed(self, email: str, issuer: str, subject: str) -> bool:
        """See `PeopleReads.has_departed`."""
        marks = [_mark(email), _mark(issuer, subject)]
        return self._one(tables.departures, tables.departures.c.digest.in_(marks)) is not None

    def passkeys(self, member_id: str) -> list[Passkey]:
        """See `PeopleReads.passkeys`."""
        theirs = tables.passkeys.c
        statement = select(tables.passkeys).where(theirs.member_id == member_id).order_by(theirs.created_at, theirs.id)
        return [_to_passkey(each) for each in self._connection.execute(statement)]

    def passkey(self, credential_id: bytes) -> Passkey | None:
        """See `PeopleReads.passkey`."""
        found = self._one(tables.passkeys, tables.passkeys.c.credential_id == credential_id)
        return _to_passkey(found) if found else None

    def insert_member(self, member: Member) -> None:
        """See `PeopleWrites.insert_member`."""
        self._connection.execute(insert(tables.members), _columns(member))

    def update_member(self, member_id: str, **changes: Any) -> None:
        """See `PeopleWrites.update_member`."""
        self._connection.execute(update(tables.members).where(tables.members.c.id == member_id), changes)

    def take_totp_step(self, member_id: str, step: int) -> bool:
        """See `PeopleWrites.take_totp_step`."""
        people = tables.members.c
        statement = update(tables.members).where(people.id == member_id, people.totp_step < step)
        return self._connection.execute(statement, {"totp_step": step}).rowcount > 0

    def delete_member(self, member_id: str, left_at: float) -> None:
        """See `PeopleWrites.delete_member`."""
        member = self.member(member_id)
        self._depart({_mark(member.email)} if member else set(), left_at)
        self.delete_identities(member_id, left_at)
        for table in (tables.sessions, tables.recovery_codes, tables.passkeys, tables.memberships):
            self._remove(table, table.c.member_id == member_id)
        self._remove(tables.members, tables.members.c.id == member_id)

    def _depart(self, marks: set[bytes], left_at: float) -> None:
        self._remove(tables.departures, tables.departures.c.digest.in_(marks))
        if marks:
            rows = [{"digest": each, "left_at": left_at} for each in marks]
            self._connection.execute(insert(tables.departures), rows)

    def insert_identity(self, identity: Identity) -> None:
        """See `PeopleWrites.insert_identity`."""
        self._connection.execute(insert(tables.identities), _columns(identity))

    def delete_identities(self, member_id: str, left_at: float) -> int:
        """See `PeopleWrites.delete_identities`."""
        self._depart({_mark(each.issuer, each.subject) for each in self.identities(member_id)}, left_at)
        return self._remove(tables.identities, tables.identities.c.member_id == member_id)

    def set_role(self, membership: Membership) -> None:
        """See `PeopleWrites.set_role`."""
        theirs = tables.memberships.c
        here = (theirs.account_id == membership.account_id, theirs.member_id == membership.member_id)
        changed = self._connection.execute(update(tables.memberships).where(*here), {"role": membership.role})
        if not changed.rowcount:
            self._connection.execute(insert(tables.memberships), _columns(membership))

    def delete_membership(self, account_id: str, member_id: str) -> None:
        """See `PeopleWrites.delete_membership`."""
        for table in (tables.sessions, tables.memberships):
            self._remove(table, table.c.account_id == account_id, table.c.member_id == member_id)

    def insert_session(self, session: Session) -> None:
        """See `PeopleWrites.insert_session`."""
        self._connection.execute(insert(tables.sessions), _columns(session))

    def update_session(self, digest: bytes, /, **changes: Any) -> None:
        """See `PeopleWrites.update_session`."""
        self._connection.execute(update(tables.sessions).where(tables.sessions.c.digest == digest), changes)

    def delete_session(self, member_id: str, session_id: str) -> bool:
        """See `PeopleWrites.delete_session`."""
        theirs = tables.sessions.c
        return self._remove(tables.sessions, theirs.member_id == member_id, theirs.id == session_id) > 0

    def delete_sessions(self, member_id: str, but: bytes = b"") -> int:
        """See `PeopleWrites.delete_sessions`."""
        theirs = tables.sessions.c
        return self._remove(tables.sessions, theirs.member_id == member_id, theirs.digest != but)

    def delete_sessions_before(self, used_at: float, created_at: float) -> None:
        """See `PeopleWrites.delete_sessions_before`."""
        theirs = tables.sessions.c
        self._remove(tables.sessions, or_(theirs.used_at < used_at, theirs.created_at < created_at))

    def insert_token(self, token: Token) -> None:
        """See `PeopleWrites.insert_token`."""
        self._connection.execute(insert(tables.tokens), _columns(token))

    def take_token(self, digest: bytes, kind: TokenKind) -> Token | None:
        """See `PeopleWrites.take_token`."""
        token = self.token(digest, kind)
        # The count, not the read, decides: of two who have read it, one removes it.
        return token if token and self._remove(tables.tokens, tables.tokens.c.digest == digest) else None

    def delete_tokens(self, kind: TokenKind, account_id: str, email: str = "") -> None:
        """See `PeopleWrites.delete_tokens`."""
        those = tables.tokens.c
        theirs = [those.email == email] if email else []
        self._remove(tables.tokens, those.kind == kind, those.account_id == account_id, *theirs)

    def delete_token(self, account_id: str, token_id: str) -> bool:
        """See `PeopleWrites.delete_token`."""
        those = tables.tokens.c
        return self._remove(tables.tokens, those.account_id == account_id, those.id == token_id) > 0

    def delete_tokens_before(self, kind: TokenKind, expires_at: float) -> None:
        """See `PeopleWrites.delete_tokens_before`."""
        those = tables.tokens.c
        self._remove(tables.tokens, those.kind == kind, those.expires_at < expires_at)

    def insert_passkey(self, passkey: Passkey) -> None:
        """See `PeopleWrites.insert_passkey`."""
        self._connection.execute(insert(tables.passkeys), _columns(passkey))

    def use_passkey(self, passkey_id: str, sign_count: int, now: float) -> bool:
        """See `PeopleWrites.use_passkey`."""
        theirs = tables.passkeys.c
        uncounted = (theirs.sign_count == 0) if sign_count == 0 else false()
        grown = or_(theirs.sign_count < sign_count, uncounted)
        statement = update(tables.passkeys).where(theirs.id == passkey_id, grown)
        return self._connection.execute(statement, {"sign_count": sign_count, "used_at": now}).rowcount > 0

    def delete_passkey(self, member_id: str, passkey_id: str) -> bool:
        """See `PeopleWrites.delete_passkey`."""
        theirs = tables.passkeys.c
        return self._remove(tables.passkeys, theirs.member_id == member_id, theirs.id == passkey_id) > 0

    def set_recovery_codes(self, member_id: str, digests: list[bytes]) -> None:
        """See `PeopleWrites.set_recovery_codes`."""
        codes = tables.recovery_codes
        self._remove(codes, codes.c.member_id == member_id)
        if digests:
            rows = [{"member_id": member_id, "digest": digest} for digest in digests]
            self._connection.execute(insert(codes), rows)

    def take_recovery_code(self, member_id: str, digest: bytes) -> bool:
        """See `PeopleWrites.take_recovery_code`."""
        codes = tables.recovery_codes
        return self._remove(codes, codes.c.member_id == member_id, codes.c.digest == digest) > 0

    def count_attempt(self, subject: bytes, seconds: float, now: float) -> tuple[int, float]:
        """See `PeopleWrites.count_attempt`."""
        attempts = tables.attempts
        over = select(attempts.c.subject).where(attempts.c.ends_at <= now).limit(_SWEEP)
        self._remove(attempts, attempts.c.subject.in_(over))
        self._remove(attempts, attempts.c.subject == subject, attempts.c.ends_at <= now)
        counted = update(attempts).where(attempts.c.subject == subject).values(count=attempts.c.count + 1)
        found = self._connection.execute(counted.returning(attempts.c.count, attempts.c.ends_at)).first()
        if found:
            return found[0], found[1]
        values = {"subject": subject, "count": 1, "ends_at": now + seconds}
        self._connection.execute(insert(attempts), values)
        return 1, now + seconds

    def forget_attempts(self, subject: bytes) -> None:
        """See `PeopleWrites.forget_attempts`."""
        self._remove(tables.attempts, tables.attempts.c.subject == subject)

    def take_attempt_back(self, subject: bytes) -> None:
        """See `PeopleWrites.take_attempt_back`."""
        attempts = tables.attempts
        counted = update(attempts).where(attempts.c.subject == subject, attempts.c.count > 0)
        self._connection.execute(counted.values(count=attempts.c.count - 1))
