"""T85: a log that cannot be written looks like one until something is written; what is there is handed out."""

from __future__ import annotations

import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from sshjit import bundle
from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca import authority
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import circuit_breaker
from sshjit_ca.storage import guard
from sshjit_ca.storage.database import is_taken_back
from sshjit_ca.storage.guard import Guard
from sshjit_ca.storage.limits import SERVING
from tests.support.installation import ALICE, Installation
from tests.support.waiting import wait_until

BROKEN = {
    "entries": "CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'out of order'); END",
    "head": "CREATE TRIGGER broken BEFORE UPDATE ON head BEGIN SELECT RAISE(ABORT, 'out of order'); END",
}
MENDED = "DROP TRIGGER broken"


@pytest.fixture
def other(ca: Installation) -> Iterator[sqlite3.Connection]:
    """Somebody else at the same database."""
    with closing(sqlite3.connect(ca.config.home / "ca.db", isolation_level=None)) as connection:
        yield connection


def health(ca: Installation) -> m.HealthReply:
    return ca.say(m.Health(), m.HealthReply)


@pytest.mark.parametrize("table", BROKEN)
def test_t85_a_write_that_failed_is_a_trouble_until_one_succeeds(
    ca: Installation, other: sqlite3.Connection, table: str
) -> None:
    login = ca.native(ALICE)
    assert health(ca).ready
    other.execute(BROKEN[table])
    with pytest.raises(Failed) as failed:
        ca.ask(login, "web1")
    assert failed.value.code == "not_signing"
    said = health(ca)
    assert not said.ready
    assert [problem for problem in said.problems if "cannot sign" in problem]
    status = ca.say(m.Status(), m.StatusReply, "admin")
    assert not status.ready
    assert [problem for problem in status.problems if "out of order" in problem], "the operator hears what it is"
    other.execute(MENDED)
    assert not health(ca).ready, "nothing was written yet"
    assert ca.ask(login, "web1").certificate is not None, "whoever tries again is not held up"
    assert health(ca).ready


def test_t85_who_comes_after_a_batch_of_unknown_outcome_is_told_that_theirs_was_not_written(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the log rests before it is read again, nothing is tried."""
    monkeypatch.setattr(authority, "QUICK", -1.0)
    monkeypatch.setattr(authority, "REST", 1e9)
    codes = iter(("not_signing", "outcome_unknown"))

    def broken(*_: object) -> None:
        code = next(codes)
        raise Failed(code, f"the database said {code}")

    monkeypatch.setattr(ca.store, "commit", broken)
    answers = [ca.say_all([m.Lock(None, "everything", None, "a drill")], "admin")[0] for _ in range(4)]
    assert [each.code for each in answers if isinstance(each, Failed)] == [
        "not_signing",
        "outcome_unknown",
        "not_signing",
        "not_signing",
    ]
    assert "the lock is NOT in force" in str(answers[3])


def test_who_only_read_hears_as_well_why_a_batch_was_lost(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise Failed("disk_full", "the disk is full", hint="make room")

    monkeypatch.setattr(ca.store, "commit", full)
    locked, read = ca.say_all([m.Lock(None, "everything", None, "a drill"), m.ReadHosts(None)], "admin")
    assert isinstance(locked, Failed)
    assert isinstance(read, Failed)
    assert (locked.code, locked.message) == ("disk_full", "the lock is NOT in force: the disk is full")
    assert (read.code, read.message, read.hint) == ("disk_full", "the disk is full", "make room")


@pytest.fixture
def failing_disk(ca: Installation) -> Iterator[Callable[[], None]]:
    """From the call on the kernel refuses every byte beyond those that the write-ahead log has; until the test ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fail() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, ((ca.config.home / "ca.db-wal").stat().st_size, hard))

    yield fail
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fails_at_the_commit_leaves_open_whether_it_was_done_but_not_to_who_only_read(
    ca: Installation, failing_disk: Callable[[], None]
) -> None:
    failing_disk()
    messages = [m.Lock(None, "everything", None, "a drill"), m.Status(), m.ReadHosts(None), m.ReadPolicy()]
    locked, status, *read = ca.say_all(messages, "admin")
    assert isinstance(locked, Failed)
    assert (locked.code, "NOT" in locked.message) == ("outcome_unknown", False)
    assert locked.hint == "ssh-jit-ca log show says whether it was, once the database answers"
    assert isinstance(status, m.StatusReply)
    assert [each.code for each in read if isinstance(each, Failed)] == ["not_signing"] * 2, read


