"""Certificates: what leaves the CA, and what never does. ssh-keygen reads what was signed."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import sshcert
from sshjit.errors import Invalid, Refused
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation


def listing(certificate: m.CertificateView, folder: Path) -> list[str]:
    """The lines of ``ssh-keygen -L``, with times in UTC."""
    file = folder / "x-cert.pub"
    file.write_text(certificate.text + "\n")
    done = subprocess.run(
        ["ssh-keygen", "-L", "-f", file], capture_output=True, text=True, check=True, env={"TZ": "UTC"}
    )
    return [line.strip() for line in done.stdout.splitlines()]


def drawn(ca: Installation, **changed: Any) -> m.CertificateView:
    reply = ca.ask(ca.native(ALICE), "web1", **changed)
    assert reply.certificate is not None
    return reply.certificate


def test_an_automatic_grant_comes_with_its_certificate_in_one_message(ca: Installation, tmp_path: Path) -> None:
    certificate = drawn(ca)
    lines = listing(certificate, tmp_path)
    begins, ends = (datetime.fromtimestamp(ca.time + shift, UTC).strftime("%Y-%m-%dT%H:%M:%S") for shift in (-60, 300))
    assert f"Valid: from {begins} to {ends}" in lines
    assert lines[lines.index("Principals:") + 1] == "deploy@web1"
    assert "Type: ssh-ed25519-cert-v01@openssh.com user certificate" in lines
    assert "Critical Options: (none)" in lines
    assert "permit-pty" in lines
    assert not any("forwarding" in line for line in lines)
    assert f"Serial: {certificate.serial}" in lines


def test_the_certificate_is_for_the_key_of_the_login_and_signed_by_the_user_ca(ca: Installation) -> None:
    certificate, _, _ = sshcert.parse_line(drawn(ca).text)
    assert certificate.key.line == " ".join(ca.key(ALICE).with_suffix(".pub").read_text().split()[:2])
    assert certificate.ca_blob == ca.context.keys.public("user_ca").blob


def test_the_serial_is_the_place_in_the_log(ca: Installation) -> None:
    serial = drawn(ca).serial
    epoch, index = divmod(serial, 2**40)
    assert epoch == ca.context.journal.epoch
    assert ca.kinds()[index] == "certificate"


@pytest.mark.parametrize(
    "other",
    [
        {"principals": ("root@web1",)},
        {"valid_before": 2_000_000_000},
        {"extensions": (("permit-agent-forwarding", None),)},
        {"kind": sshcert.HOST},
        {"serial": 7},
        {"ca_blob": b"of another CA"},
    ],
)
def test_t13_what_does_not_read_back_as_it_was_decided_is_thrown_away(
    ca: Installation, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    """An encoder that writes something else, signed by the right key: no signature shows that."""
    encode = sshcert.encode
    monkeypatch.setattr(sshcert, "encode", lambda decided: encode(replace(decided, **other)))
    reply = ca.ask(ca.native(ALICE), "web1")
    assert reply.certificate is None
    assert "it was discarded" in reply.notes[-1]
    assert "certificate" not in ca.kinds()


def test_t13_nothing_that_was_refused_is_in_the_log_as_a_certificate(ca: Installation) -> None:
    with pytest.raises(Refused):
        ca.ask(ca.native(CAROL), "web1")
    assert "certificate" not in ca.kinds()
    assert ca.kinds()[-1] == "refusal"


def test_carol_is_told_which_rule_would_have_to_allow_her(ca: Installation) -> None:
    with pytest.raises(Refused) as refused:
        ca.ask(ca.native(CAROL), "web1")
    assert refused.value.code == "no_rule"
    assert "rule staging" in refused.value.hint


def test_a_browser_login_gets_no_certificate(ca: Installation) -> None:
    login = ca.web(ALICE)
    reply = ca.ask(login, "web1")
    assert reply.request.state == "approved"
    assert reply.certificate is None
    with pytest.raises(Refused, match="not bound to a key"):
        ca.say(m.SignUser(login, reply.request.id), m.CertificateReply)


def test_t48_a_grant_asked_on_the_web_serves_only_the_persons_own_key(ca: Installation) -> None:
    request = ca.ask(ca.web(ALICE), "web1").request
    with pytest.raises(Refused, match="somebody else"):
        ca.say(m.SignUser(ca.native(BOB), request.id), m.CertificateReply)
    certificate = ca.say(m.SignUser(ca.native(ALICE), request.id), m.CertificateReply).certificate
    assert certificate.request == request.id


def test_t4_no_certificate_outlives_grant_login_or_ceiling(ca: Installation) -> None:
    short = drawn(ca, duration=7)
    assert short.valid_before == int(ca.time) + 7 == short.grant_ends
    ca.later(8 * 3600 + 1)
    with pytest.raises(Refused) as over:
        ca.ask(next(iter(ca.logins)), "web1")
    assert over.value.code == "login_over"


def test_a_certificate_ends_with_its_login(ca: Installation) -> None:
    login = ca.native(ALICE)
    ca.later(8 * 3600 - 20)
    certificate = ca.ask(login, "web1").certificate
    assert certificate is not None
    assert certificate.valid_before == ca.logins[login].expires == int(ca.time) + 20


def test_a_named_action_is_forced(ca: Installation, tmp_path: Path) -> None:
    login, lead = ca.native(DANA), ca.web(BOB)
    request = ca.ask(login, "db1", action="migrate").request
    ca.approve(lead, request)
    certificate = ca.say(m.SignUser(login, request.id), m.CertificateReply).certificate
    lines = listing(certificate, tmp_path)
    assert "force-command /opt/app/bin/migrate" in lines
    assert "permit-pty" not in lines


def test_asking_again_returns_the_live_grant_with_a_new_certificate(ca: Installation) -> None:
    login = ca.native(ALICE)
    first, second = ca.ask(login, "web1"), ca.ask(login, "web1")
    assert first.certificate is not None
    assert second.certificate is not None
    assert second.existing
    assert second.request.id == first.request.id
    assert second.certificate.serial != first.certificate.serial


def test_asking_again_needs_no_reason_and_no_login(ca: Installation) -> None:
    login = ca.native(DANA)
    first = ca.ask(login, "db1", action="migrate", login="postgres")
    again = ca.ask(login, "db1", action="migrate", reason="")
    assert again.existing
    assert again.request.id == first.request.id
    assert not ca.ask(login, "db1").existing


def test_what_policy_took_away_is_not_returned(ca: Installation) -> None:
    login = ca.native(ALICE)
    ca.ask(login, "web1")
    ca.change_policy('logins = ["deploy"]', 'logins = ["web"]')
    again = ca.ask(login, "web1", certificate=False)
    assert not again.existing
    assert again.request.login == "web"


def test_a_longer_duration_is_capped_and_said(ca: Installation) -> None:
    reply = ca.ask(ca.native(ALICE), "web1", duration=99 * 3600)
    assert reply.request.duration == 8 * 3600
    assert any("8 h" in note for note in reply.notes)


def test_every_certificate_is_decided_anew_under_the_policy_of_now(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.change_policy('sre = ["acme/group:SRE"]', 'sre = ["acme/group:Platform"]')
    with pytest.raises(Refused) as gone:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert gone.value.code == "no_rule"


def test_a_grant_that_is_over_gives_no_certificates(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1", duration=60).request
    ca.later(60)
    with pytest.raises(Invalid, match="window is over"):
        ca.say(m.SignUser(login, request.id), m.CertificateReply)


def test_a_signed_out_login_gives_no_certificates(ca: Installation) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web1").request
    ca.say(m.Logout(login), m.Done)
    with pytest.raises(Refused) as over:
        ca.say(m.SignUser(login, request.id), m.CertificateReply)
    assert over.value.code == "login_over"


@pytest.mark.parametrize("host", ["web9", "WEB1", "web1,root", "web1\n", "", "-oProxyCommand=x", "web1 ", "w" * 300])
def test_t2_hosts_are_known_names_and_nothing_else(ca: Installation, host: str) -> None:
    with pytest.raises(Invalid) as unknown:
        ca.ask(ca.native(ALICE), host)
    assert unknown.value.code == "unknown_host"


@pytest.mark.parametrize(
    "login", ["a,root", "a\nb", "a\0", "root deploy", "-a", "d\u0435ploy", "a@web1", "1deploy", "", "a" * 33]
)
def test_t2_logins_pass_an_allow_list(ca: Installation, login: str) -> None:
    with pytest.raises(Invalid) as bad:
        ca.ask(ca.native(ALICE), "web1", login=login)
    assert bad.value.code == "bad_login"


def test_the_person_in_the_key_id_cannot_forge_log_lines(ca: Installation) -> None:
    mallory = type(ALICE)("m-9", ("SRE",), 'x") root (serial 1) mallory@example.com', verified=False)
    reply = ca.ask(ca.native(mallory), "web1")
    assert reply.certificate is not None
    assert reply.certificate.key_id.isascii()
    assert '"' not in reply.certificate.key_id


def test_another_account_of_a_host_is_another_request(ca: Installation) -> None:
    ca.change_policy('logins = ["deploy"]', 'logins = ["deploy", "app"]')
    login = ca.native(ALICE)
    first, other = (ca.ask(login, "web1", login=account) for account in ("deploy", "app"))
    assert [(each.existing, each.request.login) for each in (first, other)] == [(False, "deploy"), (False, "app")]
    again, any_account = ca.ask(login, "web1", login="deploy"), ca.ask(login, "web1")
    assert (again.existing, again.request.id) == (True, first.request.id)
    assert (any_account.existing, any_account.request.id) == (True, other.request.id)


@pytest.mark.parametrize("address", ["0.0.0.0/0", "192.0.2.7,0.0.0.0/0", "example.com", " "])
def test_a_certificate_bound_to_the_client_is_bound_to_one_address(ca: Installation, address: str) -> None:
    ca.change_policy('logins = ["deploy"]', 'logins = ["deploy"]\nsource = "client"')
    login = ca.native(ALICE)
    with pytest.raises(Refused) as refused:
        ca.ask(login, "web1", address=address)
    assert refused.value.code == "no_address"
    certificate = ca.ask(login, "web1", address="192.0.2.7").certificate
    assert certificate is not None
    assert ("source-address", "192.0.2.7") in sshcert.parse_line(certificate.text)[0].critical
