"""Runs the migrations over the connection that ``sshjit_ca.storage.store`` hands in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from sshjit_ca.storage.schema import metadata


def run(connection: Connection) -> None:
    """Brings the database of ``connection`` up to date, in one transaction."""
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
