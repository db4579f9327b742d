"""Hardware keys: only registered ones count, their certificates keep their type, and every draw is looked at again."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit import sshkey
from sshjit.errors import Invalid, Refused
from sshjit_ca.keys import signatures
from sshjit_ca.routes import ROUTES
from tests.support import softkey
from tests.support.installation import ALICE, BOB, CAROL, DANA, Installation, Person
from tests.support.issuer import NATIVE_CLIENT
from tests.support.signatures import SIGNED_POLICY, answer
from tests.support.softkey import PRESENT, SoftEcdsaKey, SoftKey

HARDWARE = ('logins = ["deploy"]\napprovals = []', 'logins = ["deploy"]\nhardware_key = true\napprovals = []')
FRESH = ('logins = ["deploy"]\napprovals = []', 'logins = ["deploy"]\nfresh_login = "15m"\nmfa = true\napprovals = []')
WITH_MFA = replace(ALICE, claims={"amr": ["pwd", "otp"]})


@pytest.fixture
def strict(ca: Installation) -> Installation:
    """A CA whose staging rule asks for a hardware key."""
    ca.change_policy(*HARDWARE)
    return ca


def sign_in(ca: Installation, person: Person, key: SoftKey) -> str:
    ca.sign_ins += 1
    salt = ca.sign_ins.to_bytes(16, "big")
    token = ca.token(person, NATIVE_CLIENT, binding.nonce(key.blob, salt))
    signature = key.sshsig(binding.NAMESPACE, binding.signed_text(token))
    message = m.LoginNative(person.provider, token, key.line, binding.b64url(salt), signature, "192.0.2.7")
    login = ca.say(message, m.LoginReply).login
    ca.logins[login.id] = login
    return login.id


def register(ca: Installation, person: str, line: str) -> m.HardwareKeyView:
    return ca.say(m.RegisterHardwareKey(person, line), m.HardwareKeysReply, "admin").keys[0]


def step_up(ca: Installation, login: str, request: str | None = None) -> str:
    with pytest.raises(Refused) as refused:
        _ = ca.ask(login, "web1") if request is None else ca.say(m.SignUser(login, request), m.CertificateReply)
    assert refused.value.code == "step_up"
    return refused.value.message


def test_ssh_keygen_takes_the_test_s_key_for_a_real_one(tmp_path: Path) -> None:
    key = SoftKey()
    (tmp_path / "signers").write_text(f'it namespaces="file" {key.line}\n')
    (tmp_path / "sig").write_text(key.sshsig("file", b"hello"))
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "it", "-n", "file", "-s", "sig"]
    for text, good in ((b"hello", True), (b"hallo", False)):
        done = subprocess.run(command, input=text, cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode == 0) is good


@pytest.mark.parametrize("kind", [SoftKey, SoftEcdsaKey])
def test_a_device_s_signature_for_another_application_is_not_by_this_key(
    kind: type[SoftKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a browser has a device sign for a site must not be taken for what ssh asked it."""
    key = kind()
    public = sshkey.parse_blob(key.blob)
    signatures.verify(public, b"x", key.sign(b"x"))
    monkeypatch.setattr(softkey, "APPLICATION", "ssh:other")
    with pytest.raises(InvalidSignature):
        signatures.verify(public, b"x", key.sign(b"x"))
    signatures.verify(sshkey.parse_blob(key.blob), b"x", key.sign(b"x"))


def test_t56_a_hardware_key_that_nobody_registered_does_not_count(strict: Installation) -> None:
    key = SoftKey()
    login = sign_in(strict, ALICE, key)
    assert "registered hardware key" in step_up(strict, login)
    assert "registered hardware key" in step_up(strict, strict.native(ALICE))
    register(strict, "acme/alice@example.com", key.line)
    certificate = strict.ask(login, "web1").certificate
    assert certificate is not None
    (strict.home / "c-cert.pub").write_text(certificate.text + "\n")
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", strict.home / "c-cert.pub"], check=True, capture_output=True, text=True
    ).stdout
    assert "sk-ssh-ed25519-cert-v01@openssh.com user certificate" in shown
    assert "verify-required" in shown


def test_t56_somebody_else_s_registered_key_does_not_count(strict: Installation) -> None:
    strict.web(CAROL)
    key = SoftKey()
    register(strict, "acme/carol@example.com", key.line)
    with pytest.raises(Refused) as taken:
        sign_in(strict, ALICE, key)
    assert taken.value.code == "key_taken"
    sign_in(strict, ALICE, other := SoftKey())
    with pytest.raises(Refused) as taken:
        register(strict, "acme/carol@example.com", other.line)
    assert taken.value.code == "key_taken"


def test_t7_an_sk_certificate_keeps_its_type_where_no_rule_asks_for_one(ca: Installation) -> None:
    certificate = ca.ask(sign_in(ca, ALICE, SoftKey()), "web1").certificate
    assert certificate is not None
    assert certificate.text.startswith("sk-ssh-ed25519-cert-v01@openssh.com ")


