"""Broken glass: past the ordinary rules, marked, and looked at by somebody else before it may happen again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from tests.support.break_glass import GLASS, REASON, break_glass, review
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
DAY = 24 * 3600
FREEZE = (
    '[[allow]]\nname = "staging"',
    '[[deny]]\nname = "freeze"\nhosts = { env = "prod" }\nunless_break_glass = true\n[[allow]]\nname = "staging"',
)


@pytest.fixture(autouse=True)
def glass(ca: Installation) -> None:
    """The rule for emergencies is in force."""
    ca.change_policy(*GLASS)
    (ca.home / "policy.toml").write_text(ca.policy)


def test_it_opens_at_once_and_is_marked_everywhere(ca: Installation) -> None:
    login = ca.native(ALICE)
    reply = break_glass(ca, login)
    view = reply.request
    assert (view.state, view.how, view.break_glass, view.login) == ("approved", "break_glass", True, "root")
    assert (view.review_by, view.review) == (int(ca.time) + DAY, None)
    assert reply.certificate is not None
    assert reply.certificate.principals == ("root@db1",)
    said = [each.summary for each in ca.say(m.ReadLog(None, None, 9), m.LogReply, "admin").entries]
    assert any("EMERGENCY ACCESS" in each for each in said)
    assert any("emergency rule 'on-call' allowed it" in each for each in said)


def test_it_goes_past_a_deny_that_lets_it_and_certificates_keep_coming(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = break_glass(ca, login).request
    ca.change_policy(*FREEZE)
    ca.say(m.SignUser(login, request.id), m.CertificateReply)
    ca.change_policy("unless_break_glass = true\n", "")
    with pytest.raises(Refused) as frozen:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert frozen.value.code == "denied_by_rule"


@pytest.mark.parametrize("reason", ["", "too short", " " * 12])
def test_it_needs_a_reason_of_ten_characters(ca: Installation, reason: str) -> None:
    with pytest.raises(Refused) as why:
        break_glass(ca, ca.web(ALICE), reason=reason)
    assert why.value.code == "bad_reason"


def test_it_needs_a_fresh_sign_in(ca: Installation) -> None:
    login = ca.web(ALICE)
    ca.later(16 * 60)
    with pytest.raises(Refused) as stale:
        break_glass(ca, login)
    assert stale.value.code == "step_up"


def test_whom_no_rule_for_emergencies_names_gets_nothing(ca: Installation) -> None:
    with pytest.raises(Refused) as no:
        break_glass(ca, ca.web(DANA))
    assert no.value.code == "no_rule"


def test_it_is_broken_now_or_not_at_all(ca: Installation) -> None:
    with pytest.raises(Invalid) as later:
        break_glass(ca, ca.web(ALICE), start=int(ca.time) + 600)
    assert later.value.code == "bad_start"


def test_whoever_broke_it_gets_the_same_grant_however_they_ask(ca: Installation) -> None:
    login = ca.web(ALICE)
    first = break_glass(ca, login).request
    assert break_glass(ca, login).request.id == first.id
    assert ca.ask(login, "db1").request.id == first.id


def test_an_ordinary_request_is_not_taken_for_it(ca: Installation) -> None:
    ca.change_policy('roles = ["dba"]', 'roles = ["dba", "sre"]')
    login = ca.web(ALICE)
    waiting = ca.ask(login, "db1").request
    broken = break_glass(ca, login).request
    assert (waiting.state, broken.state, broken.login) == ("pending", "approved", "root")
    ca.say(m.End(login, broken.id), m.RequestReply)
    ca.approve(ca.web(BOB), waiting)
    assert break_glass(ca, login).request.login == "root", "as the account of emergencies, not as postgres"


def test_somebody_else_reviews_it_once(ca: Installation) -> None:
    request = break_glass(ca, ca.web(ALICE)).request
    bob = ca.web(BOB)
    queue = ca.say(m.ReadRequests(bob, "review", 10, None), m.RequestsReply)
    assert [each.id for each in queue.requests] == [request.id]
    done = review(ca, bob, request, "unjustified", "there was no fire")
    assert done.review is not None
    assert (done.review.verdict, done.review.person.name) == ("unjustified", BOB.sub)
    assert ca.say(m.ReadRequests(bob, "review", 10, None), m.RequestsReply).requests == ()
    with pytest.raises(Invalid) as again:
        review(ca, ca.web(ERIN), request)
    assert again.value.code == "already_reviewed"


def test_who_may_not_does_not(ca: Installation) -> None:
    request = break_glass(ca, ca.web(ALICE)).request
    with pytest.raises(Refused) as no_permission:
        review(ca, ca.web(CAROL), request)
    assert no_permission.value.code == "not_permitted"
    with pytest.raises(Invalid):
        ca.say(m.ReadRequests(ca.web(CAROL), "review", 10, None), m.RequestsReply)
    with pytest.raises(Invalid) as wordless:
        review(ca, ca.web(BOB), request, "unjustified", " ")
    assert wordless.value.code == "no_text"
    ordinary = ca.ask(ca.web(ALICE), "web1").request
    with pytest.raises(Invalid) as nothing:
        review(ca, ca.web(BOB), ordinary)
    assert nothing.value.code == "nothing_to_review"


def test_t21_t61_nobody_reviews_their_own_nor_by_an_account_with_the_same_address(ca: Installation) -> None:
    both = replace(ALICE, groups=("SRE", "SRE Leads"))
    request = break_glass(ca, ca.web(both)).request
    twin = Person("a-99", ("SRE Leads",), "ALICE@Example.com", verified=False)
    for person in (both, twin):
        login = ca.web(person)
        with pytest.raises(Refused) as own:
            review(ca, login, request)
        assert own.value.code == "own_request"
        assert ca.say(m.ReadRequests(login, "review", 10, None), m.RequestsReply).requests == ()


def test_the_next_one_waits_for_an_overdue_review_also_by_a_linked_account(ca: Installation) -> None:
    request = break_glass(ca, ca.web(ALICE)).request
    ca.later(DAY - 1)
    break_glass(ca, ca.web(ALICE))
    ca.later(1)
    twin = Person("a-99", ("SRE",), "alice@example.com", provider="acme")
    ca.later(1800)
    for person in (ALICE, twin):
        with pytest.raises(Refused) as overdue:
            break_glass(ca, ca.web(person))
        assert overdue.value.code == "review_overdue"
        assert request.id in overdue.value.message
    ca.ask(ca.web(ALICE), "web1")  # ordinary access does not wait
    review(ca, ca.web(BOB), request)
    assert break_glass(ca, ca.web(ALICE)).request.state == "approved"


def test_unreviewed_it_stays_at_hand_and_holds_nothing_else_up(ca: Installation) -> None:
    request = break_glass(ca, ca.web(ALICE)).request
    ca.later(60)
    later = [ca.ask(ca.web(ALICE), "web1", start=int(ca.time) + 60 * (n + 1)).request.id for n in range(3)]
    ca.later(40 * DAY)
    bob = ca.web(BOB)
    ca.restart()
    state = ca.context.state
    assert [each in state.requests for each in (request.id, *later)] == [True, False, False, False]
    mine = ca.say(m.ReadRequests(ca.web(ALICE), "mine", 10, None), m.RequestsReply).requests
    assert {each.id for each in mine} == {request.id, *later}
    assert review(ca, bob, request).review is not None
    ca.later(2 * DAY)
    ca.web(BOB)
    assert request.id not in ca.context.state.requests
    assert ca.say(m.ReadRequest(ca.web(BOB), request.id), m.RequestReply).request.review is not None


def test_a_forgotten_reviews_fact_stays(ca: Installation) -> None:
    request = break_glass(ca, ca.web(ALICE)).request
    ca.say(m.Comment(ca.web(ALICE), request.id, "it was the disk"), m.RequestReply)
    review(ca, ca.web(BOB), request, "justified", "indeed")
    ca.later(70 * DAY)
    ca.web(ALICE)
    ca.web(BOB)
    before = ca.context.state.size
    ca.say(m.Forget(int(ca.time) - 40 * DAY, dry_run=False), m.ForgetReply, "admin")
    ca.restart()
    assert ca.context.state.size >= before
    found = ca.say(m.ReadRequest(ca.web(BOB), request.id), m.RequestReply).request
    assert found.review is not None
    assert (found.review.verdict, found.review.comment, found.reason) == ("justified", "", "")
    assert [each.text for each in found.comments] == [""]


def test_a_restart_from_entries_knows_the_same(ca: Installation) -> None:
    request = break_glass(ca, ca.web(ALICE)).request
    ca.say(m.Comment(ca.web(ALICE), request.id, REASON), m.RequestReply)
    bob = ca.web(BOB)
    shown = review(ca, bob, request)
    ca.restart()
    assert ca.say(m.ReadRequest(bob, request.id), m.RequestReply).request == shown
