"""What people want to see of a whole account: its audit log, and which of its keys want tidying up.

As in `stores.base`: every method raises `Unavailable` when the database cannot answer, and none knows of rights. Every
method names the account, and none answers anything of another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from keywright.record import KeyRow
from keywright.values import Value


class AuditFilter(Value, frozen=True, gc=False):
    """Which lines of the audit log somebody wants to see.

    Attributes:
        action: empty for any.
        actor_kind: lines of this kind of actor are wanted beside those of ``actors``; empty for none.
        person: lines of portal sessions that were for this person are wanted beside those of ``actors``; empty for
            none.
        actors: the ids of those whose lines are wanted; None for anybody's.
        targets: the ids of what it happened to; None for anything.
        since: Unix seconds; None for the beginning.
        until: Unix seconds, itself not included; None for the end.
    """

    action: str = ""
    actor_kind: str = ""
    person: str = ""
    actors: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    since: float | None = None
    until: float | None = None


class AuditLine(Value, frozen=True, gc=False):
    """A line of the audit log as it is stored. Its words are plain text: a line that a newer Keywright has written can
    be read as well.

    Attributes:
        number: its place; numbers come in the order in which lines were written.
    """

    number: int
    at: float
    actor_kind: str
    actor_id: str
    address: str
    request_id: str
    action: str
    target: str
    details: Mapping[str, Any]


class Surveyed(Value, frozen=True, gc=False):
    """How many keys there are of a sort, and the first few of them."""

    count: int
    rows: tuple[KeyRow, ...]


class SurveyReads(Protocol):
    """Reads of a snapshot."""

    def audit_lines(
        self, account_id: str, wanted: AuditFilter, limit: int, *, below: int | None, above: int | None
    ) -> list[AuditLine]:
        """Up to ``limit`` wanted lines, the newest first: those right below the number ``below``, or right above
        ``above``, or the newest of all."""
        ...

    def ids_named(self, account_id: str, name: str) -> list[str]:
        """The ids of the account's keys, also of deleted ones, with exactly that name, and of its members with that
        name or e-mail address; at most 100 of each."""
        ...

    def names(self, account_id: str, ids: Sequence[str]) -> dict[str, str]:
        """The names of those of ``ids`` that are keys of the account, also deleted ones, or its members."""
        ...

    def living_slots(self, account_id: str, now: float) -> list[int]:
        """The slots of the account's keys that are active and not being rotated, the oldest first."""
        ...

    def keys_at(self, account_id: str, slots: Sequence[int]) -> list[KeyRow]:
        """The account's keys in these slots, the oldest first."""
        ...

    def ending(self, account_id: str, now: float, until: float, limit: int) -> Surveyed:
        """The living keys that end before ``until``, the next to end first."""
        ...

    def unbounded(self, account_id: str, now: float, limit: int) -> Surveyed:
        """The living keys with full access and no end, the oldest first."""
        ...
