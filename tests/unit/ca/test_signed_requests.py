"""Requests that somebody decides by are signed by the requester's key, or marked "not signed" wherever they are read.

The front end holds the API tokens that pass it, so it can ask in the name of anybody signed in on a command line. It
cannot sign: what it asks is marked, and what it changes of a signed request is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import signed_actions
from sshjit.errors import Refused, SshJitError
from sshjit.events import Asked, Decided, Event
from sshjit_ca.log.summaries import summary
from tests.support.break_glass import RULE
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, ssh_sign
from tests.support.signatures import DB1, answer, ask, by, challenge, consent, extend

MIGRATE = {"action": "migrate"}
LINE = "d-4 (partner) requested postgres@db1"


@pytest.fixture
def dana(ca: Installation) -> str:
    """Dana's sign-in on the command line, of which the front end has the token."""
    ca.web(BOB)
    return ca.native(DANA)


def code(ca: Installation, message: m.Message) -> str:
    (said,) = ca.say_all([message], "web")
    assert isinstance(said, SshJitError), said
    return said.code


def question(login_id: str, **changed: Any) -> m.Ask:
    asked = m.Ask(
        login_id, ("db1",), None, "shell", None, None, "CHG-7 add index", certificate=True, address="192.0.2.7"
    )
    return replace(asked, **changed)


def lines(ca: Installation, kind: type[Asked | Decided]) -> list[str]:
    """The log's lines for people, of events of one kind."""
    state = ca.context.state
    asked: list[Event] = [request.asked for request in state.requests.values()]
    said = [each.said for request in state.requests.values() for each in request.decisions]
    return [summary(state, event) for event in (*asked, *said) if isinstance(event, kind)]


# ------------------------------------------------------------------------------------------------- what is signed


def test_a_request_that_needs_approval_is_given_to_sign_and_recorded_with_the_signature(
    ca: Installation, dana: str
) -> None:
    before = ca.kinds()
    shown = ca.ask(dana, "db1", signable=True)
    assert (shown.request.id, shown.request.signed, bool(shown.challenge), ca.kinds()) == ("", True, True, before)
    made = ca.ask(dana, "db1", consent=consent(ca, shown, by(ca.key(DANA))))
    assert (made.challenge, made.request.state, made.request.signed) == (None, "pending", True)
    assert ca.context.state.requests[made.request.id].asked.signed
    ca.restart()
    assert ca.context.state.requests[made.request.id].asked.signed
    assert (lines(ca, Asked)[0].startswith(LINE), "not signed" in lines(ca, Asked)[0]) == (True, False)


def test_what_is_granted_at_once_stays_one_message(ca: Installation) -> None:
    alice = ca.native(ALICE)
    reply = ca.ask(alice, "web1", signable=True)
    assert (reply.challenge, reply.certificate is not None, reply.request.not_signed) == (None, True, False)
    assert "not signed" not in lines(ca, Asked)[0]


def test_what_exists_already_is_not_signed_again(ca: Installation, dana: str) -> None:
    made = ask(ca, dana, by(ca.key(DANA)), "db1")
    again = ca.ask(dana, "db1", signable=True)
    assert (again.existing, again.challenge, again.request.id) == (True, None, made.request.id)


def test_more_time_is_signed_too(ca: Installation, dana: str) -> None:
    ca.change_policy('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\nextend = { count = 2, by = "30m" }\ngrant = "1h"')
    request = ask(ca, dana, by(ca.key(DANA)), "db1").request
    ca.approve(ca.web(BOB), request)
    more = extend(ca, dana, by(ca.key(DANA)), request.id).request
    assert (more.signed, more.extends) == (True, request.id)
    ca.approve(ca.web(BOB), more)
    ca.later(60)
    unsigned = ca.say(m.Extend(dana, request.id, "CHG-7 again", "192.0.2.7"), m.AskReply).request
    assert (unsigned.signed, unsigned.not_signed) == (False, True)
    shown = ca.say(m.ReadRequest(dana, request.id), m.RequestReply).extensions
    assert [each.not_signed for each in shown] == [False, True]


