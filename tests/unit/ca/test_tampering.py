"""Whatever somebody does to the stored entries, verify finds it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import ca_protocol as m
from sshjit.sshkey import PublicKey
from sshjit_ca.log import snapshotting, verification
from sshjit_ca.storage.store import Store
from tests.support.installation import ALICE, DANA, Installation

same = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
COLUMNS = ("time", "kind", "fact", "leaf", "detail", "salt", "subject", "request")


@pytest.fixture
def log(ca: Installation) -> tuple[Path, PublicKey, int]:
    """A database at rest, the log's first key, and how many entries it has."""
    alice, dana = ca.native(ALICE), ca.native(DANA)
    ca.ask(alice, "web1")
    ca.later(5)
    request = ca.ask(dana, "db1").request
    ca.say(m.Cancel(dana, request.id), m.RequestReply)
    ca.say(m.ReadBundle(None), m.BundleReply)
    snapshotting.keep_last(ca.context.journal)
    ca.ask(alice, "web1")
    first, size = ca.context.keys.public("log"), ca.context.state.size
    ca.stop()
    return ca.home / "ca" / "ca.db", first, size


def problems(database: Path, first: PublicKey) -> tuple[str, ...]:
    store = Store(f"sqlite:///{database}", read_only=True)
    try:
        return verification.verify(store, first).problems
    finally:
        store.close()


def statement(data: st.DataObject, size: int) -> tuple[str, tuple[object, ...]]:
    """One change: an edit of a column, a cut, two entries exchanged, or one doubled at the end."""
    one, two = data.draw(st.permutations(range(size)))[:2]
    column = data.draw(st.sampled_from(COLUMNS))
    match data.draw(st.sampled_from(["edit", "copy", "cut", "cut-off", "swap", "double"])):
        case "edit":
            value = data.draw(st.one_of(st.none(), st.integers(0, 2**40), st.text(max_size=5), st.binary(max_size=40)))
            return f"UPDATE OR IGNORE entries SET {column} = ? WHERE number = ?", (value, one)  # noqa: S608
        case "copy":
            source = f"(SELECT {column} FROM entries WHERE number = {two})"  # noqa: S608
            return f"UPDATE OR IGNORE entries SET {column} = {source} WHERE number = ?", (one,)  # noqa: S608
        case "cut":
            return "DELETE FROM entries WHERE number = ?", (one,)
        case "cut-off":
            return "DELETE FROM entries WHERE number >= ?", (one,)
        case "swap":
            place = f"CASE number WHEN {one} THEN {-two - 1} ELSE {-one - 1} END"
            return f"UPDATE entries SET number = {place} WHERE number IN ({one}, {two})", ()  # noqa: S608
        case _:
            columns = ", ".join(COLUMNS)
            return f"INSERT INTO entries (number, {columns}) SELECT ?, {columns} FROM entries WHERE number = ?", (  # noqa: S608
                size,
                one,
            )


@same
@given(data=st.data())
def test_t45_any_edit_cut_or_exchange_is_found(
    log: tuple[Path, PublicKey, int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database, first, size = log
    copy = tmp_path_factory.mktemp("copy") / "ca.db"
    shutil.copy(database, copy)
    text, values = statement(data, size)
    with closing(sqlite3.connect(copy)) as connection, connection:
        before = connection.execute("SELECT * FROM entries ORDER BY number").fetchall()
        connection.execute(text, values)
        connection.execute("UPDATE entries SET number = -number - 1 WHERE number < 0")
        same_as_before = connection.execute("SELECT * FROM entries ORDER BY number").fetchall() == before
    found = problems(copy, first)
    assert bool(found) != same_as_before, (text, values, found)
