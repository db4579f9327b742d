"""Requests are found for ever: by text, state and time, by page, with bounded work for each."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from sshjit_ca.handlers import read_requests
from sshjit_ca.log.history import History
from sshjit_ca.state import State
from tests.support.break_glass import GLASS, break_glass
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

DAY = 24 * 3600


def search(ca: Installation, login_id: str, scope: Any = "all", limit: int = 100, **named: Any) -> m.RequestsReply:
    named = {"before": None, **named}
    return ca.say(m.ReadRequests(login_id, scope, limit, **named), m.RequestsReply)


def pages(ca: Installation, login_id: str, scope: Any = "all", limit: int = 2, **named: Any) -> list[str]:
    """All ids, by as many questions as it takes."""
    found: list[str] = []
    before = None
    while True:
        page = search(ca, login_id, scope, limit, before=before, **named)
        found += [each.id for each in page.requests]
        if page.next is None:
            return found
        assert before is None or page.next < before, "it gets on"
        before = page.next


def exact_pages(ca: Installation, login_id: str, scope: Any = "all", limit: int = 2, **named: Any) -> list[list[str]]:
    """The ids page by page, for an asker that goes on after a request, and not after a second."""
    found: list[list[str]] = []
    before, after = None, ""
    while True:
        page = search(ca, login_id, scope, limit, before=before, after=after, **named)
        found.append([each.id for each in page.requests])
        assert len(found) < 100, "it gets on"
        if page.next is None:
            return found
        before, after = page.next, page.next_after


def history(ca: Installation) -> list[str]:
    """Twelve requests over four months, most of which only the log knows any more; the oldest first."""
    made = []
    for month in range(4):
        alice, dana = ca.web(ALICE), ca.web(DANA)
        made.append(ca.ask(dana, "db1", reason=f"CHG-{month} index").request.id)
        for hour in (1, 2):  # in the same second
            request = ca.ask(alice, "web1", duration=3600 * hour, reason=f"look {month}").request
            ca.say(m.End(alice, request.id), m.RequestReply)
            made.append(request.id)
        ca.later(31 * DAY)
    ca.web(ALICE)
    assert len(ca.context.state.requests) < len(made)
    return made


@pytest.mark.parametrize(("scope", "reader"), [("mine", ALICE), ("all", BOB)], ids=["mine", "all"])
def test_as_many_requests_of_one_second_as_one_likes_come_by_the_page(
    ca: Installation, scope: str, reader: Person
) -> None:
    alice, login = ca.web(ALICE), ca.web(reader)
    made = []
    for number in range(1, 8):
        request = ca.ask(alice, "web1", duration=60 * number).request
        ca.say(m.End(alice, request.id), m.RequestReply)
        made.append(request.id)
    found = exact_pages(ca, login, scope)
    assert [len(page) for page in found] == [2, 2, 2, 1]
    assert [one for page in found for one in page] == made[::-1]
    assert len(search(ca, login, scope, 2).requests) == 7, "an older front end knows seconds alone"


def test_exact_pages_leave_nothing_out_either_and_read_the_log(ca: Installation) -> None:
    made = history(ca)
    bob = ca.web(BOB)
    for limit in (1, 2, 5):
        found = exact_pages(ca, bob, limit=limit)
        assert {len(page) for page in found[:-1]} == {limit}
        assert sorted(one for page in found for one in page) == sorted(made)


def test_where_the_last_one_of_a_page_was_answered_its_second_comes_again(ca: Installation) -> None:
    dana, start = ca.web(DANA), int(ca.time) + 600
    waiting = [ca.ask(dana, "db1", reason="CHG-1 index", start=start + number).request.id for number in range(3)]
    bob = ca.web(BOB)
    first = search(ca, bob, "approve", 2, after="")
    assert [each.id for each in first.requests] == waiting[:0:-1]
    gone = first.requests[-1]
    ca.say(m.Deny(bob, gone.id, gone.digest, "not now", None), m.RequestReply)
    following = search(ca, bob, "approve", 2, before=first.next, after=first.next_after)
    assert waiting[0] in [each.id for each in following.requests]


def test_pages_leave_nothing_out_and_show_nothing_twice(ca: Installation) -> None:
    made = history(ca)
    bob = ca.web(BOB)
    for limit in (1, 2, 5, 100):
        found = pages(ca, bob, limit=limit)
        assert sorted(found) == sorted(made)
        assert made.index(found[0]) >= 9
        assert made.index(found[-1]) < 3
    assert set(pages(ca, ca.web(ALICE), "mine")) == set(made) - set(made[::3])


def test_they_are_found_by_text_state_and_time(ca: Installation) -> None:
    made = history(ca)
    bob = ca.web(BOB)
    assert pages(ca, bob, find="CHG-0") == made[:1]
    assert pages(ca, bob, find="chg-2 IND") == made[6:7]
    assert set(pages(ca, bob, find="web1")) == set(made) - set(made[::3])
    assert set(pages(ca, bob, find="DANA@example")) == set(made[::3])
    assert pages(ca, bob, find=made[4][:12]) == [made[4]]
    assert pages(ca, bob, find=made[4][2:12]) == []
    assert set(pages(ca, bob, state=m.RequestState.EXPIRED)) == set(made[::3])
    assert pages(ca, bob, state=m.RequestState.PENDING) == []
    since = search(ca, bob, find=made[6]).requests[0].asked
    assert set(pages(ca, bob, since=since)) == set(made[6:])
    assert set(pages(ca, bob, since=since, find="postgres")) == {made[6], made[9]}


@pytest.mark.parametrize(("scope", "reader"), [("mine", DANA), ("all", BOB), ("approve", BOB)])
def test_since_counts_for_what_is_at_hand_too(ca: Installation, scope: str, reader: Person) -> None:
    dana, made = ca.web(DANA), []
    for number in range(3):
        made.append(ca.ask(dana, "db1", reason="CHG-1 index", start=int(ca.time) + 600 + number).request)
        ca.later(60)
    login = ca.web(reader)
    assert pages(ca, login, scope) == [each.id for each in made[::-1]]
    assert pages(ca, login, scope, since=made[1].asked) == [made[2].id, made[1].id]


def test_nobody_is_shown_what_is_too_late_to_decide(ca: Installation) -> None:
    bob, request = ca.web(BOB), ca.ask(ca.native(DANA), "db1").request
    assert [each.id for each in search(ca, bob, "approve").requests] == [request.id]
    ca.later(31 * 60)
    assert search(ca, bob, "approve").requests == ()


def test_who_said_yes_already_is_shown_it_no_more_and_others_are(ca: Installation) -> None:
    ca.change_policy("count = 1", "count = 2")
    bob, other = ca.web(BOB), ca.web(Person("e-5", ("SRE Leads",), "erin@example.com"))
    request = ca.ask(ca.native(DANA), "db1").request
    assert ca.approve(bob, request).state == "pending"
    assert [[each.id for each in search(ca, who, "approve").requests] for who in (bob, other)] == [[], [request.id]]


def test_what_waits_for_a_review_comes_by_the_page(ca: Installation) -> None:
    ca.change_policy(*GLASS)
    broken = [break_glass(ca, ca.native(Person(f"p-{number}", ("SRE",)))).request.id for number in range(3)]
    found = exact_pages(ca, ca.web(BOB), "review", 1)
    assert [len(page) for page in found] == [1, 1, 1]
    assert sorted(one for page in found for one in page) == sorted(broken)


@pytest.mark.parametrize(("most", "value"), [("READ", 2), ("FOLDED", 1), ("LOOKED_AT", 1)])
def test_one_question_does_a_bounded_part_of_the_work(
    ca: Installation, monkeypatch: pytest.MonkeyPatch, most: str, value: int
) -> None:
    made = history(ca)
    bob = ca.web(BOB)
    monkeypatch.setattr(read_requests, most, value)
    first = search(ca, bob)
    assert len(first.requests) < len(made)
    assert first.next is not None
    assert sorted(pages(ca, bob, limit=100)) == sorted(made)
    assert pages(ca, bob, limit=100, find="CHG-0") == made[:1]


def test_one_finds_by_what_was_erased_no_more(ca: Installation) -> None:
    made = history(ca)
    bob = ca.web(BOB)
    ca.say(m.Forget(int(ca.time) - 60 * DAY, dry_run=False), m.ForgetReply, "admin")
    assert pages(ca, bob, find="CHG-0") == []
    assert sorted(pages(ca, bob)) == sorted(made)


def test_all_is_for_auditors(ca: Installation) -> None:
    with pytest.raises(Invalid) as no:
        search(ca, ca.web(ALICE))
    assert no.value.code == "not_permitted"


def test_what_was_asked_in_the_same_batch_is_found(ca: Installation) -> None:
    alice = ca.web(ALICE)
    ask = m.Ask(alice, ("web1",), None, "shell", None, None, "look", certificate=False, address="")
    _, found = ca.say_all([ask, m.ReadRequests(alice, "mine", 5, None)])
    assert isinstance(found, m.RequestsReply)
    assert [each.reason for each in found.requests] == ["look"]


def test_a_request_is_read_from_the_log_by_its_indexes(ca: Installation) -> None:
    """However long the log is; an index that leaves certificates out is one only to who asks in its words."""
    alice = ca.native(ALICE)
    request = ca.ask(alice, "web1").request.id
    asked: list[tuple[str, Any]] = []
    event.listen(ca.store.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    found = History(ca.store).request(State(), request)
    queries = list(asked)
    assert found is not None
    assert found.certificates == 1
    explain = "EXPLAIN QUERY PLAN" if ca.store.engine.dialect.name == "sqlite" else "EXPLAIN"
    with ca.store.engine.connect() as connection:
        if explain == "EXPLAIN":  # a table as short as this one would be read from end to end
            connection.exec_driver_sql("SET enable_seqscan = off")
        plans = [str(connection.exec_driver_sql(f"{explain} {sql}", given).all()) for sql, given in queries]
    assert len(plans) > 4
    assert not [plan for plan in plans if "SCAN" in plan or "Seq Scan" in plan]
    assert any("entries_request" in plan for plan in plans)
    assert any("entries_subject" in plan for plan in plans)


def test_t61_nobody_is_shown_a_request_of_their_own_to_decide(ca: Installation) -> None:
    """Nor one of another account of theirs, which an address links."""
    bob = ca.web(BOB)
    own = ca.native(Person("x-1", ("Database", "SRE Leads"), "x@example.com"))
    linked = ca.web(Person("x-2", ("SRE Leads",), "X@example.com"))
    request = ca.ask(own, "db1").request
    assert [[each.id for each in search(ca, who, "approve").requests] for who in (bob, own, linked)] == [
        [request.id],
        [],
        [],
    ]
