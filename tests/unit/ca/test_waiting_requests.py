"""How many requests of one person may wait, and that nobody else pays for those that do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sshjit import approvals
from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from sshjit_ca import config
from sshjit_ca.access import queue
from tests.support import break_glass
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.request_indexes import check_indexes

HOUR, DAY = 3600, 24 * 3600


def asking(ca: Installation, login: str, number: int) -> m.RequestView:
    """One request among many: for another time than all others."""
    return ca.ask(login, "db1", start=int(ca.time) + HOUR + number, certificate=False).request


def limited(ca: Installation, most: int) -> None:
    """Sets the limit of waiting requests."""
    ca.context.config = replace(ca.context.config, waiting_max=most)


def refused(ca: Installation, login: str, number: int = 1_000) -> str:
    with pytest.raises(Refused) as error:
        asking(ca, login, number)
    assert error.value.hint
    return error.value.code


def test_t77_one_person_has_so_many_requests_waiting_and_no_more(ca: Installation) -> None:
    dana = ca.native(DANA)
    assert ca.config.waiting_max == 50
    own = [asking(ca, dana, number) for number in range(50)]
    assert refused(ca, dana) == "too_many_waiting"
    assert asking(ca, dana, 7).id == own[7].id, "what waits already is returned as ever"
    ca.say(m.Cancel(dana, own[0].id), m.RequestReply)
    asking(ca, dana, 1_001)
    assert refused(ca, dana) == "too_many_waiting"
    ca.approve(ca.native(BOB), own[1])
    asking(ca, dana, 1_002)
    ca.later(31 * 60)  # nobody answered in time, and nothing has recorded that
    asking(ca, ca.native(DANA), 1_003)


def test_t77_two_accounts_of_one_person_fill_the_log_no_more_than_one(ca: Installation) -> None:
    ca.context.config = replace(ca.context.config, asks_per_hour=4)
    one, two = ca.native(DANA), ca.native(Person("d-2", ("SRE",), "dana@example.com"))
    for number in range(2):
        asking(ca, one, number)
        ca.ask(two, "web1", start=int(ca.time) + HOUR + number, certificate=False)
    assert refused(ca, one) == "too_many"
    with pytest.raises(Refused):
        ca.ask(two, "web1", certificate=False)
    ca.later(HOUR - 1)
    assert refused(ca, ca.native(DANA)) == "too_many"
    ca.later(1)
    asking(ca, ca.native(DANA), 5)


def test_t77_two_accounts_of_one_person_share_the_limit(ca: Installation) -> None:
    limited(ca, 3)
    ca.change_policy('dba = ["acme/group:Database", ', 'dba = ["acme/group:Database", "partner/group:Database", ')
    one = ca.web(Person("x-1", ("Database",), "xena@example.com"))
    two = ca.web(Person("x-2", ("Database",), "xena@example.com", provider="partner"))
    for number, login in enumerate((one, two, one)):
        asking(ca, login, number)
    assert refused(ca, one) == refused(ca, two) == "too_many_waiting"
    asking(ca, ca.web(DANA), 5)


def test_t77_what_needs_no_approval_and_what_is_break_glass_is_not_counted(ca: Installation) -> None:
    limited(ca, 1)
    ca.change_policy(*break_glass.GLASS)
    ca.change_policy('roles = ["dba"]', 'roles = ["dba", "sre"]')
    alice = ca.native(ALICE)
    asking(ca, alice, 1)
    assert refused(ca, alice) == "too_many_waiting"
    assert ca.ask(alice, "web1").request.state is m.RequestState.APPROVED
    assert break_glass.break_glass(ca, alice).request.state is m.RequestState.APPROVED


def test_t77_nor_does_asking_for_more_time_get_past_it(ca: Installation) -> None:
    limited(ca, 1)
    ca.change_policy('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\nextend = { count = 2, by = "30m" }\ngrant = "1h"')
    dana, bob = ca.native(DANA), ca.native(BOB)
    granted = ca.ask(dana, "db1", certificate=False).request
    ca.approve(bob, granted)
    asking(ca, dana, 1)
    with pytest.raises(Refused) as full:
        ca.say(m.Extend(dana, granted.id, "CHG-8 not done yet", ""), m.AskReply)
    assert full.value.code == "too_many_waiting"


@pytest.mark.parametrize("most", ["0", "10001", '"50"'])
def test_the_limit_is_the_operator_s_and_a_number(ca: Installation, most: str) -> None:
    path = ca.home / "ca.toml"
    path.write_text(path.read_text() + f"waiting_max = {most}\n")
    with pytest.raises(Invalid) as bad:
        config.load(path)
    assert "waiting_max" in bad.value.message


def test_t77_a_page_looks_at_each_requester_once_and_at_what_waits_alone(
    ca: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For approvers, for those who may approve nothing, and for those who review."""
    crowd = [ca.web(Person(f"p-{number}", ("Database", "SRE"), f"p{number}@example.com")) for number in range(20)]
    bob, nobody = ca.web(BOB), ca.web(Person("n-1", (), "nobody@example.com"))
    for number in range(15):
        ca.later(1)
        for login in crowd:
            asking(ca, login, number)
            ca.ask(login, "web1", start=int(ca.time) + HOUR + number, certificate=False)
    looked_at: list[str] = []
    calls = {"others": 0}
    others, could = approvals.others, queue.is_for

    def counted(*arguments: Any) -> Any:
        calls["others"] += 1
        return others(*arguments)

    def noted(context: Any, decider: Any, request: Any) -> bool:
        looked_at.append(request.id)
        return could(context, decider, request)

    monkeypatch.setattr(approvals, "others", counted)
    monkeypatch.setattr(queue, "is_for", noted)
    page = ca.say(m.ReadRequests(bob, "approve", 50, None), m.RequestsReply)
    assert len(page.requests) == 60, "it goes on to the end of a second"
    assert {each.requester.email for each in page.requests} == {f"p{number}@example.com" for number in range(20)}
    assert calls["others"] <= 20
    assert len(looked_at) <= 61
    looked_at.clear()
    calls["others"] = 0
    assert ca.say(m.ReadRequests(nobody, "approve", 50, None), m.RequestsReply).requests == ()
    assert calls["others"] == 0
    assert len(looked_at) == 20 * 15, "what is open needs no look"
    following = ca.say(m.ReadRequests(bob, "approve", 50, page.next), m.RequestsReply)
    assert not {each.id for each in page.requests} & {each.id for each in following.requests}


