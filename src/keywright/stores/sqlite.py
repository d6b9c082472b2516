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

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import URL, Connection, Engine, create_engine, event, select, text, update
from sqlalchemy.pool import QueuePool

from keywright.digest import Digest
from keywright.errors import Misconfigured, Unavailable
from keywright.stores import sql, tables
from keywright.stores.base import Changes, Disturbance, Found, HourCount, LastUse, UsageRow
from keywright.stores.nonce import NonceFile, identity
from keywright.stores.schema import bring_up_to_date

RECORDS_FILE = "keywright.db"
USAGE_FILE = "usage.db"
NONCE_FILE = "coherence.nonce"

#: How long a statement waits for another process's transaction before the caller gets a 503.
BUSY_TIMEOUT_SECONDS = 3.0
#: Older ones can, rarely, corrupt a WAL database that several processes write (https://sqlite.org/wal.html#walresetbug).
LEAST_SQLITE_VERSION = (3, 51, 3)
_READERS = 8
#: Of database pages, for each connection; the operating system caches the file as well.
CACHE_KIBIBYTES = 8192


def _check_version() -> None:
    if dbapi2.sqlite_version_info < LEAST_SQLITE_VERSION:
        raise Misconfigured(
            f"SQLite {dbapi2.sqlite_version} can corrupt a database that several processes write. Install a pysqlite3 "
            f"wheel that carries {'.'.join(map(str, LEAST_SQLITE_VERSION))} or newer."
        )


