"""A longer log, verified by one process and by two: whatever was done to it, both say the same and name the place."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import make_log
from sshjit import checkpoint
from sshjit.checkpoint import Checkpoint
from sshjit.sshkey import PublicKey
from sshjit_ca.log import snapshotting, verification, verify_entries, verify_workers
from sshjit_ca.storage import scan
from sshjit_ca.storage.store import Store
from tests.support.waiting import wait_until

CERTIFICATES = 28_000


@dataclass(frozen=True)
class Log:
    """A database at rest, the log's first key, how many entries there are, and a checkpoint over some of them."""

    database: Path
    first: PublicKey
    size: int
    older: Checkpoint


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """A log of more than two stretches, with a snapshot at its end."""
    home = tmp_path_factory.mktemp("long")
    context = make_log.make(home, CERTIFICATES)
    snapshotting.keep_last(context.journal)
    first, size = context.keys.public("log"), context.state.size
    older, _ = checkpoint.parse_note(context.journal.checkpoint, first.blob[-32:])
    now = context.state.time
    make_log.open_window(context, 1, now)
    context.journal.commit()
    assert size > 2 * verify_entries.STRETCH == 2 * 16384
    database = home / "ca" / "ca.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Log(database, first, context.state.size, older)


def verdicts(database: Path, log: Log) -> tuple[verification.Verdict, verification.Verdict]:
    store = Store(f"sqlite:///{database}", read_only=True)
    try:
        one, two = (verification.verify(store, log.first, against=[log.older], processes=count) for count in (1, 2))
    finally:
        store.close()
    return one, two


def test_one_process_and_two_find_the_log_whole_and_the_same_head(log: Log) -> None:
    one, two = verdicts(log.database, log)
    assert one == two
    assert (one.problems, one.size) == ((), log.size)
    assert one.checkpoint is not None
    assert one.checkpoint.root == one.head


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE entries SET detail = x'7b7d' WHERE number IN (20000, 40000)", "entry 20000: the detail"),
        ("UPDATE entries SET fact = replace(fact, 'staging', 'stagind') WHERE number = 16384", "entry 16384: the"),
        ("DELETE FROM entries WHERE number = 16383", "entry 16383 is missing"),
        ("DELETE FROM entries WHERE number BETWEEN 16384 AND 32767", "entries 16384 to 32767 are missing"),
        ("UPDATE entries SET number = -3 WHERE number = 20000", "entry -3: no entry has such a number"),
        ("UPDATE entries SET number = 9007199254740993 WHERE number = 20000", "entry 20000 is missing"),
        ("UPDATE entries SET number = 'last' WHERE number = 20000", "entry 'last': no entry has such a number"),
        ("UPDATE entries SET kind = CAST(x'ff' AS TEXT) WHERE number = 20000", "from entry 20000 on the log cannot"),
        ("UPDATE snapshots SET state = x'00'", "the snapshot at"),
    ],
)
def test_t45_one_process_and_two_say_the_same_first(log: Log, statement: str, first: str, tmp_path: Path) -> None:
    copy = tmp_path / "ca.db"
    shutil.copy(log.database, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        assert connection.execute(statement).rowcount > 0
    one, two = verdicts(copy, log)
    assert one == two
    assert one.problems[0].startswith(first), one.problems


def test_the_verdict_is_the_same_if_the_other_process_dies_half_way(log: Log) -> None:
    store, sizes = Store(f"sqlite:///{log.database}", read_only=True), frozenset({7, log.older.size})
    with scan.moment(store) as connection:
        numbers = verify_entries.numbering(connection)
        with verify_workers.begun(store, numbers, sizes, 1) as walk:
            alone = walk.finish(connection)
        with verify_workers.begun(store, numbers, sizes, 2) as walk:
            wait_until(lambda: walk.taken[0])
            walk.others[0].kill()
            assert walk.finish(connection) == alone
    assert (alone.problems, alone.size) == ((), log.size)
    assert alone.heads[log.older.size] == log.older.root
    store.close()
