"""The statements that find keys for people: search, filter and paging in the database, so that the number of keys in
an account does not matter to who looks at a page of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true

from keywright.stores import tables
from keywright.stores.base import KeyFilter

_ESCAPE = "\\"


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
    living = and_(keys.disabled.is_(False), or_(keys.expires_at.is_(None), keys.expires_at > now))
    return {
        "active": living,
        "disabled": keys.disabled.is_(True),
        "expired": and_(keys.disabled.is_(False), over),
        "expiring": and_(living, keys.expires_at.is_not(None), keys.expires_at <= wanted.expiring_until),
    }


def matching(
    account_id: str, wanted: KeyFilter, now: float, *, below: int | None, above: int | None
) -> Select[tuple[Any, ...]]:
    """The wanted keys below a slot, the newest first; or above one, the oldest of them first."""
    keys = tables.keys.c
    statement = select(tables.keys).where(keys.account_id == account_id, _text(wanted))
    if wanted.environment:
        statement = statement.where(keys.environment == wanted.environment)
    if wanted.state:
        statement = statement.where(_states(wanted, now)[wanted.state])
    if above is not None:
        return statement.where(keys.slot > above).order_by(keys.slot)
    if below is not None:
        statement = statement.where(keys.slot < below)
    return statement.order_by(keys.slot.desc())


def tally(account_id: str, wanted: KeyFilter, now: float) -> Select[*tuple[Any, ...]]:
    """One row: how many keys have the wanted text, in all, by environment and by state."""
    keys = tables.keys.c
    kinds = {"live": keys.environment == "live", "test": keys.environment == "test", **_states(wanted, now)}
    counts = [func.sum(case((condition, 1), else_=0)).label(name) for name, condition in kinds.items()]
    return select(func.count().label("all"), *counts).where(keys.account_id == account_id, _text(wanted))
