"""Copies a whole database of the CA into another, of either kind, as it stood at one moment."""

from __future__ import annotations

import sqlalchemy as sa

from sshjit.errors import Invalid
from sshjit_ca.storage import schema
from sshjit_ca.storage.store import Store

MANY = 1000
"""Rows that are read and written at once."""


def copy_into(source: sa.Connection, target: Store) -> int:
    """Copies everything into a database that has nothing in it, all or nothing; how many entries of the log.

    ``source`` is a connection at one moment (``scan.moment``). Nobody is the writer of the copy.

    Raises:
        Invalid: ``not_empty``.
        Failed: what the target does not take.

    """
    target.migrate()
    if target.head() is not None:
        raise Invalid("not_empty", "the database has a log already", hint="name a new one, with nothing in it")
    with target.writing() as connection:
        for table in schema.metadata.sorted_tables:
            _copy_table(source, connection, table)
        connection.execute(sa.update(schema.head).values(holder=""))
    head = target.head()
    return 0 if head is None else head.size


def _copy_table(source: sa.Connection, target: sa.Connection, table: sa.Table) -> None:
    """In the order of its key, some rows at a time."""
    (key,) = table.primary_key.columns
    query = sa.select(table).order_by(key).limit(MANY)
    rows = source.execute(query).mappings().all()
    while rows:
        target.execute(sa.insert(table), [dict(row) for row in rows])
        rows = source.execute(query.where(key > rows[-1][key.name])).mappings().all()
