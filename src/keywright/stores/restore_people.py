"""People in a restore. They are those of now: whoever was let out since stays out, what somebody signs in with is what
it is now, a passkey that was taken away stays away, a session that has ended has ended, and a link that was used is
used. Only the people of an account that the database does not know are those of the copy."""

from __future__ import annotations

from collections.abc import Mapping, Set as AbstractSet

from sqlalchemy import Connection, FromClause, delete, insert, select

from keywright.stores import tables

#: Tables that a restore does not take from the copy as they stand there.
PEOPLE = {each.name for each in (
    tables.members, tables.memberships, tables.sessions, tables.tokens, tables.recovery_codes, tables.passkeys,
    tables.attempts, tables.identities, tables.departures,
    tables.portal_sessions,
)}  # fmt: skip


def known_accounts(connection: Connection) -> AbstractSet[str]:
    """The accounts that are there; to be asked before they are replaced. No account is ever deleted, so one that is not
    among them has another history, and nobody was let out of it here."""
    return frozenset(connection.execute(select(tables.accounts.c.id)).scalars())


def settle_people(connection: Connection, copies: Mapping[str, FromClause], known: AbstractSet[str]) -> None:
    """Make the people agree with the accounts, which are the copy's by now.

    Args:
        copies: the tables of the copy, by name.
        known: what `known_accounts` has answered before.
    """
    _let_go_of_lost_accounts(connection)
    _unite_departures(connection, copies["departures"])
    strange = [each for each in connection.execute(select(tables.accounts.c.id)).scalars() if each not in known]
    for account_id in strange:
        _take_over(connection, copies, account_id)


def end_sessions_and_links(connection: Connection) -> None:
    """For a copy that takes the place of a database that nothing can be read of: which of them had ended is not known,
    so all do. People sign in anew."""
    for table in (tables.sessions, tables.tokens, tables.portal_sessions):
        connection.execute(delete(table))


def _let_go_of_lost_accounts(connection: Connection) -> None:
    accounts = select(tables.accounts.c.id)
    for table in (tables.sessions, tables.tokens, tables.portal_sessions, tables.memberships):
        connection.execute(delete(table).where(table.c.account_id.not_in(accounts)))
    of_nobody = tables.members.c.id.not_in(select(tables.memberships.c.member_id))
    gone = list(connection.execute(select(tables.members.c.id).where(of_nobody)).scalars())
    for table in (tables.sessions, tables.recovery_codes, tables.passkeys, tables.identities):
        for member_id in gone:
            connection.execute(delete(table).where(table.c.member_id == member_id))
    connection.execute(delete(tables.members).where(of_nobody))


def _unite_departures(connection: Connection, copied: FromClause) -> None:
    """Whoever was removed in either history comes in uninvited in neither."""
    known = select(tables.departures.c.digest)
    missing = select(copied).where(copied.c.digest.not_in(known))
    connection.execute(insert(tables.departures).from_select(copied.c.keys(), missing))


def _take_over(connection: Connection, copies: Mapping[str, FromClause], account_id: str) -> None:
    people, theirs = copies["members"], copies["memberships"]
    statement = select(people, theirs.c.role, theirs.c.created_at.label("since"))
    joined = statement.join(theirs, theirs.c.member_id == people.c.id).where(theirs.c.account_id == account_id)
    for found in connection.execute(joined.order_by(people.c.number)).mappings().all():
        same = select(tables.members.c.id).where(tables.members.c.email == found["email"])
        member_id = connection.execute(same).scalar()
        if member_id is None:
            member_id = found["id"]
            # Its number may be somebody else's here.
            values = {each.name: found[each.name] for each in tables.members.c if each.name != "number"}
            connection.execute(insert(tables.members), values)
            for table in (tables.recovery_codes, tables.passkeys):
                copied = copies[table.name]
                left = select(copied).where(copied.c.member_id == member_id)
                connection.execute(insert(table).from_select(copied.c.keys(), left))
            _take_identities_over(connection, copies["identities"], member_id)
        membership = {"account_id": account_id, "member_id": member_id, "role": found["role"]}
        connection.execute(insert(tables.memberships), {**membership, "created_at": found["since"]})


def _take_identities_over(connection: Connection, known: FromClause, member_id: str) -> None:
    here = tables.identities.c
    taken = select(here.subject).where(here.issuer == known.c.issuer, here.subject == known.c.subject)
    theirs = select(known).where(known.c.member_id == member_id, ~taken.exists())
    connection.execute(insert(tables.identities).from_select(known.c.keys(), theirs))
