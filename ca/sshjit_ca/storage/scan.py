"""Reading a whole log fast: rows as the database's driver gives them, as they stood at one moment.

The rows of a million entries through SQLAlchemy cost a second more, twice when a log is verified. Everything else is
read through ``store.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit.errors import Failed
from sshjit_ca.storage.database import reason, what_to_do
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.schema import head as heads
from sshjit_ca.storage.store import Head, Store

FETCHED = 2000
"""Rows that a server sends at once."""


@contextmanager
def moment(store: Store) -> Iterator[sa.Connection]:
    """A connection to which the database stays as it is now, whatever others write meanwhile.

    Raises:
        Failed: ``no_database``, also for what goes wrong inside.

    """
    sqlite = store.engine.dialect.name == "sqlite"
    try:
        with store.engine.connect() as connection:
            if sqlite:
                connection.exec_driver_sql("BEGIN")
                yield connection
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")
    except SQLAlchemyError as error:
        why = reason(error)
        raise Failed("no_database", f"the CA's database cannot be read: {why}", hint=what_to_do(why, "")) from None


def head(connection: sa.Connection) -> Head | None:
    """As ``Store.head``, of that moment."""
    row = connection.execute(sa.select(heads)).one_or_none()
    return None if row is None else Head(row.epoch, row.size, row.checkpoint, row.holder, row.beat)


def scan(connection: sa.Connection, columns: Sequence[sa.Column[Any]], first: int, end: int) -> Iterator[Any]:
    """These columns of the entries from ``first`` to before ``end``, by number. Nothing is held to be of its type.

    Raises:
        Failed: ``database_broken``, where reading on is impossible.

    """
    query = sa.select(*columns).where(entries.c.number >= first, entries.c.number < end).order_by(entries.c.number)
    dialect = connection.dialect
    text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    driver: Any = connection.connection.driver_connection
    try:
        if dialect.name == "sqlite":
            yield from driver.execute(text)
        else:
            with driver.cursor("entries", binary=True) as cursor:
                cursor.itersize = FETCHED
                yield from cursor.execute(text)
    except dialect.loaded_dbapi.Error as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise Failed("database_broken", f"the log cannot be read: {why}") from None
