"""The first tables: sessions and sign-ins under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("login_id", sa.String(64), nullable=False),
        sa.Column("created", sa.Integer, nullable=False),
        sa.Column("expires", sa.Integer, nullable=False),
    )
    op.create_index("sessions_expires", "sessions", ["expires"])
    op.create_index("sessions_login", "sessions", ["login_id"])
    op.create_table(
        "sign_ins",
        sa.Column("state_hash", sa.String(64), primary_key=True),
        sa.Column("browser_hash", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("target", sa.String(512), nullable=False),
        sa.Column("expires", sa.Integer, nullable=False),
    )
    op.create_index("sign_ins_expires", "sign_ins", ["expires"])


def downgrade() -> None:
    """Drops the tables: everybody signs in again."""
    op.drop_table("sign_ins")
    op.drop_table("sessions")