def _engine(path: Path, *, writes: bool) -> Engine:
    engine = create_engine(
        # Not as text: a question mark in the path would end it, and put the database somewhere else.
        URL.create("sqlite+pysqlite", database=str(path)),
        module=dbapi2,
        poolclass=QueuePool,
        pool_size=1 if writes else _READERS,
        max_overflow=0 if writes else _READERS * 4,
        pool_timeout=BUSY_TIMEOUT_SECONDS,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver would say it late, and DEFERRED
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")
        connection.execute("PRAGMA temp_store=MEMORY")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _create_private(path: Path) -> None:
    """Make an empty file that only its owner reads; SQLite gives its other files the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


class _Database:
    """One SQLite file: many readers, one writer at a time."""

    def __init__(self, path: Path, what: str) -> None:
        self.what = what
        with sql.machine_faults(what):
            _create_private(path)
        self._path = path
        self._identity = identity(path)
        self._reader = _engine(path, writes=False)
        self._writer = _engine(path, writes=True)
        # Never writes, and is asked for nothing else: a connection does not see its own commits in `data_version`.
        self._watcher = _engine(path, writes=False)
        self._begin()

    def _begin(self) -> None:
        self._turn = threading.Lock()
        self._gate = threading.Condition()
        self._running = 0
        self._forking = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction."""
        with self._in_use(), sql.machine_faults(self.what), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: one in this process, and one on this machine, at a time."""
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_SECONDS):
            raise Unavailable(f"The {self.what} is busy with other changes.")
        try:
            with self._in_use(), sql.machine_faults(self.what), self._writer.begin() as connection:
                yield connection
        finally:
            self._turn.release()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._gate:
            if not self._gate.wait_for(lambda: not self._forking, BUSY_TIMEOUT_SECONDS):
                raise Unavailable(f"The {self.what} is closed while the process forks.")
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1
                self._gate.notify_all()

    def data_version(self) -> int:
        """A number that differs from the last one if anybody has committed in between."""
        with self._in_use(), sql.machine_faults(self.what), self._watcher.begin() as connection:
            number: int = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            return number

    def replaced(self) -> bool:
        """Whether the file at the path is another one than was opened: open connections would not notice."""
        return identity(self._path) != self._identity

    def reopen(self) -> None:
        """Let go of the old file. What is running on it ends on it."""
        self.close()
        self._identity = identity(self._path)

    def before_fork(self) -> None:
        """Let what is running end, then close every connection; nothing begins before the fork is over."""
        with self._gate:
            self._forking = True
            # A thread that forks inside its own transaction would wait for itself.
            self._gate.wait_for(lambda: not self._running, BUSY_TIMEOUT_SECONDS)
        self.close()

    def after_fork_in_parent(self) -> None:
        """Go on; connections are opened again as they are needed."""
        with self._gate:
            self._forking = False
            self._gate.notify_all()

    def after_fork(self) -> None:
        """Begin anew. A connection that could not be closed before the fork is left to the parent, and not closed."""
        self._begin()
        for engine in (self._reader, self._writer, self._watcher):
            engine.dispose(close=False)

    def close(self) -> None:
        for engine in (self._reader, self._writer, self._watcher):
            engine.dispose()


class SqliteStore:
    """A `Store` in the file ``keywright.db`` of a data directory.

    Raises:
        Misconfigured: SQLite is too old, or the file was made by a newer Keywright.
        Unavailable: the file cannot be opened or brought up to date.
    """

    def __init__(self, data_dir: Path) -> None:
        _check_version()
        self._database = _Database(data_dir / RECORDS_FILE, "key store")
        with self._database.writing() as connection:
            bring_up_to_date(connection, "records")
        self._nonce = NonceFile(data_dir / NONCE_FILE)
        self.freshness: Callable[[], object] = self._nonce.read
        self._data_version = -1

    def find(self, digests: Iterable[Digest]) -> Found:
        """See `Store.find`."""
        with self._database.reading() as connection:
            return sql.find(connection, digests)

    def version(self) -> int:
        """See `Store.version`."""
        with self._database.reading() as connection:
            return sql.version(connection)

    def changes_since(self, version: int) -> Changes:
        """See `Store.changes_since`."""
        with self._database.reading() as connection:
            return sql.changes_since(connection, version)

    @contextmanager
    def snapshot(self) -> Iterator[sql.SqlSnapshot]:
        """See `Store.snapshot`."""
        with self._database.reading() as connection:
            yield sql.SqlSnapshot(connection)

    @contextmanager
    def transaction(self) -> Iterator[sql.SqlTransaction]:
        """See `Store.transaction`."""
        published = False
        try:
            with self._database.writing() as connection:
                transaction = sql.SqlTransaction(connection)
                yield transaction
                published = transaction.published
        finally:
            # After the commit, and before anybody is told of it. Also after one that failed: what a failing disk has
            # made of it is not known, and to look once too often costs nothing.
            if published:
                self._nonce.renew()

    def disturbance(self) -> Disturbance:
        """See `Store.disturbance`."""
        if self._nonce.replaced() or self._database.replaced():
            self._nonce.remap()
            self.freshness = self._nonce.read
            self._database.reopen()
            return Disturbance.REPLACED
        before, self._data_version = self._data_version, self._database.data_version()
        return Disturbance.NONE if before == self._data_version else Disturbance.WRITTEN

    def rehash(self, key_id: str, digest: Digest) -> None:
        """See `Store.rehash`. No process needs to hear of it: what they remember is not found by this digest."""
        values = {"digest": digest.value, "digest_version": digest.version}
        with self._database.writing() as connection:
            connection.execute(update(tables.keys).where(tables.keys.c.id == key_id), values)

    def settle(self) -> None:
        """See `Store.settle`."""
        self._nonce.renew()

    def settle_secret(self, fingerprints: dict[int, str], tag_keys: dict[int, bytes]) -> dict[int, bytes]:
        """Check the master secret against the database, and note new generations of it.

        A key carries the tag of the generation that made it for all its life, also after its digest was renewed and
        the generation was taken out of the secret. Tag keys are therefore kept here. Whoever reads them can make texts
        that cost us a look-up each, and nothing else.

        Args:
            fingerprints: of each generation of the secret.
            tag_keys: of each generation of the secret.

        Returns:
            the tag keys of all generations there ever were, the newest first.

        Raises:
            Misconfigured: a generation differs from the one this database was made with, or the secret under which
                stored keys were digested is missing. Going on would refuse every key.
        """
        meta = tables.meta
        with self._database.writing() as connection:
            stored = connection.execute(select(meta).where(meta.c.name.like("secret %"))).all()
            known = {int(each.name.removeprefix("secret ")): each.value for each in stored}
            used = connection.execute(select(tables.keys.c.digest_version).distinct()).scalars()
            lost = sorted({version for version in used if version not in fingerprints})
            wrong = [version for version, print_ in fingerprints.items() if known.get(version, print_) != print_]
            if wrong or lost:
                raise Misconfigured(
                    f"The master secret does not belong to this database (generation {(wrong or lost)[0]}). Put back "
                    "the secret it was made with; without it no key of this database can be verified."
                )
            for version in fingerprints.keys() - known.keys():
                connection.execute(meta.insert(), {"name": f"secret {version}", "value": fingerprints[version]})
            return _keep_tag_keys(connection, tag_keys)

    def integrity(self) -> str:
        """SQLite's own quick check: ``ok``, or what is wrong."""
        with self._database.reading() as connection:
            return str(connection.execute(text("PRAGMA quick_check(1)")).scalar_one())

    def before_fork(self) -> None:
        """See `Store.before_fork`."""
        self._database.before_fork()

    def after_fork_in_parent(self) -> None:
        """See `Store.after_fork_in_parent`."""
        self._database.after_fork_in_parent()

    def after_fork(self) -> None:
        """See `Store.after_fork`. The nonce file stays mapped: parent and child may read and write the same one."""
        self._database.after_fork()

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()
        self._nonce.close()


def _keep_tag_keys(connection: Connection, tag_keys: dict[int, bytes]) -> dict[int, bytes]:
    meta = tables.meta
    stored = connection.execute(select(meta).where(meta.c.name.like("tag key %"))).all()
    kept = {int(each.name.removeprefix("tag key ")): bytes.fromhex(each.value) for each in stored}
    for version in tag_keys.keys() - kept.keys():
        connection.execute(meta.insert(), {"name": f"tag key {version}", "value": tag_keys[version].hex()})
    return dict(sorted({**kept, **tag_keys}.items(), reverse=True))


class SqliteUsageStore:
    """A `UsageStore` in the file ``usage.db`` of a data directory. Raises as `SqliteStore` does."""

    def __init__(self, data_dir: Path) -> None:
        self._database = _Database(data_dir / USAGE_FILE, "usage store")
        with self._database.writing() as connection:
            bring_up_to_date(connection, "usage")

    def add(self, rows: Sequence[UsageRow], hour: int) -> None:
        """See `UsageStore.add`."""
        with self._database.writing() as connection:
            sql.add_usage(connection, rows, hour)

    def last_uses(self, slots: Sequence[int]) -> dict[int, LastUse]:
        """See `UsageStore.last_uses`."""
        with self._database.reading() as connection:
            return sql.last_uses(connection, slots)

    def hourly(self, account_id: str, start: float, end: float, slot: int | None) -> list[HourCount]:
        """See `UsageStore.hourly`."""
        with self._database.reading() as connection:
            return sql.hourly(connection, account_id, start, end, slot)

    def before_fork(self) -> None:
        """See `Store.before_fork`."""
        self._database.before_fork()

    def after_fork_in_parent(self) -> None:
        """See `Store.after_fork_in_parent`."""
        self._database.after_fork_in_parent()

    def after_fork(self) -> None:
        """See `Store.after_fork`."""
        self._database.after_fork()

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()
