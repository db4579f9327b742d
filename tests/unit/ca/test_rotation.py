"""Keys that follow each other: nothing is refused that was true, and nobody can put a key in another's place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sshjit import bundle
from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca.keys import PURPOSES
from sshjit_ca.keys.active_keys import remembered
from tests.support.devices import ssh_key
from tests.support.installation import ALICE, Installation
from tests.support.keyring import activate, add, drawn, fp, listed, newest, retire, signed_by, whole

SETTLE = 3600


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072"])
def test_a_user_ca_key_is_told_settles_signs_and_ends(ca: Installation, kind: m.KeyKind) -> None:
    old = ca.context.keys.public("user_ca")
    new = add(ca, "user_ca", kind)
    assert (new.state, new.ready) == ("pending", None)
    with pytest.raises(Invalid) as early:
        activate(ca, new)
    assert early.value.code == "too_early"
    assert newest(ca).user_ca == (old.line, new.line)
    ca.later(SETTLE - 1)
    with pytest.raises(Invalid):
        activate(ca, new)
    assert signed_by(ca, drawn(ca).text) == old.fingerprint
    ca.later(1)
    activate(ca, new)
    assert newest(ca).user_ca == (new.line, old.line)
    last = drawn(ca)
    assert signed_by(ca, last.text) == new.fingerprint
    with pytest.raises(Invalid) as alive:
        retire(ca, "user_ca", old.fingerprint)
    assert alive.value.code == "still_alive"
    ca.later(3600)
    retire(ca, "user_ca", old.fingerprint)
    assert newest(ca).user_ca == (new.line,)
    assert newest(ca).retired == ()
    ca.restart()
    assert listed(ca, "user_ca") == {old.fingerprint: "retired", new.fingerprint: "active"}
    assert signed_by(ca, drawn(ca).text) == new.fingerprint
    assert whole(ca) == ()


def test_what_was_revoked_stays_revoked_under_every_key_that_is_believed(ca: Installation) -> None:
    first = drawn(ca)
    old = ca.context.keys.public("user_ca")
    activate(ca, add(ca, "user_ca", "rsa-3072"), now=True)
    second = ca.say(m.SignUser(next(iter(ca.logins)), first.request), m.CertificateReply).certificate
    assert signed_by(ca, second.text) != signed_by(ca, first.text)
    ca.say(m.Revoke(None, first.request, None, None, "x"), m.RevokeReply, "admin")
    assert [refused(ca, each) for each in (first.text, second.text)] == [True, True]
    retire(ca, "user_ca", old.fingerprint, now=True)
    assert newest(ca).retired == (old.line,)
    assert [refused(ca, each) for each in (first.text, second.text)] == [True, True]


def refused(ca: Installation, certificate: str) -> bool:
    """What OpenSSH makes of a certificate by the revocation list of the newest bundle."""
    import base64

    (ca.home / "krl").write_bytes(base64.b64decode(newest(ca).krl))
    (ca.home / "x-cert.pub").write_text(certificate)
    done = subprocess.run(
        ["ssh-keygen", "-Q", "-f", ca.home / "krl", ca.home / "x-cert.pub"], capture_output=True, check=False
    )
    return b"REVOKED" in done.stdout


def test_a_key_that_is_retired_now_is_refused_by_name(ca: Installation) -> None:
    certificate = drawn(ca)
    old = ca.context.keys.public("user_ca")
    activate(ca, add(ca, "user_ca"), now=True)
    assert not refused(ca, certificate.text)
    gone = retire(ca, "user_ca", old.fingerprint, now=True)
    assert gone.revoked
    assert newest(ca).user_ca == (ca.context.keys.public("user_ca").line,)
    assert refused(ca, certificate.text)
    assert not refused(ca, drawn(ca).text)


def test_the_root_of_the_bundle_is_followed_by_signatures(ca: Installation) -> None:
    pin = newest(ca).root
    for kind in ("ecdsa-p384", "rsa-3072", "ed25519"):
        activate(ca, add(ca, "bundle", kind))
    reply = ca.say(m.ReadBundle(None), m.BundleReply)
    assert reply.bundle is not None
    found = bundle.read(reply.bundle, plain_http=True)
    steps = bundle.way(found, fp(pin))
    assert steps[0].old == pin
    assert steps[-1].new == found.root
    for step in steps:
        assert verified(ca, step.old, bundle.SUCCESSION, step.new, step.signature)
        assert not verified(ca, step.new, bundle.SUCCESSION, step.new, step.signature)
    assert verified(ca, found.root, bundle.NAMESPACE, reply.bundle, reply.signature or "")


def verified(ca: Installation, line: str, namespace: str, text: str, signature: str) -> bool:
    (ca.home / "signers").write_text(f"it {line}\n")
    (ca.home / "sig").write_text(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "it", "-n", namespace, "-s", "sig"]
    return subprocess.run(command, cwd=ca.home, input=text.encode(), capture_output=True, check=False).returncode == 0


def test_what_cannot_be_done_with_keys(ca: Installation) -> None:
    old = ca.context.keys.public("user_ca")
    pending = add(ca, "user_ca")
    before = ca.kinds()
    wrong: list[tuple[m.Message, str]] = [
        (m.AddKey("user_ca", None, None, None), "bad_message"),
        (m.AddKey("user_ca", pending.reference, "ed25519", None), "bad_message"),
        (m.AddKey("user_ca", pending.reference, None, None), "key_known"),
        (m.AddKey("bundle", pending.reference, None, None), "key_known"),
        (m.AddKey("log", None, "rsa-3072", None), "bad_key_type"),
        (m.AddKey("log", f"file:{ssh_key(ca.home / 'p256', 'ecdsa-p256')}", None, None), "bad_key_type"),
        (m.AddKey("user_ca", "file:/nowhere", None, None), "no_key"),
        (m.AddKey("user_ca", "key", None, None), "bad_reference"),
        (m.ActivateKey("user_ca", "SHA256:none", now=True), "unknown_key"),
        (m.ActivateKey("user_ca", "SHA256:", now=True), "unknown_key"),
        (m.ActivateKey("bundle", pending.fingerprint, now=True), "unknown_key"),
        (m.ActivateKey("user_ca", old.fingerprint, now=True), "wrong_state"),
        (m.RetireKey("user_ca", old.fingerprint, now=True), "key_active"),
    ]
    for message, code in wrong:
        with pytest.raises((Invalid, Failed)) as refused:
            ca.say(message, m.KeyReply, "admin")
        assert refused.value.code == code, message
    assert ca.kinds() == before
    retire(ca, "user_ca", pending.fingerprint)
    with pytest.raises(Invalid) as over:
        activate(ca, pending, now=True)
    assert over.value.code == "wrong_state"


def test_a_persons_key_is_not_taken(ca: Installation) -> None:
    ca.native(ALICE)
    with pytest.raises(Invalid, match="a person's sign-in key"):
        ca.say(m.AddKey("user_ca", f"file:{ca.key(ALICE)}", None, None), m.KeyReply, "admin")


def test_a_beginning_of_a_fingerprint_is_enough(ca: Installation) -> None:
    new = add(ca, "host_ca")
    assert ca.say(m.ActivateKey("host_ca", new.fingerprint[7:17], now=True), m.KeyReply, "admin").key.state == "active"


def test_a_key_whose_file_was_exchanged_does_not_sign(ca: Installation) -> None:
    new = add(ca, "user_ca")
    activate(ca, new, now=True)
    path = Path(new.reference.removeprefix("file:"))
    path.write_bytes(ssh_key(ca.home / "other", "ed25519").read_bytes())
    ca.stop()
    with pytest.raises(Failed) as other:
        ca.start()
    assert other.value.code == "other_key"
    ca.stop()


def test_which_keys_sign_is_known_without_the_database(ca: Installation) -> None:
    turns = ca.home / "ca" / "keys" / "turns.json"
    key_store = ca.context.keys.key_store
    for purpose in PURPOSES:
        assert remembered(turns, key_store, purpose).public == ca.context.keys.public(purpose)
    activate(ca, add(ca, "user_ca"), now=True)
    assert remembered(turns, key_store, "user_ca").public == ca.context.keys.public("user_ca")
    assert turns.stat().st_mode & 0o777 == 0o600


def test_a_device_that_is_away_stops_only_what_it_signs(ca: Installation, tmp_path: Path) -> None:
    from tests.support import devices

    drawn(ca)
    with devices.agent(tmp_path / "agent") as running:
        running.run(ssh_key(tmp_path / "key", "ecdsa-p256"))
        fingerprint = fp((tmp_path / "key.pub").read_text())
        reference = f"agent:{fingerprint}?socket={running.socket}"
        new = ca.say(m.AddKey("user_ca", reference, None, None), m.KeyReply, "admin").key
        activate(ca, new, now=True)
        assert signed_by(ca, drawn(ca).text) == fingerprint
    alice = ca.native(ALICE)
    granted = ca.ask(alice, "web1")
    assert (granted.request.state, granted.certificate) == (m.RequestState.APPROVED, None)
    assert "no certificate could be signed: the ssh-agent at" in granted.notes[-1]
    ended = m.Revoke(None, granted.request.id, None, None, "x")
    messages: list[m.Message] = [m.SignUser(alice, granted.request.id), ended, m.ReadBundle(None)]
    away, revoked, told = ca.say_all(messages, "admin")
    assert isinstance(away, Failed)
    assert (away.code, away.hint) == ("not_signing", "is it running, and not locked?")
    assert isinstance(revoked, m.RevokeReply)
    assert isinstance(told, m.BundleReply)
    problems = {key.fingerprint: key.problem for key in ca.say(m.ReadKeys(), m.KeysReply, "admin").keys}
    assert "out of reach" in problems[fingerprint]
    ca.restart()
    newest(ca)
    with devices.agent(tmp_path / "agent") as running:
        running.run(tmp_path / "key")
        assert signed_by(ca, drawn(ca).text) == fingerprint
