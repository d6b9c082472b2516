"""Where keys were used from, and their last refused requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "addresses",
        sa.Column("slot", sa.BigInteger, primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        sa.Column("first_at", sa.Double, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        sa.Column("slot", sa.BigInteger, primary_key=True),
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("reason", sa.String(16), primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        sqlite_with_rowid=False,
    )
