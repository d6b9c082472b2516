"""The resources' own database: ``resources.db`` in the data directory."""

from __future__ import annotations

import os
import secrets
import string
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeout

from keywright import SystemClock, Unavailable

RESOURCES_FILE = "resources.db"
_BUSY_SECONDS = 3.0
_ALPHABET = string.digits + string.ascii_letters

metadata = MetaData()

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("account_id", String(32), nullable=False),
    Column("entity_type", String(16), nullable=False),
    Column("linkedin_id", String(255)),
    Column("linkedin_url", String(2048)),
    Column("status", String(16), nullable=False),
    Column("last_checked_at", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("subscriptions_of_account", "account_id", "number"),
    # Two active subscriptions to the same entity are refused by the database itself, however they race.
    Index(
        "one_active_subscription",
        "account_id",
        "entity_type",
        text("coalesce(linkedin_id, linkedin_url)"),
        unique=True,
        sqlite_where=text("status = 'active'"),
        postgresql_where=text("status = 'active'"),
    ),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("account_id", String(32), nullable=False),
    Column("name", String(255), nullable=False),
    Column("deployed", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("campaigns_of_account", "account_id", "number"),
)

triggers = Table(
    "triggers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("campaign_id", String(32), nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("phone", String(32), nullable=False),
    Column("attributes", Text, nullable=False),  # JSON object
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("idempotency_digest", String(64)),  # SHA-256 of what the caller gave; null where nothing was
    Index("triggers_of_campaign", "campaign_id", "number"),
    # A retry is found, and two that race are one, by the database itself. Rows without a digest do not collide.
    Index("one_trigger_per_retry", "account_id", "campaign_id", "idempotency_digest", unique=True),
)


def new_id(kind: str) -> str:
    """A new id such as ``sub_6Vw4Ig8Kl``."""
    return f"{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(9))


class Resources:
    """The database. Both its methods raise `Unavailable` when it cannot answer; nothing is changed then."""

    def __init__(self, data_dir: Path, clock: Any = SystemClock) -> None:
        self.now = clock.now
        url = URL.create("sqlite+pysqlite", database=str(data_dir / RESOURCES_FILE))
        self._engine = create_engine(url, module=dbapi2, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(self._engine, "connect", _prepare)
        self._begin()
        with self.transaction() as connection:
            metadata.create_all(connection)
        _forked_with.add(self)

    def _begin(self) -> None:
        self._gate = threading.Condition()
        self._running = 0
        # How many forks are under way: two threads may fork at once, and the first to end must not let anybody in.
        self._forks = 0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing, and alone: what is read cannot change before it ends."""
        with self._beginning("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Everything that is read is of one moment."""
        with self._beginning("BEGIN") as connection:
            yield connection

    @contextmanager
    def _beginning(self, statement: str) -> Iterator[Connection]:
        with self._in_use():
            try:
                with self._engine.begin() as connection:
                    connection.exec_driver_sql(statement)
                    yield connection
            except (DBAPIError, PoolTimeout) as error:
                cause = getattr(error, "orig", None) or error
                raise Unavailable(f"The resource store cannot answer: {cause}.") from error

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._gate:
            if not self._gate.wait_for(lambda: not self._forks, _BUSY_SECONDS):
                raise Unavailable("The resource store is closed while the process forks.")
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1
                self._gate.notify_all()

    def before_fork(self) -> None:
        """Let what is running end, and close every connection: a child's SQLite would believe in locks that only its
        parent holds. Called by the interpreter, as are the next two."""
        with self._gate:
            self._forks += 1
            # A thread that forks inside its own transaction would wait for itself.
            self._gate.wait_for(lambda: not self._running, _BUSY_SECONDS)
        self._engine.dispose()

    def after_fork_in_parent(self) -> None:
        """Go on; connections are opened again as they are needed."""
        with self._gate:
            self._forks -= 1
            self._gate.notify_all()

    def after_fork(self) -> None:
        """Begin anew in the child. A connection that could not be closed before is left to the parent."""
        self._begin()
        self._engine.dispose(close=False)

    def close(self) -> None:
        """Close every connection."""
        _forked_with.discard(self)
        self._engine.dispose()


_forked_with: weakref.WeakSet[Resources] = weakref.WeakSet()


def _before_fork() -> None:
    for opened in list(_forked_with):
        opened.before_fork()


def _after_fork_in_parent() -> None:
    for opened in list(_forked_with):
        opened.after_fork_in_parent()


def _after_fork() -> None:
    for opened in list(_forked_with):
        opened.after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None
    _enter_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _enter_wal(connection: Any) -> None:
    # SQLite does not wait here, whatever the timeout: of processes that start together, all but one are turned away.
    deadline = SystemClock.elapsed() + _BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except dbapi2.OperationalError:
            if SystemClock.elapsed() >= deadline:
                raise
            SystemClock.pause(0.01)
