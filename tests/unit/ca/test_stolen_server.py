"""A server is stolen, root and all: its host keys, its host certificates, every certificate shown to it.

It is worth that server and no other: what it saw opens nothing elsewhere, and it says nothing in another's name.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import sshcert
from sshjit.errors import SshJitError
from tests.support.installation import ALICE, DANA, Installation, make_key, ssh_sign
from tests.support.signatures import host_keys, join, lines_of, renew, report

LABELS = (("env", "staging"),)


@pytest.fixture
def keys(ca: Installation) -> tuple[Path, ...]:
    """The stolen host web9's keys."""
    keys = host_keys(ca, "ed25519", "ecdsa")
    ca.say(m.AddHost("web9", (), "192.0.2.9", 22, LABELS, lines_of(keys)), m.HostReply, "admin")
    return keys


def code(ca: Installation, message: m.Message) -> str:
    (said,) = ca.say_all([message], "web")
    assert isinstance(said, SshJitError), said
    return said.code


def test_certificates_shown_to_it_open_no_other_server(ca: Installation, keys: tuple[Path, ...]) -> None:
    """Each names one login on one host id; another host's principals file holds other lines."""
    assert keys
    seen = ca.ask(ca.native(ALICE), "web9").certificate
    elsewhere = ca.ask(ca.native(ALICE), "web1").certificate
    assert seen is not None
    assert elsewhere is not None
    assert set(seen.principals).isdisjoint(elsewhere.principals)
    assert seen.principals == ("deploy@web9",)
    assert "permit-agent-forwarding" not in dict(sshcert.parse_line(seen.text)[0].extensions)


def test_it_renews_its_own_name_and_no_other(ca: Installation, keys: tuple[Path, ...]) -> None:
    assert ca.say(renew(ca, "web9", keys), m.HostReply, "web").certificates
    ca.later(60)
    for name in ("web1", "db1", "web9.example.com", "*", "web9,web1"):
        assert code(ca, replace(renew(ca, "web9", keys), name=name)) == "unknown_host_key"
        assert code(ca, renew(ca, name, keys)) == "unknown_host_key"


def test_it_does_not_join_as_another(ca: Installation, keys: tuple[Path, ...]) -> None:
    made = ca.say(m.AddHost("web8", (), "192.0.2.8", 22, LABELS, ()), m.HostReply, "admin").invitation
    assert made is not None
    honest = join(ca, "web8", made.token, (make_key(ca.home / "web8-key"),))
    forged = join(ca, "web8", "A" * 43, keys)
    for message in (forged, replace(forged, mac=honest.mac), replace(honest, host_keys=lines_of(keys[:1]))):
        assert code(ca, message) in ("join_refused", "signature_refused")
    assert ca.say(honest, m.HostReply, "web").certificates


def test_its_keys_sign_nobody_in(ca: Installation, keys: tuple[Path, ...]) -> None:
    """A host key is no login's, and what a host may sign is in namespaces that count for nothing else."""
    message = ca.native_message(ALICE)
    for namespace in ("join@ssh-jit", "renew@ssh-jit", "report@ssh-jit"):
        stolen = ssh_sign(keys[0], namespace, b"x" * 32)
        assert code(ca, replace(renew(ca, "web9", keys), signatures=(stolen, stolen))) == "signature_refused"
    assert set(lines_of(keys)).isdisjoint({message.key})


def test_its_host_certificate_is_no_user_certificate(ca: Installation, keys: tuple[Path, ...]) -> None:
    reply = ca.say(renew(ca, "web9", keys), m.HostReply, "web")
    for line in reply.certificates:
        (ca.home / "host-cert.pub").write_text(line + "\n")
        shown = subprocess.run(
            ["ssh-keygen", "-L", "-f", str(ca.home / "host-cert.pub")], check=True, capture_output=True, text=True
        ).stdout
        assert "host certificate" in shown
        certificate = sshcert.parse_line(line)[0]
        assert certificate.kind == sshcert.HOST
        assert certificate.ca_blob == ca.context.keys.public("host_ca").blob
        assert certificate.ca_blob != ca.context.keys.public("user_ca").blob
        assert all("@" not in name and "*" not in name for name in certificate.principals)


def test_it_reports_for_itself_alone(ca: Installation, keys: tuple[Path, ...]) -> None:
    others = make_key(ca.home / "other")
    ca.say(m.AddHost("web8", (), "192.0.2.8", 22, LABELS, lines_of((others,))), m.HostReply, "admin")
    assert code(ca, report(ca, "web8", keys[0])) == "unknown_host_key"
    assert code(ca, replace(report(ca, "web9", keys[0]), name="web8")) == "unknown_host_key"
    assert code(ca, replace(report(ca, "web8", others), name="web9")) == "unknown_host_key"


def test_t68_it_cannot_fill_the_log(ca: Installation, keys: tuple[Path, ...]) -> None:
    before = len(ca.kinds())
    for number in range(40):
        said = report(ca, "web9", keys[0], problems=(f"{number}",), time=int(ca.time) - 100 + number)
        ca.say_all([said, replace(renew(ca, "web9", keys), signatures=("x", "x"))], "web")
    assert len(ca.kinds()) - before == 1


def test_once_locked_or_removed_it_is_nothing(ca: Installation, keys: tuple[Path, ...]) -> None:
    login = ca.native(ALICE)
    request = ca.ask(login, "web9").request
    ca.say(m.Lock(None, "host", "web9", "stolen"), m.LockReply, "admin")
    assert code(ca, renew(ca, "web9", keys)) == "locked"
    assert code(ca, m.SignUser(login, request.id)) == "wrong_state"
    ca.say(m.RemoveHost("web9", "stolen", None, None), m.Done, "admin")
    assert code(ca, renew(ca, "web9", keys)) == "unknown_host_key"
    assert code(ca, report(ca, "web9", keys[0])) == "unknown_host_key"
    fresh = lines_of((make_key(ca.home / "fresh"),))
    reply = ca.say(m.AddHost("web9", (), "192.0.2.9", 22, LABELS, fresh), m.HostReply, "admin")
    assert reply.host.id == "web9~2"
    assert code(ca, renew(ca, "web9", keys)) == "unknown_host_key"
    certificate = ca.ask(login, "web9").certificate
    assert certificate is not None
    assert certificate.principals == ("deploy@web9~2",)


def test_it_learns_nothing_of_requests_and_people(ca: Installation, keys: tuple[Path, ...]) -> None:
    assert keys
    request = ca.ask(ca.native(DANA), "db1").request
    for message in (
        m.ReadHosts(None),
        m.ReadLog(None, None, 10),
        m.ReadLocks(None),
        m.ReadRequest("login-0", request.id),
        m.ReadRequests("web9", "all", 10, None),
    ):
        (said,) = ca.say_all([message], "web")
        assert isinstance(said, SshJitError)
