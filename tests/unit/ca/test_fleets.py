"""Fleets: one token for several hosts, with labels and names fixed by the operator; what it is not good for alarms."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import events, names, policy
from sshjit.errors import Invalid, Refused
from sshjit_ca.access import absence
from sshjit_ca.log import history
from sshjit_ca.routes import ROUTES
from sshjit_ca.service.alarm_watch import AlarmWatch
from sshjit_ca.service.alerts import Alarms
from tests.support.installation import ALICE, Installation, make_key
from tests.support.published_bundle import revoked
from tests.support.signatures import host_keys, join, leave, lines_of, renew, report
from tests.support.syslog import listening

DAY = 24 * 3600
LABELS = (("env", "staging"),)


@pytest.fixture
def fleet(ca: Installation) -> Installation:
    """A CA whose policy lets invitations give the label ``env``."""
    ca.change_policy("required = true", "required = true, by_token = true")
    return ca


def invite(ca: Installation, **changed: Any) -> m.FleetReply:
    fields: dict[str, Any] = {
        "pattern": "web-*",
        "labels": LABELS,
        "logins": ("deploy",),
        "uses": 2,
        "expires": int(ca.time) + 30 * DAY,
        "forget_after": 30 * DAY,
    }
    return ca.say(m.InviteFleet(**{**fields, **changed}), m.FleetReply, "admin")


def machine(ca: Installation, name: str) -> tuple[Path, ...]:
    """The key of a new machine."""
    return (make_key(ca.home / f"machine-{name}"),)


def arrive(ca: Installation, made: m.FleetReply, name: str, keys: tuple[Path, ...] = (), **said: Any) -> m.HostReply:
    """A machine joins by the fleet's token."""
    message = join(ca, name, made.token, keys or machine(ca, name), invitation=made.invitation.id, **said)
    return ca.say(message, m.HostReply, "web")


def refused(ca: Installation, made: m.FleetReply, name: str, keys: tuple[Path, ...] = (), **said: Any) -> str:
    with pytest.raises(Refused) as error:
        arrive(ca, made, name, keys, **said)
    return f"{error.value.code}: {error.value.message}"


def refusals(ca: Installation) -> list[tuple[str, str]]:
    """What the log says of tokens that did not count: the problem, and the name."""
    found = [history.read(row) for row in ca.store.rows()]
    return [(each.problem, each.name) for each in found if isinstance(each, events.JoinRefused)]


def test_hosts_join_by_one_token_with_the_labels_of_the_invitation(fleet: Installation) -> None:
    made = invite(fleet)
    first = arrive(fleet, made, "web-1", logins=("deploy", "ops"), address="192.0.2.11", port=2222)
    second = arrive(fleet, made, "web-2a", host_certificates=False)
    assert (first.host.id, first.host.labels, first.host.address, first.host.port) == (
        "web-1",
        LABELS,
        "192.0.2.11",
        2222,
    )
    assert (second.host.address, second.host.port, len(second.certificates)) == ("web-2a", 22, 1)
    state = fleet.context.state
    assert (state.hosts["web-1"].logins, state.hosts["web-2a"].host_certificates) == (("deploy", "ops"), False)
    assert state.fleets[made.invitation.id].used == 2
    assert fleet.ask(fleet.native(ALICE), "web-1").certificate, "what its labels give counts at once"
    fleet.restart()
    assert fleet.context.state.hosts["web-1"].invitation == made.invitation.id


