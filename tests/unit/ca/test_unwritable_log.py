"""T85: a log that cannot be written looks like one until something is written; what is there is handed out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from sshjit import bundle
from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from tests.support.installation import ALICE, Installation

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
    assert [problem for problem in said.problems if "out of order" in problem]
    status = ca.say(m.Status(), m.StatusReply, "admin")
    assert (status.ready, status.problems) == (False, said.problems)
    other.execute(MENDED)
    assert not health(ca).ready, "nothing was written yet"
    assert ca.ask(login, "web1").certificate is not None, "whoever tries again is not held up"
    assert health(ca).ready


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
