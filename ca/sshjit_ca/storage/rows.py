"""Puts rows into the log's table. All columns are of types that drivers know: SQLAlchemy would only add time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sshjit.entries import Entry
from sshjit_ca.storage.schema import entries


@dataclass(frozen=True, slots=True)
class Row:
    """An entry and the indexes kept beside it."""

    entry: Entry
    leaf: bytes
    subject: str | None
    request: str | None

    @property
    def values(self) -> tuple[Any, ...]:
        """The columns, in the order of the table's."""
        entry = self.entry
        return (
            entry.index,
            entry.time,
            entry.kind,
            entry.fact,
            self.leaf,
            entry.detail,
            entry.salt,
            self.subject,
            self.request,
        )


class InsertStatement:
    """The statement of one kind of database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        columns, quoted = list(entries.c), dialect.identifier_preparer
        names = ", ".join(quoted.format_column(column) for column in columns)
        marks = ", ".join(["?" if dialect.paramstyle == "qmark" else "%s"] * len(columns))
        self._statement = f"INSERT INTO {quoted.format_table(entries)} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Inserts the rows. Raises ``SQLAlchemyError``."""
        connection.exec_driver_sql(self._statement, [row.values for row in rows])
