"""When a member last showed in a session who they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; whoever has signed in shows it again before they do what asks for it."""
    op.add_column("sessions", sa.Column("proved_at", sa.Double, nullable=False, server_default="0"))
