"""Who may answer a request: the owner of its hosts, nobody of one's own team, and another role after a while."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import SshJitError
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.signatures import answer, by

STEPS = 'approvals = [{ from = "lead", count = 1 }]\n'
LATER = 'approvals = [{ from = "lead", count = 1, escalate = { to = "sre", after = "10m", tell = ["pager"] } }]\n'
OWNERS = '[owners.kind]\nlabel = "role"\nroles = { db = "dba", web = "sre" }\n'
DON = Person("d-9", ("Database",), "don@example.com")
LEA = Person("l-1", ("SRE Leads", "Database"), "lea@example.com")


def no(ca: Installation, login: str, request: RequestView) -> str:
    (error,) = ca.say_all([m.Approve(login, request.id, request.digest, "", None)])
    assert isinstance(error, SshJitError), error
    return error.code


def escalated(ca: Installation) -> list[events.Escalated]:
    every = (entries.read(row.entry) for row in ca.store.rows())
    return [event for event in every if isinstance(event, events.Escalated)]


def test_another_role_may_answer_after_a_while_and_is_told_once(ca: Installation) -> None:
    ca.change_policy(STEPS, LATER)
    dana, alice = ca.native(DANA), ca.web(ALICE)
    request = ca.ask(dana, "db1").request
    (step,) = request.steps
    assert (step.role, step.instead, step.after, step.candidates) == ("lead", "sre", 600, ())
    assert no(ca, alice, request) in {"unknown_request", "not_an_approver"}
    ca.later(599)
    ca.authority.sweep()
    assert escalated(ca) == []
    ca.later(1)
    for _ in range(2):
        ca.authority.sweep()
    assert escalated(ca) == [events.Escalated(request.id, ("sre",), ("pager",))]
    feed = ca.say(m.ReadFeed(-1, 100, 2), m.FeedReply).items
    (item,) = [each for each in feed if each.kind == "escalated"]
    assert (item.notify, [person.name for person in item.deciders]) == (("pager",), ["a-1"])
    assert all(each.kind != "escalated" for each in ca.say(m.ReadFeed(-1, 100, 1), m.FeedReply).items)
    request = ca.approve(alice, request)
    assert request.state is RequestState.APPROVED
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.later(600)
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)


def test_what_is_answered_is_not_escalated(ca: Installation) -> None:
    ca.change_policy(STEPS, LATER)
    ca.approve(ca.web(BOB), ca.ask(ca.native(DANA), "db1").request)
    ca.later(900)
    ca.authority.sweep()
    assert escalated(ca) == []


def test_a_step_that_is_answered_is_not_escalated_while_another_one_waits(ca: Installation) -> None:
    ca.change_policy(STEPS, LATER.replace("]\n", ', { from = "dba", count = 1 }]\n'))
    ca.web(DON)
    request = ca.approve(ca.web(BOB), ca.ask(ca.native(DANA), "db1").request)
    assert request.state is RequestState.PENDING
    ca.later(900)
    ca.authority.sweep()
    assert escalated(ca) == []


def test_an_answer_of_the_other_role_counts_no_more_once_the_rule_has_no_other_role(ca: Installation) -> None:
    ca.change_policy(STEPS, LATER)
    dana, alice = ca.native(DANA), ca.web(ALICE)
    request = ca.ask(dana, "db1").request
    ca.later(600)
    request = ca.approve(alice, request)
    ca.change_policy(LATER, STEPS)
    (error,) = ca.say_all([m.SignUser(dana, request.id)])
    assert isinstance(error, SshJitError)
    assert error.code == "policy_changed"
    assert 'rule "database" now needs approval by 1 of lead' in error.message


def test_the_owner_of_each_host_approves(ca: Installation) -> None:
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, 'approvals = [{ from = "@kind", count = 1 }]\n')
    bob, don = ca.web(BOB), ca.web(DON)
    request = ca.ask(ca.native(DANA), "db1").request
    assert [(step.role, step.candidates) for step in request.steps] == [("dba", ("d-9",))]
    assert no(ca, bob, request) in {"unknown_request", "not_an_approver"}
    assert ca.approve(don, request).state is RequestState.APPROVED


def test_an_owner_that_is_another_one_now_has_to_approve_anew(ca: Installation) -> None:
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, 'approvals = [{ from = "@kind", count = 1 }]\n')
    dana = ca.native(DANA)
    request = ca.approve(ca.web(DON), ca.ask(dana, "db1").request)
    ca.change_policy('{ db = "dba", web', '{ db = "lead", web')
    (error,) = ca.say_all([m.SignUser(dana, request.id)])
    assert isinstance(error, SshJitError)
    assert (error.code, "needs approval by 1 of lead" in error.message) == ("policy_changed", True)
    ca.change_policy('{ db = "lead", web', "{ web")
    (error,) = ca.say_all([m.SignUser(dana, request.id)])
    assert isinstance(error, SshJitError)
    assert error.code == "no_owner"


def test_nobody_of_ones_own_team_approves(ca: Installation) -> None:
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, 'approvals = [{ from = "lead", count = 1, not_own = "kind" }]\n')
    bob, lea = ca.web(BOB), ca.web(LEA)
    request = ca.ask(ca.native(DANA), "db1").request
    assert [(step.but, step.candidates) for step in request.steps] == [(("dba",), ("b-2",))]
    assert no(ca, lea, request) in {"unknown_request", "not_an_approver"}
    assert ca.approve(bob, request).state is RequestState.APPROVED


def test_a_request_that_only_ones_own_team_could_approve_is_refused(ca: Installation) -> None:
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, 'approvals = [{ from = "lead", count = 1, not_own = "kind" }]\n')
    ca.web(LEA)
    with pytest.raises(SshJitError) as caught:
        ca.ask(ca.native(DANA), "db1")
    assert caught.value.code == "nobody_can_approve"


def test_who_joins_the_team_later_has_approved_nothing(ca: Installation) -> None:
    """The approval counts as long as the approver may not be of the requester's team."""
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, 'approvals = [{ from = "lead", count = 1, not_own = "kind" }]\n')
    dana = ca.native(DANA)
    request = ca.approve(ca.web(BOB), ca.ask(dana, "db1").request)
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.web(Person("b-2", ("SRE Leads", "Database"), "bob@example.com"))
    (error,) = ca.say_all([m.SignUser(dana, request.id)])
    assert isinstance(error, SshJitError)
    assert error.code == "approval_gone"


def test_one_word_and_one_signature_of_two_people(ca: Installation) -> None:
    both = 'approvals = [{ from = "lead", count = 1 }, { from = "lead", count = 1, signed = true }]\n'
    ca.change_policy(STEPS, both)
    erin = Person("e-5", ("SRE Leads",), "erin@example.com")
    bob, signer = ca.web(BOB), ca.native(erin)
    request = ca.approve(bob, ca.ask(ca.native(DANA), "db1").request)
    assert request.state is RequestState.PENDING
    request = ca.say(answer(ca, signer, by(ca.key(erin)), request), m.RequestReply).request
    assert request.state is RequestState.APPROVED
