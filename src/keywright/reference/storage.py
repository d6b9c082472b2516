"""The resources' own database: ``resources.db`` in the data directory."""

from __future__ import annotations

import secrets
import string
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Double, Index, Integer, MetaData, String, Table, Text, text

from keywright import SqliteFile, SystemClock

RESOURCES_FILE = "resources.db"
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
        self._file = SqliteFile(data_dir / RESOURCES_FILE, "resource store")
        with self.transaction() as connection:
            metadata.create_all(connection)

    def transaction(self) -> AbstractContextManager[Connection]:
        """All or nothing, and alone: what is read cannot change before it ends."""
        return self._file.writing()

    def reading(self) -> AbstractContextManager[Connection]:
        """Everything that is read is of one moment."""
        return self._file.reading()

    def close(self) -> None:
        """Close every connection."""
        self._file.close()
