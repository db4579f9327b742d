"""A later start, and hosts by label."""

from __future__ import annotations

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from tests.support.installation import ALICE, BOB, DANA, Installation

HOUR, DAY = 3600, 24 * 3600
OFFICE = (
    'name = "database"\nroles = ["dba"]',
    'name = "database"\nroles = ["dba"]\nhours = "09:00-18:00"\nzone = "UTC"',
)
"""1_800_000_000 is 08:00 UTC, a Friday."""


def test_the_window_and_use_by_count_from_the_start(ca: Installation) -> None:
    start = int(ca.time) + 2 * HOUR
    login = ca.native(DANA)
    request = ca.ask(login, "db1", start=start).request
    ca.later(60)
    opened = ca.approve(ca.web(BOB), request)
    assert (opened.state, opened.start, opened.use_by, opened.ends) == ("approved", start, start + 900, start + HOUR)
    with pytest.raises(Invalid) as early:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert early.value.code == "not_yet"
    ca.later(2 * HOUR - 61)
    with pytest.raises(Invalid):
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    ca.later(1)
    certificate = ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate
    assert (certificate.grant_ends, certificate.principals) == (start + HOUR, ("postgres@db1",))


def test_approved_after_its_start_it_opens_with_the_approval(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1", start=int(ca.time) + 60).request
    ca.later(600)
    assert ca.approve(ca.web(BOB), request).ends == int(ca.time) + HOUR


def test_nobody_draws_a_certificate_with_an_ask_for_later(ca: Installation) -> None:
    reply = ca.ask(ca.native(ALICE), "web1", start=int(ca.time) + 60)
    assert (reply.request.state, reply.certificate) == ("approved", None)


def test_hours_are_those_of_the_start_and_requirements_those_of_now(ca: Installation) -> None:
    ca.change_policy(*OFFICE)
    login = ca.web(DANA)
    with pytest.raises(Refused) as now:
        ca.ask(login, "db1")
    assert now.value.code == "no_rule"
    start = int(ca.time) + 10 * HOUR - 600  # ten minutes before the office closes
    request = ca.ask(login, "db1", start=start).request
    assert ca.approve(ca.web(BOB), request).ends == start + 600
    ca.change_policy('name = "database"\n', 'name = "database"\nmfa = true\n')
    with pytest.raises(Refused) as step_up:
        ca.ask(login, "db1", start=start + 1)
    assert step_up.value.code == "step_up"


def test_asked_again_before_it_opens_it_is_the_same_request(ca: Installation) -> None:
    ca.change_policy(*OFFICE)
    login, start = ca.web(DANA), int(ca.time) + 2 * HOUR
    first = ca.ask(login, "db1", start=start)
    again = ca.ask(login, "db1", start=start)
    assert (again.existing, again.request.id) == (True, first.request.id)
    assert not ca.ask(login, "db1", start=start + 60).existing


def test_once_it_has_begun_it_is_what_is_wanted_now(ca: Installation) -> None:
    login = ca.web(ALICE)
    later = ca.ask(login, "web1", start=int(ca.time) + 600).request
    now = ca.ask(login, "web1").request
    assert now.id != later.id
    ca.say(m.End(login, now.id), m.RequestReply)
    ca.later(601)
    assert ca.ask(login, "web1").request.id == later.id


FREEZE = (
    '[[allow]]\nname = "database"',
    (
        '[[deny]]\nname = "freeze"\nhosts = { env = "prod" }\nhours = "18:00-20:00"\nzone = "UTC"\n\n'
        '[[allow]]\nname = "database"'
    ),
)


def queue(ca: Installation, login: str) -> list[str]:
    return [each.id for each in ca.say(m.ReadRequests(login, "approve", 10, None), m.RequestsReply).requests]


@pytest.mark.parametrize("closes", [OFFICE, FREEZE], ids=["closing hour", "freeze"])
def test_a_request_waits_no_longer_than_it_could_be_used(ca: Installation, closes: tuple[str, str]) -> None:
    ca.change_policy(*closes)
    ca.change_policy('pending = "30m"', 'pending = "2d"')
    evening = int(ca.time) + 10 * HOUR
    request = ca.ask(ca.web(DANA), "db1", start=int(ca.time) + 2 * HOUR).request
    assert request.pending_until == evening
    ca.later(10 * HOUR - 1)
    bob = ca.web(BOB)
    assert queue(ca, bob) == [request.id]
    ca.later(1)
    assert queue(ca, bob) == []
    with pytest.raises(Invalid, match="nobody answered in time"):
        ca.approve(bob, request)
    assert ca.say(m.ReadRequest(ca.web(DANA), request.id), m.RequestReply).request.state == "expired"
    ca.later(16 * HOUR)
    again = ca.ask(ca.web(DANA), "db1")
    assert (again.existing, again.request.state) == (False, "pending")
    assert ca.approve(ca.web(BOB), again.request).state == "approved"


def test_what_must_be_used_by_then_is_never_later_than_the_window_s_end(ca: Installation) -> None:
    ca.change_policy(*OFFICE)
    request = ca.ask(ca.web(DANA), "db1", start=int(ca.time) + 10 * HOUR - 300).request
    opened = ca.approve(ca.web(BOB), request)
    assert opened.use_by == opened.ends == int(ca.time) + 10 * HOUR


def test_unused_it_lapses_after_its_start_and_stays_so(ca: Installation) -> None:
    login = ca.native(DANA)
    start = int(ca.time) + HOUR
    request = ca.ask(login, "db1", start=start).request
    ca.approve(ca.web(BOB), request)
    for passed, state in ((HOUR + 899, "approved"), (1, "lapsed"), (DAY, "lapsed")):
        ca.later(passed)
        assert ca.say(m.ReadRequest(ca.web(DANA), request.id), m.RequestReply).request.state == state


def test_a_month_ahead_and_no_more(ca: Installation) -> None:
    login, now = ca.web(ALICE), int(ca.time)
    assert ca.ask(login, "web1", start=now + 30 * DAY).request.start == now + 30 * DAY
    with pytest.raises(Invalid) as far:
        ca.ask(login, "web1", start=now + 30 * DAY + 1)
    assert far.value.code == "bad_start"
    assert ca.ask(login, "web1", start=now - 5).request.start is None


def test_hosts_by_label_are_those_enrolled_now_each_once(ca: Installation) -> None:
    ca.change_policy('certificate = "5m"\n[[allow]]', 'certificate = "5m"\nmax_hosts = 9\n[[allow]]')
    ca.add_host("web2", env="staging")
    ca.add_host("web3", env="staging", role="db")
    login = ca.native(ALICE)
    reply = ca.ask(login, "web2", labels=(("env", "staging"),))
    assert reply.request.hosts == ("web2", "web1", "web3")
    assert reply.certificate is not None
    assert reply.certificate.principals == ("deploy@web2", "deploy@web1", "deploy@web3")
    assert ca.ask(login, "web1", hosts=("web1", "web3", "web2")).existing, "in whatever order they are named"
    ca.say(m.End(login, reply.request.id), m.RequestReply)
    only = ca.ask(login, "", hosts=(), labels=(("env", "staging"), ("role", "db"))).request
    assert only.hosts == ("web3",)


@pytest.mark.parametrize(
    ("hosts", "labels", "code"),
    [
        ((), (), "no_host"),
        ((), (("env", "moon"),), "no_such_hosts"),
        ((), (("env", "prod"), ("env", "staging")), "no_such_hosts"),
        (("web1",), (("env", "prod"),), "different_rules"),
    ],
)
def test_labels_that_fit_nothing_or_too_much_are_refused(
    ca: Installation, hosts: tuple[str, ...], labels: tuple[tuple[str, str], ...], code: str
) -> None:
    person = ALICE
    ca.change_policy('roles = ["dba"]\nhosts', 'roles = ["dba", "sre"]\nhosts')
    ca.change_policy('logins = ["postgres"]', 'logins = ["deploy"]')
    with pytest.raises((Invalid, Refused)) as no:
        ca.ask(ca.web(person), "", hosts=hosts, labels=labels)
    assert no.value.code == code


def test_no_name_is_left_out_in_silence(ca: Installation) -> None:
    with pytest.raises(Invalid) as many:
        ca.ask(ca.web(ALICE), "", hosts=("web1",) * 300 + ("db1",))
    assert many.value.code == "too_many_hosts"