def test_a_use_beyond_the_last_and_a_second_of_a_name_or_key_are_refused_written_down_and_alarm(
    fleet: Installation, tmp_path: Path
) -> None:
    made = invite(fleet, uses=3)
    arrive(fleet, made, "web-1")
    assert refused(fleet, made, "web-1", machine(fleet, "thief")) == "join_refused: a host of this name is enrolled"
    assert refused(fleet, made, "web-2", machine(fleet, "web-1")) == (
        "join_refused: one of its keys is that of an enrolled host"
    )
    assert refused(fleet, made, "db-1").startswith("join_refused: the invitation is not for this name")
    arrive(fleet, made, "web-2")
    arrive(fleet, made, "web-3")
    assert refused(fleet, made, "web-4") == "join_refused: as many hosts have joined by it as may"
    assert refusals(fleet) == [
        ("name_taken", "web-1"),
        ("key_taken", "web-2"),
        ("not_in_pattern", "db-1"),
        ("used_up", "web-4"),
    ]
    with listening(tmp_path / "log") as syslog:
        alarms = Alarms(fleet.config.home, tmp_path / "log", ())
        watch = AlarmWatch(fleet.context, fleet.store, alarms, 0, time.monotonic)
        while asyncio.run(watch.step(fleet.context.journal.durable)):
            pass
        syslog.settimeout(5)
        lines = [syslog.recv(4096).decode() for _ in range(4)]
    assert all("JOIN_REFUSED: a machine was refused to join as" in line for line in lines)
    assert f"web-4 by the token of {made.invitation.id}: as many hosts have joined by it as may" in lines[3]


def test_the_same_machine_that_comes_again_alarms_nobody(fleet: Installation) -> None:
    """Its answer was lost; it goes on by renewing."""
    made = invite(fleet)
    arrive(fleet, made, "web-1")
    assert refused(fleet, made, "web-1").startswith("join_refused")
    assert refusals(fleet) == []
    assert fleet.say(renew(fleet, "web-1", machine(fleet, "web-1")), m.HostReply, "web").certificates


def test_a_token_for_one_host_that_comes_a_second_time_alarms(fleet: Installation) -> None:
    token = fleet.add_host("web9", env="staging").invitation
    assert token is not None
    mine, thief = machine(fleet, "web9"), machine(fleet, "thief")
    fleet.say(join(fleet, "web9", token.token, thief), m.HostReply, "web")
    with pytest.raises(Refused, match="the token was used already"):
        fleet.say(join(fleet, "web9", token.token, mine), m.HostReply, "web")
    assert refusals(fleet) == [("used", "web9")]
    fleet.restart()
    with pytest.raises(Refused, match="the token was used already"):
        fleet.say(join(fleet, "web9", token.token, mine), m.HostReply, "web")
    fleet.later(3600)
    with pytest.raises(Refused, match="has expired"):
        fleet.say(join(fleet, "web9", token.token, mine), m.HostReply, "web")


def test_a_flood_of_refusals_is_counted_and_not_written(fleet: Installation) -> None:
    made = invite(fleet, uses=1)
    arrive(fleet, made, "web-1")
    for _ in range(3):
        refused(fleet, made, "web-2")
    fleet.later(61)
    refused(fleet, made, "web-2")
    found = [history.read(row) for row in fleet.store.rows()]
    assert [each.count for each in found if isinstance(each, events.JoinRefused)] == [1, 3]


def test_whoever_lacks_the_token_is_refused_and_nothing_is_written(fleet: Installation) -> None:
    made, other = invite(fleet), invite(fleet, pattern="db-*")
    before = fleet.kinds()
    for wrong in (
        replace(made, token="A" * 43),
        replace(made, token=other.token),
        replace(made, invitation=replace(made.invitation, id="inv-0000000000000000")),
        replace(other, token=made.token),
    ):
        assert refused(fleet, wrong, "web-1").startswith("join_refused: the token is for another host")
    keys = machine(fleet, "web-1")
    good = join(fleet, "web-1", made.token, keys, invitation=made.invitation.id)
    for changed in (
        replace(good, name="web-2"),
        replace(good, address="192.0.2.66"),
        replace(good, port=2222),
        replace(good, host_certificates=False),
        replace(good, invitation=other.invitation.id),
        replace(good, host_keys=lines_of(machine(fleet, "thief"))),
    ):
        with pytest.raises(Refused):
            fleet.say(changed, m.HostReply, "web")
    theirs = join(fleet, "web-1", made.token, machine(fleet, "thief"), invitation=made.invitation.id)
    with pytest.raises(Refused) as unproved:
        fleet.say(replace(good, signatures=theirs.signatures), m.HostReply, "web")
    assert unproved.value.code == "signature_refused"
    assert fleet.kinds() == before
    assert fleet.context.state.fleets[made.invitation.id].used == 0


