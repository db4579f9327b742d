"""The feed: what happened, by position, with whom it may concern and nobody's unvouched address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import events
from sshjit.errors import Invalid
from sshjit_ca.handlers import feed as feeding
from tests.support.break_glass import GLASS, break_glass, review
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
DAY = 24 * 3600


def feed(ca: Installation, after: int = -1, limit: int = feeding.MOST) -> m.FeedReply:
    return ca.say(m.ReadFeed(after, limit), m.FeedReply)


def everything(ca: Installation, limit: int) -> list[m.FeedItem]:
    """All items, by as many questions as it takes."""
    found: list[m.FeedItem] = []
    after = -1
    while True:
        page = feed(ca, after, limit)
        assert page.read > after or page.read == page.size - 1
        found += page.items
        if page.read == page.size - 1:
            return found
        after = page.read


def test_an_ask_is_told_to_those_who_could_answer_it(ca: Installation) -> None:
    ca.web(BOB)
    ca.web(ERIN)
    ca.web(ALICE)
    request = ca.ask(ca.native(DANA), "db1").request
    (item,) = feed(ca).items
    assert (item.kind, item.time) == ("asked", int(ca.time))
    assert item.request is not None
    assert item.request.id == request.id
    assert {each.name for each in item.deciders} == {BOB.sub, ERIN.sub}
    assert item.actor is not None
    assert item.actor.email == DANA.email
    assert item.labels == (("env", "prod"), ("role", "db"))
    assert "requested" in item.summary
    assert (item.reviewers, item.notify) == ((), ())


def test_labels_are_those_of_the_machine_that_was_asked_for_and_of_no_later_one_of_its_name(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1")
    assert feed(ca).items[0].labels
    ca.say(m.RemoveHost("web1", "broken", None, None), m.Done, "admin")
    assert feed(ca).items[0].labels == ()
    ca.add_host("web1", env="prod", role="db")
    assert feed(ca).items[0].labels == ()


def test_the_request_is_shown_as_it_stands_now(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1").request
    ca.approve(ca.web(BOB), request)
    asked, decided, opened = feed(ca).items
    assert (asked.kind, decided.kind, opened.kind) == ("asked", "decided", "opened")
    assert decided.actor is not None
    assert decided.actor.name == BOB.sub
    assert asked.request == decided.request == opened.request
    assert opened.request is not None
    assert opened.request.state == "approved"
    assert opened.actor is None


def test_t61_neither_the_requester_nor_an_account_linked_to_it_is_asked(ca: Installation) -> None:
    ca.web(BOB)
    ca.web(Person("d-99", ("SRE Leads",), "DANA@Example.com", verified=False))
    ca.ask(ca.native(DANA), "db1")
    (item,) = feed(ca).items
    assert {each.name for each in item.deciders} == {BOB.sub}


def test_an_address_that_nobody_vouches_for_is_not_shown(ca: Installation) -> None:
    ca.web(replace(BOB, verified=False))
    ca.ask(ca.native(Person("d-9", ("Database",), "boss@example.com", verified=False)), "db1")
    (item,) = feed(ca).items
    assert [(each.name, each.email) for each in item.deciders] == [(BOB.sub, None)]
    assert item.request is not None
    assert (item.request.requester.name, item.request.requester.email) == ("d-9", None)


def test_questions_go_on_where_the_last_one_ended(ca: Installation) -> None:
    alice = ca.native(ALICE)
    for _ in range(5):
        request = ca.ask(alice, "web1").request
        ca.say(m.End(alice, request.id), m.RequestReply)
    whole = feed(ca)
    assert [item.kind for item in whole.items] == ["asked", "opened", "closed"] * 5
    assert everything(ca, 2) == list(whole.items)
    assert feed(ca, whole.read).items == ()
    assert whole.read == whole.size - 1


def test_what_is_not_durable_yet_is_told_later(ca: Installation) -> None:
    """It might never have happened."""
    alice, before = ca.native(ALICE), feed(ca)
    ask = m.Ask(alice, ("web1",), None, "shell", None, None, "look", certificate=False, address="")
    _, during = ca.say_all([ask, m.ReadFeed(before.read, 100)])
    assert during == m.FeedReply((), before.read, before.size)
    assert [item.kind for item in feed(ca, before.read).items] == ["asked", "opened"]


def test_one_question_goes_past_a_bounded_number_of_entries(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    ca.ask(ca.native(ALICE), "web1")
    for number in range(30):
        ca.web(Person(f"p-{number}"))
    monkeypatch.setattr(feeding, "LOOKED_AT", 10)
    whole = everything(ca, 100)
    assert [item.kind for item in whole] == ["asked", "opened"]
    assert feed(ca).read <= 10


@pytest.mark.parametrize(("after", "limit"), [(-2, 1), (10**6, 1), (-1, 0), (-1, feeding.MOST + 1)])
def test_nonsense_is_refused(ca: Installation, after: int, limit: int) -> None:
    with pytest.raises(Invalid):
        feed(ca, after, limit)


def test_locks_and_emergencies_are_told(ca: Installation) -> None:
    reply = ca.say(m.Lock(None, "host", "db1", "odd traffic"), m.LockReply, "admin")
    ca.say(m.Unlock(None, reply.lock.id, "all is well", None), m.Done, "admin")
    key = ca.key(ALICE).with_suffix(".pub").read_text()
    ca.say(m.SignEmergency("deploy", ("web1",), key, "the provider is down", 600), m.EmergencyReply, "admin")
    items = feed(ca).items
    assert [item.kind for item in items] == ["locked", "unlocked", "emergency"]
    assert all(item.request is None and item.actor is None for item in items)
    assert key.split()[1] not in str(items)


def test_a_reader_is_told_only_what_its_version_knows(ca: Installation) -> None:
    ca.context.record(events.JoinRefused("inv-1", "used_up", 1, "web9", ()))
    ca.context.journal.commit()
    kinds = {
        version: [item.kind for item in ca.say(m.ReadFeed(-1, 10, version), m.FeedReply).items] for version in (1, 2)
    }
    assert kinds == {1: [], 2: ["join_refused"]}


def test_what_was_pruned_and_erased_is_told_still(ca: Installation) -> None:
    alice = ca.native(ALICE)
    request = ca.ask(alice, "web1").request
    ca.say(m.End(alice, request.id), m.RequestReply)
    ca.later(40 * DAY)
    ca.native(BOB)
    assert request.id not in ca.context.state.requests
    before = feed(ca).items
    assert [item.kind for item in before] == ["asked", "opened", "closed"]
    assert before[0].request is not None
    assert before[0].request.reason == "CHG-7 add index"
    ca.say(m.Forget(int(ca.time) - 35 * DAY, dry_run=False), m.ForgetReply, "admin")
    after = feed(ca).items
    assert [(item.index, item.kind) for item in after] == [(item.index, item.kind) for item in before]
    assert "CHG-7" not in str(after)


def test_broken_glass_is_told_to_those_who_may_review_it(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    ca.web(BOB)
    request = break_glass(ca, ca.native(ALICE)).request
    asked, opened = feed(ca).items
    assert asked.notify == opened.notify == ("pager",)
    assert [each.name for each in asked.reviewers] == [BOB.sub]
    assert asked.deciders == ()
    assert "EMERGENCY ACCESS" in asked.summary
    review(ca, ca.web(BOB), request)
    last = feed(ca).items[-1]
    assert (last.kind, last.actor and last.actor.name) == ("reviewed", BOB.sub)


def test_nobody_is_asked_to_review_what_breaks_no_glass(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    ca.web(BOB)
    ca.ask(ca.native(DANA), "db1")
    (asked,) = feed(ca).items
    assert [each.name for each in asked.deciders] == [BOB.sub]
    assert asked.reviewers == ()


def test_who_decides_and_who_reviews_is_told_of_the_same_person_s_requests(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    ca.change_policy('review = ["lead"]', 'review = ["dba"]')
    for reviewer in (BOB, DANA):
        ca.web(reviewer)
    both = ca.native(Person("x-1", ("SRE", "Database")))
    ca.ask(both, "db1")
    break_glass(ca, both, login="root")
    asked, broken, _ = feed(ca).items
    assert [[each.name for each in item.deciders] for item in (asked, broken)] == [[BOB.sub], []]
    assert [[each.name for each in item.reviewers] for item in (asked, broken)] == [[], [DANA.sub]]


def test_an_answer_for_a_crowd_stays_small_enough_to_be_read(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever tells people about it would ask the same for ever."""
    ca.web(BOB)
    ca.web(ERIN)
    ca.ask(ca.native(DANA), "db1")
    ca.ask(ca.native(DANA), "db1", action="migrate")
    ca.ask(ca.native(ALICE), "web1")
    whole = everything(ca, feeding.MOST)
    monkeypatch.setattr(feeding, "PEOPLE", 2)
    first = feed(ca)
    assert (len(first.items), first.read) == (1, first.items[0].index)
    assert everything(ca, feeding.MOST) == whole
    assert len(whole) > 3
