"""The statements that find keys for people: search, filter and paging in the database, so that the number of keys in
an account does not matter to who looks at a page of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, true

from keywright.stores import tables
from keywright.stores.base import KeyFilter, KeyOrder, KeyPlace, KeySort

_ESCAPE = "\\"
#: In place of the end of a key that has none: later than any.
_ENDLESS = 1e300


def _text(wanted: KeyFilter) -> ColumnElement[bool]:
    keys = tables.keys.c
    if not wanted.text:
        return true()
    # What is typed is text: % and _ mean themselves.
    plain = wanted.text
    for special in (_ESCAPE, "%", "_"):
        plain = plain.replace(special, _ESCAPE + special)
    return or_(
        keys.name.ilike(f"%{plain}%", escape=_ESCAPE),
        keys.id.like(f"{plain}%", escape=_ESCAPE),
        keys.hint == wanted.text[-4:] if len(wanted.text) >= 4 else keys.hint == wanted.text,
    )


def _states(wanted: KeyFilter, now: float) -> dict[str, ColumnElement[bool]]:
    keys = tables.keys.c
    over = and_(keys.expires_at.is_not(None), keys.expires_at <= now)
    good = and_(keys.disabled.is_(False), or_(keys.expires_at.is_(None), keys.expires_at > now))
    living = and_(good, keys.successor_id.is_(None))
    return {
        "active": good,
        "living": living,
        "rotating": and_(good, keys.successor_id.is_not(None)),
        "disabled": keys.disabled.is_(True),
        "expired": and_(keys.disabled.is_(False), over),
        "expiring": and_(living, keys.expires_at.is_not(None), keys.expires_at <= wanted.expiring_until),
    }


def matching(
    columns: Any,
    account_id: str,
    wanted: KeyFilter,
    now: float,
    order: KeyOrder,
    after: KeyPlace | None,
    before: KeyPlace | None,
) -> Select[tuple[Any, ...]]:
    """``columns`` of the wanted keys after a place, in order; or of those before one, the one next to it first."""
    keys = tables.keys.c
    statement = select(columns).where(keys.account_id == account_id, _text(wanted))
    if wanted.environment:
        statement = statement.where(keys.environment == wanted.environment)
    if wanted.state:
        statement = statement.where(_states(wanted, now)[wanted.state])
    falling = order.descending if before is None else not order.descending
    place = after or before
    if place is not None:
        statement = statement.where(_beyond(order.by, place, falling=falling))
    found = [_value(order.by, keys), keys.slot] if order.by is not KeySort.CREATED else [keys.slot]
    return statement.order_by(*(each.desc() if falling else each.asc() for each in found))


def _value(by: KeySort, keys: Any) -> ColumnElement[Any]:
    return func.lower(keys.name) if by is KeySort.NAME else func.coalesce(keys.expires_at, _ENDLESS)


def _beyond(by: KeySort, place: KeyPlace, *, falling: bool) -> ColumnElement[bool]:
    """What comes after a place. It is told by value, and not by a key that may have gone or changed meanwhile."""
    keys = tables.keys.c
    further = keys.slot < place.slot if falling else keys.slot > place.slot
    if by is KeySort.CREATED:
        return further
    value = _value(by, keys)
    # In the database's own small letters: they are not those of Python.
    there = func.lower(place.value) if by is KeySort.NAME else literal(min(float(place.value), _ENDLESS))
    return or_(value < there if falling else value > there, and_(value == there, further))


def tally(account_id: str, wanted: KeyFilter, now: float) -> Select[*tuple[Any, ...]]:
    """One row: how many keys have the wanted text, in all, by environment and by state."""
    keys = tables.keys.c
    kinds = {"live": keys.environment == "live", "test": keys.environment == "test", **_states(wanted, now)}
    counts = [func.sum(case((condition, 1), else_=0)).label(name) for name, condition in kinds.items()]
    return select(func.count().label("all"), *counts).where(keys.account_id == account_id, _text(wanted))
