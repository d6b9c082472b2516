"""Who members are at an identity provider, and who was removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Who was removed before is not known: nobody could come in uninvited then."""
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("member_id", sa.String(32), sa.ForeignKey("members.id"), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_index("identities_of_member", "identities", ["member_id", "issuer"], unique=True)
    op.create_table(
        "departures",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("left_at", sa.Double, nullable=False),
    )
