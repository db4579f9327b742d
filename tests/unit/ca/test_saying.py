"""What is said about a request: remarks, a yes for less, and what who decides sees of who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sshjit import ca_protocol as m
from sshjit import requests, signed_actions
from sshjit.errors import Invalid, Refused
from tests.support import signatures
from tests.support.break_glass import GLASS, break_glass
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
DAY = 24 * 3600


def comment(ca: Installation, login_id: str, request: m.RequestView, text: str = "which index?") -> m.RequestView:
    return ca.say(m.Comment(login_id, request.id, text), m.RequestReply).request


def shorter(ca: Installation, login_id: str, request: m.RequestView, duration: int) -> m.RequestView:
    return ca.say(m.Approve(login_id, request.id, request.digest, "", None, duration), m.RequestReply).request


def test_the_requester_and_approvers_talk(ca: Installation) -> None:
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1").request
    comment(ca, ca.web(BOB), request)
    view = comment(ca, dana, request, "the one on orders")
    assert [(each.person.name, each.text, each.channel) for each in view.comments] == [
        (BOB.sub, "which index?", "web"),
        (DANA.sub, "the one on orders", "native"),
    ]
    assert (view.state, view.digest) == (request.state, request.digest), "nothing is decided, nothing edited"
    ca.approve(ca.web(BOB), view)
    assert len(comment(ca, dana, request, "thanks").comments) == 3


def test_t61_an_account_that_shows_the_same_address_does_not_speak_and_learns_nothing(ca: Installation) -> None:
    request = ca.ask(ca.web(DANA), "db1").request
    for stranger in (CAROL, Person("x-1", (), DANA.email, verified=False)):
        for message in (m.Comment(ca.web(stranger), request.id, "hm"), m.ReadRequest(ca.web(stranger), request.id)):
            (answer,) = ca.say_all([message])
            assert isinstance(answer, Invalid)
            assert answer.code == "unknown_request"


@pytest.mark.parametrize(("text", "code"), [("", "no_text"), ("  ", "no_text"), ("a\x1b[2J", "not_printable")])
def test_t29_a_remark_says_something_and_is_printable(ca: Installation, text: str, code: str) -> None:
    login = ca.web(DANA)
    request = ca.ask(login, "db1").request
    with pytest.raises(Invalid) as no:
        comment(ca, login, request, text)
    assert no.value.code == code


def test_t68_remarks_are_limited(ca: Installation) -> None:
    login = ca.web(DANA)
    request = ca.ask(login, "db1").request
    for number in range(requests.MAX_REMARKS):
        comment(ca, login, request, f"and {number}")
    size = ca.context.journal.size
    with pytest.raises(Invalid) as enough:
        comment(ca, login, request)
    assert (enough.value.code, ca.context.journal.size) == ("too_many_remarks", size)


def test_the_shortest_yes_counts(ca: Installation) -> None:
    ca.change_policy('{ from = "lead", count = 1 }', '{ from = "lead", count = 2 }')
    request = ca.ask(ca.web(DANA), "db1").request
    shorter(ca, ca.web(BOB), request, 1200)
    ca.later(60)
    opened = shorter(ca, ca.web(ERIN), request, 1800)
    assert (opened.state, opened.ends) == ("approved", int(ca.time) + 1200)
    assert [each.duration for each in opened.decisions] == [1200, 1800]


@pytest.mark.parametrize("duration", [0, -1, 3601])
def test_a_yes_is_for_what_was_asked_or_less(ca: Installation, duration: int) -> None:
    request = ca.ask(ca.web(DANA), "db1").request
    with pytest.raises(Invalid) as no:
        shorter(ca, ca.web(BOB), request, duration)
    assert no.value.code == "bad_duration"


def test_t23_how_long_is_in_what_is_signed(ca: Installation) -> None:
    ca.change_policy(*signatures.SIGNED_POLICY)
    request = ca.ask(ca.web(DANA), "db1").request
    bob = ca.native(BOB)
    fresh, sign = signatures.challenge(ca, bob), signatures.by(ca.key(BOB))
    text = signed_actions.approval_text(request, "approve", "", fresh, ca.config.installation, duration=600)
    given = m.ActionSignature(fresh, sign(signed_actions.APPROVE_NAMESPACE, text))
    message = m.Approve(bob, request.id, request.digest, "", given, 600)
    for tampered in (replace(message, duration=1200), replace(message, duration=None)):
        with pytest.raises(Refused):
            ca.say(tampered, m.RequestReply)
    fresh = signatures.challenge(ca, bob)
    text = signed_actions.approval_text(request, "approve", "", fresh, ca.config.installation, duration=600)
    given = m.ActionSignature(fresh, sign(signed_actions.APPROVE_NAMESPACE, text))
    opened = ca.say(replace(message, consent=given), m.RequestReply).request
    assert (opened.ends, opened.decisions[0].signed) == (int(ca.time) + 600, True)


def test_an_approver_sees_who_asks_and_why_they_are_asked(ca: Installation) -> None:
    frank = Person("f-6", ("Database", "SRE"), "frank@example.com", claims={"amr": ["mfa", "pwd"]})
    login = ca.native(frank)
    past = ca.ask(login, "web1", duration=3600).request
    ca.say(m.End(login, past.id), m.RequestReply)
    live = ca.ask(login, "web1", duration=7200).request
    request = ca.ask(login, "db1").request
    reply = ca.say(m.ReadRequest(ca.web(BOB), request.id), m.RequestReply)
    about = reply.about
    assert about is not None
    assert about.recent is not None
    assert reply.because == ("lead",)
    assert (about.provider, about.groups, about.roles) == ("acme", ("Database", "SRE"), ("dba", "sre"))
    assert (about.signed_in, about.auth_time, about.address) == (int(ca.time), int(ca.time) - 5, "192.0.2.7")
    assert ([each.id for each in about.live], [each.id for each in about.recent]) == ([live.id], [past.id])
    assert about.recent[0].state == "ended"


def test_the_requester_never_sees_it_and_others_see_nothing(ca: Installation) -> None:
    both = Person("f-6", ("Database", "SRE Leads"), "frank@example.com")
    ca.web(ERIN)
    login = ca.web(both)
    request = ca.ask(login, "db1").request
    own = ca.say(m.ReadRequest(login, request.id), m.RequestReply)
    assert (own.about, own.because) == (None, ())
    with pytest.raises(Invalid):
        ca.say(m.ReadRequest(ca.web(CAROL), request.id), m.RequestReply)


def test_auditors_and_reviewers_see_who_asked(ca: Installation) -> None:
    ca.change_policy('audit = ["lead"]', 'audit = ["sre"]')
    request = ca.ask(ca.web(DANA), "db1").request
    seen = ca.say(m.ReadRequest(ca.web(ALICE), request.id), m.RequestReply)
    assert seen.about is not None
    assert seen.because == ()
    ca.change_policy(
        'audit = ["sre"]\n', 'audit = ["dba"]\nreview = ["lead"]\n' + GLASS[1].partition("\n")[2].partition("\n")[2]
    )
    broken = break_glass(ca, ca.web(ALICE)).request
    assert ca.say(m.ReadRequest(ca.web(BOB), broken.id), m.RequestReply).about is not None


def test_the_last_ten_of_a_month_are_shown(ca: Installation) -> None:
    frank = Person("f-6", ("Database", "SRE"), "frank@example.com")
    login = ca.web(frank)
    for _ in range(12):
        ca.say(m.End(login, ca.ask(login, "web1").request.id), m.RequestReply)
        ca.later(1)
    request = ca.ask(login, "db1").request
    about = ca.say(m.ReadRequest(ca.web(BOB), request.id), m.RequestReply).about
    assert about is not None
    assert about.recent is not None
    assert len(about.recent) == 10
    assert about.recent[0].asked > about.recent[-1].asked
