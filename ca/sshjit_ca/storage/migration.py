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
    settings = _settings()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def is_current(connection: sa.Connection) -> bool:
    """Whether nothing is missing."""
    found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(_settings()).get_current_head()


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return settings
