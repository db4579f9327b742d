"""Rows that wait to be written: on disk as soon as they are many, gone when the report is done.

A report over a million entries has as many rows as it has certificates. They are kept in a private database of SQLite
that has no name and that the system takes away (``sqlite3.connect("")``), ordered as they will be read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from sshjit_ca.report.columns import NORMAL, Cell, Rank

Row = tuple[Cell, ...]
_BATCH = 2000
_SCHEMA = (
    'CREATE TABLE waiting ("table" TEXT, rank INTEGER, place TEXT, seq INTEGER, cells TEXT,'
    ' PRIMARY KEY ("table", rank, place, seq)) WITHOUT ROWID'
)


class Spool:
    """Rows by table."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute(_SCHEMA)
        self._batch: list[tuple[str, int, str, int, str]] = []
        self._added = 0

    def add(self, table: str, row: Row, *, place: int | str = 0, rank: Rank = NORMAL) -> None:
        """Keeps a row. Rows come out by rank, then by place (times and numbers in their order), then as they came."""
        at = f"{place:020d}" if isinstance(place, int) else place
        self._added += 1
        self._batch.append((table, rank, at, self._added, json.dumps(row)))
        if len(self._batch) >= _BATCH:
            self._flush()

    def rows(self, table: str, limit: int | None = None) -> Iterator[tuple[Rank, Row]]:
        """The rows of a table with their ranks; at most so many."""
        self._flush()
        query = 'SELECT rank, cells FROM waiting WHERE "table" = ? ORDER BY rank, place, seq LIMIT ?'
        for rank, cells in self._database.execute(query, (table, -1 if limit is None else limit)):
            yield rank, tuple(tuple(cell) if isinstance(cell, list) else cell for cell in json.loads(cells))

    def count(self, table: str, at_most: Rank | None = None) -> int:
        """How many rows a table has; with ``at_most``, of those ranks only."""
        self._flush()
        query = 'SELECT count(*) FROM waiting WHERE "table" = ? AND (? IS NULL OR rank <= ?)'
        return int(self._database.execute(query, (table, at_most, at_most)).fetchone()[0])

    def close(self) -> None:
        """Takes everything away."""
        self._database.close()

    def _flush(self) -> None:
        self._database.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?, ?)", self._batch)
        self._batch.clear()
