"""Hosts behind a bastion: the second certificate, what counts for it, and who may be a bastion."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import sshcert
from sshjit.errors import Failed, Invalid, Refused
from sshjit.events import EmergencyIssued
from sshjit_ca.access import inventory, issuance, session_reports
from sshjit_ca.cli import show
from sshjit_ca.keys import Signer
from sshjit_ca.log import fast_reader, summaries
from sshjit_ca.report.period import Period
from sshjit_ca.service import alerts
from sshjit_ca.state import Host
from tests.support import published_bundle
from tests.support.installation import ALICE, BOB, DANA, Installation, make_key
from tests.support.reports import made, rows
from tests.support.signatures import join, lines_of, report


def add(ca: Installation, name: str, *, address: str = "192.0.2.9", **more: Any) -> m.HostReply:
    labels = more.pop("labels", (("env", "staging"), ("role", "web")))
    fields = {"aliases": (), "host_keys": (), **more}
    return ca.say(m.AddHost(name, address=address, port=22, labels=labels, **fields), m.HostReply, "admin")


def change(ca: Installation, name: str, **more: Any) -> m.HostReply:
    fields = {"via": None, "jump_login": None, "dry_run": False, **more}
    return ca.say(m.ChangeHost(name, **fields), m.HostReply, "admin")


@pytest.fixture
def behind(ca: Installation) -> Installation:
    """``gate`` is a bastion (production); ``app1`` and ``app2`` (staging) are behind it."""
    gate = {"labels": (("env", "prod"), ("role", "bastion")), "aliases": ("gate.example.com", "10.0.0.1")}
    add(ca, "gate", address="198.51.100.1", jump_login="jump", **gate)
    add(ca, "app1", address="10.0.0.5", aliases=("app1.example.com", "10.0.0.5"), via="gate")
    add(ca, "app2", address="app2.internal", via="GATE.example.com")
    return ca


def certificates(ca: Installation, host: str, **more: Any) -> tuple[m.CertificateView, m.BastionView]:
    view = ca.ask(ca.native(ALICE), host, **more).certificate
    assert view is not None
    (bastion,) = view.bastions
    return view, bastion


def read(line: str) -> sshcert.Certificate:
    return sshcert.parse_line(line)[0]


@pytest.mark.parametrize("typed", ["app1", "app1.example.com", "10.0.0.5"])
def test_a_grant_gives_a_second_certificate_that_only_passes_through(behind: Installation, typed: str) -> None:
    view, bastion = certificates(behind, typed)
    first, second = read(view.text), read(bastion.text)
    assert (first.principals, second.principals) == (("deploy@app1",), ("via/app1@gate",))
    assert second.key == first.key
    assert (second.valid_after, second.valid_before) == (first.valid_after, first.valid_before)
    assert [name for name, _ in second.extensions] == ["grant@ssh-jit", "permit-port-forwarding"]
    assert dict(second.extensions)["grant@ssh-jit"] == dict(first.extensions)["grant@ssh-jit"]
    ((name, command),) = second.critical
    assert name == "force-command"
    assert command is not None
    assert "exit 1" in command
    assert (bastion.target, bastion.login, bastion.route.host, bastion.route.address) == (
        "app1",
        "jump",
        "gate",
        "198.51.100.1",
    )
    assert (bastion.serial, bastion.valid_before) == (second.serial, second.valid_before)
    assert [route.via for route in view.routes] == ["gate"]
    assert behind.kinds()[-2:] == ["certificate", "certificate"]


def test_each_target_has_a_principal_of_its_own(behind: Installation) -> None:
    login = behind.native(ALICE)
    both = behind.ask(login, "app1", hosts=("app1", "app2", "web1")).certificate
    assert both is not None
    assert read(both.text).principals == ("deploy@app1", "deploy@app2", "deploy@web1")
    assert [read(each.text).principals for each in both.bastions] == [("via/app1@gate",), ("via/app2@gate",)]
    again = behind.ask(login, "app2")
    assert again.existing
    assert again.certificate is not None
    assert [each.target for each in again.certificate.bastions] == ["app2"], "for what was named, and no more"
    drawn = behind.say(m.SignUser(login, again.request.id), m.CertificateReply).certificate
    assert [each.target for each in drawn.bastions] == ["app1", "app2"]


def test_an_emergency_certificate_comes_with_one_for_each_bastion(behind: Installation) -> None:
    key = make_key(behind.home / "operator").with_suffix(".pub").read_text().strip()
    message = m.SignEmergency("root", ("app1", "web1", "app2"), key, "provider down", 600)
    reply = behind.say(message, m.EmergencyReply, "admin")
    assert [(each.target, each.login, each.route.address) for each in reply.bastions] == [
        ("app1", "jump", "198.51.100.1"),
        ("app2", "jump", "198.51.100.1"),
    ]
    assert [route.address for route in reply.routes] == [
        "10.0.0.5",
        behind.context.state.hosts["web1"].address,
        "app2.internal",
    ]
    for each in reply.bastions:
        second = read(each.text)
        assert second.principals == (f"via/{each.target}@gate",)
        assert [name for name, _ in second.extensions if name.startswith("permit")] == ["permit-port-forwarding"]
        assert (second.serial, second.valid_before) == (each.serial, reply.valid_before)
        assert second.key_id.startswith(f"{reply.emergency} ")
    read_back = (fast_reader.read(entry) for entry in behind.store.of_kinds(("emergency",)))
    entries = [event for event in read_back if isinstance(event, EmergencyIssued)]
    assert [(entry.login, entry.hosts, entry.bastion) for entry in entries] == [
        ("root", ("app1", "web1", "app2"), ""),
        ("jump", ("app1",), "gate"),
        ("jump", ("app2",), "gate"),
    ]
    told = [summaries.summary(behind.context.state, entry) for entry in entries]
    assert "jump@gate, only to pass through to app1, until" in told[1]
    assert [alerts.kind_of(entry) for entry in entries] == ["emergency", None, None], "one alarm for one act"

    gate, app1 = behind.context.state.hosts["gate"], behind.context.state.hosts["app1"]
    digest = hashlib.sha256(base64.b64decode(reply.bastions[0].text.split()[1])).hexdigest()
    known = []
    for host, login in ((gate, "jump"), (gate, "ops"), (app1, "root"), (app1, "jump")):
        said = ("ses-0123456789", login, "192.0.2.7", "", reply.bastions[0].serial, digest, "urgent")
        event = m.SessionEvent(1, "start", 1, *said, emergency=True, why="")
        known.append(session_reports.judge(behind.context, host, event).known)
    assert known == ["emergency", "elsewhere", "elsewhere", "elsewhere"]
    revoked = behind.say(m.Revoke(None, None, reply.bastions[1].serial, None, "over"), m.RevokeReply, "admin")
    assert revoked.certificates == 3
    assert {reply.serial, *(each.serial for each in reply.bastions)} <= behind.context.state.revoked.keys()


def test_a_host_that_is_reached_directly_has_one_certificate(behind: Installation) -> None:
    view = behind.ask(behind.native(ALICE), "web1").certificate
    assert view is not None
    assert (view.bastions, view.routes[0].via) == ((), "")


def test_the_bundle_says_what_each_bastion_lets_through_and_the_old_format_does_not(behind: Installation) -> None:
    rows = published_bundle.newest(behind, 2).bastions
    assert rows == (("gate", "via/app1@gate", "10.0.0.5", 22), ("gate", "via/app2@gate", "app2.internal", 22))
    assert published_bundle.newest(behind, 1).bastions == ()
    behind.say(m.Lock(None, "host", "app2", "leaked"), m.LockReply, "admin")
    assert [row[1] for row in published_bundle.newest(behind, 2).bastions] == ["via/app1@gate"]
    behind.say(m.RemoveHost("app1", "broken", None, None), m.Done, "admin")
    assert published_bundle.newest(behind, 2).bastions == ()
    add(behind, "app1", address="10.0.0.6", via="gate")
    assert published_bundle.newest(behind, 2).bastions == (("gate", "via/app1~2@gate", "10.0.0.6", 22),)


def test_no_rule_has_to_be_for_the_bastion_and_a_deny_on_it_counts(behind: Installation) -> None:
    login = behind.native(ALICE)
    with pytest.raises(Refused, match="no rule"):
        behind.ask(login, "gate")
    grant = behind.ask(login, "app1").request
    deny = '[[deny]]\nname = "closed"\nhosts = { role = "bastion" }\n[[allow]]\nname = "staging"'
    behind.change_policy('[[allow]]\nname = "staging"', deny)
    with pytest.raises(Refused, match="denies access to gate, through which app1 is reached"):
        behind.ask(login, "app1")
    with pytest.raises(Refused, match="closed"):
        behind.say(m.SignUser(login, grant.id), m.CertificateReply)
    add(behind, "app4")
    assert behind.ask(login, "app4").certificate is not None, "it is not behind the bastion"


def test_new_labels_of_the_bastion_are_said_to_close_what_is_behind_it(behind: Installation) -> None:
    deny = '[[deny]]\nname = "closed"\nhosts = { role = "db" }\n[[allow]]\nname = "staging"'
    behind.change_policy('[[allow]]\nname = "staging"', deny)
    login = behind.native(ALICE)
    grant = behind.ask(login, "app1").request
    message = m.LabelHost("gate", (("env", "prod"), ("role", "db")), None, None, dry_run=True)
    assert [each.request for each in behind.say(message, m.HostReply, "admin").closes] == [grant.id]
    assert behind.ask(login, "app1").certificate is not None, "it was only a question"
    behind.say(m.LabelHost("gate", message.labels, None, None), m.HostReply, "admin")
    with pytest.raises(Refused, match="closed"):
        behind.ask(login, "app1")


def test_a_lock_on_the_bastion_closes_what_is_behind_it(behind: Installation) -> None:
    view, bastion = certificates(behind, "app1")
    other = behind.ask(next(iter(behind.logins)), "web1")
    reply = behind.say(m.Lock(None, "host", "gate", "broken into"), m.LockReply, "admin")
    assert (reply.requests, reply.certificates) == (1, 2)
    assert published_bundle.revoked(behind, view)
    assert published_bundle.revoked(behind, bastion.text)
    assert other.certificate is not None
    assert not published_bundle.revoked(behind, other.certificate)
    before = behind.kinds()
    for host in ("app1", "app2"):
        with pytest.raises(Refused, match="locked"):
            behind.ask(next(iter(behind.logins)), host)
    assert {*behind.kinds()[len(before) :]} == {"refusal"}, "nothing else is written down"


def test_a_grant_of_before_gives_nothing_while_the_bastion_is_locked(behind: Installation) -> None:
    login = behind.native(DANA)
    lead = behind.native(BOB)
    add(behind, "db2", labels=(("env", "prod"), ("role", "db")), via="gate")
    request = behind.ask(login, "db2").request
    behind.say(m.Lock(None, "host", "gate", "broken into"), m.LockReply, "admin")
    with pytest.raises(Refused, match="locked"):
        behind.approve(lead, request)


def test_both_certificates_are_revoked_together(behind: Installation) -> None:
    login = behind.native(ALICE)
    views = [behind.ask(login, "app1").certificate for _ in range(2)]
    first, second = (view for view in views if view is not None)
    reply = behind.say(m.Revoke(None, None, first.serial, None, "test"), m.RevokeReply, "admin")
    assert reply.certificates == 2
    assert published_bundle.revoked(behind, first.bastions[0].text)
    assert not published_bundle.revoked(behind, second)
    assert not published_bundle.revoked(behind, second.bastions[0].text)
    behind.say(m.Revoke(None, None, second.bastions[0].serial, None, "test"), m.RevokeReply, "admin")
    assert published_bundle.revoked(behind, second)
    third = behind.ask(login, "app1")
    assert third.certificate is not None
    behind.say(m.End(login, third.request.id), m.RequestReply)
    assert published_bundle.revoked(behind, third.certificate)
    assert published_bundle.revoked(behind, third.certificate.bastions[0].text)
    assert [grant for grant, _ in published_bundle.newest(behind).ended] == [third.request.id]


def test_t67_a_bastion_that_is_removed_closes_and_a_later_machine_of_its_name_is_none(behind: Installation) -> None:
    view, bastion = certificates(behind, "app1")
    login = next(iter(behind.logins))
    behind.say(m.RemoveHost("gate", "old", None, None), m.Done, "admin")
    assert published_bundle.revoked(behind, view)
    assert published_bundle.revoked(behind, bastion.text)
    assert published_bundle.newest(behind, 2).bastions == ()
    with pytest.raises(Refused) as caught:
        behind.ask(login, "app1")
    assert caught.value.code == "bastion_gone"
    add(behind, "gate", jump_login="jump")
    with pytest.raises(Refused) as caught:
        behind.ask(login, "app1")
    assert caught.value.code == "bastion_gone"
    change(behind, "app1", via="gate")
    second = behind.ask(login, "app1").certificate
    assert second is not None
    assert read(second.bastions[0].text).principals == ("via/app1@gate~2",)


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("app1", {"via": "nobody"}, "unknown_host"),
        ("gate", {"via": "gate"}, "bastion_chain"),
        ("gate", {"via": "web1"}, "bastion_chain"),
        ("web1", {"via": "app1"}, "bastion_chain"),
        ("web1", {"via": "db1"}, "no_jump_login"),
        ("gate", {"jump_login": ""}, "bastion_in_use"),
        ("web1", {"jump_login": "-x"}, "bad_login"),
        ("web1", {"jump_login": "a,b"}, "bad_login"),
    ],
)
def test_who_cannot_be_a_bastion(behind: Installation, name: str, more: dict[str, str], code: str) -> None:
    before = behind.context.state.hosts[name]
    with pytest.raises(Invalid) as caught:
        change(behind, name, **more)
    assert (caught.value.code, behind.context.state.hosts[name]) == (code, before)


def test_no_host_is_its_own_bastion(behind: Installation) -> None:
    add(behind, "gate2", jump_login="jump")
    with pytest.raises(Invalid) as caught:
        change(behind, "gate2", via="gate2")
    assert caught.value.code == "bastion_chain"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"via": "nobody"}, "unknown_host"),
        ({"via": "app1"}, "bastion_chain"),
        ({"via": "web1"}, "no_jump_login"),
        ({"jump_login": "jump", "logins": ("jump",)}, "bad_login"),
    ],
)
def test_what_cannot_be_added(behind: Installation, more: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        add(behind, "new", **more)
    assert caught.value.code == code
    assert "new" not in behind.context.state.hosts


def test_a_host_moves_behind_another_bastion_and_out_again(behind: Installation) -> None:
    login = behind.native(ALICE)
    add(behind, "gate2", address="198.51.100.2", jump_login="hop", labels=(("env", "prod"), ("role", "db")))
    change(behind, "app1", via="gate2")
    view = behind.ask(login, "app1").certificate
    assert view is not None
    assert [(each.login, each.route.host) for each in view.bastions] == [("hop", "gate2")]
    assert [row[:2] for row in published_bundle.newest(behind, 2).bastions] == [
        ("gate", "via/app2@gate"),
        ("gate2", "via/app1@gate2"),
    ]
    deny = '[[deny]]\nname = "closed"\nhosts = { role = "bastion" }\n[[allow]]\nname = "staging"'
    behind.change_policy('[[allow]]\nname = "staging"', deny)
    assert [each.code for each in change(behind, "app1", via="gate", dry_run=True).closes] == ["denied_by_rule"]
    assert behind.context.state.hosts["app1"].via == "gate2"
    reply = change(behind, "app1", via="")
    assert (reply.host.via, reply.closes) == ("", ())
    view = behind.ask(login, "app1").certificate
    assert view is not None
    assert view.bastions == ()


def test_a_certificate_that_is_bound_to_networks_works_from_the_bastion_and_the_second_one_does_not(
    behind: Installation,
) -> None:
    behind.change_policy('certificate = "5m"\n[[allow]]', 'certificate = "5m"\nsource = "client"\n[[allow]]')
    view, bastion = certificates(behind, "app1")
    assert dict(read(view.text).critical)["source-address"] == "192.0.2.7,198.51.100.1,10.0.0.1"
    assert dict(read(bastion.text).critical)["source-address"] == "192.0.2.7"
    direct = behind.ask(next(iter(behind.logins)), "web1").certificate
    assert direct is not None
    assert dict(read(direct.text).critical)["source-address"] == "192.0.2.7"
    add(behind, "gate2", address="gate2.example.com", jump_login="jump")
    change(behind, "app2", via="gate2")
    with pytest.raises(Refused) as caught:
        behind.ask(next(iter(behind.logins)), "app2")
    assert caught.value.code == "bastion_unknown_address"


def test_an_inventory_says_bastions_in_any_order_and_all_mistakes(ca: Installation) -> None:
    from tests.unit.ca.test_inventory import DB1, WEB1, apply, refused, spec

    inside = spec("app1", address="10.0.0.5", via="gate.example.com")
    gate = spec("gate", aliases=("gate.example.com",), jump_login="jump")
    reply = apply(ca, WEB1, DB1, inside, gate)
    fields = {each.host: {item.field: item.after for item in each.fields} for each in reply.changes}
    assert (fields["app1"]["via"], fields["gate"]["jump login"]) == ("gate", "jump")
    hosts = ca.context.state.hosts
    assert (hosts["app1"].via, hosts["gate"].jump_login) == ("gate", "jump")
    assert apply(ca, WEB1, DB1, spec("app1", address="10.0.0.5"), gate).changes == (), "nothing said, nothing changed"
    told = refused(ca, WEB1, DB1, inside, spec("gate", aliases=("gate.example.com",), jump_login=""))
    assert "app1: gate has no account by which people pass through" in told
    told = refused(ca, WEB1, spec("app1", via="nobody"), spec("app2", via="app1"), gate)
    assert "app1: there is no bastion 'nobody'" in told
    told = refused(ca, spec("app2", via="app1"), spec("app1", via="gate", jump_login="jump"), gate)
    assert "app1: app1 is itself the bastion of app2, so that it cannot have one" in told
    assert "app2: app1 is itself reached through a bastion, so that it cannot be one" in told
    apply(ca, spec("app1", address="10.0.0.5", via=""), gate)
    assert hosts["app1"].via == ""


def test_an_inventory_is_not_stopped_by_a_way_that_led_nowhere_before(behind: Installation) -> None:
    from tests.unit.ca.test_inventory import apply, refused, spec

    behind.say(m.RemoveHost("gate", "old", None, None), m.Done, "admin")
    assert len(apply(behind, spec("web7")).changes) == 1
    assert "app1: there is no bastion 'gate'" in refused(behind, spec("app1", via="gate"))


def test_where_the_second_cannot_be_signed_the_first_is_not_written_down(
    behind: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, signed = issuance.sign_and_read_back, list[sshcert.Certificate]()

    def once(certificate: sshcert.Certificate, signer: Signer) -> bytes:
        signed.append(certificate)
        if len(signed) > 1:
            raise Failed("not_signing", "the device went away")
        return real(certificate, signer)

    monkeypatch.setattr(issuance, "sign_and_read_back", once)
    reply = behind.ask(behind.native(ALICE), "app1")
    assert (reply.certificate, len(signed)) == (None, 2)
    assert "no certificate could be signed" in reply.notes[-1]
    assert "certificate" not in behind.kinds()


def test_what_an_inventory_closes_counts_a_bastion_that_is_new(ca: Installation) -> None:
    from tests.unit.ca.test_inventory import apply, spec

    deny = '[[deny]]\nname = "closed"\nhosts = { role = "bastion" }\n[[allow]]\nname = "staging"'
    ca.change_policy('[[allow]]\nname = "staging"', deny)
    labels = (("env", "staging"), ("role", "web"))
    apply(ca, spec("app1", labels=labels))
    grant = ca.ask(ca.native(ALICE), "app1").request
    inside = spec("app1", labels=labels, via="gate")
    open_gate = spec("gate", labels=labels, jump_login="jump")
    assert apply(ca, inside, open_gate, dry_run=True).closes == ()
    closed = spec("gate", labels=(("env", "prod"), ("role", "bastion")), jump_login="jump")
    assert [each.request for each in apply(ca, inside, closed, dry_run=True).closes] == [grant.id]


GATES = '[[deny]]\nname = "gates"\nhosts = { env = "prod" }\n'


def test_what_an_inventory_gives_and_takes_counts_denies_on_bastions(behind: Installation) -> None:
    """Who loses access because a host is to be behind a bastion, or because its bastion gets other labels."""
    behind.change_policy('[[allow]]\nname = "staging"', f'{GATES}[[allow]]\nname = "staging"')
    behind.native(ALICE)

    def rights(*hosts: m.HostSpec) -> list[tuple[bool, tuple[str, ...]]]:
        message = m.ApplyHosts(inventory.pack(hosts), prune=False, invite=False, reason="", dry_run=True)
        reply = behind.say(message, m.ApplyHostsReply, "admin")
        return [(right.gains, right.hosts) for right in reply.rights]

    staging = (("env", "staging"),)
    assert rights(m.HostSpec("web1", "127.0.0.1", 22, (), staging, via="gate")) == [(False, ("web1",))]
    gate = m.HostSpec("gate", "198.51.100.1", 22, ("gate.example.com", "10.0.0.1"), staging)
    assert rights(gate) == [(True, ("app1", "app2", "gate"))]
    assert rights(m.HostSpec("app7", "10.0.0.7", 22, (), staging, via="gate")) == []
    assert rights(m.HostSpec("app7", "10.0.0.7", 22, (), staging)) == [(True, ("app7",))]


def test_the_report_for_auditors_counts_denies_on_bastions(behind: Installation) -> None:
    """Each way that a host was behind in the period, with each set of labels that the bastion had."""
    behind.change_policy('[[allow]]\nname = "staging"', f'{GATES}[[allow]]\nname = "staging"')
    behind.native(ALICE)
    behind.later(60)
    begun = int(behind.time)
    behind.later(60)

    def reached() -> set[str]:
        with made(behind, Period(begun, int(behind.time) + 60)) as report:
            return {host for row in rows(report, "reach") for host in row["hosts"]}

    assert reached() == {"web1"}
    change(behind, "app1", via="")
    behind.later(60)
    assert reached() == {"web1", "app1"}
    change(behind, "app1", via="gate")
    behind.later(60)
    assert reached() == {"web1", "app1"}, "it was reached directly for a while"
    behind.say(m.LabelHost("gate", (("env", "staging"),), None, None), m.HostReply, "admin")
    behind.later(60)
    assert reached() == {"web1", "app1", "app2", "gate"}


def test_what_is_known_of_bastions_outlives_a_restart(behind: Installation) -> None:
    view, bastion = certificates(behind, "app1")
    behind.restart()
    hosts = behind.context.state.hosts
    assert (hosts["app1"].via, hosts["gate"].jump_login) == ("gate", "jump")
    assert behind.context.state.certificates[bastion.serial].bastion == "gate"
    assert behind.context.state.certificates[view.serial].bastion == ""


def test_the_log_says_what_the_second_certificate_is_for(behind: Installation) -> None:
    certificates(behind, "app1")
    newest = behind.say(m.ReadLog(None, None, 10), m.LogReply, "admin").entries
    summaries = [entry.summary for entry in newest if entry.kind == "certificate"]
    assert "jump@gate, only to pass through to app1" in summaries[0]
    assert "deploy@app1" in summaries[1]


def test_the_log_is_searched_by_the_bastion_too(behind: Installation) -> None:
    certificates(behind, "app1")
    found = behind.say(m.ReadLog(None, None, 10, host="gate"), m.LogReply, "admin").entries
    assert [entry.kind for entry in found if entry.kind in ("certificate", "host")] == ["certificate", *["host"] * 3]


def test_a_host_says_by_joining_by_which_account_people_pass_through(ca: Installation) -> None:
    keys = (make_key(ca.home / "gate-key"),)
    reply = add(ca, "gate")
    assert reply.invitation is not None
    joined = join(ca, "gate", reply.invitation.token, keys, jump_login="jump", logins=("deploy",))
    ca.say(joined, m.HostReply)
    assert ca.context.state.hosts["gate"].jump_login == "jump"
    add(ca, "app1", via="gate")


def test_no_host_becomes_a_bastion_before_which_there_is_one_by_joining(behind: Installation) -> None:
    keys = (make_key(behind.home / "app-key"),)
    reply = add(behind, "app9", via="gate")
    assert reply.invitation is not None
    with pytest.raises(Invalid) as caught:
        behind.say(
            join(behind, "app9", reply.invitation.token, keys, jump_login="deploy", logins=("deploy",)), m.HostReply
        )
    assert caught.value.code == "bad_login"
    behind.say(join(behind, "app9", reply.invitation.token, keys, jump_login="jump"), m.HostReply)
    with pytest.raises(Invalid) as caught:
        change(behind, "app2", via="app9")
    assert caught.value.code == "bastion_chain"


def test_a_fleet_is_behind_a_bastion(behind: Installation) -> None:
    behind.change_policy("env = { values", "tier = { by_token = true }\nenv = { by_token = true, values")
    over = int(behind.time) + 24 * 3600
    fields = ("web-*", (("env", "staging"),), ("deploy",), 5, over, 30 * 24 * 3600)
    with pytest.raises(Invalid) as caught:
        behind.say(m.InviteFleet(*fields, via="app1"), m.FleetReply, "admin")
    assert caught.value.code == "bastion_chain"
    fleet = behind.say(m.InviteFleet(*fields, via="gate", networks=("10.0.0.0/24",)), m.FleetReply, "admin")
    keys = (make_key(behind.home / "fleet-key"),)
    message = join(behind, "web-1", fleet.token, keys, invitation=fleet.invitation.id, address="10.0.0.9")
    behind.say(message, m.HostReply)
    assert behind.context.state.hosts["web-1"].via == "gate"
    assert ("gate", "via/web-1@gate", "10.0.0.9", 22) in published_bundle.newest(behind, 2).bastions


@pytest.mark.parametrize(
    ("networks", "said", "at"),
    [
        ((), {}, ("web-1", 22)),
        ((), {"address": "WEB-1"}, ("web-1", 22)),
        ((), {"address": "db1.internal"}, None),
        ((), {"address": "10.0.0.9"}, None),
        ((), {"port": 5432}, None),
        (("10.0.0.0/24", "fd77::/64"), {"address": "10.0.0.9"}, ("10.0.0.9", 22)),
        (("10.0.0.0/24", "fd77::/64"), {"address": "fd77::9"}, ("fd77::9", 22)),
        (("10.0.0.0/24",), {"address": "10.0.1.9"}, None),
        (("10.0.0.0/24",), {"address": "127.0.0.1"}, None),
        (("10.0.0.0/24",), {"address": "fd77::9"}, None),
        (("10.0.0.0/24",), {}, None),
        (("10.0.0.0/24",), {"address": "10.0.0.9", "port": 5432}, None),
    ],
)
def test_a_token_of_a_fleet_opens_the_bastion_to_nothing_but_where_its_hosts_may_be(
    behind: Installation, networks: tuple[str, ...], said: dict[str, Any], at: tuple[str, int] | None
) -> None:
    """Else whoever reads the token has the bastion open any machine behind it, as a host of theirs."""
    behind.change_policy("env = { values", "tier = { by_token = true }\nenv = { by_token = true, values")
    fields = ("web-*", (("env", "staging"),), ("deploy",), 5, int(behind.time) + 24 * 3600, 30 * 24 * 3600)
    fleet = behind.say(m.InviteFleet(*fields, via="gate", networks=networks), m.FleetReply, "admin")
    message = join(
        behind, "web-1", fleet.token, (make_key(behind.home / "key"),), invitation=fleet.invitation.id, **said
    )
    if at is None:
        with pytest.raises(Invalid) as caught:
            behind.say(message, m.HostReply)
        assert caught.value.code == "address_not_invited"
    else:
        behind.say(message, m.HostReply)
    rows = [row[2:] for row in published_bundle.newest(behind, 2).bastions if row[1] == "via/web-1@gate"]
    assert rows == ([] if at is None else [at])


def test_nor_does_a_host_of_a_fleet_that_is_moved_behind_one(behind: Installation) -> None:
    behind.change_policy("env = { values", "tier = { by_token = true }\nenv = { by_token = true, values")
    fields = ("web-*", (("env", "staging"),), ("deploy",), 5, int(behind.time) + 24 * 3600, 30 * 24 * 3600)
    fleet = behind.say(m.InviteFleet(*fields), m.FleetReply, "admin")
    for name, address in (("web-1", "10.0.0.99"), ("web-2", "web-2")):
        key = make_key(behind.home / f"{name}-key")
        behind.say(
            join(behind, name, fleet.token, (key,), invitation=fleet.invitation.id, address=address), m.HostReply
        )
    with pytest.raises(Invalid) as caught:
        change(behind, "web-1", via="gate")
    assert caught.value.code == "address_not_invited"
    assert change(behind, "web-2", via="gate").host.via == "gate"


def test_the_list_of_hosts_has_ids_and_bastions_where_there_are_any_to_be_told(ca: Installation) -> None:
    def head() -> list[str]:
        return show.hosts(ca.say(m.ReadHosts(None), m.HostsReply, "admin")).splitlines()[0].split()

    assert head() == ["HOST", "ADDRESS", "LABELS", "ACCOUNTS", "CERTIFIED", "UNTIL", "PROBED"]
    add(ca, "gate", jump_login="jump")
    add(ca, "app1", via="gate")
    assert head()[:4] == ["HOST", "ADDRESS", "VIA", "LABELS"]
    ca.say(m.RemoveHost("app1", "gone", None, None), m.Done, "admin")
    add(ca, "app1")
    assert head()[:4] == ["HOST", "ID", "ADDRESS", "LABELS"]


def test_nobody_is_warned_that_no_rule_allows_a_bastion(ca: Installation) -> None:
    """People pass through it, which no rule has to allow."""
    labels = (("env", "prod"), ("role", "bastion"))
    told = "no rule of the policy allows anything on a host with these labels"
    assert told in add(ca, "other", labels=labels, address="192.0.2.11").warnings
    assert told not in add(ca, "gate", labels=labels, address="192.0.2.12", jump_login="jump").warnings


def test_an_invitation_names_networks_that_there_are(behind: Installation) -> None:
    behind.change_policy("env = { values", "tier = { by_token = true }\nenv = { by_token = true, values")
    fields = ("web-*", (("env", "staging"),), ("deploy",), 5, int(behind.time) + 24 * 3600, 30 * 24 * 3600)
    for networks, code in ((("10.0.0.1/24",), "bad_network"), (("10.0.0.0/24",) * 17, "too_many")):
        with pytest.raises(Invalid) as caught:
            behind.say(m.InviteFleet(*fields, via="gate", networks=networks), m.FleetReply, "admin")
        assert caught.value.code == code


def test_a_bastion_reports_that_it_ended_what_passed_through_and_nobody_else_does(ca: Installation) -> None:
    keys = {name: make_key(ca.home / f"{name}-key") for name in ("gate", "other")}
    for name, key in keys.items():
        add(ca, name, jump_login="jump", host_keys=lines_of((key,)))
    add(ca, "app1", via="gate")
    view, _ = certificates(ca, "app1")
    with pytest.raises(Invalid, match="no grant of this host"):
        ca.say(report(ca, "other", keys["other"], ended=(view.request,)), m.Done)
    ca.say(report(ca, "gate", keys["gate"], ended=(view.request,)), m.Done)
    change(ca, "app1", via="other")
    ca.later(10)
    ca.say(report(ca, "gate", keys["gate"], ended=(view.request,)), m.Done)


def test_a_bastion_reports_the_sessions_and_the_ends_of_what_is_behind_it(behind: Installation) -> None:
    view, bastion = certificates(behind, "app1")
    other = behind.ask(next(iter(behind.logins)), "web1")
    assert other.certificate is not None
    gate, app = (behind.context.state.hosts[name] for name in ("gate", "app1"))

    def known(host: Host, login: str, text: str) -> str:
        certificate = read(text)
        digest = hashlib.sha256(base64.b64decode(text.split()[1])).hexdigest()
        said = ("ses-0123456789", login, "192.0.2.7", view.request, certificate.serial, digest, certificate.key_id)
        event = m.SessionEvent(1, "start", 1, *said, emergency=False, why="")
        return session_reports.judge(behind.context, host, event).known

    assert known(gate, "jump", bastion.text) == "granted"
    assert known(gate, "deploy", bastion.text) == "elsewhere"
    assert known(app, "deploy", bastion.text) == "elsewhere"
    assert known(gate, "jump", view.text) == "elsewhere"
    assert known(app, "deploy", view.text) == "granted"
    assert gate.id in behind.context.on_the_way(behind.context.request(view.request))
    assert gate.id not in behind.context.on_the_way(behind.context.request(other.request.id))