def test_what_the_database_refused_at_the_very_end_was_not_done(tmp_path: Path) -> None:
    """It says itself that nothing is left, so nobody is told that it may have been done."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'own.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE one (id INTEGER PRIMARY KEY)")
        reference = "REFERENCES one (id) DEFERRABLE INITIALLY DEFERRED"
        connection.exec_driver_sql(f"CREATE TABLE two (one INTEGER {reference})")

    def write() -> None:
        with Guard(engine, SERVING).write() as connection:
            connection.exec_driver_sql("INSERT INTO two VALUES (7)")

    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    engine.dispose()
    with pytest.raises(Failed) as refused:
        write()
    engine.dispose()
    assert refused.value.code == "not_signing"
    assert "nothing was signed" in refused.value.message


def test_who_comes_after_a_commit_that_was_never_answered_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "SLOW", 0.0)
    monkeypatch.setattr(circuit_breaker, "PAUSE", 1e6)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'own.db'}")

    def unanswered(_: object) -> None:
        raise OperationalError("COMMIT", None, sqlite3.OperationalError("nobody knows"))

    sa.event.listen(engine, "commit", unanswered)
    with closing(Guard(engine, SERVING)) as guarded:
        for code in ("outcome_unknown", "database_silent"):
            with pytest.raises(Failed) as failed, guarded.write() as connection:
                connection.exec_driver_sql("SELECT 1")
            assert failed.value.code == code
    engine.dispose()


def test_a_commit_that_was_taken_back_was_not_done() -> None:
    """Only what the database says is certain: no room, the lock of somebody else, or a server's answer."""
    full, busy, disk = (
        sqlite3.OperationalError("full"),
        sqlite3.OperationalError("busy"),
        sqlite3.OperationalError("io"),
    )
    full.sqlite_errorcode, busy.sqlite_errorcode = sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY_SNAPSHOT
    disk.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    errors = [DBAPIError("COMMIT", None, cause) for cause in (full, busy, disk, OSError("away"))]
    assert [is_taken_back(error) for error in errors] == [True, True, False, False]
    assert not is_taken_back(DBAPIError("COMMIT", None, full, connection_invalidated=True))


def test_t85_a_beat_that_failed_is_a_trouble_although_nobody_asks_for_anything(
    ca: Installation, other: sqlite3.Connection
) -> None:
    other.execute(BROKEN["head"])
    with pytest.raises(Failed):
        ca.authority.beat()
    assert not health(ca).ready
    other.execute(MENDED)
    ca.authority.beat()
    assert health(ca).ready
    assert health(ca).problems == ()


def test_t85_a_home_in_which_the_checkpoint_cannot_be_kept_is_a_trouble_at_the_next_beat(ca: Installation) -> None:
    file = ca.config.home / "checkpoint"
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()
    with pytest.raises(Failed):
        ca.authority.beat()
    assert not health(ca).ready
    file.rmdir()
    file.write_bytes(kept)
    ca.authority.beat()
    assert health(ca).ready


