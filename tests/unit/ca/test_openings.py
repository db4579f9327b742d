"""What waits and has everything by now is opened by the CA itself, if policy of that moment gives it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import SshJitError
from tests.support.installation import BOB, DANA, POLICY, Installation, Person

ONE = 'approvals = [{ from = "lead", count = 1 }]\n'
TWO = 'approvals = [{ from = "lead", count = 1 }, { from = "dba", count = 1 }]\n'
NONE = "approvals = []\n"
DON = Person("d-9", ("Database",), "don@example.com")
GONE = Person("d-9", (), "don@example.com")
DATABASE = 'name = "database"\n'


def waiting_for_nothing(ca: Installation) -> tuple[str, RequestView]:
    """Don said yes, and lost his role before Bob did; then he gets it back."""
    ca.change_policy(ONE, TWO)
    dana, don, bob = ca.native(DANA), ca.web(DON), ca.web(BOB)
    request = ca.approve(don, ca.ask(dana, "db1").request)
    ca.web(GONE)
    request = ca.approve(bob, request)
    assert request.state is RequestState.PENDING
    ca.authority.sweep()
    assert state(ca, request) is RequestState.PENDING
    ca.web(DON)
    return dana, request


def state(ca: Installation, request: RequestView) -> RequestState:
    return ca.context.request(request.id).state


def opened(ca: Installation) -> list[events.Opened]:
    return [event for row in ca.store.rows() if isinstance(event := entries.read(row.entry), events.Opened)]


def no(ca: Installation, message: m.Message) -> str:
    (error,) = ca.say_all([message])
    assert isinstance(error, SshJitError), error
    return error.code


def test_approvals_that_became_enough_open_it(ca: Installation) -> None:
    dana, request = waiting_for_nothing(ca)
    ca.authority.sweep()
    assert state(ca, request) is RequestState.APPROVED
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.authority.sweep()
    (event,) = opened(ca)
    assert (event.how, event.steps) == ("reviewed", None)


def lock_a_host(ca: Installation) -> None:
    ca.say(m.Lock(None, "host", "db1", "rootkit"), m.LockReply, "admin")


def lock_the_person(ca: Installation) -> None:
    ca.say(m.Lock(None, "person", f"{DANA.provider}/{DANA.sub}", "left"), m.LockReply, "admin")


def freeze(ca: Installation) -> None:
    ca.change_policy(
        "[[allow]]\n" + DATABASE, f'[[deny]]\nname = "f"\nhosts = {{ env = "prod" }}\n[[allow]]\n{DATABASE}'
    )


def no_more(ca: Installation) -> None:
    """Nobody may have anything more in this week; the grant of another host counts."""
    ca.change_policy(DATABASE, f"{DATABASE}limits = {{ rule = {{ week = 1 }} }}\n")
    ca.change_policy(TWO, NONE)
    ca.add_host("db2", env="prod", role="db")
    ca.ask(ca.native(Person("q-1", ("Database",), "quinn@example.com")), "db2")
    ca.change_policy(NONE, TWO)


def another_rule(ca: Installation) -> None:
    ca.change_policy(DATABASE, 'name = "other"\n')


@pytest.mark.parametrize("change", [lock_a_host, lock_the_person, freeze, no_more, another_rule])
def test_nothing_opens_that_policy_or_a_lock_forbids(ca: Installation, change: Callable[[Installation], None]) -> None:
    _, request = waiting_for_nothing(ca)
    change(ca)
    before = len(opened(ca))
    ca.authority.sweep()
    assert len(opened(ca)) == before
    assert state(ca, request) is not RequestState.APPROVED


def test_a_rule_that_asks_nobody_any_more_opens_what_waits(ca: Installation) -> None:
    dana = ca.native(DANA)
    request = ca.ask(dana, "db1").request
    ca.change_policy(ONE, NONE)
    ca.authority.sweep()
    (event,) = opened(ca)
    assert (event.request, event.how, event.steps) == (request.id, "automatic", ())
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    ca.change_policy(NONE, ONE)
    assert no(ca, m.SignUser(dana, request.id)) == "policy_changed", "nobody has approved it"


@pytest.mark.parametrize("sweeps", [True, False])
def test_a_rule_that_asks_for_fewer_is_content_with_those_that_there_are(ca: Installation, *, sweeps: bool) -> None:
    """By itself, and at the approval that is enough by then."""
    ca.change_policy(ONE, TWO)
    dana, bob = ca.native(DANA), ca.web(BOB)
    ca.web(DON)
    request = ca.ask(dana, "db1").request
    if sweeps:
        ca.approve(bob, request)
        ca.authority.sweep()
    ca.change_policy(TWO, ONE)
    if sweeps:
        ca.authority.sweep()
    else:
        assert ca.approve(bob, request).state is RequestState.APPROVED
    (event,) = opened(ca)
    assert event.how == "reviewed"
    assert [step.role for step in event.steps or ()] == ["lead"]
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.restart()
    ca.say(m.SignUser(dana, request.id), m.CertificateReply)
    shown = ca.say(m.ReadRequest(dana, request.id), m.RequestReply).request
    assert [step.role for step in shown.steps] == ["lead"]
    ca.change_policy(ONE, TWO)
    assert no(ca, m.SignUser(dana, request.id)) == "policy_changed", "Don has not approved it"


def test_more_time_that_is_enough_opens_too(ca: Installation) -> None:
    ca.change_policy('pending = "30m"', 'pending = "30m"\nextend = { count = 1, by = "30m" }')
    dana, bob = ca.native(DANA), ca.web(BOB)
    grant = ca.approve(bob, ca.ask(dana, "db1").request)
    more = ca.say(m.Extend(dana, grant.id, "CHG-8 still at it", "192.0.2.7"), m.AskReply).request
    ca.change_policy(ONE, NONE)
    ca.authority.sweep()
    assert state(ca, more) is RequestState.APPROVED
    assert grant.ends is not None
    assert ca.context.request(grant.id).ends == grant.ends + 1800


def test_the_policy_of_these_tests_is_the_one_that_is_meant() -> None:
    assert POLICY.count(ONE) == 1