def test_emergency_access_is_signed_too(ca: Installation) -> None:
    ca.change_policy("[permissions]", '[permissions]\nreview = ["lead"]')
    ca.authority.change_policy(ca.authority.look_at_policy(f"{ca.policy}\n{RULE}"))
    alice = ca.native(ALICE)
    what = {"break_glass": True, "reason": "INC-9 the site is down"}
    made = ask(ca, alice, by(ca.key(ALICE)), "db1", **what)
    assert (made.request.signed, made.certificate is not None) == (True, True)
    ca.say(m.End(alice, made.request.id), m.RequestReply)
    forged = ca.ask(alice, "db1", **what).request
    assert forged.not_signed
    assert [", not signed" in line for line in lines(ca, Asked)] == [False, True]


# -------------------------------------------------------------------------------------------- a stolen front end


def test_a_front_end_that_asks_as_dana_is_marked_wherever_that_is_read(ca: Installation, dana: str) -> None:
    request = ca.ask(dana, "db1").request
    assert (request.channel, request.signed, request.not_signed) == ("native", False, True)
    (line,) = lines(ca, Asked)
    assert line.startswith(LINE)
    assert ", not signed:" in line
    entry = ca.say(m.ReadLog(ca.web(BOB), None, 50), m.LogReply).entries
    assert [each.summary for each in entry if each.kind == "ask"] == [line]
    items = ca.say(m.ReadFeed(-1, 50), m.FeedReply).items
    assert [item.request.not_signed for item in items if item.request is not None] == [True]


def test_and_so_is_one_that_approves_as_bob(ca: Installation, dana: str) -> None:
    request = ask(ca, dana, by(ca.key(DANA)), "db1").request
    bob = ca.native(BOB)
    approved = ca.approve(bob, request)
    assert [(each.channel, each.signed) for each in approved.decisions] == [("native", False)]
    (line,) = lines(ca, Decided)
    assert line.startswith("b-2 (acme) approved (not signed) req-")


