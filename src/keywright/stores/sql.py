"""The statements, the same for every SQL engine. What differs between engines is in the engine's own module."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Row, bindparam, case, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from keywright.audit import AuditEvent
from keywright.digest import Digest
from keywright.errors import Unavailable
from keywright.record import NEVER, AccountTerms, KeyRow
from keywright.stores import search_sql as search, tables, traces_sql
from keywright.stores.base import (
    NEWEST_FIRST,
    Account,
    Changes,
    Found,
    HourCount,
    KeyFilter,
    KeyOrder,
    KeyPlace,
    LastUse,
    UsageRow,
)
from keywright.stores.people_sql import SqlPeople
from keywright.stores.portal_sql import SqlPortal
from keywright.stores.survey_sql import SqlSurvey
from keywright.values import replace

#: Changes kept in the feed. A process that has slept longer than this many forgets everything it knew.
FEED_LENGTH = 100_000
#: A process that is this far behind forgets everything rather than going through the list.
MOST_CHANGES_AT_ONCE = 10_000
#: Of so many idempotency keys one, whichever it is, cleans up behind all that are too old.
FORGET_EVERY = 256
_SLOTS_AT_ONCE = 1000
#: Slots lie side by side if at least one in so many is asked for.
_DENSE = 4

_KEY = select(tables.keys)
_KEY_BY_DIGEST = (
    select(
        tables.keys,
        tables.accounts.c.number.label("account_number"),
        tables.accounts.c.limits.label("account_limits"),
        tables.accounts.c.disabled.label("account_disabled"),
    )
    .join(tables.accounts, tables.accounts.c.id == tables.keys.c.account_id)
    .where(tables.keys.c.digest == bindparam("digest"))
)
_LISTS = {"scopes", "networks"}


@contextmanager
def machine_faults(what: str) -> Iterator[None]:
    """Turn the driver's errors into `Unavailable`; nobody above a store knows which driver there is."""
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise Unavailable(f"The {what} cannot answer: {cause}.", 1) from error


def to_row(found: Row[Any]) -> KeyRow:
    """A row of the table as a value."""
    data = found._mapping
    return KeyRow(
        slot=data["slot"],
        id=data["id"],
        account_id=data["account_id"],
        name=data["name"],
        format=data["format"],
        environment=data["environment"],
        prefix=data["prefix"],
        hint=data["hint"],
        digest=data["digest"],
        digest_version=data["digest_version"],
        scopes=tuple(json.loads(data["scopes"])),
        expires_at=NEVER if data["expires_at"] is None else data["expires_at"],
        disabled=bool(data["disabled"]),
        limits=None if data["limits"] is None else tuple(json.loads(data["limits"])),
        networks=tuple(json.loads(data["networks"])),
        metadata=data["metadata"],
        created_at=data["created_at"],
        successor_id=data["successor_id"],
    )


