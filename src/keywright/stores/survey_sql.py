"""The statements behind `stores.survey`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from keywright.audit import ActorKind
from keywright.record import KeyRow
from keywright.stores import tables
from keywright.stores.survey import AuditFilter, AuditLine, Surveyed

_MOST_NAMESAKES = 100
#: As it is stored: a key's own list, in the one way in which lists are written.
_FULL_ACCESS = json.dumps(["*"])


def _line(found: Row[Any]) -> AuditLine:
    data = {name: value for name, value in found._mapping.items() if name != "account_id"}
    return AuditLine(**{**data, "details": json.loads(found.details)})


def _tells(person: str) -> ColumnElement[bool]:
    # As it is written, quotes and all: in the JSON of a text a quote has a backslash, so it is found as a member only.
    written = f'"person": {json.dumps(person, ensure_ascii=False)}'
    return tables.audit_log.c.details.contains(written, autoescape=True)


def _wanted(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    log = tables.audit_log.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.action:
        conditions.append(log.action == wanted.action)
    if wanted.actors is not None:
        besides = [log.actor_kind == wanted.actor_kind] if wanted.actor_kind else []
        if wanted.person:
            besides.append(and_(log.actor_kind == ActorKind.PORTAL, _tells(wanted.person)))
        conditions.append(or_(log.actor_id.in_(wanted.actors), *besides))
    if wanted.targets is not None:
        conditions.append(log.target.in_(wanted.targets))
    if wanted.since is not None:
        conditions.append(log.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(log.at < wanted.until)
    return conditions


def _living(account_id: str, now: float) -> ColumnElement[bool]:
    keys = tables.keys.c
    return and_(
        keys.account_id == account_id,
        keys.disabled.is_(False),
        or_(keys.expires_at.is_(None), keys.expires_at > now),
        keys.successor_id.is_(None),
    )


class SqlSurvey:
    """The `SurveyReads` of one connection inside a transaction.

    Args:
        to_row: makes a value of a row of the table of keys.
    """

    def __init__(self, connection: Connection, to_row: Callable[[Row[Any]], KeyRow]) -> None:
        self._connection = connection
        self._to_row = to_row

    def audit_lines(
        self, account_id: str, wanted: AuditFilter, limit: int, *, below: int | None, above: int | None
    ) -> list[AuditLine]:
        """See `SurveyReads.audit_lines`."""
        log = tables.audit_log.c
        statement = select(tables.audit_log).where(log.account_id == account_id, *_wanted(wanted)).limit(limit)
        if above is not None:
            found = self._connection.execute(statement.where(log.number > above).order_by(log.number))
            return [_line(each) for each in found][::-1]
        if below is not None:
            statement = statement.where(log.number < below)
        return [_line(each) for each in self._connection.execute(statement.order_by(log.number.desc()))]

    def ids_named(self, account_id: str, name: str) -> list[str]:
        """See `SurveyReads.ids_named`."""
        keys, dead, people, theirs = tables.keys.c, tables.tombstones.c, tables.members.c, tables.memberships.c
        joined = tables.members.join(tables.memberships, theirs.member_id == people.id)
        statements = (
            select(keys.id).where(keys.account_id == account_id, keys.name == name),
            select(dead.key_id).where(dead.account_id == account_id, dead.name == name),
            select(people.id)
            .select_from(joined)
            .where(theirs.account_id == account_id, or_(people.name == name, people.email == name.lower())),
        )
        return [
            each for one in statements for each in self._connection.execute(one.limit(_MOST_NAMESAKES)).scalars().all()
        ]

    def names(self, account_id: str, ids: Sequence[str]) -> dict[str, str]:
        """See `SurveyReads.names`."""
        keys, dead, people, theirs = tables.keys.c, tables.tombstones.c, tables.members.c, tables.memberships.c
        joined = tables.members.join(tables.memberships, theirs.member_id == people.id)
        statements = (
            select(keys.id, keys.name).where(keys.account_id == account_id, keys.id.in_(ids)),
            select(dead.key_id, dead.name).where(dead.account_id == account_id, dead.key_id.in_(ids)),
            select(people.id, people.name)
            .select_from(joined)
            .where(theirs.account_id == account_id, people.id.in_(ids)),
        )
        return {each[0]: each[1] for one in statements for each in self._connection.execute(one)} if ids else {}

    def living_slots(self, account_id: str, now: float) -> list[int]:
        """See `SurveyReads.living_slots`."""
        statement = select(tables.keys.c.slot).where(_living(account_id, now)).order_by(tables.keys.c.slot)
        return list(self._connection.execute(statement).scalars())

    def keys_at(self, account_id: str, slots: Sequence[int]) -> list[KeyRow]:
        """See `SurveyReads.keys_at`."""
        keys = tables.keys.c
        statement = select(tables.keys).where(keys.account_id == account_id, keys.slot.in_(slots)).order_by(keys.slot)
        return [self._to_row(each) for each in self._connection.execute(statement)]

    def ending(self, account_id: str, now: float, until: float, limit: int) -> Surveyed:
        """See `SurveyReads.ending`."""
        keys = tables.keys.c
        soon = and_(_living(account_id, now), keys.expires_at.is_not(None), keys.expires_at < until)
        return self._surveyed(soon, keys.expires_at, limit)

    def unbounded(self, account_id: str, now: float, limit: int) -> Surveyed:
        """See `SurveyReads.unbounded`."""
        keys = tables.keys.c
        endless = and_(_living(account_id, now), keys.expires_at.is_(None), keys.scopes == _FULL_ACCESS)
        return self._surveyed(endless, keys.slot, limit)

    def _surveyed(self, which: ColumnElement[bool], order: ColumnElement[Any], limit: int) -> Surveyed:
        count = self._connection.execute(select(func.count()).select_from(tables.keys).where(which)).scalar_one()
        statement = select(tables.keys).where(which).order_by(order, tables.keys.c.slot).limit(limit)
        return Surveyed(count, tuple(self._to_row(each) for each in self._connection.execute(statement)))
