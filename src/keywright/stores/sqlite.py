"""The store of one machine: SQLite files in the data directory, shared by any number of its processes.

What each setting is for:

* WAL, so that readers never wait for a writer; ``synchronous=FULL``, so that a change that was acknowledged survives a
  power cut (with NORMAL, deleted keys come back).
* One connection writes, and every write begins with ``BEGIN IMMEDIATE``: what the transaction read cannot be changed by
  another process before it ends.
* Usage is in a second file, so that writing it never wakes the readers of the first.
* No connection is open while the process forks: the child's SQLite would believe in locks that only the parent holds,
  and damage the file as soon as the parent is gone.
* The files are never opened or copied by other means inside a serving process: closing any descriptor of a file drops
  all of the process's locks on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from pysqlite3 import dbapi2
from sqlalchemy import text, update

from keywright.digest import Digest
from keywright.errors import Unavailable
from keywright.stores import settled, sql, tables, traces_sql
from keywright.stores.base import Changes, Disturbance, Found, HourCount, LastUse, Refusal, Sighting, UsageRow
from keywright.stores.nonce import NonceFile
from keywright.stores.schema import bring_up_to_date
from keywright.stores.sqlite_file import SqliteFile

RECORDS_FILE = "keywright.db"
USAGE_FILE = "usage.db"
NONCE_FILE = "coherence.nonce"


#: What `PRAGMA synchronous` answers for FULL.
_SYNCHRONOUS_FULL = 2


class SqliteStore:
    """A `Store` in the file ``keywright.db`` of a data directory.

    Raises:
        Misconfigured: SQLite is too old, or the file was made by a newer Keywright.
        Unavailable: the file cannot be opened or brought up to date.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file = SqliteFile(data_dir / RECORDS_FILE, "key store")
        with self._file.writing() as connection:
            bring_up_to_date(connection, "records")
        self._nonce = NonceFile(data_dir / NONCE_FILE)
        self.freshness: Callable[[], object] = self._nonce.read
        # Whoever died before it could tell the others of its last change: they hear of it now at the latest.
        self._nonce.renew()

    def find(self, digests: Iterable[Digest]) -> Found:
        """See `Store.find`."""
        with self._file.reading() as connection:
            return sql.find(connection, digests)

    def version(self) -> int:
        """See `Store.version`."""
        with self._file.reading() as connection:
            return sql.version(connection)

    def changes_since(self, version: int) -> Changes:
        """See `Store.changes_since`."""
        with self._file.reading() as connection:
            return sql.changes_since(connection, version)

    @contextmanager
    def snapshot(self) -> Iterator[sql.SqlSnapshot]:
        """See `Store.snapshot`."""
        with self._file.reading() as connection:
            yield sql.SqlSnapshot(connection)

    @contextmanager
    def transaction(self) -> Iterator[sql.SqlTransaction]:
        """See `Store.transaction`."""
        transaction: sql.SqlTransaction | None = None

        def tell() -> None:
            # After the commit, and before anybody is told of it. Also after one that failed: what a failing disk has
            # made of it is not known, and to look once too often costs nothing.
            if transaction is not None and transaction.published:
                self._nonce.renew()

        with self._file.writing(tell) as connection:
            transaction = sql.SqlTransaction(connection)
            yield transaction

    def disturbance(self) -> Disturbance:
        """See `Store.disturbance`."""
        if self._nonce.replaced() or self._file.replaced():
            self._nonce.remap()
            self.freshness = self._nonce.read
            self._file.reopen()
            return Disturbance.REPLACED
        return Disturbance.WRITTEN if self._file.written() else Disturbance.NONE

    def rehash(self, key_id: str, digest: Digest) -> None:
        """See `Store.rehash`. No process needs to hear of it: what they remember is not found by this digest."""
        values = {"digest": digest.value, "digest_version": digest.version}
        with self._file.writing() as connection:
            connection.execute(update(tables.keys).where(tables.keys.c.id == key_id), values)

    def settle(self) -> None:
        """See `Store.settle`."""
        self._nonce.renew()

    def settle_secret(self, fingerprints: dict[int, str], tag_keys: dict[int, bytes]) -> dict[int, bytes]:
        """See `settled.settle_secret`."""
        with self._file.writing() as connection:
            return settled.settle_secret(connection, fingerprints, tag_keys)

    def settle_formats(self, shapes: dict[str, str]) -> None:
        """See `settled.settle_formats`."""
        with self._file.writing() as connection:
            settled.settle_formats(connection, shapes)

    def durability(self) -> str:
        """``full``: what was acknowledged survives a power cut. ``reduced``: it may not."""
        with self._file.reading() as connection:
            synchronous, journal = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("synchronous", "journal_mode")
            )
        return "full" if synchronous >= _SYNCHRONOUS_FULL and journal == "wal" else "reduced"

    def engine(self) -> str:
        """The database engine and its version, for people."""
        return f"SQLite {dbapi2.sqlite_version}"

    def integrity(self) -> str:
        """SQLite's own quick check: ``ok``, or what is wrong."""
        with self._file.reading() as connection:
            return str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())

    def close(self) -> None:
        """See `Store.close`. What asks for the `freshness` from now on gets `Unavailable`."""
        self._file.close()
        self.freshness = _closed
        self._nonce.close()


def _closed() -> NoReturn:
    raise Unavailable("The key store is closed.")


class SqliteUsageStore:
    """A `UsageStore` in the file ``usage.db`` of a data directory. Raises as `SqliteStore` does."""

    def __init__(self, data_dir: Path) -> None:
        self._file = SqliteFile(data_dir / USAGE_FILE, "usage store")
        with self._file.writing() as connection:
            bring_up_to_date(connection, "usage")

    def add(self, rows: Sequence[UsageRow], hour: int) -> None:
        """See `UsageStore.add`."""
        with self._file.writing() as connection:
            sql.add_usage(connection, rows, hour)

    def last_uses(self, slots: Sequence[int]) -> dict[int, LastUse]:
        """See `UsageStore.last_uses`."""
        with self._file.reading() as connection:
            return sql.last_uses(connection, slots)

    def used_at(self, slots: Sequence[int]) -> dict[int, float]:
        """See `UsageStore.used_at`."""
        with self._file.reading() as connection:
            return sql.used_at(connection, slots)

    def hourly(self, account_id: str, start: float, end: float, slot: int | None) -> list[HourCount]:
        """See `UsageStore.hourly`."""
        with self._file.reading() as connection:
            return sql.hourly(connection, account_id, start, end, slot)

    def hourly_of(self, account_id: str, slots: Sequence[int], hours: Sequence[int]) -> dict[int, list[HourCount]]:
        """See `UsageStore.hourly_of`."""
        with self._file.reading() as connection:
            return sql.hourly_of(connection, account_id, slots, hours)

    def sightings(self, slot: int) -> list[Sighting]:
        """See `UsageStore.sightings`."""
        with self._file.reading() as connection:
            return traces_sql.sightings(connection, slot)

    def refusals(self, slot: int) -> list[Refusal]:
        """See `UsageStore.refusals`."""
        with self._file.reading() as connection:
            return traces_sql.refusals(connection, slot)

    def forget(self, slots: Sequence[int]) -> None:
        """See `UsageStore.forget`."""
        with self._file.writing() as connection:
            traces_sql.forget(connection, slots)

    def close(self) -> None:
        """See `UsageStore.close`."""
        self._file.close()
