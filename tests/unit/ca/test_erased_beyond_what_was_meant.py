"""T72: whoever can write the database erases more, in the name of a ``Forgot`` entry that is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.errors import Failed
from sshjit_ca.log import erasure, verification
from sshjit_ca.log.gaps import Gaps
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation
from tests.unit.ca.log_tools import change

DAY = 24 * 3600
ERASE = "UPDATE entries SET detail = NULL, salt = NULL WHERE number = ?"


@pytest.fixture
def old(ca: Installation) -> Installation:
    """Carol can be forgotten; dana is locked; alice had another address; bob approved something that is open still."""
    ca.web(CAROL)
    ca.native(replace(ALICE, email="alice.before@example.com"), ca.key(ALICE))
    dana, bob = ca.native(DANA), ca.web(BOB)
    ca.web(CAROL)
    ca.ask(ca.native(ALICE), "web1", reason="CHG-1")
    request = ca.ask(dana, "db1", reason="INC-2").request
    ca.approve(bob, request, "because of INC-2")
    ca.say(m.Lock(None, "person", ca.logins[dana].person.id, "gone bad"), m.LockReply, "admin")
    for _ in range(20):
        ca.later(5 * DAY)
        ca.native(ALICE)
        ca.web(BOB)
    ca.ask(ca.native(ALICE), "web1", reason="CHG-2")
    return ca


def forget(ca: Installation, days: int = 40) -> m.ForgetReply:
    reply = ca.say(m.Forget(int(ca.time) - days * DAY, dry_run=False), m.ForgetReply, "admin")
    assert reply.erased > 5
    return reply


def forget_as_release_0_1_0(ca: Installation, days: int = 40) -> int:
    """What a ``forget`` of that release did: its entry names nothing."""
    context, before = ca.context, int(ca.time) - days * DAY
    plan = erasure.plan_for(erasure.forgotten(context.state, before, int(ca.time)), before)
    erased = erasure.count(ca.store, plan.where())
    context.journal.record(events.Forgot(before, erased), int(ca.time))
    context.journal.erase(plan, context.history.forget)
    context.journal.commit()
    return erased


def verdict(ca: Installation) -> verification.Verdict:
    return verification.verify(ca.store, ca.context.keys.public("log"), processes=1)


def logins_of(ca: Installation, text: bytes) -> list[int]:
    rows = ca.store.rows()
    return [row.entry.index for row in rows if row.entry.kind == "login" and text in (row.entry.detail or b"")]


def erase(ca: Installation, *indices: int) -> None:
    for index in indices:
        change(ca, ERASE, index)
    change(ca, "DELETE FROM snapshots")


@pytest.mark.parametrize("who", [b"dana@example.com", b"alice.before@example.com"])
def test_t72_the_sign_in_of_somebody_who_is_locked_and_a_link_of_addresses_cannot_be_erased(
    old: Installation, who: bytes
) -> None:
    forget(old)
    assert verdict(old).problems == ()
    wanted = logins_of(old, who)
    assert wanted
    erase(old, *wanted)
    (problem,) = verdict(old).problems
    assert problem.startswith(f"entry {wanted[0]}: its detail is missing")
    old.stop()
    with pytest.raises(Failed) as refused:
        old.start()
    assert refused.value.code == "log_broken"


def test_t72_no_detail_that_is_left_can_be_erased_unseen(old: Installation) -> None:
    forget(old)
    left = [row.entry for row in old.store.rows() if row.entry.detail is not None]
    assert {"login", "host", "key", "lock", "forget", "ask"} <= {entry.kind for entry in left}
    for entry in left:
        erase(old, entry.index)
        assert any(f"entry {entry.index}:" in problem for problem in verdict(old).problems), entry.kind
        change(old, "UPDATE entries SET detail = ?, salt = ? WHERE number = ?", entry.detail, entry.salt, entry.index)
    assert verdict(old).problems == ()


def test_what_was_erased_before_the_forgetting_stays_wrong_after_it(old: Installation) -> None:
    """The next ``forget`` names what it erases itself, and covers nothing that was gone already."""
    gone = next(row.entry.index for row in old.store.rows() if row.entry.kind == "ask")
    erase(old, gone)
    forget(old)
    (problem,) = verdict(old).problems
    assert problem.startswith(f"entry {gone}: its detail is missing")


def test_an_erasure_that_was_broken_off_is_no_alarm_and_can_be_finished(old: Installation) -> None:
    kept = [row.entry for row in old.store.rows()]
    reply = forget(old)
    again = [entry for entry in kept if entry.index % 2 and entry.detail is not None]
    for entry in again:
        change(old, "UPDATE entries SET detail = ?, salt = ? WHERE number = ?", entry.detail, entry.salt, entry.index)
    assert verdict(old).problems == ()
    assert 0 < verdict(old).erased < reply.erased
    old.say(m.Forget(int(old.time) - 40 * DAY, dry_run=False), m.ForgetReply, "admin")
    assert (verdict(old).problems, verdict(old).erased) == ((), reply.erased)


def test_many_ranges_are_several_entries(old: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "MOST_RANGES", 1)
    reply = forget(old)
    found = [row.entry for row in old.store.rows() if row.entry.kind == "forget"]
    assert len(found) > 1
    assert verdict(old).problems == ()
    assert verdict(old).erased == reply.erased
    old.restart()
    whole = [event for row in old.store.rows() if isinstance(event := entries.read(row.entry), events.Forgot)]
    assert sum(event.erased for event in whole) == reply.erased


def test_t72_of_release_0_1_0_what_the_rules_keep_and_how_many_went_is_known_and_the_rest_is_said(
    old: Installation,
) -> None:
    erased = forget_as_release_0_1_0(old)
    assert verdict(old).problems == ()
    assert verdict(old).unlisted == verdict(old).erased == erased
    (newest,) = logins_of(old, b"dana@example.com")
    row = next(row.entry for row in old.store.rows(newest))
    erase(old, newest)
    assert any(f"entry {newest}:" in problem for problem in verdict(old).problems)
    change(old, "UPDATE entries SET detail = ?, salt = ? WHERE number = ?", row.detail, row.salt, newest)
    (link,) = logins_of(old, b"alice.before@example.com")
    erase(old, link)
    (problem,) = verdict(old).problems
    assert problem == f"the details of {erased + 1} entries are missing, and {erased} were recorded as erased"
    old.stop()
    with pytest.raises(Failed) as refused:
        old.start()
    assert refused.value.code == "log_broken"


def test_t72_of_release_0_1_0_the_start_itself_keeps_to_the_rules(old: Installation) -> None:
    """As many are missing as were recorded: one that was erased was put back from an old copy."""
    kept = [row.entry for row in old.store.rows()]
    forget_as_release_0_1_0(old)
    left = {row.entry.index for row in old.store.rows() if row.entry.detail is not None}
    back = next(entry for entry in kept if entry.detail is not None and entry.index not in left)
    change(old, "UPDATE entries SET detail = ?, salt = ? WHERE number = ?", back.detail, back.salt, back.index)
    (wanted,) = logins_of(old, b"dana@example.com")
    erase(old, wanted)
    old.stop()
    with pytest.raises(Failed) as refused:
        old.start()
    assert refused.value.code == "log_broken"
    assert refused.value.message.startswith(f"entry {wanted}: its detail is missing")


def test_both_ways_of_forgetting_in_one_log(old: Installation) -> None:
    erased = forget_as_release_0_1_0(old, 60)
    old.later(40 * DAY)
    old.native(ALICE)
    more = forget(old).erased
    found = verdict(old)
    assert (found.problems, found.erased, found.unlisted) == ((), erased + more, erased)
    old.restart()
    assert verdict(old).problems == ()


def test_a_forget_entry_covers_nothing_that_stands_after_it() -> None:
    gaps = Gaps()
    gaps.follow(3, 100, events.Forgot(90, 1, ((0, 10),)), None)
    gaps.miss(5, 100, "login", events.Forgot(0, 0))
    assert "entry 5" in gaps.find().problem


@pytest.mark.parametrize(("index", "time"), [(6, 50), (3, 90)], ids=["after it", "not older than it says"])
def test_nor_does_one_of_release_0_1_0(index: int, time: int) -> None:
    gaps = Gaps()
    gaps.miss(2, 89, "login", events.Forgot(0, 0))
    gaps.follow(5, 100, events.Forgot(90, 2), None)
    assert gaps.find().problem == ""
    gaps.miss(index, time, "login", events.Forgot(0, 0))
    assert f"entry {index}:" in gaps.find().problem


def test_t72_of_release_0_1_0_the_words_of_a_request_that_is_at_hand_are_kept(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1", reason="CHG-1")
    ca.later(5 * DAY)
    gaps = Gaps()
    gaps.follow(1000, int(ca.time), events.Forgot(int(ca.time) - DAY, 99), ca.context.state)
    asked = next(row.entry for row in ca.store.rows() if row.entry.kind == "ask")
    gaps.read(replace(asked, detail=None, salt=None))
    assert f"entry {asked.index}:" in gaps.find().problem
