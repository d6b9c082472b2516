"""What an account lays upon all of its keys: limits that they share, and whether they are refused altogether."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; accounts that are there have no limits and are not disabled."""
    op.add_column("accounts", sa.Column("limits", sa.Text))
    op.add_column("accounts", sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("changes", sa.Column("account_id", sa.String(32)))
