"""A freeze that begins later than it came: it ends what is open when it begins, and by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, events
from sshjit.api.views import RequestView
from sshjit.errors import Refused
from sshjit_ca.access import later_endings
from tests.support.installation import ALICE, BOB, DANA, Installation
from tests.support.issuer import Issuer

NOON = int(datetime(2027, 1, 13, 12, tzinfo=UTC).timestamp())
HOUR = 3600


@pytest.fixture
def ca(issuers: dict[str, Issuer], tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path, issuers, time=float(NOON))
    installation.add_host("web1", env="staging")
    installation.add_host("web2", env="staging", role="quiet")
    installation.add_host("db1", env="prod", role="db")
    installation.authority.sweep()
    yield installation
    installation.stop()


def freeze(hours: str, hosts: str = '{ env = "staging" }') -> str:
    deny = f'[[deny]]\nname = "freeze"\nhosts = {hosts}\nhours = "{hours}"\nzone = "UTC"\n'
    return f'{deny}[[allow]]\nname = "staging"'


STAGING = '[[allow]]\nname = "staging"'


def open_grants(ca: Installation) -> list[str]:
    """The hosts of grants that are open by the log, after a tick."""
    ca.authority.sweep()
    return sorted(host for each in ca.context.state.open for host in ca.context.state.requests[each].asked.hosts)


def closed(ca: Installation) -> list[events.Closed]:
    return [event for row in ca.store.rows() if isinstance(event := entries.read(row.entry), events.Closed)]


def test_a_freeze_that_begins_later_ends_what_is_open_when_it_begins(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    assert request.ends == NOON + 8 * HOUR
    ca.change_policy(STAGING, freeze("18:00-20:00"))
    shown = ca.say(m.ReadRequest(login, request.id), m.RequestReply).request
    assert (shown.state, shown.ends) == ("approved", NOON + 6 * HOUR), "pages know it at once"
    ca.later(6 * HOUR - 1)
    assert open_grants(ca) == ["web1"]
    ca.later(1)
    assert open_grants(ca) == []
    (ended,) = closed(ca)
    assert (ended.request, ended.state) == (request.id, "revoked")
    assert ended.reason.startswith('policy ends it here: rule "freeze" denies access to web1')
    assert request.id in ca.context.state.ended, "the bundle tells hosts, which end the sessions"
    assert open_grants(ca) == []
    assert len(closed(ca)) == 1


def test_what_a_policy_forbids_at_once_is_the_operators_to_end(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1")
    ca.change_policy(STAGING, freeze("11:00-20:00"))
    for _ in range(3):
        ca.later(HOUR)
        assert open_grants(ca) == ["web1"]
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.restart()
    ca.authority.sweep()
    assert open_grants(ca) == ["web1"]


def test_nor_does_a_restart_end_what_was_forbidden_at_once_by_a_later_policy(ca: Installation) -> None:
    """The freeze began after the grant, and before the policy came."""
    ca.ask(ca.native(ALICE), "web1")
    ca.later(HOUR)
    ca.change_policy(STAGING, freeze("12:30-20:00"))
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.restart()
    ca.authority.sweep()
    assert open_grants(ca) == ["web1"]


def test_a_freeze_that_began_while_the_ca_was_down(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1")
    ca.change_policy(STAGING, freeze("18:00-20:00"))
    (ca.home / "policy.toml").write_text(ca.policy)
    ca.later(7 * HOUR)
    ca.restart()
    ca.authority.sweep()
    assert open_grants(ca) == []


def test_a_freeze_that_is_taken_back_in_time_ends_nothing(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1")
    ca.change_policy(STAGING, freeze("18:00-20:00"))
    ca.later(HOUR)
    assert open_grants(ca) == ["web1"]
    ca.change_policy(freeze("18:00-20:00"), STAGING)
    ca.later(6 * HOUR)
    assert open_grants(ca) == ["web1"]


def test_labels_that_a_later_freeze_is_about_do_the_same(ca: Installation) -> None:
    ca.change_policy(STAGING, freeze("18:00-20:00", '{ role = "quiet" }'))
    ca.change_policy('name = "freeze"\nhosts = { role', 'name = "freeze"\nhosts = { env = "staging", role')
    login = ca.native(ALICE)
    ca.say(m.LabelHost("web1", (("env", "staging"), ("role", "loud")), None, None), m.HostReply, "admin")
    ca.ask(login, "web1")
    assert open_grants(ca) == ["web1"]
    ca.say(m.LabelHost("web1", (("env", "staging"), ("role", "quiet")), None, None), m.HostReply, "admin")
    ca.later(6 * HOUR - 1)
    assert open_grants(ca) == ["web1"]
    ca.later(1)
    assert open_grants(ca) == []


def test_a_host_that_changed_counts_wherever_its_record_is_kept(ca: Installation) -> None:
    """Python gives the place of a record that is gone to the next one, which is another one all the same."""
    ca.change_policy(STAGING, freeze("18:00-20:00", '{ env = "staging", role = "quiet" }'))
    ca.say(m.LabelHost("web1", (("env", "staging"), ("role", "loud")), None, None), m.HostReply, "admin")
    request = ca.ask(ca.native(ALICE), "web1").request
    assert request.ends == NOON + 8 * HOUR, "the freeze is not about it yet"
    assert open_grants(ca) == ["web1"]
    hosts = ca.context.state.hosts
    (before,) = [host for host in hosts.values() if host.name == "web1"]
    ca.say(m.LabelHost("web1", (("env", "staging"), ("role", "quiet")), None, None), m.HostReply, "admin")
    for field in fields(before):
        object.__setattr__(before, field.name, getattr(hosts[before.id], field.name))
    hosts[before.id] = before
    ca.later(6 * HOUR - 1)
    assert open_grants(ca) == ["web1"]
    ca.later(1)
    assert open_grants(ca) == []


def test_what_one_tick_leaves_over_the_next_one_closes(ca: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if something changed between them."""
    monkeypatch.setattr(later_endings, "MOST", 1)
    for host in ("web1", "web2"):
        ca.ask(ca.native(ALICE), host)
    ca.change_policy(STAGING, freeze("18:00-20:00"))
    assert open_grants(ca) == ["web1", "web2"]
    ca.change_policy(freeze("18:00-20:00"), freeze("18:00-20:01"))
    ca.later(6 * HOUR)
    assert len(open_grants(ca)) == 1
    assert open_grants(ca) == []


