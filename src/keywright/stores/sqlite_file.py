"""One SQLite file: many readers, one writer at a time, and nothing open while the process forks."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pysqlite3 import dbapi2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from keywright import forks
from keywright.clock import SystemClock
from keywright.errors import Misconfigured, Unavailable
from keywright.forks import Forking
from keywright.mounts import identity
from keywright.owners import new_file
from keywright.stores import sql

#: Older ones can, rarely, corrupt a WAL database that several processes write (https://sqlite.org/wal.html#walresetbug).
LEAST_SQLITE_VERSION = (3, 51, 3)
#: How long a statement waits for another process's transaction before the caller gets a 503.
BUSY_TIMEOUT_SECONDS = 3.0
#: Of database pages, for each connection; the operating system caches the file as well.
CACHE_KIBIBYTES = 8192
#: What the other file is called in a transaction beside it.
BESIDE = "beside"
_READERS = 8
_WAL_POLL_SECONDS = 0.01


def _engine(path: Path, *, writes: bool) -> Engine:
    # Never made by opening it: a file that has gone away must be missed, not begun anew, empty and readable by others.
    uri = f"file:{quote(str(path))}?mode=rw"
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: dbapi2.connect(uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS, check_same_thread=False),
        module=dbapi2,
        poolclass=QueuePool,
        pool_size=1 if writes else _READERS,
        max_overflow=0 if writes else _READERS * 4,
        pool_timeout=BUSY_TIMEOUT_SECONDS,
        # Errors of the driver end up in logs; what was being written does not belong there.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver would say it late, and DEFERRED
        _enter_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")
        connection.execute("PRAGMA temp_store=MEMORY")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _enter_wal(connection: Any) -> None:
    # Of processes that make a database at the same moment, SQLite turns all but one away here, and at once, whatever
    # the timeout says.
    deadline = SystemClock.elapsed() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except dbapi2.OperationalError:
            if SystemClock.elapsed() >= deadline:
                raise
            SystemClock.pause(_WAL_POLL_SECONDS)
        else:
            return


def _create_private(path: Path) -> None:
    """Make an empty file that only its owner reads; SQLite gives its other files the same mode and owner."""
    with contextlib.suppress(FileExistsError):
        os.close(new_file(path))


def _nothing() -> None:
    pass


def _check_version() -> None:
    if dbapi2.sqlite_version_info < LEAST_SQLITE_VERSION:
        raise Misconfigured(
            f"SQLite {dbapi2.sqlite_version} can corrupt a database that several processes write. Install a pysqlite3 "
            f"wheel that carries {'.'.join(map(str, LEAST_SQLITE_VERSION))} or newer."
        )


class SqliteFile(Forking):
    """A database file, made where there is none, and this process's connections to it.

    Any number of threads, processes and forks may use it. What has been written when a transaction ends is on the disk,
    and the file is readable by its owner only. Outside of this class nothing may open it in the same process, not even
    to copy it: closing any descriptor of a file drops all of the process's locks on it.

    Args:
        path: in a directory that exists, on a disk of this machine.
        what: what to call it in errors.

    Raises:
        Misconfigured: SQLite is too old to be shared by several processes.
        Unavailable: the file cannot be made.
    """

    def __init__(self, path: Path, what: str) -> None:
        _check_version()
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
        forks.register(self)

    def _begin(self) -> None:
        self._turn = threading.Lock()
        self._gate = threading.Condition()
        self._running = 0
        # How many forks are under way: two threads may fork at once, and the first to end must not let anybody in.
        self._forks = 0
        self._closed = False
        self._version: int | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction: everything that is read is of one moment.

        Raises:
            Unavailable: the database cannot answer.
        """
        with self._in_use(), sql.machine_faults(self.what), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, ended: Callable[[], None] = _nothing, beside: Path | None = None) -> Iterator[Connection]:
        """A write transaction: one in this process, and one on this machine, at a time.

        Args:
            ended: called when it has ended in whatever way, before anything can be closed or forked.
            beside: another database file, whose tables can be read in it as those of the schema `BESIDE`.

        Raises:
            Unavailable: another change took too long, or the database cannot answer.
        """
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_SECONDS):
            raise Unavailable(f"The {self.what} is busy with other changes.")
        try:
            with self._in_use():
                try:
                    with self._attached(beside), sql.machine_faults(self.what), self._writer.begin() as connection:
                        yield connection
                finally:
                    ended()
        finally:
            self._turn.release()

    @contextmanager
    def _attached(self, beside: Path | None) -> Iterator[None]:
        if beside is None:
            yield
            return
        # There is one connection that writes: the transaction gets the very one that has the other file now.
        with self._plain(self._writer) as connection:
            connection.execute(f"ATTACH ? AS {BESIDE}", (f"file:{quote(str(beside))}?mode=rw",))
        try:
            yield
        finally:
            with self._plain(self._writer) as connection:
                connection.execute(f"DETACH {BESIDE}")

    @contextmanager
    def _plain(self, engine: Engine) -> Iterator[Any]:
        """A connection of the driver's, outside of any transaction."""
        with sql.machine_faults(self.what):
            lent = engine.raw_connection()
        try:
            yield lent.driver_connection
        except dbapi2.Error as error:
            raise Unavailable(f"The {self.what} cannot answer: {error}.") from error
        finally:
            lent.close()

    def copy_to(self, target: Path) -> None:
        """Write what is committed now, of one moment, to a new file that only its owner reads, and make it durable.
        Whoever reads or writes meanwhile does not wait.

        Args:
            target: must not exist. What is there when this raises is not a copy.

        Raises:
            Unavailable: the database cannot answer, or the file cannot be written.
        """
        with self._in_use(), sql.machine_faults(f"copy of the {self.what}"):
            descriptor = new_file(target)
            try:
                # SQLite writes to an empty file as to a new one, and leaves it its mode.
                with self._plain(self._reader) as connection:
                    connection.execute("VACUUM INTO ?", (str(target),))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._gate:
            if not self._gate.wait_for(lambda: not self._forks or self._closed, BUSY_TIMEOUT_SECONDS):
                raise Unavailable(f"The {self.what} waits for the process to fork.")
            if self._closed:
                raise Unavailable(f"The {self.what} is closed.")
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1
                self._gate.notify_all()

    def written(self) -> bool:
        """Whether anybody has committed since this was last asked; yes where that cannot be told."""
        with self._in_use(), sql.machine_faults(self.what), self._watcher.begin() as connection:
            before, self._version = self._version, connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            return before != self._version

    def replaced(self) -> bool:
        """Whether the file at the path is another one than was opened, or none: open connections would not notice."""
        return identity(self._path) != self._identity

    def reopen(self) -> None:
        """Let go of the old file. What is running on it ends on it."""
        self._let_go()
        self._identity = identity(self._path)

    def _let_go(self) -> None:
        for engine in (self._reader, self._writer, self._watcher):
            engine.dispose()
        # The numbers of two connections cannot be compared.
        self._version = None

    def before_fork(self) -> None:
        """Let what is running end, then close every connection; nothing begins before the fork is over."""
        with self._gate:
            self._forks += 1
            # A thread that forks inside its own transaction would wait for itself.
            self._gate.wait_for(lambda: not self._running, BUSY_TIMEOUT_SECONDS)
        self._let_go()

    def after_fork_in_parent(self) -> None:
        """Go on; connections are opened again as they are needed."""
        with self._gate:
            self._forks -= 1
            self._gate.notify_all()

    def after_fork(self) -> None:
        """See `Forking.after_fork`. A connection that could not be closed before is left to the parent, not closed."""
        self._begin()
        for engine in (self._reader, self._writer, self._watcher):
            engine.dispose(close=False)

    def close(self) -> None:
        """Let what is running end, then close every connection, for good."""
        forks.forget(self)
        with self._gate:
            self._closed = True
            self._gate.wait_for(lambda: not self._running, BUSY_TIMEOUT_SECONDS)
        self._let_go()
