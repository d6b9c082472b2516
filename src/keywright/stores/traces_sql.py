"""The statements about where keys were used from, and about their last refused requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, tuple_

from keywright.stores import tables
from keywright.stores.base import KEPT_ADDRESSES, KEPT_REFUSALS, Refusal, Sighting

ADD_SIGHTING = (
    "INSERT INTO addresses (slot, address, first_at, last_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (slot, address) DO UPDATE SET "
    "first_at = CASE WHEN excluded.first_at < addresses.first_at THEN excluded.first_at ELSE addresses.first_at END, "
    "last_at = CASE WHEN excluded.last_at > addresses.last_at THEN excluded.last_at ELSE addresses.last_at END"
)
ADD_REFUSAL = "INSERT INTO refusals (slot, at, reason, address) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


def trim(connection: Connection, slots: Sequence[int] | None = None) -> None:
    """Leave of these slots, or of all, no more than is kept of each: what was seen last, and the newest refusals."""
    seen, refused = tables.addresses.c, tables.refusals.c
    for slot in _crowded(connection, tables.addresses, KEPT_ADDRESSES, slots):
        last = select(seen.address).where(seen.slot == slot).order_by(seen.last_at.desc(), seen.address)
        kept = last.limit(KEPT_ADDRESSES)
        connection.execute(delete(tables.addresses).where(seen.slot == slot, seen.address.not_in(kept)))
    columns = (refused.at, refused.reason, refused.address)
    for slot in _crowded(connection, tables.refusals, KEPT_REFUSALS, slots):
        newest = select(*columns).where(refused.slot == slot).order_by(*(each.desc() for each in columns))
        kept = newest.limit(KEPT_REFUSALS)
        connection.execute(delete(tables.refusals).where(refused.slot == slot, tuple_(*columns).not_in(kept)))


def _crowded(connection: Connection, table: Table, most: int, slots: Sequence[int] | None) -> list[int]:
    """Which of the slots have more rows than that. Mostly none; to ask is cheaper than to delete nothing of each."""
    statement = select(table.c.slot).group_by(table.c.slot).having(func.count() > most)
    if slots is not None:
        statement = statement.where(table.c.slot.in_(slots))
    return list(connection.execute(statement).scalars())


def sightings(connection: Connection, slot: int) -> list[Sighting]:
    """See `UsageStore.sightings`."""
    seen = tables.addresses.c
    statement = select(seen.address, seen.first_at, seen.last_at).where(seen.slot == slot)
    found: Any = connection.execute(statement.order_by(seen.last_at.desc(), seen.address))
    return [Sighting(*each) for each in found]


def refusals(connection: Connection, slot: int) -> list[Refusal]:
    """See `UsageStore.refusals`."""
    refused = tables.refusals.c
    statement = select(refused.at, refused.reason, refused.address).where(refused.slot == slot)
    found: Any = connection.execute(statement.order_by(refused.at.desc(), refused.reason, refused.address))
    return [Refusal(*each) for each in found]


def forget(connection: Connection, slots: Sequence[int]) -> None:
    """See `UsageStore.forget`."""
    for table in (tables.addresses, tables.refusals):
        connection.execute(delete(table).where(table.c.slot.in_(slots)))