def test_closing_hours_that_came_later_end_it_too(ca: Installation) -> None:
    ca.ask(ca.native(ALICE), "web1")
    hours = STAGING + '\nhours = "08:00-17:00"\nzone = "UTC"'
    ca.change_policy(STAGING, hours)
    ca.later(5 * HOUR - 1)
    assert open_grants(ca) == ["web1"]
    ca.later(1)
    assert open_grants(ca) == []


def test_a_stricter_rule_that_begins_to_decide_ends_certificates_and_no_session(ca: Installation) -> None:
    """As the page on policy says: it is no end of the laxer rule's window."""
    start = ca.policy.index(STAGING)
    rule = ca.policy[start : ca.policy.index("[[allow]]", start + 1)]
    strict = rule.replace('"staging"', '"strict"\nhours = "18:00-23:00"\nzone = "UTC"', 1)
    strict = strict.replace("approvals = []", 'approvals = [{ from = "lead", count = 1 }]')
    ca.change_policy(STAGING, strict + STAGING)
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.later(6 * HOUR - 1)
    ca.say(m.SignUser(login, request.id), m.CertificateReply)
    ca.later(1)
    with pytest.raises(Refused) as caught:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert caught.value.code == "policy_changed"
    assert open_grants(ca) == ["web1"]
    ca.later(2 * HOUR)
    assert open_grants(ca) == []


def test_a_grant_with_approvals_and_its_extension_end_too(ca: Installation) -> None:
    request = ca.ask(ca.native(DANA), "db1").request
    ca.approve(ca.native(BOB), request)
    assert open_grants(ca) == ["db1"]
    ca.change_policy(STAGING, freeze("12:30-20:00", '{ env = "prod" }'))
    ca.later(HOUR // 2)
    assert open_grants(ca) == []
    with pytest.raises(Refused):
        ca.ask(ca.native(DANA), "db1")


def extended_while_shorter(ca: Installation) -> RequestView:
    """An 8-hour grant, of which policy gives 4 hours since, extended by 2 hours at hour 3."""
    ca.change_policy('grant = "8h"', 'grant = "8h"\nextend = { count = 1, by = "2h" }')
    request = ca.ask(ca.native(ALICE), "web1").request
    ca.change_policy('grant = "8h"', 'grant = "4h"')
    assert open_grants(ca) == ["web1"]
    ca.later(3 * HOUR)
    ca.say(m.Extend(ca.native(ALICE), request.id, "CHG-7 more", "192.0.2.7"), m.AskReply)
    return request


@pytest.mark.parametrize("looks", [(3,), (3, 4), (4,), (3, 4, 5)])
def test_an_extension_moves_the_end_that_policy_gives(ca: Installation, looks: tuple[int, ...]) -> None:
    """Also if nobody looks between the extension and the end of before."""
    request = extended_while_shorter(ca)
    for hour in looks:
        ca.later(NOON + hour * HOUR - ca.time)
        assert set(open_grants(ca)) == {"web1"}
    ca.later(NOON + 6 * HOUR - 1 - ca.time)
    shown = ca.say(m.ReadRequest(ca.native(ALICE), request.id), m.RequestReply).request
    assert (shown.state, shown.ends) == ("approved", NOON + 6 * HOUR)
    assert set(open_grants(ca)) == {"web1"}
    ca.later(1)
    assert open_grants(ca) == []
    assert request.id in {event.request for event in closed(ca)}
