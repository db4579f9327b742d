"""Forgetting: old details go, facts and proofs stay, and what is left folds to the same state."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench import make_log
from sshjit import ca_protocol as m
from sshjit import events, merkle
from sshjit.errors import Invalid, SshJitError
from sshjit_ca.log import erasure, snapshots, snapshotting, verification
from sshjit_ca.state import codec
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.store import Store
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, make_key
from tests.support.signatures import join, report_sessions, session_event
from tests.unit.ca.log_tools import refolded

DAY = 24 * 3600


@pytest.fixture
def old(ca: Installation) -> Installation:
    """A CA in which much happened long ago; of alice and bob something is newer, of carol and dana nothing."""
    alice, bob, dana = ca.native(ALICE), ca.web(BOB), ca.native(DANA)
    ca.ask(alice, "web1", reason="CHG-1 alice was here")
    other = ca.ask(dana, "db1", reason="INC-2 dana was here").request
    ca.approve(bob, other, "because of INC-2")
    ca.say(m.SignUser(dana, other.id), m.CertificateReply)
    with pytest.raises(SshJitError):
        ca.ask(ca.web(CAROL), "web1")
    for _ in range(20):
        ca.later(5 * DAY)
        ca.native(ALICE)
        ca.web(BOB)
    return ca


def forget(ca: Installation, days: int, *, dry_run: bool = False) -> m.ForgetReply:
    return ca.say(m.Forget(int(ca.time) - days * DAY, dry_run), m.ForgetReply, "admin")


def on_disk(ca: Installation) -> bytes:
    """Everything in the files of the database."""
    return b"".join(path.read_bytes() for path in sorted((ca.home / "ca").glob("ca.db*")))


def details(ca: Installation) -> bytes:
    return b"".join(row.entry.detail or b"" for row in ca.store.rows())


def whole(ca: Installation) -> verification.Verdict:
    verdict = verification.verify(ca.store, ca.context.keys.public("log"))
    assert verdict.problems == ()
    return verdict


def test_what_is_old_is_erased_and_the_log_is_whole(old: Installation) -> None:
    snapshotting.keep_last(old.context.journal)
    head, size = old.context.journal.tree.head(), old.context.state.size
    for word in (b"dana", b"INC-2", b"carol", b"CHG-1"):
        assert word in details(old)
    reply = forget(old, 90)
    assert reply.people == 2
    for word in (b"dana", b"INC-2", b"carol", b"CHG-1"):
        assert word not in details(old)
    assert b'"web1"' in details(old), "hosts keep their names"
    verdict = whole(old)
    assert verdict.erased == reply.erased
    assert verdict.size == size + 1
    leaves = [row.leaf for row in old.store.rows()]
    assert merkle.head(leaves[:size]) == head


def test_nothing_of_it_is_left_in_the_files_of_the_database(old: Installation) -> None:
    snapshotting.keep_last(old.context.journal)
    (snapshot,) = snapshots.stored(old.store)
    words = [b"dana was here", b"INC-2", b"carol@", b"CHG-1", snapshot.state[100:160]]
    before = on_disk(old)
    assert [word for word in words if word not in before] == []
    forget(old, 90)
    after = on_disk(old)
    assert [word for word in words if word in after] == []
    assert old.store.head() is not None, "the database is open: nothing was tidied up at its end"


def test_a_long_log_is_erased_beside_the_writer_and_comes_back_whole(tmp_path: Path) -> None:
    context = make_log.make(tmp_path, 4 * erasure.STEP)
    store, first, size = Store(f"sqlite:///{tmp_path}/ca/ca.db"), context.keys.public("log"), context.state.size
    before = context.state.time - 2 * DAY
    plan = erasure.plan_for(context.state, before)
    gone = erasure.count(store, plan.where())
    assert gone > 3 * erasure.STEP
    (event,) = erasure.events_for(store, plan, gone)
    context.journal.record(event, context.state.time)
    context.journal.commit()
    rest = erasure.erase(store, plan)
    assert rest is not None
    assert 0 < erasure.count(store, plan.where()) < gone, "it does not hold the writer up until all is erased"
    while rest.is_alive():
        began = time.monotonic()
        context.journal.record(events.Forgot(0, 0, ()), context.state.time)
        context.journal.commit()
        assert time.monotonic() - began < 10
        size += 1
    assert erasure.count(store, plan.where()) == 0
    for processes in (1, 2):
        verdict = verification.verify(store, first, processes=processes)
        assert (verdict.problems, verdict.erased, verdict.size) == ((), gone, size + 1)
    store.close()


def test_what_is_left_folds_to_the_same_state(old: Installation) -> None:
    forget(old, 90)
    snapshotting.keep_last(old.context.journal)
    old.later(60)
    login = old.native(ALICE)
    old.ask(login, "web1")
    forget(old, 40)
    assert codec.encode(old.context.state) == codec.encode(refolded(old))
    snapshotting.keep_last(old.context.journal)
    whole(old)
    old.restart()
    whole(old)
    assert codec.encode(old.context.state) == codec.encode(refolded(old))


def test_a_dry_run_changes_nothing_and_says_the_same(old: Installation) -> None:
    kinds = old.kinds()
    would = forget(old, 90, dry_run=True)
    assert old.kinds() == kinds
    assert whole(old).erased == 0
    assert forget(old, 90) == would
    again = forget(old, 90)
    assert (again.erased, again.people) == (0, 0)
    assert old.kinds() == [*kinds, "forget"]


def test_t61_addresses_of_people_who_are_still_here_are_kept(ca: Installation) -> None:
    """Somebody who had another address a hundred days ago is still known by it, or could approve for themselves."""
    first = replace(ALICE, email="alice.before@example.com")
    ca.native(first, ca.key(ALICE))
    for _ in range(20):
        ca.later(5 * DAY)
        login = ca.native(ALICE)
    forget(ca, 40)
    subject = ca.logins[login].person.id
    assert ca.context.state.emails[subject] == {"alice.before@example.com", "alice@example.com"}
    ca.restart()
    assert ca.context.state.emails[subject] == {"alice.before@example.com", "alice@example.com"}


def test_somebody_who_was_forgotten_is_a_stranger_and_their_requests_are_shown_without_a_name(
    old: Installation,
) -> None:
    forget(old, 90)
    bob = old.web(BOB)
    old.ask(old.native(DANA), "db1")
    seen = old.say(m.ReadRequests(bob, "all", 10, None), m.RequestsReply).requests
    assert [each.reason for each in seen] == ["CHG-7 add index", "", ""]
    assert seen[1].requester.id != seen[0].requester.id
    assert seen[1].requester.name.startswith("sub-")
    lines = [entry.summary for entry in old.say(m.ReadLog(None, None, 1000), m.LogReply, "admin").entries]
    assert "its details were erased" in lines
    assert any("access that was forgotten" in line for line in lines)


def test_what_is_young_cannot_be_forgotten(old: Installation) -> None:
    with pytest.raises(Invalid) as young:
        forget(old, 30)
    assert young.value.code == "too_young"


def test_somebody_who_is_locked_is_not_forgotten(ca: Installation) -> None:
    subject = ca.logins[ca.native(DANA)].person.id
    ca.say(m.Lock(None, "person", subject, "gone bad"), m.LockReply, "admin")
    ca.later(400 * DAY)
    assert forget(ca, 100).people == 0
    with pytest.raises(SshJitError):
        ca.native(DANA)


def test_who_is_forgotten_is_no_account_of_whoever_has_their_address_next(ca: Installation) -> None:
    """The address was given to somebody else, who joins after the first owner is forgotten."""
    left = replace(CAROL, email="shared@example.com")
    ca.web(left)
    ca.later(100 * DAY)
    ca.web(BOB)
    forget(ca, 90)
    assert "acme/c-3" not in ca.context.state.subjects
    assert (
        refolded(ca).accounts_at
        == ca.context.state.accounts_at
        == {"bob@example.com": {ca.context.state.subjects["acme/b-2"]}}
    )
    ca.web(replace(DANA, email="shared@example.com"))
    new = ca.context.state.subjects["partner/d-4"]
    lock = ca.say(m.Lock(None, "person", "partner/shared@example.com", "laptop lost"), m.LockReply, "admin").lock
    assert ca.context.state.locks[lock.id].subjects == (new,)
    whole(ca)


def test_what_hosts_reported_of_sessions_is_forgotten_too_but_for_how_far_they_came(ca: Installation) -> None:
    """Who was where from which address is about people, and nothing needs it but the newest number of a host."""
    keys = {}
    for name in ("web9", "web8", "web7"):
        reply = ca.say(m.AddHost(name, (), name, 22, (("env", "staging"),), ()), m.HostReply, "admin")
        assert reply.invitation is not None
        keys[name] = make_key(ca.home / name)
        ca.say(join(ca, name, reply.invitation.token, (keys[name],)), m.HostReply, "web")

    def tell(name: str, *told: m.SessionEvent) -> None:
        ca.say(report_sessions(ca, keys[name], *told, name=name), m.SessionsReply, "web")

    tell("web9", *(session_event(number, source=f"198.51.100.{number}") for number in (1, 2, 3)))
    tell("web8", session_event(1, source="198.51.100.8"), session_event(2, login="x y"))
    tell("web7", session_event(1, source="198.51.100.7"))
    ca.say(m.RemoveHost("web7", "scrapped", None, None), m.Done, "admin")
    ca.later(100 * DAY)
    tell("web9", session_event(4, source="198.51.100.4"))
    forget(ca, 90)
    for last in (1, 2, 3, 7, 8):
        assert f'198.51.100.{last}"'.encode() not in details(ca)
    assert b"198.51.100.4" in details(ca), "it is young"
    assert {host: number for host, (number, _) in ca.context.state.session_events.items()} == {"web8": 2, "web9": 4}
    assert whole(ca).erased
    before = codec.text(ca.context.state)
    order = list(ca.context.state.session_events.items())
    ca.restart()
    anew = refolded(ca).session_events
    assert list(anew.items()) == order, "in one order: digests are over it"
    assert set(anew) == {"web8", "web9"}, "an entry without its details is of no host"
    assert len(before) > 0
    tell("web8", session_event(2), session_event(3, source="203.0.113.9"))
    assert ca.context.state.session_events["web8"][0] == 3
    assert ca.kinds().count("session") == 7
    ca.later(100 * DAY)
    forget(ca, 90)
    assert b"203.0.113.9" in details(ca), "how far web8 came"
    assert b"198.51.100.4" in details(ca)
    assert whole(ca).problems == ()


def test_t72_the_newest_report_of_a_host_cannot_be_erased_unseen(ca: Installation) -> None:
    reply = ca.say(m.AddHost("web9", (), "web9", 22, (("env", "staging"),), ()), m.HostReply, "admin")
    assert reply.invitation is not None
    key = make_key(ca.home / "web9")
    ca.say(join(ca, "web9", reply.invitation.token, (key,)), m.HostReply, "web")
    ca.say(report_sessions(ca, key, session_event(1), session_event(2)), m.SessionsReply, "web")
    ca.later(100 * DAY)
    forget(ca, 90)
    (last,) = [row.entry.index for row in ca.store.rows() if row.entry.kind == "session" and row.entry.detail]
    with ca.store.writing() as connection:
        gone = entries.c.number == last
        connection.execute(sa.update(entries).where(gone).values(detail=None, salt=None))
    verdict = verification.verify(ca.store, ca.context.keys.public("log"))
    assert any(f"entry {last}: its detail is missing" in problem for problem in verdict.problems)
