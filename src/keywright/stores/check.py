"""What must be true of a database, and is asked of it by ``keywright db check``: that it is whole, and that its rows
agree with each other. Everything here only reads."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from pysqlite3 import dbapi2
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from keywright.errors import Unavailable
from keywright.stores import sql

Rule: TypeAlias = Callable[[Connection], Iterable[object]]

#: Of the things that are wrong in one way, so many are named; the others are counted.
MOST_NAMED = 5


@contextmanager
def reading_copy(path: Path, what: str) -> Iterator[Connection]:
    """Read a database file that nobody writes, and leave no trace in it or beside it.

    Raises:
        Unavailable: it cannot be read.
    """
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    engine = create_engine("sqlite+pysqlite://", creator=lambda: dbapi2.connect(uri, uri=True), module=dbapi2,
                           poolclass=NullPool, hide_parameters=True)  # fmt: skip
    with sql.machine_faults(what), engine.connect() as connection:
        yield connection


def is_damage(error: Unavailable) -> bool:
    """Whether a database could not answer because of what is in its file, and not because it is locked, or its disk
    full or broken: then it may answer later."""
    cause = error.__cause__
    found = cause.orig if isinstance(cause, DBAPIError) else cause
    return isinstance(found, dbapi2.DatabaseError) and not isinstance(found, dbapi2.OperationalError)


def damage(connection: Connection) -> list[str]:
    """What SQLite itself finds wrong with pages, rows and indexes."""
    found = connection.execute(text("PRAGMA integrity_check")).scalars()
    return [str(each) for each in found if each != "ok"]


def lost_references(connection: Connection) -> list[str]:
    """Rows that refer to a row that is not there."""
    found = connection.execute(text("PRAGMA foreign_key_check")).all()
    return [f"row {each[1]} of {each[0]} refers to a row of {each[2]} that is not there" for each in found]


def contradictions(connection: Connection) -> list[str]:
    """What is wrong with the records, one sentence for each kind."""
    return [_sentence(what, found) for what, rule in RULES.items() if (found := sorted(map(str, rule(connection))))]


def _sentence(what: str, found: list[str]) -> str:
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f"{what}: {', '.join(found[:MOST_NAMED])}{more}"


def _selected(statement: str) -> Rule:
    return lambda connection: connection.execute(text(statement)).scalars().all()


def _untold_keys(connection: Connection) -> list[str]:
    """Keys that no line of the audit log tells of: of their own, of a rotation, or of many keys made at once."""
    keys = connection.execute(text(_NOT_MADE_ALONE)).all()
    ranges = [(each.first, each.last) for each in connection.execute(text(_MADE_TOGETHER))]
    starts = [first for first, _ in ranges]

    def told(slot: int) -> bool:
        place = bisect_right(starts, slot)
        return place > 0 and slot <= ranges[place - 1][1]

    return [each.id for each in keys if not told(each.slot)]


#: Both are of whoever is asked for `JSON`; a text that is none has no member of any name.
_DETAIL = "CASE WHEN json_valid(details) THEN json_extract(details, '{0}') END"
_NOT_MADE_ALONE = f"""
    SELECT id, slot FROM keys WHERE id NOT IN (
        SELECT target FROM audit_log WHERE action = 'key.create'
        UNION ALL
        SELECT {_DETAIL.format("$.successor")} FROM audit_log
        WHERE action = 'key.rotate' AND {_DETAIL.format("$.successor")} IS NOT NULL)
"""  # noqa: S608 - there is nothing in it but what stands here
_MADE_TOGETHER = f"""
    WITH known AS (SELECT id, slot FROM keys UNION ALL SELECT key_id, slot FROM tombstones)
    SELECT first.slot AS first, last.slot AS last FROM audit_log
    JOIN known AS first ON first.id = {_DETAIL.format("$.first")}
    JOIN known AS last ON last.id = {_DETAIL.format("$.last")}
    WHERE action = 'key.create_many' ORDER BY first.slot
"""  # noqa: S608 - as above


def _of_type(value: object, kind: type, optional: bool) -> bool:
    if value is None:
        return optional
    try:
        return isinstance(json.loads(str(value)), kind)
    except ValueError:
        return False


def _unreadable(table: str, name: str, column: str, kind: type, *, optional: bool = False) -> Rule:
    statement = text(f"SELECT {name}, {column} FROM {table}")  # noqa: S608 - names from this file

    def rule(connection: Connection) -> list[Any]:
        return [each[0] for each in connection.execute(statement) if not _of_type(each[1], kind, optional)]

    return rule


#: What is wrong → who is concerned. A database that breaks none of these is one that Keywright can have written.
RULES: dict[str, Rule] = {
    "keys that are deleted as well": _selected(
        "SELECT id FROM keys WHERE id IN (SELECT key_id FROM tombstones) OR digest IN (SELECT digest FROM tombstones)"
    ),
    "keys without a line in the audit log of how they were made": _untold_keys,
    "deleted keys without a line in the audit log of their deletion": _selected(
        "SELECT key_id FROM tombstones WHERE key_id NOT IN (SELECT target FROM audit_log WHERE action = 'key.delete')"
    ),
    "slots that two keys have": _selected(
        "SELECT slot FROM (SELECT slot FROM keys UNION ALL SELECT slot FROM tombstones) GROUP BY slot "
        "HAVING count(*) > 1"
    ),
    "keys with slots that will be given again": _selected(
        "SELECT id FROM (SELECT id, slot FROM keys UNION ALL SELECT key_id, slot FROM tombstones) "
        "WHERE slot > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'keys'), 0)"
    ),
    "lines of the audit log with numbers that will be given again": _selected(
        "SELECT number FROM audit_log "
        "WHERE number > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit_log'), 0)"
    ),
    "the feed must have one row, but has so many": _selected("SELECT count(*) FROM feed HAVING count(*) <> 1"),
    "the newest change is not of the feed's version": _selected(
        "SELECT max(version) FROM changes HAVING max(version) <> (SELECT version FROM feed)"
    ),
    "changes after which one is missing in the feed": _selected(
        "SELECT version FROM changes WHERE version + 1 NOT IN (SELECT version FROM changes) "
        "AND version < (SELECT max(version) FROM changes)"
    ),
    "keys whose scopes cannot be read": _unreadable("keys", "id", "scopes", list),
    "keys whose limits cannot be read": _unreadable("keys", "id", "limits", list, optional=True),
    "keys whose networks cannot be read": _unreadable("keys", "id", "networks", list),
    "keys whose metadata cannot be read": _unreadable("keys", "id", "metadata", dict),
    "lines of the audit log whose details cannot be read": _unreadable("audit_log", "number", "details", dict),
}
