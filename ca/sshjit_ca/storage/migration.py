"""Brings the database's schema up to date, and says whether it is. Alembic is loaded here only: it is slow to load."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory


def migrate(connection: sa.Connection) -> None:
    """Makes what is missing, in the connection's transaction."""
    config = settings()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_current(connection: sa.Connection) -> bool:
    """Whether nothing is missing."""
    found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(settings()).get_current_head()


def settings() -> Config:
    """Where the steps are, for Alembic's own commands."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
