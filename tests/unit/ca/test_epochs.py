"""Serials are never used twice: not after a restart, and not after an old backup was put in place."""

from __future__ import annotations

import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import events
from sshjit.errors import Failed, Invalid, Refused
from sshjit_ca.cli import maintenance
from sshjit_ca.handlers.bundle import REFRESH
from sshjit_ca.keys import files
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import verification
from sshjit_ca.log.journal import SERIALS_PER_EPOCH
from sshjit_ca.operations import backup as backing
from sshjit_ca.operations import restore as restoring
from sshjit_ca.service import daemon, standby
from sshjit_ca.state.authority import MORE_BUNDLES
from sshjit_ca.storage import database
from sshjit_ca.storage.store import Row, Store
from sshjit_web import config
from tests.support.installation import ALICE, Installation
from tests.support.issuer import Issuer

NOW = standby.Time(lambda: 0.0, lambda _: None)


def draw(ca: Installation, times: int) -> set[int]:
    """Draws certificates; their serials."""
    found = set()
    for _ in range(times):
        ca.later(10)
        certificate = ca.ask(ca.native(ALICE), "web1").certificate
        assert certificate is not None
        found.add(certificate.serial)
    assert len(found) == times
    return found


def restore(ca: Installation, reason: str = "disk lost") -> restoring.Outcome:
    return restoring.restore(ca.config, ca.places, ca.context.clock, NOW, reason)


def backup(ca: Installation, name: str = "backup.tar", *, with_keys: bool = False) -> Path:
    target = ca.home / name
    backing.back_up(ca.config, ca.home / "ca.toml", target, with_keys=with_keys)
    return target


def put_in_place(ca: Installation, copy: Path) -> Path | None:
    return restoring.put_in_place(ca.home / "ca" / "ca.db", copy, files.load_public(ca.config.key_file("log")))


def put_back(ca: Installation, archive: Path) -> None:
    ca.stop()
    for suffix in ("", "-wal", "-shm"):
        (ca.home / "ca" / f"ca.db{suffix}").unlink(missing_ok=True)
    backing.unpack(archive, ca.home / "ca" / "ca.db")


