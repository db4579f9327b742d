"""The log: written before anything leaves, folded into the same state, and verified to the byte."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit_ca import state as states
from sshjit_ca.log import verification
from sshjit_ca.storage.store import Store
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation


@pytest.fixture
def told(ca: Installation) -> Installation:
    """A CA in which every kind of thing happened once."""
    alice, bob, dana = ca.native(ALICE), ca.web(BOB), ca.native(DANA)
    request = ca.ask(alice, "web1").request
    other = ca.ask(dana, "db1").request
    ca.approve(bob, other, "go")
    certificate = ca.say(m.SignUser(dana, other.id), m.CertificateReply).certificate
    ca.say(m.Revoke(None, None, certificate.serial, None, "test"), m.RevokeReply, "admin")
    ca.say(m.Revoke(None, request.id, None, None, "laptop lost"), m.RevokeReply, "admin")
    ca.say(m.ReadBundle(None), m.BundleReply)
    with pytest.raises(Refused):
        ca.ask(ca.web(CAROL), "web1")
    ca.say(m.Logout(alice), m.Done)
    return ca


def verdict(ca: Installation, database: Path) -> verification.Verdict:
    store = Store(f"sqlite:///{database}", read_only=True)
    try:
        return verification.verify(store, ca.context.keys.public("log"))
    finally:
        store.close()


def copied(ca: Installation) -> Path:
    ca.stop()
    copy = ca.home / "copy.db"
    shutil.copy(ca.home / "ca" / "ca.db", copy)
    return copy


def change(database: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement, values)


def test_every_kind_of_event_is_told(told: Installation) -> None:
    wanted = {"start", "policy", "host", "login", "logout", "ask", "decision", "grant", "certificate", "close"}
    assert wanted | {"key", "key-turn", "revoke", "refusal", "bundle"} <= set(told.kinds()) <= set(events.KINDS)


def test_the_log_is_whole(told: Installation) -> None:
    found = verdict(told, copied(told))
    assert found.problems == ()
    assert found.size == len(told.kinds())
    assert found.checkpoint is not None
    assert found.checkpoint.root == found.head


def test_a_restart_knows_the_same(told: Installation) -> None:
    before = states.digest(told.context.state)
    told.restart()
    assert states.digest(told.context.state) == before


@pytest.mark.parametrize("column", ["fact", "detail", "salt", "leaf"])
def test_t45_one_changed_byte_is_found_and_the_entry_named(told: Installation, column: str) -> None:
    copy = copied(told)
    with closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute(f"SELECT number, {column} FROM entries").fetchall()  # noqa: S608 - a fixed name
    assert len(rows) > 15
    for number, value in rows:
        for at in (0, len(value) // 2, len(value) - 1):
            changed = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
            change(copy, f"UPDATE entries SET {column} = ? WHERE number = ?", changed, number)  # noqa: S608
            problems = verdict(told, copy).problems
            assert any(problem.startswith(f"entry {number}: ") for problem in problems), (number, at, problems)
        change(copy, f"UPDATE entries SET {column} = ? WHERE number = ?", value, number)  # noqa: S608
    assert verdict(told, copy).problems == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET time = time + 1 WHERE number = 17",
        "UPDATE entries SET kind = 'start' WHERE number = 17",
        "UPDATE entries SET subject = 'sub-0000000000000000' WHERE number = 17",
        "UPDATE entries SET detail = NULL WHERE number = 17",
        "DELETE FROM entries WHERE number = 17",
        "DELETE FROM entries WHERE number = (SELECT max(number) FROM entries)",
        "UPDATE head SET size = size - 1",
        "UPDATE policies SET text = text || ' '",
        "DELETE FROM head",
    ],
)
def test_t45_other_changes_are_found(told: Installation, statement: str) -> None:
    copy = copied(told)
    change(copy, statement)
    assert verdict(told, copy).problems


def test_t45_a_log_that_was_cut_together_with_its_checkpoint_is_found_by_the_one_kept_elsewhere(
    ca: Installation,
) -> None:
    ca.stop()
    shutil.copy(ca.home / "ca" / "ca.db", ca.home / "older.db")
    ca.start()
    ca.native(ALICE)
    ca.stop()
    shutil.copy(ca.home / "older.db", ca.home / "ca" / "ca.db")
    with pytest.raises(Failed) as back:
        ca.start()
    assert back.value.code == "log_rolled_back"


@pytest.mark.parametrize("kind", ["refusal", "login", "ask", "host"])
def test_a_detail_that_nobody_recorded_as_erased_is_missed(told: Installation, kind: str) -> None:
    copy = copied(told)
    change(copy, "UPDATE entries SET detail = NULL, salt = NULL WHERE kind = ?", kind)
    assert any("detail" in problem for problem in verdict(told, copy).problems)
    shutil.copy(copy, told.home / "ca" / "ca.db")
    with pytest.raises(Failed) as broken:
        told.start()
    assert broken.value.code == "log_broken"


def test_facts_hold_nothing_personal(told: Installation) -> None:
    facts = b"".join(row.entry.fact for row in told.store.rows())
    for word in (b"alice", b"@", b'"web1"', b'"db1"', b"192.0.2.7", b"CHG-7", b"laptop", b'"SRE"', b"deploy"):
        assert word not in facts


def test_t19_the_log_holds_no_token(told: Installation) -> None:
    message = told.native_message(BOB)
    told.say(message, m.LoginReply)
    raw = b"".join(row.entry.fact + (row.entry.detail or b"") for row in told.store.rows())
    for part in (*message.id_token.split("."), message.signature.splitlines()[2], message.salt):
        assert part.encode() not in raw


def test_t47_if_the_log_cannot_be_written_nothing_leaves_and_nothing_is_remembered(ca: Installation) -> None:
    login = ca.native(ALICE)
    before, kinds = states.digest(ca.context.state), ca.kinds()
    with closing(sqlite3.connect(ca.home / "ca" / "ca.db")) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT raise(FAIL, 'disk full'); END")
        connection.commit()
        with pytest.raises(Failed) as full:
            ca.ask(login, "web1")
        assert full.value.code == "not_signing"
        connection.execute("DROP TRIGGER full")
        connection.commit()
    assert not ca.say(m.Health(), m.HealthReply).ready, "until something is written"
    assert states.digest(ca.context.state) == before
    assert ca.kinds() == kinds
    assert ca.ask(login, "web1").certificate is not None
    assert ca.say(m.Health(), m.HealthReply).ready


def test_t63_a_writer_that_was_replaced_signs_nothing_more(ca: Installation) -> None:
    login = ca.native(ALICE)
    with closing(sqlite3.connect(ca.home / "ca" / "ca.db")) as connection, connection:
        connection.execute("UPDATE head SET epoch = epoch + 1")
    with pytest.raises(Failed) as fenced:
        ca.ask(login, "web1")
    assert fenced.value.code == "fenced"
    assert "certificate" not in ca.kinds()


def test_t64_serials_never_repeat_over_restarts(ca: Installation) -> None:
    serials = []
    for _ in range(3):
        reply = ca.ask(ca.native(ALICE), "web1")
        assert reply.certificate is not None
        serials.append(reply.certificate.serial)
        ca.restart()
    assert len(set(serials)) == 3
    assert len({serial >> 40 for serial in serials}) == 3


def test_t66_a_clock_that_jumps_stops_signing(ca: Installation) -> None:
    login = ca.native(ALICE)
    ca.time += 31
    with pytest.raises(Failed, match=r"jumped by \+31 s"):
        ca.ask(login, "web1")
    health = ca.say(m.Health(), m.HealthReply)
    assert not health.ready
    assert health.problems == ("the CA's clock is not right; nothing is signed until it is",), "for anybody to read"


def test_t10_a_clock_before_the_last_entry_stops_signing(ca: Installation) -> None:
    login = ca.native(ALICE)
    ca.time -= 5
    with pytest.raises(Failed, match="behind the log's last entry"):
        ca.ask(login, "web1")


def test_t68_a_flood_of_refusals_is_counted_and_not_written(ca: Installation) -> None:
    login = ca.native(CAROL)

    def refuse(times: int) -> None:
        for _ in range(times):
            with pytest.raises(Refused):
                ca.ask(login, "web1")

    refuse(50)
    assert ca.kinds().count("refusal") == 1
    ca.later(60)
    refuse(1)
    newest = ca.store.page(before=None, limit=1)[0]
    event = entries.read(newest)
    assert isinstance(event, events.Turned)
    assert event.count == 50


def test_a_person_reads_their_own_entries_and_an_auditor_all(told: Installation) -> None:
    own = told.say(m.ReadLog(told.native(DANA), None, 100), m.LogReply)
    everything = told.say(m.ReadLog(told.web(BOB), None, 100), m.LogReply)
    assert own.own_only
    assert not everything.own_only
    assert len(everything.entries) == everything.size - 1 + 1
    assert 0 < len(own.entries) < len(everything.entries)
    assert not any("a-1" in (entry.detail or "") for entry in own.entries)


def test_the_log_is_paged_from_the_newest_on(told: Installation) -> None:
    first = told.say(m.ReadLog(None, None, 5), m.LogReply, "admin").entries
    second = told.say(m.ReadLog(None, first[-1].index, 5), m.LogReply, "admin").entries
    assert [entry.index for entry in (*first, *second)] == list(range(first[0].index, first[0].index - 10, -1))
    for limit in (0, -1, 1001):
        with pytest.raises(Invalid):
            told.say(m.ReadLog(None, None, limit), m.LogReply, "admin")


def test_a_bad_policy_never_replaces_a_good_one(ca: Installation) -> None:
    before = ca.context.policy.digest
    with pytest.raises(SshJitError):
        ca.authority.change_policy(ca.authority.look_at_policy(ca.policy + "\n[[allow]]\nname = 'staging'\n"))
    assert ca.context.policy.digest == before
    assert ca.kinds().count("policy") == 1


def test_a_certificate_that_does_not_read_back_is_thrown_away(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signer that returns something else than a signature blob of its own stands for a broken device."""
    login = ca.native(ALICE)
    monkeypatch.setattr(ca.context.keys.active("user_ca"), "sign", lambda data: data)
    granted = ca.ask(login, "web1")
    assert granted.certificate is None
    assert "it was discarded" in granted.notes[-1]
    with pytest.raises(Failed):
        ca.say(m.SignUser(login, granted.request.id), m.CertificateReply)
    monkeypatch.undo()
    assert "certificate" not in ca.kinds()
    ca.say(m.SignUser(login, granted.request.id), m.CertificateReply)
