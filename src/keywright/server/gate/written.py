"""What is written of a record once, and kept for the next request with the same key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from keywright.record import Record
from keywright.values import Value

T = TypeVar("T")

#: Records whose writing is kept; all are dropped when there are more.
MAX_WRITTEN = 100_000


class Written(Value, frozen=True, gc=False):
    """What is said of a record wherever it passes.

    Attributes:
        identity: its headers, up to where its token goes.
        limit: of its only limit, the name, the policy and the capacity; None where it has none, or several.
    """

    identity: str
    limit: tuple[str, str, str] | None


class OncePerRecord(Generic[T]):
    """``write``, called once for each record as long as it is remembered."""

    def __init__(self, write: Callable[[Record], T]) -> None:
        self._write = write
        self._written: dict[str, tuple[Record, T]] = {}

    def __call__(self, record: Record) -> T:
        """What was written of this very record. Of a key that was changed, a new one is remembered."""
        found = self._written.get(record.key_id)
        if found is not None and found[0] is record:
            return found[1]
        if len(self._written) >= MAX_WRITTEN:
            self._written.clear()
        written = self._write(record)
        self._written[record.key_id] = record, written
        return written