def test_t63_a_log_that_another_writes_while_it_is_read_is_not_called_broken(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(ca.config.database)
    context = daemon.open_context(ca.config, store, ca.places, ca.context.clock)
    rows = store.rows

    def later(first: int = 0, end: int | None = None) -> Iterator[Row]:
        draw(ca, 1)
        return rows(first, end)

    monkeypatch.setattr(store, "rows", later)
    with pytest.raises(Failed) as busy:
        context.journal.read()
    assert busy.value.code == "fenced"
    monkeypatch.undo()
    context.journal.read()
    assert context.state.size == ca.context.state.size
    store.close()


def test_each_start_is_an_epoch_of_its_own(ca: Installation) -> None:
    first = draw(ca, 2)
    ca.restart()
    second = draw(ca, 2)
    epochs = {serial // SERIALS_PER_EPOCH for serial in first | second}
    assert len(epochs) == 2
    for serial in first | second:
        assert next(ca.store.rows(serial % SERIALS_PER_EPOCH)).entry.kind == "certificate"


@pytest.fixture
def sqlite_ca(tmp_path: Path, issuers: dict[str, object]) -> Installation:
    """A CA on SQLite: a database that can be copied."""
    ca = Installation(tmp_path, issuers)  # type: ignore[arg-type]
    ca.add_host("web1", env="staging")
    return ca


def test_t64_an_old_backup_is_refused_then_accepted_and_no_serial_repeats(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    serials = draw(ca, 2)
    archive = backup(ca)
    for _ in range(3):
        ca.restart()
        serials |= draw(ca, 2)
    sequence = ca.say(m.ReadBundle(None), m.BundleReply).sequence
    newest, lost_size = ca.context.journal.checkpoint, ca.context.state.size
    put_back(ca, archive)
    with pytest.raises(Failed) as refused:
        ca.start()
    assert refused.value.code == "log_rolled_back"
    assert "restore" in refused.value.hint
    ca.stop()

    outcome = restore(ca)
    ca.start()
    assert ca.kinds()[outcome.size] == "restore"
    assert outcome.lost == lost_size - outcome.size
    entry = ca.context.state.epoch
    assert entry > outcome.epoch
    again = draw(ca, 6)
    assert serials.isdisjoint(again)
    assert min(again) > max(serials)
    assert ca.say(m.ReadBundle(None), m.BundleReply).sequence > sequence + MORE_BUNDLES

    assert outcome.kept is not None
    assert outcome.kept.read_text() == newest
    lineage = Succession.of(ca.context.keys.public("log"), ca.store)
    point = lineage.verified(newest)
    shown = verification.verify(ca.store, ca.context.keys.public("log"), against=(point,))
    assert shown.problems
    assert not verification.verify(ca.store, ca.context.keys.public("log")).problems
    ca.stop()


def test_a_whole_home_put_back_needs_to_be_said_and_then_serials_are_safe_too(sqlite_ca: Installation) -> None:
    """A snapshot of the machine takes the memory back as well: nothing in it knows better, but the operator does."""
    ca = sqlite_ca
    home, copy = ca.home / "ca", ca.home / "copy"
    ca.stop()
    shutil.copytree(home, copy)
    ca.start()
    serials = draw(ca, 3)
    ca.restart()
    serials |= draw(ca, 3)
    ca.stop()
    shutil.rmtree(home)
    copy.rename(home)
    assert restore(ca).lost == 0
    ca.start()
    assert serials.isdisjoint(draw(ca, 6))
    ca.stop()


@pytest.mark.parametrize("known_by", ["log", "memory", "time"])
def test_a_restore_leaves_epochs_out_above_the_highest_that_either_log_or_memory_knows(
    sqlite_ca: Installation, known_by: str
) -> None:
    ca = sqlite_ca
    for _ in range(3):
        ca.restart()
    epoch, file = ca.context.state.epoch, ca.home / "ca" / "epoch"
    ca.stop()
    if known_by == "log":
        file.unlink()
    else:
        epoch += 5_000_000 if known_by == "memory" else 5000
        file.write_text(f"{epoch}\n")
    minutes = (ca.time - 1_735_689_600) // 60
    assert restore(ca).epoch == max(epoch + restoring.JUMP, minutes + 1)


def test_a_log_that_differs_from_what_is_remembered_is_refused(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    archive = backup(ca)
    draw(ca, 1)
    checkpoint = (ca.home / "ca" / "checkpoint").read_text()
    put_back(ca, archive)
    (ca.home / "ca" / "checkpoint").unlink()
    ca.start()
    draw(ca, 3)
    ca.stop()
    (ca.home / "ca" / "checkpoint").write_text(checkpoint)
    with pytest.raises(Failed) as refused:
        ca.start()
    assert refused.value.code == "log_rolled_back"
    ca.stop()


def test_a_lost_database_can_be_gone_on_without(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    serials = draw(ca, 2)
    ca.stop()
    for part in (ca.home / "ca").glob("ca.db*"):
        part.unlink()
    store = Store(ca.config.database)
    store.migrate()
    store.close()
    with pytest.raises(Failed) as refused:
        ca.start()
    assert refused.value.code == "log_rolled_back"
    ca.stop()
    restore(ca)
    ca.start()
    ca.add_host("web1", env="staging")
    assert serials.isdisjoint(draw(ca, 4))
    ca.stop()


def test_what_a_restore_says_stands_in_the_log(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    newest = ca.context.journal.checkpoint
    ca.stop()
    outcome = restore(ca, "drill")
    ca.start()
    row = next(row for row in ca.store.rows() if row.entry.kind == "restore")
    event = events.join("restore", *_parts(row.entry.fact, row.entry.detail or b"{}"))
    assert event == events.Restored(outcome.epoch, 0, newest, "drill")
    ca.stop()


def _parts(fact: bytes, detail: bytes) -> tuple[dict[str, object], dict[str, object]]:
    import json

    return json.loads(fact)["body"], json.loads(detail)


def test_a_restore_needs_a_reason_and_no_other_writer(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    with pytest.raises(Invalid):
        restore(ca, "")
    ca.store.take_over(ca.store.head(), 9, standby.me())
    passing = iter(range(10_000))
    quick = standby.Time(lambda: next(passing) / 4, lambda _: ca.store.beat(9))
    with pytest.raises(Refused) as refused:
        restoring.restore(ca.config, ca.places, ca.context.clock, quick, "drill")
    assert refused.value.code == "writer_lives"
    ca.stop()


def test_a_backup_holds_the_log_and_keys_only_when_asked(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    draw(ca, 1)
    with tarfile.open(backup(ca)) as archive:
        names = archive.getnames()
    assert set(names) == {"ca.db", "checkpoint", "epoch", "ca.toml", "policy.toml", "providers.toml"}
    with_keys = backup(ca, "keys.tar", with_keys=True)
    with tarfile.open(with_keys) as archive:
        assert {f"keys/{purpose}" for purpose in ("user_ca", "host_ca", "bundle", "log")} <= set(archive.getnames())
    assert with_keys.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Invalid) as there:
        backup(ca)
    assert there.value.code == "already_there"
    copy = ca.home / "copied.db"
    backing.unpack(ca.home / "backup.tar", copy)
    store = Store(f"sqlite:///{copy}", read_only=True)
    assert not verification.verify(store, ca.context.keys.public("log")).problems
    store.close()
    ca.later(REFRESH)
    ca.stop()


def test_a_restored_backup_takes_the_place_of_the_database(sqlite_ca: Installation) -> None:
    ca = sqlite_ca
    archive = backup(ca)
    draw(ca, 2)
    ca.stop()
    copy = ca.home / "copied.db"
    backing.unpack(archive, copy)
    aside = put_in_place(ca, copy)
    assert aside is not None
    assert aside.exists()
    with pytest.raises(Failed):
        ca.start()
    ca.stop()
    with pytest.raises(Invalid):
        put_in_place(ca, ca.home / "policy.toml")
    with pytest.raises(Invalid):
        backing.unpack(ca.home / "policy.toml", ca.home / "never.db")


def test_each_restored_backup_leaves_the_databases_before_it(sqlite_ca: Installation) -> None:
    ca, file = sqlite_ca, sqlite_ca.home / "ca" / "ca.db"
    copy = ca.home / "copied.db"
    backing.unpack(backup(ca), copy)
    draw(ca, 2)
    ca.stop()
    live = file.read_bytes()
    first = put_in_place(ca, copy)
    second = put_in_place(ca, copy)
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("ca.db.before-restore", "ca.db.before-restore.2")
    assert first.read_bytes() == live
    file.unlink()
    stale = file.with_name("ca.db-wal")
    stale.write_bytes(b"of a lost database")
    assert put_in_place(ca, copy) is None
    assert not stale.exists()
    assert file.with_name("ca.db.before-restore.3-wal").read_bytes() == b"of a lost database"


@pytest.mark.parametrize("set_aside", [lambda path: database.set_aside(path, "moved"), config.set_aside])
def test_a_database_that_was_set_aside_stays(tmp_path: Path, set_aside: Callable[[Path], Path | None]) -> None:
    file = tmp_path / "x.db"
    for number in range(3):
        file.write_text(f"database {number}")
        file.with_name("x.db-wal").write_text(f"wal {number}")
        set_aside(file)
    for number, ending in enumerate(("", ".2", ".3")):
        assert (tmp_path / f"x.db.moved{ending}").read_text() == f"database {number}"
        assert (tmp_path / f"x.db.moved{ending}-wal").read_text() == f"wal {number}"
    assert not file.exists()


def test_t64_two_losses_from_one_copy_that_know_nothing_of_each_other_use_no_serial_twice(
    sqlite_ca: Installation,
) -> None:
    """A snapshot of the machine that is put back twice: nothing in it knows what the first time gave out."""
    ca = sqlite_ca
    home, copy = ca.home / "ca", ca.home / "copy"
    ca.stop()
    shutil.copytree(home, copy)
    ca.start()
    serials: list[set[int]] = []
    for _ in range(2):
        ca.stop()
        shutil.rmtree(home)
        shutil.copytree(copy, home)
        ca.later(3600)
        restore(ca)
        ca.start()
        serials.append(draw(ca, 3))
    assert serials[0].isdisjoint(serials[1])
    ca.stop()


@pytest.mark.parametrize("gone", [True, False])
def test_t63_a_writer_whose_database_was_set_aside_writes_nothing_more(sqlite_ca: Installation, *, gone: bool) -> None:
    """What it wrote would be lost with the file."""
    ca = sqlite_ca
    copy = ca.home / "copied.db"
    backing.unpack(backup(ca), copy)
    login = ca.native(ALICE)
    file = ca.home / "ca" / "ca.db"
    aside = database.set_aside(file, "moved") if gone else put_in_place(ca, copy)
    assert aside is not None
    store = Store(f"sqlite:///{aside}", read_only=True)
    before = store.head()
    with pytest.raises(Failed) as beat:
        ca.authority.beat()
    with pytest.raises(Failed) as asked:
        ca.ask(login, "web1")
    assert (beat.value.code, asked.value.code) == ("fenced", "fenced")
    assert store.head() == before
    assert file.exists() is not gone
    store.close()
    ca.stop()


def test_the_backup_of_another_ca_is_not_put_in_place(
    sqlite_ca: Installation, tmp_path: Path, issuers: dict[str, Issuer]
) -> None:
    (tmp_path / "second").mkdir()
    other = Installation(tmp_path / "second", issuers)
    copy = sqlite_ca.home / "copied.db"
    backing.unpack(backup(other), copy)
    other.stop()
    sqlite_ca.stop()
    before = (sqlite_ca.home / "ca" / "ca.db").read_bytes()
    with pytest.raises(Invalid, match="is not the database of this CA") as refused:
        put_in_place(sqlite_ca, copy)
    assert refused.value.code == "no_database"
    assert (sqlite_ca.home / "ca" / "ca.db").read_bytes() == before


def test_nothing_is_put_in_place_of_a_database_that_a_ca_writes_whatever_its_socket_says(
    sqlite_ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = sqlite_ca
    monkeypatch.setattr(standby, "PATIENCE", 0.6)
    archive, over = backup(ca), threading.Event()
    head = ca.store.head()
    assert head is not None
    ca.store.take_over(head, head.epoch + 1, standby.me())

    def beat() -> None:
        store = Store(ca.config.database)
        while not over.wait(0.1):
            store.beat(head.epoch + 1)
        store.close()

    writer = threading.Thread(target=beat)
    writer.start()
    try:
        with pytest.raises(Refused) as refused:
            maintenance.put_in_place(ca.config, archive)
    finally:
        over.set()
        writer.join()
    assert refused.value.code == "writer_lives"
    maintenance.put_in_place(ca.config, archive)  # nobody does any more
