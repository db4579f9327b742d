"""Limits of a rule at the CA: what it counts, that a batch counts too, and that the log has what counted."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit import entries
from sshjit.api.views import RequestState
from sshjit.errors import Refused, SshJitError
from sshjit.events import Opened
from tests.support.installation import ALICE, BOB, DANA, Installation, Person

ERIN = Person("e-5", ("SRE",), "erin@example.com")
HOUR, DAY = 3600, 24 * 3600
STAGING = 'name = "staging"\n'
DATABASE = 'name = "database"\n'


def limit(ca: Installation, rule: str, limits: str) -> None:
    ca.change_policy(rule, f"{rule}limits = {limits}\n")


def ask_message(login: str, host: str) -> m.Ask:
    return m.Ask(login, (host,), None, "shell", None, None, "CHG-7 add index", certificate=False, address="192.0.2.7")


def no(ca: Installation, message: m.Message) -> SshJitError:
    (error,) = ca.say_all([message])
    assert isinstance(error, SshJitError), error
    return error


def opened(ca: Installation) -> list[Opened]:
    events = [entries.read(row.entry) for row in ca.store.rows()]
    return [event for event in events if isinstance(event, Opened)]


def test_two_asks_of_one_batch_cannot_both_pass(ca: Installation) -> None:
    ca.add_host("web2", env="staging")
    limit(ca, STAGING, "{ person = { open = 1 } }")
    login = ca.native(ALICE)
    first, second = ca.say_all([ask_message(login, "web1"), ask_message(login, "web2")])
    assert isinstance(first, m.AskReply)
    assert first.request.state is RequestState.APPROVED
    assert isinstance(second, Refused)
    assert (second.code, second.message) == (
        "limit_reached",
        'rule "staging" allows one person 1 grant at once, and 1 is open',
    )


def test_what_ended_is_not_open_and_counts_for_seven_days(ca: Installation) -> None:
    ca.add_host("web2", env="staging")
    limit(ca, STAGING, "{ person = { open = 1, week = 2 } }")
    login = ca.native(ALICE)
    first = ca.ask(login, "web1").request
    assert no(ca, ask_message(login, "web2")).code == "limit_reached"
    ca.say(m.End(login, first.id), m.RequestReply)
    second = ca.ask(login, "web2").request
    ca.say(m.End(login, second.id), m.RequestReply)
    error = no(ca, ask_message(login, "web1"))
    assert error.message == 'rule "staging" allows one person 2 grants in 7 days, and there were 2'
    assert error.hint == "ask again when the oldest of them is 7 days old"
    ca.later(7 * DAY - 1)
    assert no(ca, ask_message(ca.native(ALICE), "web1")).code == "limit_reached"
    ca.later(1)
    assert ca.ask(ca.native(ALICE), "web1").request.state is RequestState.APPROVED


def test_a_limit_of_the_rule_counts_everybody(ca: Installation) -> None:
    limit(ca, STAGING, "{ person = { open = 1 }, rule = { open = 2, week = 3 } }")
    ca.add_host("web2", env="staging")
    for person in (ALICE, ERIN):
        ca.ask(ca.native(person), "web1")
    fay = ca.native(Person("f-6", ("SRE",), "fay@example.com"))
    assert no(ca, ask_message(fay, "web1")).message == 'rule "staging" allows all 2 grants at once, and 2 are open'


def test_linked_accounts_are_one_person(ca: Installation) -> None:
    limit(ca, STAGING, "{ person = { open = 1 } }")
    ca.add_host("web2", env="staging")
    ca.ask(ca.native(ALICE), "web1")
    again = ca.native(Person("a-9", ("SRE",), "alice@example.com"))
    assert no(ca, ask_message(again, "web2")).code == "limit_reached"


def test_an_approval_is_refused_while_the_limit_is_reached_and_the_request_waits_on(ca: Installation) -> None:
    ca.add_host("db2", env="prod", role="db")
    limit(ca, DATABASE, "{ person = { open = 1 } }")
    login, bob = ca.native(DANA), ca.web(BOB)
    one, other = ca.ask(login, "db1").request, ca.ask(login, "db2").request
    one = ca.approve(bob, one)
    error = no(ca, m.Approve(bob, other.id, other.digest, "", None))
    assert error.code == "limit_reached"
    ca.say(m.End(login, one.id), m.RequestReply)
    assert ca.approve(bob, other).state is RequestState.APPROVED


def test_what_is_granted_goes_on_when_a_limit_comes_and_an_extension_is_no_grant(ca: Installation) -> None:
    ca.change_policy('pending = "30m"', 'pending = "30m"\nextend = { count = 1, by = "30m" }')
    login, bob = ca.native(DANA), ca.web(BOB)
    grant = ca.approve(bob, ca.ask(login, "db1").request)
    limit(ca, DATABASE, "{ person = { open = 1, week = 1 } }")
    ca.say(m.SignUser(login, grant.id), m.CertificateReply)
    more = ca.say(m.Extend(login, grant.id, "CHG-8 still at it", "192.0.2.7"), m.AskReply).request
    assert ca.approve(bob, more).state is RequestState.APPROVED
    ca.add_host("db2", env="prod", role="db")
    ca.change_policy("open = 1, week = 1", "open = 2, week = 2")
    assert ca.ask(login, "db2").request.state is RequestState.PENDING, "one grant is open, not two"


def test_the_log_has_what_counted(ca: Installation) -> None:
    ca.add_host("web2", env="staging")
    ca.ask(ca.native(ALICE), "web1")
    limit(ca, STAGING, "{ person = { open = 2 } }")
    ca.ask(ca.native(ERIN), "web1")
    ca.ask(ca.native(ERIN), "web2")
    counts = [event.counted for event in opened(ca)]
    assert counts[0] is None, "the rule had no limit then"
    said = [(each.person_open, each.person_week, each.rule_open, each.rule_week) for each in counts[1:] if each]
    assert said == [(0, 0, 1, 1), (1, 1, 2, 2)]


def test_a_restart_counts_the_same(ca: Installation) -> None:
    ca.add_host("web2", env="staging")
    limit(ca, STAGING, "{ person = { week = 1 } }")
    login = ca.native(ALICE)
    ca.say(m.End(login, ca.ask(login, "web1").request.id), m.RequestReply)
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.restart()
    assert no(ca, ask_message(login, "web2")).code == "limit_reached"


def test_explain_says_that_the_limit_is_reached(ca: Installation) -> None:
    ca.add_host("web2", env="staging")
    limit(ca, STAGING, "{ person = { open = 1 } }")
    login = ca.native(ALICE)
    ca.ask(login, "web1")
    reply = ca.say(
        m.Explain(login, None, ("web2",), (), None, "shell", None, None, "x", None, break_glass=False, address=""),
        m.ExplainReply,
    )
    assert (reply.verdict, reply.code, reply.rule) == ("denied", "limit_reached", "staging")


@pytest.mark.parametrize("seconds", [0, 8 * HOUR])
def test_what_is_over_is_not_open(ca: Installation, seconds: int) -> None:
    ca.add_host("web2", env="staging")
    limit(ca, STAGING, "{ person = { open = 1 } }")
    ca.ask(ca.native(ALICE), "web1")
    ca.later(seconds)
    (answer,) = ca.say_all([ask_message(ca.native(ALICE), "web2")])
    assert isinstance(answer, m.AskReply) == bool(seconds)
