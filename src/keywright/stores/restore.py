"""Putting a copy of a database in the place of the one in use, without giving back what was taken away since.

Each database is changed in one transaction of its own, so that whoever works on it meanwhile sees all of it or nothing,
and whoever is killed leaves it as it was. The copy is another file, read beside it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, FromClause, MetaData, Table, delete, func, insert, or_, select, text, true, update
from sqlalchemy.dialects import sqlite

from keywright.audit import AuditEvent
from keywright.errors import Conflict
from keywright.limits.base import all_within, parse_limits
from keywright.record import KeyRow, LimitPolicy, missing_scopes, parse_network
from keywright.stores import restore_people, sql, tables, traces_sql
from keywright.stores.sqlite_file import BESIDE, SqliteFile
from keywright.values import Value

#: What can be narrower in the database than in the copy.
_AUTHORITY = ("disabled", "expires_at", "scopes", "networks", "limits")
#: Tables of which nothing may be lost, and those whose rows are about the file that they stand in.
_KEPT = {"meta", "tombstones", "audit_log", "feed", "changes"} | restore_people.PEOPLE


class Restored(Value, frozen=True, gc=False):
    """What came of it.

    Attributes:
        keys: how many there are now.
        deleted: keys of the copy that had been deleted since, and are not back.
        narrowed: keys that can do less than in the copy, because they could do less just now.
        gone: keys made since the copy, which are not there any more.
    """

    keys: int
    deleted: int
    narrowed: int
    gone: int


def _beside(metadata: MetaData) -> dict[str, FromClause]:
    """The same tables in the copy, each under a name of its own: a bare one would mean those of both files."""
    other = MetaData()
    return {
        name: table.to_metadata(other, schema=BESIDE).alias(f"copied_{name}") for name, table in metadata.tables.items()
    }


_COPY = _beside(tables.records)
_USAGE_COPY = _beside(tables.usage)


def restore_records(
    file: SqliteFile,
    copy: Path,
    policy: LimitPolicy,
    least_slot: int,
    event: Callable[[Restored], AuditEvent],
    told: Callable[[], None],
) -> Restored:
    """Make the keys those of the copy; deleted ones stay deleted, and narrowed ones narrowed.

    Tombstones and the audit log are united. People are those of now: see `restore_people`. Numbers once given are never
    given again. Every process that remembers anything reads it anew.

    Args:
        policy: what limits stand for that a key does not name itself.
        least_slot: slots up to here were used, whatever the tables say.
        event: what is written to the audit log.
        told: called when the transaction has ended, to tell other processes.

    Raises:
        Conflict: the database is not a later state of the copy: one slot is two different keys' there.
        Unavailable: a database cannot answer. Nothing was changed.
    """
    with file.writing(told, beside=copy) as connection:
        _require_one_history(connection)
        narrowings, terms = _narrowings(connection, policy), _account_narrowings(connection)
        known = restore_people.known_accounts(connection)
        gone = _count(connection, select(tables.keys.c.id).where(tables.keys.c.id.not_in(select(_COPY["keys"].c.id))))
        _unite_tombstones(connection)
        _unite_audit_log(connection)
        # Members refer to accounts, which are away for a moment.
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        _replace_rows(connection, (each for each in tables.records.sorted_tables if each.name not in _KEPT), _COPY)
        restore_people.settle_people(connection, _COPY, known)
        _replace_notes(connection)
        deleted = _bury(connection)
        narrowed = _narrow(connection, narrowings)
        for account_id, changes in terms.items():
            sql.SqlTransaction(connection).update_account(account_id, changes)
        _raise_sequences(connection, least_slot)
        _break_feed(connection)
        restored = Restored(_count(connection, select(tables.keys.c.id)), deleted, narrowed, gone)
        sql.SqlTransaction(connection).audit(event(restored))
    return restored


def restore_usage(file: SqliteFile, copy: Path) -> None:
    """Add what the copy knows and the database does not. Counts and last uses only ever grow, so neither is lost.

    Raises:
        Unavailable: a database cannot answer. Nothing was changed.
    """
    uses, hours = _USAGE_COPY["last_uses"], _USAGE_COPY["hourly"]
    with file.writing(beside=copy) as connection:
        # SQLite takes the ON of ON CONFLICT for that of a join where the SELECT has no WHERE.
        use = sqlite.insert(tables.last_uses).from_select(uses.c.keys(), select(uses).where(true()))
        newer = use.excluded.at > tables.last_uses.c.at
        moved = {name: use.excluded[name] for name in ("at", "address", "user_agent")}
        connection.execute(use.on_conflict_do_update(index_elements=["slot"], set_=moved, where=newer))
        hour = sqlite.insert(tables.hourly).from_select(hours.c.keys(), select(hours).where(true()))
        most = {"count": func.max(tables.hourly.c["count"], hour.excluded["count"])}
        connection.execute(hour.on_conflict_do_update(index_elements=tables.hourly.primary_key.columns, set_=most))
        _restore_traces(connection)


def _restore_traces(connection: Connection) -> None:
    seen, refused, here = _USAGE_COPY["addresses"], _USAGE_COPY["refusals"], tables.addresses
    again = sqlite.insert(here).from_select(seen.c.keys(), select(seen).where(true()))
    widest = {
        "first_at": func.min(here.c.first_at, again.excluded.first_at),
        "last_at": func.max(here.c.last_at, again.excluded.last_at),
    }
    connection.execute(again.on_conflict_do_update(index_elements=here.primary_key.columns, set_=widest))
    then = sqlite.insert(tables.refusals).from_select(refused.c.keys(), select(refused).where(true()))
    connection.execute(then.on_conflict_do_nothing())
    traces_sql.trim(connection)


def restore_rows(file: SqliteFile, copy: Path, metadata: MetaData) -> None:
    """Make the rows of all tables those of the copy.

    Raises:
        Unavailable: a database cannot answer. Nothing was changed.
    """
    with file.writing(beside=copy) as connection:
        _replace_rows(connection, metadata.sorted_tables, _beside(metadata))


def settle_alone(
    file: SqliteFile, least_slot: int, least_account: int, event: Callable[[Restored], AuditEvent]
) -> Restored:
    """What `restore_records` does to a copy that takes the place of a database that nothing can be read of.

    Args:
        least_account: numbers of accounts up to here may have been used.

    Raises:
        Unavailable: the copy cannot answer. Nothing was changed.
    """
    with file.writing() as connection:
        restore_people.end_sessions_and_links(connection)
        _raise_sequences(connection, least_slot, least_account, beside=False)
        _break_feed(connection, beside=False)
        restored = Restored(_count(connection, select(tables.keys.c.id)), 0, 0, 0)
        sql.SqlTransaction(connection).audit(event(restored))
    return restored


def highest_slot(connection: Connection) -> int:
    """The highest slot that anything was counted for in a usage database; 0 if nothing was."""
    found = [select(func.max(table.c.slot)) for table in (tables.last_uses, tables.hourly)]
    return max(connection.execute(each).scalar() or 0 for each in found)


def _require_one_history(connection: Connection) -> None:
    copied = _COPY["keys"].c
    alive = select(copied.id).join(tables.keys, (tables.keys.c.slot == copied.slot) & (tables.keys.c.id != copied.id))
    dead = tables.tombstones
    buried = select(copied.id).join(dead, (dead.c.slot == copied.slot) & (dead.c.key_id != copied.id))
    if connection.execute(alive.limit(1)).first() or connection.execute(buried.limit(1)).first():
        raise Conflict(
            "The backup is not an earlier state of this data directory: both have made keys on their own. Restore it "
            "into a new directory that holds nothing but the master secret."
        )


def _unite_tombstones(connection: Connection) -> None:
    copied = _COPY["tombstones"]
    statement = sqlite.insert(tables.tombstones).from_select(copied.c.keys(), select(copied).where(true()))
    connection.execute(statement.on_conflict_do_nothing())


def _unite_audit_log(connection: Connection) -> None:
    here, copied = tables.audit_log, _COPY["audit_log"]
    same = [here.c[name] == copied.c[name] for name in ("at", "account_id", "action", "target", "details")]
    missing = select(copied).where(~select(here.c.number).where(here.c.number == copied.c.number, *same).exists())
    names = copied.c.keys()
    if connection.execute(select(here.c.number).limit(1)).first():
        # Their numbers are taken by other lines.
        names = [name for name in names if name != "number"]
    columns = missing.with_only_columns(*(copied.c[name] for name in names)).order_by(copied.c.number)
    connection.execute(insert(here).from_select(names, columns))


def _replace_rows(connection: Connection, replaced: Iterable[Table], copies: dict[str, FromClause]) -> None:
    ordered = list(replaced)
    for table in reversed(ordered):
        connection.execute(delete(table))
    for table in ordered:
        copied = copies[table.name]
        connection.execute(insert(table).from_select(copied.c.keys(), select(copied)))


def _replace_notes(connection: Connection) -> None:
    """What the keys of the copy were made with; what was noted since belongs to no key any more, and harms nobody."""
    copied = _COPY["meta"]
    connection.execute(insert(tables.meta).prefix_with("OR REPLACE").from_select(copied.c.keys(), select(copied)))


def _bury(connection: Connection) -> int:
    keys, dead = tables.keys.c, tables.tombstones.c
    buried = or_(keys.id.in_(select(dead.key_id)), keys.digest.in_(select(dead.digest)))
    return connection.execute(delete(tables.keys).where(buried)).rowcount


def _narrowings(connection: Connection, policy: LimitPolicy) -> dict[str, dict[str, Any]]:
    """By key, what it must not get from the copy, and what it keeps instead."""
    here, copied = tables.keys, _COPY["keys"]
    differs = or_(*(here.c[name].is_distinct_from(copied.c[name]) for name in (*_AUTHORITY, "successor_id")))
    joined = here.join(copied, here.c.id == copied.c.id)
    now = [sql.to_row(each) for each in connection.execute(select(here).select_from(joined).where(differs))]
    then = [sql.to_row(each) for each in connection.execute(select(copied).select_from(joined).where(differs))]
    by_id = {row.id: row for row in then}
    return {row.id: narrower(row, by_id[row.id], policy) for row in now}


def narrower(now: KeyRow, then: KeyRow, policy: LimitPolicy) -> dict[str, Any]:
    """The least of what a key may do now and what it might then, as columns. Where neither is less, what it may now:
    somebody has decided that since."""
    limits = policy.limits(then.format, then.limits), policy.limits(now.format, now.limits)
    return {
        "disabled": now.disabled or then.disabled,
        "expires_at": min(now.expires_at, then.expires_at),
        "scopes": _common_scopes(now.scopes, then.scopes),
        "networks": _common_networks(now.networks, then.networks),
        "limits": then.limits if all_within(*limits) else now.limits,
        "successor_id": now.successor_id,
    }


def _account_narrowings(connection: Connection) -> dict[str, dict[str, Any]]:
    """By account, the least of what its keys may do together now and what they might then."""
    here, copied = tables.accounts, _COPY["accounts"]
    joined = here.join(copied, here.c.id == copied.c.id)
    columns = (here.c.id, here.c.limits, here.c.disabled, copied.c.limits, copied.c.disabled)
    narrowings = {}
    for account_id, *found in connection.execute(select(*columns).select_from(joined)):
        now, then = (tuple(json.loads(each or "[]")) for each in (found[0], found[2]))
        keeps_then = all_within(parse_limits(then), parse_limits(now))
        narrowings[account_id] = {"limits": then if keeps_then else now, "disabled": bool(found[1] or found[3])}
    return narrowings


def _common_scopes(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    common = {scope for scope in one if not missing_scopes(other, (scope,))}
    return tuple(sorted(common | {scope for scope in other if not missing_scopes(one, (scope,))}))


def _common_networks(now: tuple[str, ...], then: tuple[str, ...]) -> tuple[str, ...]:
    if not now or not then:
        return now or then
    common = {
        str(inner) for one in now for other in then if (inner := _inner(parse_network(one), parse_network(other)))
    }
    # No network at all would mean every network.
    return tuple(sorted(common)) or now


def _inner(one: Any, other: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if one.version != other.version or not one.overlaps(other):
        return None
    smaller: ipaddress.IPv4Network | ipaddress.IPv6Network = max(one, other, key=lambda each: each.prefixlen)
    return smaller


def _narrow(connection: Connection, narrowings: dict[str, dict[str, Any]]) -> int:
    narrowed = 0
    for key_id, values in narrowings.items():
        found = connection.execute(select(tables.keys).where(tables.keys.c.id == key_id)).first()
        if found is None:
            continue
        then = sql.to_row(found)
        # A successor that was made since is gone; then the key may be rotated again.
        if not _exists(connection, values["successor_id"]):
            values["successor_id"] = then.successor_id
        changes = {name: value for name, value in values.items() if value != getattr(then, name)}
        if changes:
            connection.execute(update(tables.keys).where(tables.keys.c.id == key_id), sql.to_columns(changes))
        narrowed += any(name in changes for name in _AUTHORITY)
    return narrowed


def _exists(connection: Connection, key_id: str | None) -> bool:
    found = select(tables.keys.c.slot).where(tables.keys.c.id == key_id)
    return key_id is not None and connection.execute(found).first() is not None


def _raise_sequences(connection: Connection, least_slot: int, least_account: int = 0, *, beside: bool = True) -> None:
    """Numbers that either file has given are not given again."""
    given: dict[str, int] = {"keys": least_slot, "accounts": least_account}
    for schema in ("main", BESIDE) if beside else ("main",):
        for name, seq in connection.exec_driver_sql(f"SELECT name, seq FROM {schema}.sqlite_sequence"):  # noqa: S608
            given[name] = max(given.get(name, 0), seq)
    connection.execute(text("DELETE FROM sqlite_sequence"))
    rows = [{"name": name, "seq": seq} for name, seq in given.items()]
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), rows)


def _break_feed(connection: Connection, *, beside: bool = True) -> None:
    """Leave no change that anybody could go on from: whoever reads the feed forgets everything."""
    versions = [tables.feed.c.version, *([select(_COPY["feed"].c.version).scalar_subquery()] if beside else [])]
    newest = max(connection.execute(select(each)).scalar_one() for each in versions)
    connection.execute(delete(tables.changes))
    connection.execute(update(tables.feed).values(version=newest + 1))


def _count(connection: Connection, rows: Any) -> int:
    return connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one()
