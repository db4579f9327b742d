"""The notifier's tables: its position and lease, what is said, to whom it is owed, and what to remind of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables; the notifier begins at the beginning of the log, where old news is not told."""
    notifier = op.create_table(
        "notifier",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("lease", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(notifier, [{"id": 1, "position": -1, "holder": "", "lease": 0}])
    op.create_table(
        "notices",
        sa.Column("thing", sa.String(160), primary_key=True),
        sa.Column("topic", sa.String(16), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("notices_created", "notices", ["created"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("thing", sa.String(160), nullable=False),
        sa.Column("topic", sa.String(16), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("claimed", sa.String(64), nullable=False),
        sa.Column("last_error", sa.String(256), nullable=False),
    )
    op.create_index("deliveries_state", "deliveries", ["state", "channel", "next_try"])
    op.create_index("deliveries_request", "deliveries", ["request"])
    op.create_index("deliveries_thing", "deliveries", ["thing", "channel", "recipient"], unique=True)
    op.create_table(
        "nags",
        sa.Column("request", sa.String(64), primary_key=True),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
    )
    op.create_index("nags_due", "nags", ["due"])


def downgrade() -> None:
    """Drops the tables: what was owed is not told, and a later notifier begins again."""
    for table in ("nags", "deliveries", "notices", "notifier"):
        op.drop_table(table)