def test_indexes_say_what_a_scan_says_whatever_becomes_of_a_request(ca: Installation) -> None:
    """Everything that can happen to one, once; random walks check the same (``test_request_model.py``)."""
    ca.change_policy(*break_glass.GLASS)
    ca.change_policy('roles = ["dba"]', 'roles = ["dba", "sre"]')
    ca.change_policy('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\nextend = { count = 2, by = "30m" }\ngrant = "1h"')
    alice, bob = ca.native(ALICE), ca.native(BOB)
    state = ca.context.state

    def now(*, waiting: int, opened: int, unreviewed: int = 0) -> None:
        check_indexes(ca.context.state)
        found = ca.context.state
        assert sum(map(len, found.waiting.values())) == waiting
        assert (len(found.open), len(found.unreviewed)) == (opened, unreviewed)

    own = [asking(ca, alice, number) for number in range(4)]
    now(waiting=4, opened=0)
    ca.say(m.Cancel(alice, own[0].id), m.RequestReply)
    ca.say(m.Deny(bob, own[1].id, own[1].digest, "no", None), m.RequestReply)
    now(waiting=2, opened=0)
    grant = ca.approve(bob, ca.ask(alice, "db1", certificate=False).request)
    now(waiting=2, opened=1)
    ca.say(m.SignUser(alice, grant.id), m.CertificateReply)
    more = ca.say(m.Extend(alice, grant.id, "CHG-8 not done yet", ""), m.AskReply).request
    now(waiting=3, opened=1)
    ca.approve(bob, more)
    now(waiting=2, opened=2)
    glass = [break_glass.break_glass(ca, alice, login="root").request]
    now(waiting=2, opened=3, unreviewed=1)
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.restart()
    assert ca.context.state is not state
    now(waiting=2, opened=3, unreviewed=1)
    ca.later(31 * 60)
    now(waiting=2, opened=3, unreviewed=1)
    assert ca.authority.sweep() == 3, "two that nobody answered, and the emergency's window"
    now(waiting=0, opened=2, unreviewed=1)
    ca.say(m.End(alice, grant.id), m.RequestReply)
    now(waiting=0, opened=0, unreviewed=1)
    break_glass.review(ca, bob, glass[0])
    now(waiting=0, opened=0)
    glass.append(break_glass.break_glass(ca, ca.native(ALICE)).request)
    ca.later(40 * DAY)
    ca.native(BOB)  # the first entry of a day forgets what is old, but for what nobody reviewed
    now(waiting=0, opened=1, unreviewed=1)
    assert list(ca.context.state.requests) == [glass[1].id]
    assert ca.context.state.extensions == {}


def test_nothing_is_kept_of_a_grant_that_is_forgotten_before_what_made_it_longer(ca: Installation) -> None:
    """Requests are forgotten in the order in which they were made, and a later end holds up what came after."""
    ca.change_policy('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\nextend = { count = 2, by = "30m" }\ngrant = "1h"')
    dana, bob = ca.native(DANA), ca.native(BOB)
    grant = ca.approve(bob, ca.ask(dana, "db1").request)
    between = ca.approve(bob, ca.ask(dana, "db1", start=int(ca.time) + 6 * HOUR, certificate=False).request)
    more = ca.approve(bob, ca.say(m.Extend(dana, grant.id, "CHG-8 not done yet", ""), m.AskReply).request)
    check_indexes(ca.context.state)
    assert ca.context.state.extensions == {grant.id: [more.id]}
    ca.later(30 * DAY + 3 * HOUR)
    ca.native(BOB)
    assert list(ca.context.state.requests) == [between.id, more.id]
    check_indexes(ca.context.state)
    ca.later(DAY)
    ca.native(BOB)
    assert not ca.context.state.requests
    check_indexes(ca.context.state)
