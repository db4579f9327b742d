"""Brings the front end's database to the newest shape, at every start; the steps stand in ``migrations/versions``."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from sshjit.errors import Failed


def upgrade(engine: Engine) -> None:
    """Runs the missing migrations in one transaction.

    Raises:
        Failed: ``database_down`` when the database cannot be used, or is newer than this program.

    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (SQLAlchemyError, CommandError) as error:
        problem = str(getattr(error, "orig", None) or error)
        raise Failed("database_down", f"the front end's database cannot be brought up to date: {problem}") from None
