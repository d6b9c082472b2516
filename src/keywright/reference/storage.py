"""The resources' own database: ``resources.db`` in the data directory."""

from __future__ import annotations

import secrets
import string
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
    Index("triggers_of_campaign", "campaign_id", "number"),
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
        with self.transaction() as connection:
            metadata.create_all(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing, and alone: what is read cannot change before it ends."""
        with self._faults(), self._engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For one statement."""
        with self._faults(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            cause = getattr(error, "orig", None) or error
            raise Unavailable(f"The resource store cannot answer: {cause}.") from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