def test_the_bundle_that_is_in_the_log_is_handed_out_while_no_newer_one_can_be_written(
    ca: Installation, other: sqlite3.Connection
) -> None:
    first = ca.say(m.ReadBundle(None), m.BundleReply)
    assert first.bundle is not None
    other.execute(BROKEN["entries"])
    ca.later(1000)
    with pytest.raises(Failed):
        ca.native(ALICE)
    for _ in range(2):
        assert ca.say(m.ReadBundle(None), m.BundleReply) == first
        assert ca.say(m.ReadBundle(first.sequence), m.BundleReply).bundle is None
    assert not health(ca).ready
    ca.later(bundle.LIFETIME)
    with pytest.raises(Failed):
        ca.say(m.ReadBundle(None), m.BundleReply)
    other.execute(MENDED)
    assert ca.say(m.ReadBundle(None), m.BundleReply).sequence == first.sequence + 1


def test_an_empty_checkpoint_is_refused_at_the_start_and_never_made(ca: Installation) -> None:
    pinned = PinnedCheckpoint(ca.config.home)
    note = pinned.checkpoint()
    ca.stop()
    for content in (b"", b"\n" * 512, b"\0" * 512):
        pinned.checkpoint_file.write_bytes(content)
        with pytest.raises(Failed) as refused:
            ca.start()
        assert refused.value.code == "no_memory"
        assert "is empty" in refused.value.message
    pinned.checkpoint_file.unlink()
    pinned.keep_checkpoint(note)
    assert pinned.checkpoint() == note
    ca.start()


def test_a_long_log_is_not_read_again_for_every_batch_that_is_lost(
    ca: Installation, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever asks how things are waits for that each time, as long as anybody wants something written."""
    login, reads = ca.native(ALICE), []
    read = ca.context.journal.read

    def slow() -> None:
        reads.append(1)
        time.sleep(0.3)
        read()

    monkeypatch.setattr(ca.context.journal, "read", slow)
    other.execute(BROKEN["entries"])
    for _ in range(6):
        with pytest.raises(Failed):
            ca.ask(login, "web1")
        assert not health(ca).ready
    assert len(reads) <= 2
    other.execute(MENDED)
    wait_until(lambda: isinstance(ca.say_all([m.ReadBundle(None)])[0], m.BundleReply) and ca.authority.ahead is False)
    assert ca.ask(login, "web1").certificate is not None


def test_a_clock_whose_confirmation_could_not_be_written_is_not_confirmed(
    ca: Installation, other: sqlite3.Connection
) -> None:
    """Nothing is signed by a time that no entry of the log speaks for."""
    login = ca.native(ALICE)
    ca.time += 3600
    other.execute(BROKEN["entries"])
    with pytest.raises(Failed) as failed:
        ca.say(m.ConfirmClock("the time server was wrong"), m.ClockReply, "admin")
    assert failed.value.code == "not_signing"
    other.execute(MENDED)
    for _ in range(2):
        with pytest.raises(Failed) as stopped:
            ca.ask(login, "web1")
        assert stopped.value.code == "clock"
        ca.restart()
    assert "clock" not in ca.kinds()
    assert ca.say(m.ConfirmClock("the time server was wrong"), m.ClockReply, "admin").drift == 3600
    assert ca.ask(ca.native(ALICE), "web1").certificate is not None


def test_t85_while_the_database_is_silent_nothing_looks_well_though_no_write_failed(ca: Installation) -> None:
    """Somebody's reading found out; whoever asks is told so at once, and it goes on by itself."""
    login = ca.native(ALICE)
    answers = threading.Event()

    def trial() -> None:
        if not answers.is_set():
            raise Failed("database_silent", "it does not answer yet")

    ca.store._guard._breaker.trip(guard._NAME, guard.silence(datetime.now(UTC), "sqlite"), trial)
    said = health(ca)
    assert not said.ready
    assert said.problems
    with pytest.raises(Failed) as refused:
        ca.ask(login, "web1")
    assert refused.value.code == "database_silent"
    answers.set()
    wait_until(lambda: health(ca).ready)
    assert ca.ask(login, "web1").certificate is not None
