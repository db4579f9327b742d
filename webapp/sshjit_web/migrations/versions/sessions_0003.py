"""When each session was used last, and what somebody typed before they had to sign in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Sessions that are there count as used when they began, so that old ones end."""
    op.add_column("sessions", sa.Column("seen", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE sessions SET seen = created")
    op.create_table(
        "drafts",
        sa.Column("id_hash", sa.String(64), primary_key=True),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("expires", sa.Integer, nullable=False),
    )
    op.create_index("drafts_browser", "drafts", ["browser_hash"])
    op.create_index("drafts_expires", "drafts", ["expires"])


def downgrade() -> None:
    """Forgets both."""
    op.drop_table("drafts")
    op.drop_column("sessions", "seen")
