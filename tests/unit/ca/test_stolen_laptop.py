"""A laptop is stolen, with the person's key file, API token, login, and certificates.

It is that person until the login ends or is locked, and nobody else ever; what asks for a hardware key stays shut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit.errors import Invalid, Refused, SshJitError
from tests.support.installation import ALICE, BOB, DANA, Installation, ssh_sign
from tests.support.published_bundle import revoked
from tests.support.signatures import ADMIN_POLICY, SIGNED_POLICY, act, answer, by
from tests.support.softkey import SoftKey


@dataclass
class Laptop:
    """What is on it: the login, the sign-in's message, an open grant and a valid certificate."""

    login: str
    signed_in_by: m.LoginNative
    request: str
    certificate: m.CertificateView


@pytest.fixture
def laptop(ca: Installation) -> Laptop:
    """Alice's, taken while she was at work."""
    message = ca.native_message(ALICE)
    view = ca.say(message, m.LoginReply).login
    ca.logins[view.id] = view
    reply = ca.ask(view.id, "web1")
    assert reply.certificate is not None
    return Laptop(view.id, message, reply.request.id, reply.certificate)


def code(ca: Installation, message: m.Message) -> str:
    (said,) = ca.say_all([message], "web")
    assert isinstance(said, SshJitError), said
    return said.code


def test_it_is_the_person_until_the_login_ends(ca: Installation, laptop: Laptop) -> None:
    ca.later(8 * 3600 - 1)
    assert ca.ask(laptop.login, "web1").certificate
    ca.later(1)
    assert code(ca, m.SignUser(laptop.login, laptop.request)) == "login_over"
    assert code(ca, m.ReadHosts(laptop.login)) == "login_over"


def test_no_certificate_outlives_the_login(ca: Installation, laptop: Laptop) -> None:
    ca.later(8 * 3600 - 60)
    certificate = ca.ask(laptop.login, "web1").certificate
    assert certificate is not None
    assert certificate.valid_before == ca.logins[laptop.login].expires


@pytest.mark.parametrize("kind", ["person", "login", "key"])
def test_a_lock_ends_it_at_once(ca: Installation, laptop: Laptop, kind: m.LockKind) -> None:
    view = ca.logins[laptop.login]
    target = {"person": view.person.id, "login": view.id, "key": view.fingerprint}[kind]
    ca.say(m.Lock(None, kind, target, "laptop stolen"), m.LockReply, "admin")
    assert revoked(ca, laptop.certificate)
    assert code(ca, m.SignUser(laptop.login, laptop.request)) == "locked"
    assert code(ca, m.ReadRequests(laptop.login, "mine", 9, None)) == "locked"
    assert code(ca, m.ReadChallenge(laptop.login)) == "locked"


def test_the_owner_ends_it_from_a_browser(ca: Installation, laptop: Laptop) -> None:
    ca.say(m.Revoke(ca.web(ALICE), None, None, laptop.login, "laptop stolen"), m.RevokeReply, "web")
    assert revoked(ca, laptop.certificate)
    assert code(ca, m.SignUser(laptop.login, laptop.request)) == "login_over"
    assert ca.ask(ca.native(ALICE), "web1").existing


def test_t65_the_sign_in_does_not_work_again(ca: Installation, laptop: Laptop) -> None:
    assert code(ca, laptop.signed_in_by) == "token_used"
    ca.say(m.Logout(laptop.login), m.Done)
    assert code(ca, laptop.signed_in_by) == "token_used"
    ca.later(4 * 3600)
    with pytest.raises(SshJitError):
        ca.say(laptop.signed_in_by, m.LoginReply)


def test_the_key_signs_nobody_else_in(ca: Installation, laptop: Laptop) -> None:
    """The thief has an account of its own and binds the stolen key to it, or its own key to Alice."""
    assert laptop.request
    with pytest.raises(Refused) as taken:
        ca.native(replace(DANA, sub="thief", email=""), ca.key(ALICE))
    assert taken.value.code == "key_taken"
    message = ca.native_message(ALICE)
    other = ssh_sign(ca.key(BOB), binding.NAMESPACE, binding.signed_text(message.id_token))
    with pytest.raises(Refused):
        ca.say(replace(message, signature=other), m.LoginReply)


def test_it_reaches_nothing_of_others(ca: Installation, laptop: Laptop) -> None:
    other = ca.ask(ca.native(replace(ALICE, sub="a-7", email="ann@example.com")), "web1").request.id
    waiting = ca.ask(ca.native(DANA), "db1").request
    for message in (
        m.SignUser(laptop.login, other),
        m.End(laptop.login, other),
        m.Revoke(laptop.login, other, None, None, "x"),
        m.ReadRequest(laptop.login, waiting.id),
        m.Approve(laptop.login, waiting.id, waiting.digest, "", None),
        m.Lock(laptop.login, "everything", None, "x"),
        m.ReadLocks(laptop.login),
        m.ReadRequests(laptop.login, "all", 10, None),
    ):
        assert code(ca, message) in ("not_yours", "unknown_request", "not_permitted", "not_an_approver")
    log = ca.say(m.ReadLog(laptop.login, None, 100), m.LogReply)
    assert log.own_only


def test_what_asks_for_a_hardware_key_stays_shut(ca: Installation, laptop: Laptop) -> None:
    device = SoftKey()
    ca.say(m.RegisterHardwareKey("acme/a-1", device.line), m.HardwareKeysReply, "admin")
    ca.change_policy('logins = ["deploy"]', 'logins = ["deploy"]\nhardware_key = true')
    ca.say(m.End(laptop.login, laptop.request), m.RequestReply)
    with pytest.raises(Refused) as shut:
        ca.ask(laptop.login, "web1")
    assert shut.value.code == "step_up"


def test_an_approver_s_laptop_signs_as_its_owner_and_stops_with_the_lock(ca: Installation) -> None:
    ca.change_policy(*SIGNED_POLICY)
    ca.change_policy(*ADMIN_POLICY)
    bob = ca.native(BOB)
    request = ca.ask(ca.native(DANA), "db1").request
    ready = answer(ca, bob, by(ca.key(BOB)), request)
    lock = ca.say(m.Lock(None, "person", ca.logins[bob].person.id, "laptop stolen"), m.LockReply, "admin").lock
    assert code(ca, ready) == "locked"
    undo = m.Unlock(bob, lock.id, "it is me", m.ActionSignature("c", "s"))
    assert code(ca, undo) == "locked"
    with pytest.raises(Refused):
        act(ca, bob, by(ca.key(BOB)), m.Unlock(None, lock.id, "it is me", None))
    ca.say(m.Unlock(None, lock.id, "laptop found", None), m.Done, "admin")
    assert code(ca, ready) == "login_over"


def test_a_grant_of_the_stolen_login_does_not_survive_the_person_s_lock(ca: Installation, laptop: Laptop) -> None:
    lock = ca.say(m.Lock(None, "person", "acme/a-1", "stolen"), m.LockReply, "admin").lock
    ca.say(m.Unlock(None, lock.id, "new laptop", None), m.Done, "admin")
    with pytest.raises(Invalid, match="revoked"):
        ca.say(m.SignUser(ca.native(ALICE), laptop.request), m.CertificateReply)
