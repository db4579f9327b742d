"""The log, its head, and the policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the first tables."""
    op.create_table(
        "entries",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("fact", sa.LargeBinary, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("detail", sa.LargeBinary),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("subject", sa.String(64)),
        sa.Column("request", sa.String(64)),
    )
    op.create_index("entries_subject", "entries", ["subject", "number"])
    but_certificates = sa.text("kind <> 'certificate'")
    op.create_index(
        "entries_request",
        "entries",
        ["request", "number"],
        sqlite_where=but_certificates,
        postgresql_where=but_certificates,
    )
    op.create_index("entries_kind", "entries", ["kind", "number"])
    op.create_table(
        "head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False),
        sa.Column("holder", sa.String(200), nullable=False, server_default=""),
        sa.Column("beat", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "policies",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fold", sa.Integer, nullable=False),
        sa.Column("tiles", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drops the tables, of a database without a log: there is nothing before the first.

    Raises:
        RuntimeError: there is a log; it is never dropped.

    """
    if op.get_bind().execute(sa.text("SELECT 1 FROM entries")).first() is not None:
        raise RuntimeError("the database holds a log")
    for table in ("snapshots", "policies", "head", "entries"):
        op.drop_table(table)
