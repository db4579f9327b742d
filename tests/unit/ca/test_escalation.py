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
    assert escalated(ca) == [events.Escalated(request.id, ("sre",), ("pager",), (0,))]
    feed = ca.say(m.ReadFeed(-1, 100, 2), m.FeedReply).items
    (item,) = [each for each in feed if each.kind == "escalated"]
    assert (item.notify, [person.name for person in item.deciders]) == (("pager",), ["a-1"])
    assert all(each.kind != "escalated" for each in ca.say(m.ReadFeed(-1, 100, 1), m.FeedReply).items)
    request = ca.approve(alice, request)
    assert request.state is RequestState.APPROVED
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.later(600)
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)


TWICE = (
    'approvals = [{ from = "lead", count = 1, escalate = { to = "sre", after = "10m", tell = ["pager"] } }, '
    '{ from = "dba", count = 1, escalate = { to = "sre", after = "20m", tell = ["chat"] } }]\n'
)


def test_each_step_is_told_of_by_itself_also_if_the_same_role_may_answer(ca: Installation) -> None:
    ca.change_policy(STEPS, TWICE)
    ca.web(ALICE)
    request = ca.ask(ca.native(DANA), "db1").request
    for seconds in (600, 599, 1, 60):
        ca.later(seconds)
        ca.authority.sweep()
    first = events.Escalated(request.id, ("sre",), ("pager",), (0,))
    assert escalated(ca) == [first, events.Escalated(request.id, ("sre",), ("chat",), (1,))]


def test_an_older_entry_is_about_the_steps_that_could_be_answered_then(ca: Installation) -> None:
    ca.change_policy(STEPS, TWICE)
    ca.web(ALICE)
    request = ca.ask(ca.native(DANA), "db1").request
    ca.later(600)
    ca.context.now = int(ca.time)
    older = events.Escalated(request.id, ("sre",), ("pager",))
    ca.context.record(older)
    for seconds in (0, 600):
        ca.later(seconds)
        ca.authority.sweep()
    assert escalated(ca) == [older, events.Escalated(request.id, ("sre",), ("chat",), (1,))]


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


def own_team(ca: Installation) -> None:
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, 'approvals = [{ from = "lead", count = 1, not_own = "kind" }]\n')


def test_the_team_of_the_requesters_second_account_is_their_own_too(ca: Installation) -> None:
    """Dana's other account is of the team that owns web hosts; the one that asks is not."""
    own_team(ca)
    ca.web(Person("d-2", ("SRE",), "dana@example.com"))
    mia, bob = ca.web(Person("m-3", ("SRE Leads", "SRE"), "mia@example.com")), ca.web(BOB)
    request = ca.ask(ca.native(DANA), "db1").request
    assert [(step.but, step.candidates) for step in request.steps] == [(("dba", "sre"), ("b-2",))]
    assert no(ca, mia, request) in {"unknown_request", "not_an_approver"}
    assert ca.approve(bob, request).state is RequestState.APPROVED


def test_a_second_account_that_comes_after_the_approval_counts_too(ca: Installation) -> None:
    own_team(ca)
    dana, mia = ca.native(DANA), ca.web(Person("m-3", ("SRE Leads", "SRE"), "mia@example.com"))
    request = ca.approve(mia, ca.ask(dana, "db1").request)
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.web(Person("d-2", ("SRE",), "dana@example.com"))
    (error,) = ca.say_all([m.SignUser(dana, request.id)])
    assert isinstance(error, SshJitError)
    assert error.code == "policy_changed"


def test_an_approvers_account_of_the_team_counts_however_long_ago_it_signed_in(ca: Installation) -> None:
    own_team(ca)
    ca.web(Person("m-4", ("Database",), "mia@example.com"))
    ca.later(31 * 24 * 3600)
    mia = ca.web(Person("m-3", ("SRE Leads",), "mia@example.com"))
    ca.web(BOB)
    request = ca.ask(ca.native(DANA), "db1").request
    assert [step.candidates for step in request.steps] == [("b-2",)]
    assert no(ca, mia, request) in {"unknown_request", "not_an_approver"}


def test_one_word_and_one_signature_of_two_people(ca: Installation) -> None:
    both = 'approvals = [{ from = "lead", count = 1 }, { from = "lead", count = 1, signed = true }]\n'
    ca.change_policy(STEPS, both)
    erin = Person("e-5", ("SRE Leads",), "erin@example.com")
    bob, signer = ca.web(BOB), ca.native(erin)
    request = ca.approve(bob, ca.ask(ca.native(DANA), "db1").request)
    assert request.state is RequestState.PENDING
    request = ca.say(answer(ca, signer, by(ca.key(erin)), request), m.RequestReply).request
    assert request.state is RequestState.APPROVED


BOTH = 'approvals = [{ from = "lead", count = 1 }, { from = "lead", count = 1, signed = true }]\n'
ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")


def needs_signature(ca: Installation, login: str, request: RequestView) -> bool:
    shown = ca.say(m.ReadRequest(login, request.id), m.RequestReply).signature_needed
    (error,) = ca.say_all([m.Approve(login, request.id, request.digest, "", None)])
    assert shown == isinstance(error, SshJitError), "what is shown beforehand is what the CA does"
    if not isinstance(error, SshJitError):
        return False
    assert (error.code, error.hint) == ("signature_needed", f"ssh-jit approve {request.id}")
    assert ca.context.request(request.id).decisions == (), "nothing is kept of it"
    return True


def test_a_word_that_only_fits_a_signed_step_is_refused(ca: Installation) -> None:
    """The step without a signature is not for Lea, who is of the requester's team."""
    ca.change_policy("[actions.migrate]", f"{OWNERS}[actions.migrate]")
    ca.change_policy(STEPS, BOTH.replace("count = 1 }", 'count = 1, not_own = "kind" }', 1))
    lea, bob = ca.web(LEA), ca.web(BOB)
    request = ca.ask(ca.native(DANA), "db1").request
    assert needs_signature(ca, lea, request)
    assert not needs_signature(ca, bob, request)


def test_a_word_is_refused_when_only_a_signature_is_missing(ca: Installation) -> None:
    ca.change_policy(STEPS, BOTH)
    erin, bob = ca.web(ERIN), ca.web(BOB)
    request = ca.approve(bob, ca.ask(ca.native(DANA), "db1").request)
    assert ca.say(m.ReadRequest(erin, request.id), m.RequestReply).signature_needed
    (error,) = ca.say_all([m.Approve(erin, request.id, request.digest, "", None)])
    assert isinstance(error, SshJitError)
    assert (error.code, error.hint) == ("signature_needed", f"ssh-jit approve {request.id}")
    assert len(ca.context.request(request.id).decisions) == 1, "nothing is kept of it"