def test_it_ends_with_its_day_and_by_the_operator_s_word(fleet: Installation) -> None:
    made, gone = invite(fleet, expires=int(fleet.time) + DAY), invite(fleet)
    arrive(fleet, gone, "web-1")
    ended = fleet.say(m.EndInvitation(gone.invitation.id, "the image leaked"), m.InvitationsReply, "admin")
    assert ended.invitations == (replace(gone.invitation, used=1, over="revoked"),)
    assert refused(fleet, gone, "web-2") == "join_refused: the invitation was revoked"
    assert refusals(fleet) == [("revoked", "web-2")]
    assert "web-1" in fleet.context.state.hosts, "who joined before stays"
    fleet.later(DAY)
    assert refused(fleet, made, "web-3").startswith("join_refused: the token is for another host, has expired")
    assert len(refusals(fleet)) == 1
    listed = fleet.say(m.ReadInvitations(), m.InvitationsReply, "admin").invitations
    assert [each.id for each in listed] == [gone.invitation.id]


def test_an_invitation_of_one_host_is_listed_and_ended_too(fleet: Installation) -> None:
    token = fleet.add_host("web9", env="staging").invitation
    assert token is not None
    every = fleet.say(m.ReadInvitations(), m.InvitationsReply, "admin").invitations
    (listed,) = [each for each in every if each.id == "web9"]
    assert (listed.id, listed.pattern, listed.uses, listed.used, listed.over) == ("web9", "", 1, 0, "")
    fleet.say(m.EndInvitation("web9", ""), m.InvitationsReply, "admin")
    with pytest.raises(Refused, match="the invitation was revoked"):
        fleet.say(join(fleet, "web9", token.token, machine(fleet, "web9")), m.HostReply, "web")
    again = fleet.say(m.InviteHost("web9"), m.HostReply, "admin").invitation
    assert again is not None
    fleet.say(join(fleet, "web9", again.token, machine(fleet, "web9")), m.HostReply, "web")
    for name in ("web9", "web8", "inv-0000000000000000"):
        with pytest.raises(Invalid) as unknown:
            fleet.say(m.EndInvitation(name, ""), m.InvitationsReply, "admin")
        assert unknown.value.code == "unknown_invitation"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"labels": (("env", "staging"), ("role", "db"))}, "label_not_by_token"),
        ({"labels": (("env", "nowhere"),)}, "bad_labels"),
        ({"labels": ()}, "bad_labels"),
        ({"pattern": "*"}, "bad_pattern"),
        ({"pattern": "web-1"}, "bad_pattern"),
        ({"pattern": "web-**"}, "bad_pattern"),
        ({"pattern": "-*"}, "bad_pattern"),
        ({"uses": 0}, "bad_uses"),
        ({"uses": 10_001}, "bad_uses"),
        ({"expires": 1_800_000_000}, "bad_until"),
        ({"expires": 1_800_000_000 + 400 * DAY}, "bad_until"),
        ({"forget_after": 6 * DAY}, "bad_forget_after"),
        ({"logins": ("deploy@x",)}, "bad_login"),
    ],
)
def test_what_no_invitation_may_say(fleet: Installation, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as invalid:
        invite(fleet, **changed)
    assert invalid.value.code == code
    assert fleet.context.state.fleets == {}


def test_policy_of_now_decides_whether_a_token_may_give_its_labels(fleet: Installation) -> None:
    made = invite(fleet)
    fleet.change_policy(", by_token = true", "")
    with pytest.raises(Invalid) as changed:
        arrive(fleet, made, "web-1")
    assert changed.value.code == "label_not_by_token"
    assert fleet.context.state.fleets[made.invitation.id].used == 0


def test_a_token_is_shown_once_and_stands_in_no_entry(fleet: Installation) -> None:
    made = invite(fleet)
    assert len(made.token) == 43
    for row in fleet.store.rows():
        assert made.token.encode() not in row.entry.fact + (row.entry.detail or b"")
    assert made.token not in repr(fleet.say(m.ReadInvitations(), m.InvitationsReply, "admin"))
    for message in (m.InviteFleet, m.InviteHost, m.ReadInvitations, m.EndInvitation, m.ApplyHosts):
        assert ROUTES[message].sockets == {"admin"}


def test_a_host_that_left_makes_room_for_another_machine_of_its_name(fleet: Installation) -> None:
    made = invite(fleet)
    arrive(fleet, made, "web-1")
    fleet.say(leave(fleet, "web-1", machine(fleet, "web-1")[0]), m.Done, "web")
    assert arrive(fleet, made, "web-1", host_keys(fleet, "ed25519")).host.id == "web-1~2"
    assert refused(fleet, made, "web-2").endswith("as many hosts have joined by it as may")


def test_a_host_that_nothing_was_heard_of_is_removed_and_access_to_it_ends(fleet: Installation) -> None:
    made = invite(fleet, uses=4, forget_after=8 * DAY)
    for name in ("web-1", "web-2", "web-3"):
        arrive(fleet, made, name)
    by_name = fleet.add_host("web9", env="staging").invitation
    assert by_name is not None
    fleet.later(7 * DAY)
    given = fleet.ask(fleet.native(ALICE), "web-3").certificate
    assert given is not None
    fleet.say(renew(fleet, "web-1", machine(fleet, "web-1")), m.HostReply, "web")
    fleet.say(report(fleet, "web-2", machine(fleet, "web-2")[0]), m.Done, "web")
    fleet.later(DAY - 3600)
    fleet.authority.sweep()
    assert "web-3" in fleet.context.state.hosts
    fleet.later(3600)
    fleet.authority.sweep()
    assert {"web-1", "web-2", "web9"} <= fleet.context.state.hosts.keys()
    assert "web-3" not in fleet.context.state.hosts
    last = [history.read(row) for row in fleet.store.rows()][-1]
    assert isinstance(last, events.HostRemoved)
    assert (last.cause, last.reason) == ("absent", "nothing was heard of it for 8 d")
    fleet.later(8 * DAY)
    fleet.authority.sweep()
    assert fleet.context.state.hosts.keys() >= {"web1", "web9"}, "hosts that an operator named stay"
    assert not {"web-1", "web-2"} & fleet.context.state.hosts.keys()


def test_access_that_was_open_at_a_host_that_is_gone_is_revoked(fleet: Installation) -> None:
    made = invite(fleet, forget_after=7 * DAY)
    arrive(fleet, made, "web-1")
    fleet.later(7 * DAY - 60)
    given = fleet.ask(fleet.native(ALICE), "web-1").certificate
    assert given is not None
    fleet.later(60)
    fleet.authority.sweep()
    assert revoked(fleet, given)


def test_nothing_is_removed_in_the_first_day_of_a_ca(fleet: Installation) -> None:
    """After a long stop, or with an older log restored, hosts are heard of again first."""
    made = invite(fleet, forget_after=7 * DAY)
    arrive(fleet, made, "web-1")
    fleet.stop()
    fleet.later(9 * DAY)
    fleet.start()
    fleet.authority.sweep()
    assert "web-1" in fleet.context.state.hosts
    fleet.later(absence.GRACE)
    fleet.authority.sweep()
    assert "web-1" not in fleet.context.state.hosts


@pytest.mark.parametrize(
    ("name", "fits"),
    [("web-1", True), ("web-", False), ("web-a-b", True), ("web-1.evil", False), ("xweb-1", False), ("WEB-1", False)],
)
def test_a_pattern_stands_for_names_without_dots(name: str, fits: bool) -> None:  # noqa: FBT001 - the table's answer
    assert names.fits_pattern(name, "web-*") is fits
    assert names.fits_pattern("a1.lab", "*.lab")
    assert not names.fits_pattern("a.b.lab", "*.lab")


def test_by_token_is_a_word_of_the_policy() -> None:
    text = "version = 1\n[labels]\nenv = { by_token = true }\nrole = {}\n"
    labels = policy.load(text).labels
    assert (labels["env"].by_token, labels["role"].by_token) == (True, False)
    with pytest.raises(policy.PolicyError, match="by_token"):
        policy.load(text.replace("true", '"yes"'))
