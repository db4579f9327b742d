"""One field more, anywhere: the frozen log stays whole, and the frozen messages are still understood.

Each class grows as an engineer lets it grow, by a line at its end, in a process of its own
(``tests/support/grown_classes.py``).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sshjit import entries, events, merkle
from sshjit.entries import Entry
from sshjit.errors import Invalid
from sshjit_ca.log import fast_reader, verification
from sshjit_ca.storage.store import Store
from tests.support import grown_classes
from tests.support.frozen_log import FIRST_KEY, fill, rows

FROZEN = sorted({row.entry.kind for row in rows()})
CHECKS = [
    *((events.KINDS[kind].__name__, field) for kind in FROZEN for field in ("fact", "detail")),
    ("StepAsked", "inside"),
]
"""Class and where it grows: each kind of the release's entries, and the one record that an event has inside."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen log, at rest."""
    path = tmp_path_factory.mktemp("grown") / "ca.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    fill(store)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return path


@pytest.fixture(scope="module")
def grown(database: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What became of each check, by class and field."""
    with ThreadPoolExecutor(2) as threads:
        halves = [CHECKS[::2], CHECKS[1::2]]
        asked = [[("log", str(database), *check) for check in half] for half in halves]
        answers = list(threads.map(grown_classes.run, asked))
    return dict(zip([*halves[0], *halves[1]], [*answers[0], *answers[1]], strict=True))


@pytest.mark.parametrize(("cls", "field"), CHECKS)
def test_a_field_more_leaves_every_older_entry_readable_and_the_log_whole(
    cls: str, field: str, grown: dict[tuple[str, str], dict[str, Any]]
) -> None:
    answer = grown[cls, field]
    assert "problem" not in answer, answer["problem"]


@pytest.mark.parametrize(("cls", "field"), [check for check in CHECKS if check[1] != "inside"])
def test_who_does_not_know_the_field_says_that_a_newer_version_wrote_the_entry(
    cls: str, field: str, grown: dict[tuple[str, str], dict[str, Any]]
) -> None:
    entry = newer_entry(grown[cls, field]["found"])
    for reader in (entries, fast_reader):
        with pytest.raises(Invalid) as error:
            reader.read(entry)
        assert error.value.code == "newer_log"
        assert "newer version" in error.value.message
        assert "upgrade" in error.value.hint


def newer_entry(written: dict[str, Any]) -> Entry:
    """An entry of the frozen log, with the field that came later."""
    before = rows()[written["index"]].entry
    fact, detail = written["fact"].encode(), written["detail"].encode()
    return Entry(before.index, before.time, before.kind, fact, detail, before.salt)


@pytest.mark.parametrize("cls", ["Issued", "Started", "Opened"])
def test_verify_says_so_too_and_not_that_the_log_was_changed(
    cls: str, database: Path, grown: dict[tuple[str, str], dict[str, Any]], tmp_path: Path
) -> None:
    """Only the signature over the newest head is wrong here, as this log was never signed so."""
    entry = newer_entry(grown[cls, "fact"]["found"])
    path = tmp_path / "newer.db"
    path.write_bytes(database.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        values = (entry.fact, entry.detail, merkle.leaf_hash(entry.fact), entry.index)
        connection.execute("UPDATE entries SET fact = ?, detail = ?, leaf = ? WHERE number = ?", values)
        connection.execute("DELETE FROM snapshots")
    store = Store(f"sqlite:///{path}", read_only=True)
    try:
        verdict = verification.verify(store, FIRST_KEY, processes=1)
    finally:
        store.close()
    assert f"entry {entry.index} was written by a newer version" in verdict.newer
    assert all("signed over" in problem or "key" in problem for problem in verdict.problems), verdict.problems


def test_messages_and_everything_in_them_may_have_a_field_more() -> None:
    (answer,) = grown_classes.run([("messages",)])
    assert "problem" not in answer, answer["problem"]
    assert answer["found"] > 300


def test_what_the_checks_are_about_really_grew(grown: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Else they would hold for nothing: the field is in fact or detail, as it was meant, and the fact commits to it."""
    for (_, field), answer in grown.items():
        if field == "inside":
            continue
        written = answer["found"]
        fact, detail = json.loads(written["fact"]), json.loads(written["detail"])
        assert (fact["body"] if field == "fact" else detail)[grown_classes.NAME] == "something new"
        salt = rows()[written["index"]].entry.salt or b""
        assert fact["detail"] == hashlib.sha256(salt + written["detail"].encode()).hexdigest()
