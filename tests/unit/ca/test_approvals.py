"""Approvals: the right people, once, to exactly what was shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused, SshJitError
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")

FRANK = Person("f-6", ("Database",), "frank@example.com")


def pending(ca: Installation, person: Person = DANA) -> tuple[str, m.RequestView]:
    login = ca.native(person)
    return login, ca.ask(login, "db1").request


def test_a_request_waits_for_its_approver_and_opens_when_approved(ca: Installation) -> None:
    login, request = pending(ca)
    assert (request.state, request.steps[0].missing) == ("pending", 1)
    ca.later(600)
    opened = ca.approve(ca.web(BOB), request)
    assert (opened.state, opened.how, opened.ends) == ("approved", "reviewed", int(ca.time) + 3600)
    assert ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate.principals == ("postgres@db1",)


def test_the_requester_sees_who_could_approve(ca: Installation) -> None:
    ca.web(BOB)
    assert pending(ca)[1].steps[0].candidates == (BOB.sub,)


def test_t21_nobody_approves_for_themselves(ca: Installation) -> None:
    login, request = pending(ca)
    with pytest.raises(Refused) as own:
        ca.approve(login, request)
    assert own.value.code == "own_request"
    with pytest.raises(Refused):
        ca.approve(ca.web(DANA), request)


def test_t21_t61_nor_through_a_second_account_with_the_same_address_verified_or_not(ca: Installation) -> None:
    _, request = pending(ca)
    second = Person("d-99", ("SRE Leads",), "DANA@Example.com", verified=False)
    with pytest.raises(Refused) as own:
        ca.approve(ca.web(second), request)
    assert own.value.code == "own_request"


def test_whoever_lacks_the_role_does_not_decide(ca: Installation) -> None:
    _, request = pending(ca)
    for person in (ALICE, CAROL):
        with pytest.raises(Invalid) as wrong:
            ca.approve(ca.web(person), request)
        assert wrong.value.code == "unknown_request", "what they may not see is not there for them"


def test_t22_one_person_counts_once(ca: Installation) -> None:
    ca.change_policy('{ from = "lead", count = 1 }', '{ from = "lead", count = 2 }')
    _, request = pending(ca)
    bob = ca.web(BOB)
    assert ca.approve(bob, request).state == "pending"
    entries = len(ca.kinds())
    again = ca.approve(bob, request)
    assert (again.state, again.steps[0].missing, len(ca.kinds())) == ("pending", 1, entries)
    with pytest.raises(Invalid) as other:
        ca.say(m.Deny(ca.web(BOB), request.id, request.digest, "no, wait", None), m.RequestReply)
    assert other.value.code == "already_decided"
    twin = Person("t-7", ("SRE Leads",), BOB.email)
    assert ca.approve(ca.web(twin), request).state == "pending"
    assert ca.approve(ca.web(ERIN), request).state == "approved"


def test_t24_the_same_answer_twice_by_the_same_person_is_a_success_that_records_nothing(ca: Installation) -> None:
    """A second click, or an answer sent again because none came back; whatever became of the request meanwhile."""
    (_, first), (_, second) = pending(ca), pending(ca, FRANK)
    bob = ca.web(BOB)
    assert ca.approve(bob, first).state == "approved"
    denial = m.Deny(bob, second.id, second.digest, "not today", None)
    assert ca.say(denial, m.RequestReply).request.state == "denied"
    entries = len(ca.kinds())
    assert ca.approve(bob, first).state == "approved"
    assert ca.say(denial, m.RequestReply).request.closing == "not today"
    assert len(ca.kinds()) == entries
    refused = {}
    for name, message in {
        "another verdict": m.Approve(bob, second.id, second.digest, "", None),
        "another digest": m.Approve(bob, first.id, "0" * 64, "", None),
        "for less time": m.Approve(bob, first.id, first.digest, "", None, 60),
        "another person": m.Approve(ca.web(ERIN), first.id, first.digest, "", None),
    }.items():
        with pytest.raises(Invalid) as wrong:
            ca.say(message, m.RequestReply)
        refused[name] = wrong.value.code
    assert set(refused.values()) == {"wrong_state"}


def test_t23_an_approval_is_for_what_was_shown(ca: Installation) -> None:
    _, request = pending(ca)
    with pytest.raises(Invalid) as differs:
        ca.approve(ca.web(BOB), replace(request, digest="0" * 64))
    assert differs.value.code == "digest_differs"


def test_t24_the_second_of_two_that_arrive_together_loses(ca: Installation) -> None:
    _, request = pending(ca)
    bob, erin = ca.web(BOB), ca.web(ERIN)
    first, second = ca.say_all(
        [m.Approve(bob, request.id, request.digest, "", None), m.Deny(erin, request.id, request.digest, "no", None)]
    )
    assert isinstance(first, m.RequestReply)
    assert isinstance(second, SshJitError)
    assert second.code == "wrong_state"


def test_t24_too_late_is_too_late(ca: Installation) -> None:
    _, request = pending(ca)
    bob = ca.web(BOB)
    ca.later(30 * 60)
    with pytest.raises(Invalid, match="nobody answered in time"):
        ca.approve(bob, request)


def test_one_no_ends_it(ca: Installation) -> None:
    login, request = pending(ca)
    denied = ca.say(m.Deny(ca.web(BOB), request.id, request.digest, "not today", None), m.RequestReply).request
    assert (denied.state, denied.closing) == ("denied", "not today")
    with pytest.raises(Invalid):
        ca.approve(ca.web(ERIN), request)
    with pytest.raises(Invalid):
        ca.say(m.SignUser(login, request.id), m.CertificateReply)


@pytest.mark.parametrize("comment", ["", "  "])
def test_a_no_says_why(ca: Installation, comment: str) -> None:
    _, request = pending(ca)
    with pytest.raises(Invalid) as silent:
        ca.say(m.Deny(ca.web(BOB), request.id, request.digest, comment, None), m.RequestReply)
    assert silent.value.code == "no_reason"
    assert ca.context.state.requests[request.id].decisions == ()


def test_t27_an_approver_who_lost_the_role_no_longer_counts(ca: Installation) -> None:
    login, request = pending(ca)
    ca.approve(ca.web(BOB), request)
    ca.web(replace(BOB, groups=()))
    with pytest.raises(Refused) as gone:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert gone.value.code == "approval_gone"


def test_t25_what_was_approved_and_not_used_lapses(ca: Installation) -> None:
    login, request = pending(ca)
    ca.approve(ca.web(BOB), request)
    ca.later(15 * 60)
    with pytest.raises(Invalid, match="not used in time"):
        ca.say(m.SignUser(login, request.id), m.CertificateReply)


def test_t26_history_stays(ca: Installation) -> None:
    login, request = pending(ca)
    ca.later(40 * 60)
    mine = ca.say(m.ReadRequests(login, "mine", 10, None), m.RequestsReply).requests
    assert [(each.id, each.state) for each in mine] == [(request.id, "expired")]


def test_the_queue_shows_what_can_be_answered_and_nothing_else(ca: Installation) -> None:
    _, request = pending(ca)
    bob, alice = ca.web(BOB), ca.web(ALICE)

    def queue(login: str) -> list[str]:
        return [each.id for each in ca.say(m.ReadRequests(login, "approve", 10, None), m.RequestsReply).requests]

    assert queue(bob) == [request.id]
    assert queue(alice) == []
    ca.approve(bob, request)
    assert queue(bob) == []


def test_who_has_nothing_to_do_with_a_request_does_not_see_it(ca: Installation) -> None:
    _, request = pending(ca)
    with pytest.raises(Invalid) as unknown:
        ca.say(m.ReadRequest(ca.web(ALICE), request.id), m.RequestReply)
    assert unknown.value.code == "unknown_request"


def test_t30_what_nobody_can_approve_is_refused_when_asked(ca: Installation) -> None:
    ca.change_policy(
        'lead = ["acme/group:SRE Leads"]', 'lead = [{ from = "acme/group:SRE Leads", until = 2020-01-01 }]'
    )
    with pytest.raises(Refused) as nobody:
        pending(ca)
    assert nobody.value.code == "nobody_can_approve"


def test_a_request_is_cancelled_by_its_requester_alone(ca: Installation) -> None:
    login, request = pending(ca)
    with pytest.raises(Invalid):
        ca.say(m.Cancel(ca.web(BOB), request.id), m.RequestReply)
    assert ca.say(m.Cancel(login, request.id), m.RequestReply).request.state == "cancelled"
    with pytest.raises(Invalid):
        ca.approve(ca.web(BOB), request)


def test_a_reason_that_does_not_fit_is_refused_with_the_prompt(ca: Installation) -> None:
    with pytest.raises(Refused) as bad:
        ca.ask(ca.native(DANA), "db1", reason="because")
    assert bad.value.code == "bad_reason"
    assert "Incident or change number" in bad.value.message + bad.value.hint


def test_t29_a_line_end_that_was_pasted_begins_no_line_of_its_own(ca: Installation) -> None:
    assert ca.ask(ca.native(DANA), "db1", reason="CHG-1\nroot approved").request.reason == "CHG-1 root approved"


@pytest.mark.parametrize("reason", ["CHG-1 \x1b[2J", "CHG-1 \u202e", "CHG-1 " + "x" * 500])
def test_t29_a_reason_is_printable_and_short(ca: Installation, reason: str) -> None:
    with pytest.raises(Invalid):
        ca.ask(ca.native(DANA), "db1", reason=reason)


def test_t25_a_window_closes_with_the_hours_that_policy_has_when_it_is_approved(ca: Installation) -> None:
    _, request = pending(ca)
    ca.change_policy('name = "database"\n', 'name = "database"\nhours = "08:00-08:20"\nzone = "UTC"\n')  # it is 08:00
    approved = ca.approve(ca.web(BOB), request)
    assert approved.ends == int(ca.time) - int(ca.time) % 3600 + 20 * 60


def test_t23_another_command_is_another_request(ca: Installation) -> None:
    ca.change_policy('actions = ["shell", "migrate"]', 'actions = ["command"]')
    login = ca.native(DANA)
    first, other = (ca.ask(login, "db1", action="command", command=text) for text in ("uptime", "rm -rf /srv"))
    assert first.request.id != other.request.id
    again = ca.ask(login, "db1", action="command", command="uptime")
    assert (again.existing, again.request.id) == (True, first.request.id)


# ------------------------------------------------------------------------------------- the end of an approver's role

DAY_END = 1_800_057_600
"""The midnight after the tests begin."""
ENDING = (
    'lead = ["acme/group:SRE Leads"]',
    'lead = [{ from = "acme/group:SRE Leads", until = 2027-01-15 }, "acme/email:erin@example.com"]',
)


def late(ca: Installation) -> None:
    """Half an hour before the day ends."""
    ca.later(DAY_END - 1800 - ca.time)


def drawn(ca: Installation, login: str, request: m.RequestView) -> m.CertificateView:
    return ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate


def test_access_ends_with_the_role_of_its_approver(ca: Installation) -> None:
    ca.change_policy(*ENDING)
    late(ca)
    login, request = pending(ca)
    opened = ca.approve(ca.web(BOB), request)
    assert (opened.state, opened.ends) == ("approved", DAY_END)
    assert ca.context.state.requests[request.id].ends == DAY_END, "the log says so, not the view alone"
    assert drawn(ca, login, request).grant_ends == DAY_END


def test_a_role_that_lasts_ends_nothing(ca: Installation) -> None:
    ca.change_policy(*ENDING)
    late(ca)
    _, request = pending(ca)
    assert ca.approve(ca.web(ERIN), request).ends == DAY_END + 1800


def test_an_end_that_is_written_down_later_reaches_the_certificates(ca: Installation) -> None:
    late(ca)
    login, request = pending(ca)
    assert ca.approve(ca.web(BOB), request).ends == DAY_END + 1800
    ca.change_policy(*ENDING)
    certificate = drawn(ca, login, request)
    assert (certificate.grant_ends, certificate.valid_before) == (DAY_END, int(ca.time) + 300)
    ca.later(1700)
    assert drawn(ca, login, request).valid_before == DAY_END


def test_a_step_of_two_ends_with_the_first_of_their_roles(ca: Installation) -> None:
    ca.change_policy("count = 1 }", "count = 2 }")
    late(ca)
    login, request = pending(ca)
    for person in (BOB, ERIN):
        ca.approve(ca.web(person), request)
    ca.change_policy(*ENDING)
    assert drawn(ca, login, request).grant_ends == DAY_END


def test_more_time_ends_with_the_role_of_who_approved_the_access(ca: Installation) -> None:
    ca.change_policy(*ENDING)
    ca.change_policy('use_by = "15m"\ngrant = "1h"', 'extend = { count = 1, by = "1h" }\ngrant = "10m"')
    late(ca)
    login, request = pending(ca)
    ca.approve(ca.web(BOB), request)
    drawn(ca, login, request)
    more = ca.say(m.Extend(login, request.id, "CHG-7 takes longer", "192.0.2.7"), m.AskReply).request
    ca.approve(ca.web(ERIN), more)
    assert ca.say(m.ReadRequest(login, request.id), m.RequestReply).request.ends == DAY_END
    ca.later(700)
    assert drawn(ca, login, request).grant_ends == DAY_END


def test_access_that_begins_after_the_role_of_its_approver_is_not_theirs_to_approve(ca: Installation) -> None:
    ca.change_policy(*ENDING)
    late(ca)
    request = ca.ask(ca.native(DANA), "db1", start=DAY_END).request
    with pytest.raises(Refused, match="an approver's role ends before this access would begin") as ends:
        ca.approve(ca.web(BOB), request)
    assert ends.value.code == "role_ends"
    assert ca.approve(ca.web(ERIN), request).state == "approved"
