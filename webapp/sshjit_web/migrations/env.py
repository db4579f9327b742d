"""Alembic's entry: runs the migrations on the connection that ``sshjit_web/migrate.py`` hands over."""

from __future__ import annotations

from alembic import context

from sshjit_web.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