def to_columns(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a `KeyRow` as they are stored."""
    columns = dict(values)
    for name in _LISTS & columns.keys():
        columns[name] = json.dumps(list(columns[name]), ensure_ascii=False)
    if columns.get("limits") is not None:
        columns["limits"] = json.dumps(list(columns["limits"]))
    if columns.get("expires_at") == NEVER:
        columns["expires_at"] = None
    return columns


def _insertable(row: KeyRow) -> dict[str, Any]:
    return to_columns({name: getattr(row, name) for name in row.__struct_fields__ if name != "slot"})


def _to_account(found: Row[Any]) -> Account:
    terms = _to_terms(found.number, found.limits, found.disabled)
    return Account(found.id, found.name, bool(found.operator), found.created_at, terms)


def _to_terms(number: int, limits: str | None, disabled: Any) -> AccountTerms:
    return AccountTerms(number, tuple(json.loads(limits)) if limits is not None else (), bool(disabled))


class SqlSnapshot:
    """A `Snapshot` over one connection inside a transaction."""

    def __init__(self, connection: Connection, *, locks: bool = False) -> None:
        self._connection = connection
        self.people = SqlPeople(connection, locks=locks)
        self.portal = SqlPortal(connection)
        self.survey = SqlSurvey(connection, to_row)

    def account(self, account_id: str) -> Account | None:
        """See `Snapshot.account`."""
        accounts = tables.accounts
        found = self._connection.execute(select(accounts).where(accounts.c.id == account_id)).first()
        return _to_account(found) if found else None

    def accounts(self) -> list[Account]:
        """See `Snapshot.accounts`."""
        found = self._connection.execute(select(tables.accounts).order_by(tables.accounts.c.number))
        return [_to_account(each) for each in found]

    def caller(self, key_id: str) -> KeyRow | None:
        """See `Snapshot.caller`."""
        found = self._connection.execute(_KEY.where(tables.keys.c.id == key_id)).first()
        return to_row(found) if found else None

    def key(self, account_id: str, key_id: str) -> KeyRow | None:
        """See `Snapshot.key`."""
        keys = tables.keys
        statement = _KEY.where(keys.c.id == key_id, keys.c.account_id == account_id)
        found = self._connection.execute(statement).first()
        return to_row(found) if found else None

    def keys(self, account_id: str, after_slot: int, limit: int) -> list[KeyRow]:
        """See `Snapshot.keys`."""
        keys = tables.keys
        statement = _KEY.where(keys.c.account_id == account_id, keys.c.slot > after_slot)
        return [to_row(each) for each in self._connection.execute(statement.order_by(keys.c.slot).limit(limit))]

    def keys_named(self, account_id: str, name: str) -> list[KeyRow]:
        """See `Snapshot.keys_named`."""
        keys = tables.keys
        statement = _KEY.where(keys.c.account_id == account_id, keys.c.name == name).limit(2)
        return [to_row(each) for each in self._connection.execute(statement)]

    def keys_hinted(self, account_id: str, prefix: str, hint: str) -> list[KeyRow]:
        """See `Snapshot.keys_hinted`."""
        keys = tables.keys
        statement = _KEY.where(keys.c.account_id == account_id, keys.c.prefix == prefix, keys.c.hint == hint).limit(2)
        return [to_row(each) for each in self._connection.execute(statement)]

    def has_predecessor(self, account_id: str, key_id: str, now: float) -> bool:
        """See `Snapshot.has_predecessor`."""
        keys = tables.keys
        theirs = keys.c.account_id == account_id, keys.c.successor_id == key_id, keys.c.expires_at > now
        return self._connection.execute(select(keys.c.slot).where(*theirs).limit(1)).first() is not None

    def count_keys(self, account_id: str, now: float) -> dict[str, int]:
        """See `Snapshot.count_keys`."""
        keys = tables.keys
        status = case(
            (keys.c.disabled, "disabled"),
            (keys.c.expires_at <= now, "expired"),
            (keys.c.successor_id.is_not(None), "rotating"),
            else_="active",
        )
        statement = select(status, func.count()).where(keys.c.account_id == account_id).group_by(status)
        return {each[0]: each[1] for each in self._connection.execute(statement)}

    def matching_keys(
        self,
        account_id: str,
        wanted: KeyFilter,
        now: float,
        limit: int,
        order: KeyOrder = NEWEST_FIRST,
        *,
        after: KeyPlace | None = None,
        before: KeyPlace | None = None,
    ) -> list[KeyRow]:
        """See `Snapshot.matching_keys`."""
        statement = search.matching(tables.keys, account_id, wanted, now, order, after, before).limit(limit)
        found = [to_row(each) for each in self._connection.execute(statement)]
        return found if before is None else found[::-1]

    def matching_slots(
        self,
        account_id: str,
        wanted: KeyFilter,
        now: float,
        order: KeyOrder = NEWEST_FIRST,
        *,
        after: KeyPlace | None = None,
        before: KeyPlace | None = None,
    ) -> list[int]:
        """See `Snapshot.matching_slots`."""
        statement = search.matching(tables.keys.c.slot, account_id, wanted, now, order, after, before)
        return list(self._connection.execute(statement).scalars())

    def tally_keys(self, account_id: str, wanted: KeyFilter, now: float) -> dict[str, int]:
        """See `Snapshot.tally_keys`."""
        found = self._connection.execute(search.tally(account_id, wanted, now)).one()
        return {name: count or 0 for name, count in found._mapping.items()}

    def slot_of(self, account_id: str, key_id: str) -> int | None:
        """See `Snapshot.slot_of`."""
        keys, dead = tables.keys, tables.tombstones
        living = select(keys.c.slot).where(keys.c.id == key_id, keys.c.account_id == account_id)
        buried = select(dead.c.slot).where(dead.c.key_id == key_id, dead.c.account_id == account_id)
        return self._connection.execute(living.union_all(buried)).scalar()

    def made_by(self, account_id: str, idempotency_key: str, since: float) -> str | None:
        """See `Snapshot.made_by`."""
        made = tables.idempotency.c
        statement = select(made.key_id).where(made.account_id == account_id, made.idempotency_key == idempotency_key)
        return self._connection.execute(statement.where(made.created_at >= since)).scalar()


class SqlTransaction(SqlSnapshot):
    """A `Transaction` over one connection that holds the right to write."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, locks=True)
        self.published = False

    def caller(self, key_id: str) -> KeyRow | None:
        """See `Snapshot.caller`. SQLite has one writer at a time and leaves the row lock out."""
        statement = _KEY.where(tables.keys.c.id == key_id).with_for_update(read=True)
        found = self._connection.execute(statement).first()
        return to_row(found) if found else None

    def insert_account(self, account: Account) -> None:
        """See `Transaction.insert_account`."""
        values = {name: getattr(account, name) for name in account.__struct_fields__ if name != "terms"}
        self._connection.execute(insert(tables.accounts), values)

    def rename_account(self, account_id: str, name: str) -> None:
        """See `Transaction.rename_account`."""
        self._connection.execute(update(tables.accounts).where(tables.accounts.c.id == account_id), {"name": name})

    def update_account(self, account_id: str, changes: dict[str, Any]) -> None:
        """See `Transaction.update_account`."""
        columns = dict(changes)
        if "limits" in columns:
            columns["limits"] = json.dumps(list(columns["limits"])) if columns["limits"] else None
        self._connection.execute(update(tables.accounts).where(tables.accounts.c.id == account_id), columns)

    def insert_keys(self, rows: Sequence[KeyRow]) -> list[KeyRow]:
        """See `Transaction.insert_keys`."""
        statement = insert(tables.keys).returning(tables.keys.c.slot, sort_by_parameter_order=True)
        slots = self._connection.execute(statement, [_insertable(row) for row in rows]).scalars().all()
        dead = tables.tombstones.c
        taken = select(dead.slot).where(
            dead.key_id.in_([row.id for row in rows]) | dead.digest.in_([row.digest for row in rows])
        )
        if self._connection.execute(taken.limit(1)).first():
            raise Unavailable("A random id was used before.")
        return [replace(row, slot=slot) for row, slot in zip(rows, slots, strict=True)]

    def update_key(self, key_id: str, changes: dict[str, Any]) -> None:
        """See `Transaction.update_key`."""
        self._connection.execute(update(tables.keys).where(tables.keys.c.id == key_id), to_columns(changes))

    def delete_key(self, row: KeyRow, now: float) -> None:
        """See `Transaction.delete_key`."""
        self._connection.execute(delete(tables.keys).where(tables.keys.c.id == row.id))
        tombstone = {
            "digest": row.digest,
            "key_id": row.id,
            "slot": row.slot,
            "account_id": row.account_id,
            "name": row.name,
            "deleted_at": now,
        }
        self._connection.execute(insert(tables.tombstones), tombstone)

    def remember(self, account_id: str, idempotency_key: str, key_id: str, now: float, since: float) -> None:
        """See `Transaction.remember`."""
        made = tables.idempotency.c
        forgotten = delete(tables.idempotency).where(made.created_at < since)
        if crc32(idempotency_key.encode()) % FORGET_EVERY:
            # The one that is in the way. All of them would mean to go through the table each time.
            forgotten = forgotten.where(made.account_id == account_id, made.idempotency_key == idempotency_key)
        self._connection.execute(forgotten)
        values = {
            "account_id": account_id,
            "idempotency_key": idempotency_key,
            "key_id": key_id,
            "created_at": now,
        }
        self._connection.execute(insert(tables.idempotency), values)

    def publish(self, key_id: str) -> None:
        """See `Transaction.publish`."""
        self._publish({"key_id": key_id})

    def publish_account(self, account_id: str) -> None:
        """See `Transaction.publish_account`."""
        self._publish({"key_id": "", "account_id": account_id})

    def _publish(self, values: dict[str, str]) -> None:
        feed = tables.feed
        # The row lock on the counter is held to the commit, so versions come in the order of the commits.
        version = self._connection.execute(update(feed).values(version=feed.c.version + 1).returning(feed.c.version))
        number: int = version.scalar_one()
        self._connection.execute(insert(tables.changes), {"version": number, **values})
        if number % 1000 == 0:
            old = tables.changes.c.version <= number - FEED_LENGTH
            self._connection.execute(delete(tables.changes).where(old))
        self.published = True

    def audit(self, event: AuditEvent) -> None:
        """See `Transaction.audit`."""
        values = {
            "at": event.at,
            "account_id": event.account_id,
            "actor_kind": event.actor.kind,
            "actor_id": event.actor.id,
            "address": event.actor.address,
            "request_id": event.actor.request_id,
            "action": event.action,
            "target": event.target,
            "details": json.dumps(event.told(), ensure_ascii=False),
        }
        self._connection.execute(insert(tables.audit_log), values)


def find(connection: Connection, digests: Iterable[Digest]) -> Found:
    """See `Store.find`."""
    values = [digest.value for digest in digests]
    for value in values:
        found = connection.execute(_KEY_BY_DIGEST, {"digest": value}).first()
        if found:
            terms = _to_terms(found.account_number, found.account_limits, found.account_disabled)
            return Found(row=to_row(found), terms=terms)
    dead = tables.tombstones.c.digest
    return Found(deleted=connection.execute(select(dead).where(dead.in_(values))).first() is not None)


def version(connection: Connection) -> int:
    """See `Store.version`."""
    number: int = connection.execute(select(tables.feed.c.version)).scalar_one()
    return number


def changes_since(connection: Connection, since: int) -> Changes:
    """See `Store.changes_since`."""
    changes = tables.changes.c
    statement = (
        select(changes.version, changes.key_id, changes.account_id)
        .where(changes.version > since)
        .order_by(changes.version)
    )
    found = connection.execute(statement.limit(MOST_CHANGES_AT_ONCE)).all()
    if not found:
        newest = version(connection)
        # An older version than ours: the database was put back to an earlier state behind our back.
        return Changes(newest, () if newest == since else None)
    # Each version has one line. Where the next one is missing, the feed was cut before we read it.
    complete = found[0].version == since + 1 and len(found) < MOST_CHANGES_AT_ONCE
    if not complete:
        return Changes(version(connection), None)
    key_ids = tuple(each.key_id for each in found if each.account_id is None)
    return Changes(found[-1].version, key_ids, tuple(each.account_id for each in found if each.account_id is not None))


_ADD_COUNT = (
    "INSERT INTO hourly (account_id, hour, slot, outcome, count) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (account_id, hour, slot, outcome) DO UPDATE SET count = hourly.count + excluded.count"
)
_MOVE_LAST_USE = (
    "INSERT INTO last_uses (slot, at, address, user_agent) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (slot) DO UPDATE SET at = excluded.at, address = excluded.address, user_agent = excluded.user_agent "
    "WHERE excluded.at > last_uses.at"
)


def add_usage(connection: Connection, rows: Sequence[UsageRow], hour: int) -> None:
    """See `UsageStore.add`."""
    uses = [(row.slot, use.at, use.address, use.user_agent) for row in rows if (use := row.last_use)]
    counts = [(row.account_id, hour, row.slot, outcome, count) for row in rows for outcome, count in row.counts]
    _execute_many(connection, _MOVE_LAST_USE, uses)
    _execute_many(connection, _ADD_COUNT, counts)
    sightings = [(row.slot, each.address, each.first_at, each.last_at) for row in rows for each in row.sightings]
    refusals = [(row.slot, each.at, each.reason, each.address) for row in rows for each in row.refusals]
    if sightings or refusals:
        _execute_many(connection, traces_sql.ADD_SIGHTING, sightings)
        _execute_many(connection, traces_sql.ADD_REFUSAL, refusals)
        traces_sql.trim(connection, [row.slot for row in rows])


def _execute_many(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Hand rows to the driver as they are: on its own way SQLAlchemy spends more time on each than SQLite does."""
    marks = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    if rows:
        connection.exec_driver_sql(statement.replace("?", marks), rows)


def last_uses(connection: Connection, slots: Sequence[int]) -> dict[int, LastUse]:
    """See `UsageStore.last_uses`."""
    uses = tables.last_uses
    found = connection.execute(select(uses).where(uses.c.slot.in_(slots)))
    return {each.slot: LastUse(each.at, each.address, each.user_agent) for each in found}


def used_at(connection: Connection, slots: Sequence[int]) -> dict[int, float]:
    """See `UsageStore.used_at`."""
    uses, found = tables.last_uses.c, dict[int, float]()
    # Two columns, and no value made of each row: an account may have a hundred thousand of them.
    chosen = select(uses.slot, uses.at)
    for start in range(0, len(slots), _SLOTS_AT_ONCE):
        part = slots[start : start + _SLOTS_AT_ONCE]
        least, most = min(part), max(part)
        if most - least < _DENSE * len(part):
            # An account's keys often lie side by side: one stretch of the table is read much faster than its rows are
            # looked up one by one, also if some of it is other accounts'.
            mine = set(part)
            rows = connection.execute(chosen.where(uses.slot.between(least, most)))
            found.update((each[0], each[1]) for each in rows if each[0] in mine)
        else:
            rows = connection.execute(chosen.where(uses.slot.in_(part)))
            found.update((each[0], each[1]) for each in rows)
    return found


def hourly(connection: Connection, account_id: str, start: float, end: float, slot: int | None) -> list[HourCount]:
    """See `UsageStore.hourly`."""
    hours = tables.hourly.c
    statement = select(hours.hour, hours.outcome, func.sum(hours["count"]))
    statement = statement.where(hours.account_id == account_id, hours.hour >= start, hours.hour < end)
    if slot is not None:
        statement = statement.where(hours.slot == slot)
    # A request that was counted in one hour and found to have ended otherwise in the next leaves a -1 there.
    statement = statement.group_by(hours.hour, hours.outcome).having(func.sum(hours["count"]) > 0)
    statement = statement.order_by(hours.hour, hours.outcome)
    return [HourCount(each[0], each[1], each[2]) for each in connection.execute(statement)]


def hourly_of(
    connection: Connection, account_id: str, slots: Sequence[int], at: Sequence[int]
) -> dict[int, list[HourCount]]:
    """See `UsageStore.hourly_of`. Both lists in full: each pair is one look into the index, whatever else is there."""
    hours = tables.hourly.c
    statement = select(hours.slot, hours.hour, hours.outcome, hours["count"])
    statement = statement.where(hours.account_id == account_id, hours.hour.in_(at), hours.slot.in_(slots))
    found: dict[int, list[HourCount]] = {}
    for slot, hour, outcome, count in connection.execute(statement):
        found.setdefault(slot, []).append(HourCount(hour, outcome, count))
    return found