CHANGED: dict[str, dict[str, Any]] = {
    "host": {"hosts": ("db2",)},
    "account": {"login": "backup"},
    "action": MIGRATE,
    "reason": {"reason": "CHG-8 something else"},
    "duration": {"duration": 60},
    "start": {"start": 1_800_003_600},
    "address": {"address": "192.0.2.99"},
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_is_changed_of_a_signed_request_is_refused(ca: Installation, dana: str, what: str) -> None:
    ca.add_host("db2", env="prod", role="db")
    ca.change_policy('logins = ["postgres"]', 'logins = ["postgres", "backup"]')
    given = consent(ca, ca.ask(dana, "db1", signable=True), by(ca.key(DANA)))
    assert code(ca, question(dana, consent=given, **CHANGED[what])) == "signature_refused"
    assert ca.context.state.requests == {}


LIES: list[dict[str, Any]] = [
    {"requester": m.PersonView("sub-0123456789abcdef", "partner", "d-4", "dana@example.com")},
    {"hosts": ("web1",)},
    {"host_ids": ("db1~2",)},
    {"login": "root"},
    {"action": "migrate"},
    {"command": "id"},
    {"duration": 60},
    {"certificate": 60},
    {"reason": "CHG-1"},
    {"rule": "staging"},
    {"policy": "0" * 64},
    {"channel": "web"},
    {"address": "192.0.2.99"},
    {"start": 1_900_000_000},
    {"break_glass": True},
    {"extends": "req-0123456789abcdef"},
    {"steps": ()},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: next(iter(lie)))
def test_a_requester_who_was_shown_something_else_signed_something_else(
    ca: Installation, dana: str, lie: dict[str, Any]
) -> None:
    shown = ca.ask(dana, "db1", signable=True)
    given = consent(ca, replace(shown, request=replace(shown.request, **lie)), by(ca.key(DANA)))
    assert code(ca, question(dana, consent=given)) == "signature_refused"


IN_TRANSIT: list[dict[str, Any]] = [
    {"hosts": ("db2",)},
    {"hosts": ("db1",), "labels": (("role", "db"),)},
    {"login": "backup"},
    {"start": 1_800_003_600},
    {"duration": 60},
]


@pytest.mark.parametrize("asked", IN_TRANSIT, ids=lambda asked: next(reversed(asked)))
def test_who_exchanges_the_words_before_the_ca_reads_them_gets_no_signed_request(
    ca: Installation, dana: str, asked: dict[str, Any]
) -> None:
    """Dana types db1. The front end asks for something else, and shows her that, as the CA would record it."""
    ca.add_host("db2", env="prod", role="db")
    ca.change_policy('logins = ["postgres"]', 'logins = ["postgres", "backup"]')
    asked = {"hosts": ("db1",), **asked}
    shown = ca.say(question(dana, signable=True, **asked), m.AskReply)
    given = consent(ca, shown, by(ca.key(DANA)))
    assert code(ca, question(dana, consent=given, **asked)) == "signature_refused"
    assert ca.context.state.requests == {}


def test_a_signed_request_is_taken_once(ca: Installation, dana: str) -> None:
    given = consent(ca, ca.ask(dana, "db1", signable=True), by(ca.key(DANA)))
    made = ca.ask(dana, "db1", consent=given).request
    ca.say(m.Cancel(dana, made.id), m.RequestReply)
    assert code(ca, question(dana, consent=given)) == "challenge_over"
    fresh = challenge(ca, dana)
    assert code(ca, question(dana, consent=replace(given, challenge=fresh))) == "signature_refused"
    assert [each.state for each in ca.context.state.requests.values()] == ["cancelled"]


def test_nor_later_nor_by_another_sign_in(ca: Installation, dana: str) -> None:
    given = consent(ca, ca.ask(dana, "db1", signable=True), by(ca.key(DANA)))
    second = ca.native(DANA)
    assert code(ca, question(second, consent=given)) == "challenge_over"
    ca.later(180)
    assert code(ca, question(dana, consent=given)) == "challenge_over"
    assert ca.context.state.requests == {}


def test_what_was_signed_for_one_thing_is_nothing_for_another(ca: Installation, dana: str) -> None:
    first = ca.ask(dana, "db1", signable=True)
    other = ca.ask(dana, "db1", signable=True, **MIGRATE)
    given = consent(ca, replace(other, challenge=first.challenge), by(ca.key(DANA)))
    assert code(ca, question(dana, consent=given)) == "signature_refused"


@pytest.mark.parametrize("namespace", ["approve@ssh-jit", "act@ssh-jit", "login@ssh-jit", "file", "git"])
def test_t59_a_signature_for_another_purpose_is_none_here(ca: Installation, dana: str, namespace: str) -> None:
    shown = ca.ask(dana, "db1", signable=True)
    given = consent(ca, shown, lambda _, text: ssh_sign(ca.key(DANA), namespace, text))
    assert code(ca, question(dana, consent=given)) == "signature_refused"


def test_nor_one_for_another_installation_nor_by_another_key(ca: Installation, dana: str) -> None:
    shown = ca.ask(dana, "db1", signable=True)
    fresh = shown.challenge or ""
    text = signed_actions.ask_text(shown.request, DB1, fresh, "another")
    elsewhere = m.ActionSignature(fresh, ssh_sign(ca.key(DANA), signed_actions.ASK_NAMESPACE, text))
    assert code(ca, question(dana, consent=elsewhere)) == "signature_refused"
    shown = ca.ask(dana, "db1", signable=True)
    assert code(ca, question(dana, consent=consent(ca, shown, by(ca.key(CAROL))))) == "signature_refused"


def test_a_page_has_nothing_to_sign_with(ca: Installation, dana: str) -> None:
    web = ca.web(DANA)
    given = consent(ca, ca.ask(dana, "db1", signable=True), by(ca.key(DANA)))
    assert code(ca, question(web, consent=given)) == "not_native"
    reply = ca.ask(web, "db1", signable=True)
    assert (reply.challenge, reply.request.channel, reply.request.not_signed) == (None, "web", True)


def test_a_policy_that_changed_meanwhile_is_another_request(ca: Installation, dana: str) -> None:
    given = consent(ca, ca.ask(dana, "db1", signable=True), by(ca.key(DANA)))
    ca.change_policy("count = 1 }", "count = 2 }")
    assert code(ca, question(dana, consent=given)) == "signature_refused"


# ------------------------------------------------------------------------------------ rules that want a signature


@pytest.fixture
def wanting(ca: Installation, dana: str) -> str:
    """The database's rule takes no request that is not signed; dana's sign-in."""
    ca.change_policy('use_by = "15m"', 'signed_request = true\nuse_by = "15m"')
    return dana


def test_a_rule_may_take_no_request_without(ca: Installation, wanting: str) -> None:
    for login, hint in ((wanting, "ssh-jit login"), (ca.web(DANA), "ssh-jit request db1")):
        with pytest.raises(Refused) as refused:
            ca.ask(login, "db1")
        assert (refused.value.code, hint in refused.value.hint) == ("signature_needed", True)
    assert ca.context.state.requests == {}
    assert ask(ca, wanting, by(ca.key(DANA)), "db1").request.state == "pending"


def test_nor_where_nobody_has_to_approve(ca: Installation, wanting: str) -> None:
    ca.change_policy('approvals = [{ from = "lead", count = 1 }]', "approvals = []")
    with pytest.raises(Refused) as refused:
        ca.ask(wanting, "db1")
    assert refused.value.code == "signature_needed"
    made = ask(ca, wanting, by(ca.key(DANA)), "db1")
    assert (made.request.state, made.request.signed, made.certificate is not None) == ("approved", True, True)


def test_and_says_so_before_anybody_asks(ca: Installation, wanting: str) -> None:
    asked = m.Explain(
        wanting, None, ("db1",), (), None, "shell", None, None, "CHG-7", None, break_glass=False, address=""
    )
    terms = ca.say(asked, m.ExplainReply).terms
    assert terms is not None
    assert terms.signed_request


# ------------------------------------------------------------------------------------ approvals of signed requests


def test_an_approver_who_was_told_of_a_signature_that_is_not_there_approves_nothing(
    ca: Installation, dana: str
) -> None:
    request = ca.ask(dana, "db1").request
    bob = ca.native(BOB)
    deceived = answer(ca, bob, by(ca.key(BOB)), replace(request, signed=True))
    assert code(ca, deceived) == "signature_refused"
    assert ca.context.state.requests[request.id].decisions == ()


def test_an_older_program_approves_a_signed_request_without_knowing_that_it_is(ca: Installation, dana: str) -> None:
    request = ask(ca, dana, by(ca.key(DANA)), "db1").request
    bob = ca.native(BOB)
    done = ca.say(answer(ca, bob, by(ca.key(BOB)), replace(request, signed=False)), m.RequestReply).request
    assert (done.state, done.decisions[0].signed) == ("approved", True)


def test_the_signature_of_an_approval_cannot_be_taken_off_where_a_step_asks_for_it(ca: Installation, dana: str) -> None:
    ca.change_policy("count = 1 }", "count = 1, signed = true }")
    request = ask(ca, dana, by(ca.key(DANA)), "db1").request
    bob = ca.native(BOB)
    signed = answer(ca, bob, by(ca.key(BOB)), request)
    assert code(ca, replace(signed, consent=None)) == "signature_needed"
    assert ca.say(signed, m.RequestReply).request.state == "approved"


def test_restrictive_acts_go_on_a_word(ca: Installation, dana: str) -> None:
    """Whoever holds a token may take a request back, deny it or comment on it; nothing is opened by that."""
    first = ask(ca, dana, by(ca.key(DANA)), "db1").request
    assert ca.say(m.Comment(dana, first.id, "by the front end"), m.RequestReply)
    assert ca.say(m.Cancel(dana, first.id), m.RequestReply).request.state == "cancelled"
    second = ask(ca, dana, by(ca.key(DANA)), "db1").request
    denied = ca.say(m.Deny(ca.native(BOB), second.id, second.digest, "no", None), m.RequestReply).request
    assert (denied.state, denied.decisions[0].signed) == ("denied", False)
