"""What thieves and locked people hold, shown to a real sshd that believes the CA: refused, with the reason in its log.

The certificates come from a whole CA, not from a workbench: they were asked for, granted and drawn.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit_ca.keys.files import load
from tests.support.installation import ALICE, Installation
from tests.support.issuer import NATIVE_CLIENT, serving
from tests.support.published_bundle import newest
from tests.support.signatures import host_keys, lines_of, renew
from tests.support.softkey import PRESENT, VERIFIED, SoftKey
from tests.support.sshd_oracle import Offer, Outcome, SshdOracle, TrustedBySshd, running_sshd

STAGING = (("env", "staging"),)


@dataclass
class World:
    """A CA and the server web1."""

    ca: Installation
    sshd: SshdOracle

    def offer(self, line: str, key: Path | SoftKey) -> Outcome:
        """What sshd says to a certificate, under the newest list that the CA signed."""
        port = self.sshd.ports["web1"]
        (self.sshd.host.folder / f"{port}.krl").write_bytes(base64.b64decode(newest(self.ca).krl))
        sign = key.sign if isinstance(key, SoftKey) else load(key).sign
        return self.sshd.hear(Offer(base64.b64decode(line.split()[1]), sign), "web1")

    def sign_in(self, key: SoftKey) -> str:
        """Alice signs in with a hardware key."""
        token = self.ca.token(ALICE, NATIVE_CLIENT, binding.nonce(key.blob, b"s" * 16))
        signature = key.sshsig(binding.NAMESPACE, binding.signed_text(token))
        salt = binding.b64url(b"s" * 16)
        message = m.LoginNative("acme", token, key.line, salt, signature, "127.0.0.1")
        return self.ca.say(message, m.LoginReply).login.id


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Both, with real time: sshd has no other."""
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time())
        ca.add_host("web1", env="staging")
        trusted = TrustedBySshd((ca.context.keys.public("user_ca").line,), base64.b64decode(newest(ca).krl))
        with running_sshd({"web1": trusted}, "deploy@web1") as sshd:
            yield World(ca, sshd)
        ca.stop()


def drawn(reply: m.AskReply) -> m.CertificateView:
    assert reply.certificate is not None
    return reply.certificate


def test_a_stolen_server_s_visitors_open_no_other(world: World) -> None:
    ca, keys = world.ca, host_keys(world.ca, "ed25519")
    ca.say(m.AddHost("web9", (), "192.0.2.9", 22, STAGING, lines_of(keys)), m.HostReply, "admin")
    login, key = ca.native(ALICE), ca.key(ALICE)
    assert world.offer(drawn(ca.ask(login, "web1")).text, key).accepted
    elsewhere = world.offer(drawn(ca.ask(login, "web9")).text, key)
    assert not elsewhere.accepted
    assert "authorized principal" in elsewhere.log
    (own,) = ca.say(renew(ca, "web9", keys), m.HostReply, "web").certificates
    assert not world.offer(own, keys[0]).accepted


@pytest.mark.parametrize("kind", ["person", "login", "key", "host", "everything"])
def test_what_is_locked_is_refused_at_the_next_knock(world: World, kind: m.LockKind) -> None:
    ca, login = world.ca, world.ca.native(ALICE)
    certificate = drawn(ca.ask(login, "web1"))
    assert world.offer(certificate.text, ca.key(ALICE)).accepted
    view = ca.logins[login]
    target = {"person": view.person.id, "login": login, "key": view.fingerprint, "host": "web1"}.get(kind)
    ca.say(m.Lock(None, kind, target, "stolen"), m.LockReply, "admin")
    refused = world.offer(certificate.text, ca.key(ALICE))
    assert not refused.accepted
    assert "revoked" in refused.log


def test_t67_the_machine_that_had_the_name_before_takes_no_new_certificates(world: World) -> None:
    ca, login = world.ca, world.ca.native(ALICE)
    ca.say(m.RemoveHost("web1", "scrapped", None, None), m.Done, "admin")
    ca.add_host("web1", env="staging")
    certificate = drawn(ca.ask(login, "web1"))
    assert certificate.principals == ("deploy@web1~2",)
    assert not world.offer(certificate.text, ca.key(ALICE)).accepted


def test_t8_a_registered_hardware_key_is_asked_for_its_pin(world: World) -> None:
    ca, key = world.ca, SoftKey()
    ca.change_policy('logins = ["deploy"]', 'logins = ["deploy"]\nhardware_key = true')
    login = world.sign_in(key)
    ca.say(m.RegisterHardwareKey("acme/a-1", key.line), m.HardwareKeysReply, "admin")
    certificate = drawn(ca.ask(login, "web1"))
    assert world.offer(certificate.text, replace(key, flags=PRESENT | VERIFIED)).accepted
    for flags in (PRESENT, VERIFIED, 0):
        assert not world.offer(certificate.text, replace(key, flags=flags)).accepted
