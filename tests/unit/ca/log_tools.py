"""What tests of the log have in common."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sshjit import entries
from sshjit_ca import state as states
from sshjit_ca.state import State
from tests.support.installation import Installation


def refolded(ca: Installation) -> State:
    """The state of every entry from the first on, read the strict way."""
    state = State()
    for row in ca.store.rows():
        event = entries.read(row.entry) or entries.read_erased(row.entry)
        states.apply(state, event, row.entry.index, row.entry.time)
    return state


def change(ca: Installation, statement: str, *values: object) -> None:
    """Writes into the CA's database past the CA."""
    with closing(sqlite3.connect(ca.home / "ca" / "ca.db")) as connection, connection:
        connection.execute(statement, values)
