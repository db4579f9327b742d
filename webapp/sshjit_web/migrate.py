"""Brings the front end's database to the newest shape, at every start; the steps stand in ``migrations/versions``."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from sshjit.errors import Failed

_LOCK = 0x7373686A6974
"""The number of our lock in PostgreSQL: ``sshjit`` in ASCII."""


def upgrade(engine: Engine) -> None:
    """Runs the missing migrations in one transaction. Raises as ``change``."""
    change(engine, "head")


def change(engine: Engine, revision: str) -> None:
    """Brings the schema to a revision, up or down, in one transaction.

    Raises:
        Failed: ``database_down`` when the database cannot be used, or is newer than this program.

    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            _alone(connection)
            config.attributes["connection"] = connection
            script, now = ScriptDirectory.from_config(config), MigrationContext.configure(connection)
            before = {each.revision for each in script.iterate_revisions(now.get_current_revision(), "base")}
            (command.downgrade if revision in before | {"base"} else command.upgrade)(config, revision)
    except (SQLAlchemyError, CommandError, RevisionError) as error:
        problem = str(getattr(error, "orig", None) or error)
        raise Failed("database_down", f"the front end's database cannot be brought up to date: {problem}") from None


def _alone(connection: Connection) -> None:
    """The pages and the notifier start together, and only one of them may make tables: the other waits here."""
    lock = "BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else f"SELECT pg_advisory_xact_lock({_LOCK})"
    connection.exec_driver_sql(lock)