def test_t8_another_login_of_the_same_person_without_the_key_draws_nothing(strict: Installation) -> None:
    key = SoftKey()
    login = sign_in(strict, ALICE, key)
    register(strict, "acme/alice@example.com", key.line)
    request = strict.ask(login, "web1").request
    assert "hardware key" in step_up(strict, strict.native(ALICE), request.id)
    assert "hardware key" in step_up(strict, sign_in(strict, ALICE, SoftKey()), request.id)
    assert strict.say(m.SignUser(login, request.id), m.CertificateReply)


def test_a_key_that_is_taken_away_draws_nothing_more(strict: Installation) -> None:
    key = SoftKey()
    login = sign_in(strict, ALICE, key)
    view = register(strict, "acme/alice@example.com", key.line)
    request = strict.ask(login, "web1").request
    assert strict.say(m.ReadHardwareKeys(), m.HardwareKeysReply, "admin").keys == (view,)
    strict.restart()
    strict.say(m.RemoveHardwareKey(view.fingerprint, "lost"), m.HardwareKeysReply, "admin")
    step_up(strict, login, request.id)
    assert strict.say(m.ReadHardwareKeys(), m.HardwareKeysReply, "admin").keys == ()
    with pytest.raises(Invalid):
        strict.say(m.RemoveHardwareKey(view.fingerprint, "again"), m.HardwareKeysReply, "admin")


def test_a_signature_without_a_touch_signs_nobody_in(ca: Installation) -> None:
    with pytest.raises(Refused) as refused:
        sign_in(ca, ALICE, SoftKey(flags=0))
    assert refused.value.code == "signature_refused"
    assert sign_in(ca, ALICE, SoftKey(flags=PRESENT))


@pytest.mark.parametrize("kind", [SoftKey, SoftEcdsaKey])
def test_an_approval_is_signed_by_a_hardware_key_and_only_with_a_touch(ca: Installation, kind: type[SoftKey]) -> None:
    ca.change_policy(*SIGNED_POLICY)
    key = kind()
    bob = sign_in(ca, BOB, key)
    request = ca.ask(ca.native(DANA), "db1").request
    key.flags = 0
    with pytest.raises(Refused) as untouched:
        ca.say(answer(ca, bob, key.sshsig, request), m.RequestReply)
    assert untouched.value.code == "signature_refused"
    key.flags = PRESENT
    opened = ca.say(answer(ca, bob, key.sshsig, request), m.RequestReply).request
    assert (opened.state, opened.decisions[0].signed) == ("approved", True)


def test_what_cannot_be_registered(ca: Installation) -> None:
    ca.web(ALICE)
    key = SoftKey()
    plain = ca.key(BOB).with_suffix(".pub").read_text()
    register(ca, "acme/a-1", key.line)
    for person, line, code in (
        ("acme/a-1", plain, "not_hardware"),
        ("acme/a-1", key.line, "already_registered"),
        ("acme/nobody@example.com", SoftKey().line, "unknown_person"),
    ):
        with pytest.raises(Invalid) as invalid:
            register(ca, person, line)
        assert invalid.value.code == code
    fingerprint = sshkey.parse_line(locked := SoftKey().line).fingerprint
    ca.say(m.Lock(None, "key", fingerprint, "found in the street"), m.LockReply, "admin")
    with pytest.raises(Refused):
        register(ca, "acme/a-1", locked)


def test_the_web_door_registers_nothing(ca: Installation) -> None:
    for message in (m.RegisterHardwareKey, m.RemoveHardwareKey, m.ReadHardwareKeys):
        assert ROUTES[message].sockets == {"admin"}


def test_a_provider_that_does_not_tell_when_somebody_signed_in_makes_no_fresh_sign_in(ca: Installation) -> None:
    ca.change_policy(*FRESH)
    silent = replace(WITH_MFA, claims={**WITH_MFA.claims, "auth_time": None})
    with pytest.raises(Refused) as refused:
        ca.ask(ca.native(silent), "web1")
    assert refused.value.code == "step_up"
    assert "the provider does not report when that was (auth_time)" in refused.value.message
    assert "ssh-jit login --fresh" in refused.value.hint
    login = ca.native(WITH_MFA)
    request = ca.ask(login, "web1").request
    assert "(auth_time)" in step_up(ca, ca.native(silent), request.id)
    assert ca.say(m.ReadLogin(ca.native(silent)), m.LoginReply).login.auth_time is None


def test_the_sign_in_that_draws_must_be_fresh_and_strong(ca: Installation) -> None:
    ca.change_policy(*FRESH)
    login = ca.native(WITH_MFA)
    request = ca.ask(login, "web1").request
    assert "second factor" in step_up(ca, ca.native(ALICE), request.id)
    ca.later(14 * 60)
    assert ca.say(m.SignUser(login, request.id), m.CertificateReply)
    ca.later(60)
    assert "within the last 15 min" in step_up(ca, login, request.id)
    assert ca.say(m.SignUser(ca.native(WITH_MFA), request.id), m.CertificateReply)
