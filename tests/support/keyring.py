"""Changing the CA's keys in tests, as the operator does it."""

from __future__ import annotations

import subprocess

from sshjit import bundle, sshkey
from sshjit import ca_protocol as m
from sshjit.bundle import Bundle
from sshjit.ca_protocol.keys import Purpose
from sshjit_ca.keys import files
from sshjit_ca.log import verification
from sshjit_ca.storage.store import Store
from tests.support.installation import ALICE, Installation


def newest(ca: Installation) -> Bundle:
    """The newest bundle."""
    reply = ca.say(m.ReadBundle(None), m.BundleReply)
    assert reply.bundle is not None
    return bundle.read(reply.bundle, plain_http=True)


def add(ca: Installation, purpose: Purpose, kind: m.KeyKind = "ed25519", passphrase: str | None = None) -> m.KeyView:
    """Makes a key and adds it; ``passphrase`` is the source of what its file is encrypted by."""
    return ca.say(m.AddKey(purpose, None, kind, passphrase), m.KeyReply, "admin").key


def activate(ca: Installation, key: m.KeyView, *, now: bool = False) -> m.KeyView:
    """Gives a key its turn."""
    return ca.say(m.ActivateKey(key.purpose, key.fingerprint, now), m.KeyReply, "admin").key


def retire(ca: Installation, purpose: Purpose, fingerprint: str, *, now: bool = False) -> m.KeyView:
    """Ends a key."""
    return ca.say(m.RetireKey(purpose, fingerprint, now), m.KeyReply, "admin").key


def listed(ca: Installation, purpose: Purpose) -> dict[str, str]:
    """The keys of a purpose: fingerprint -> state."""
    found = ca.say(m.ReadKeys(), m.KeysReply, "admin").keys
    assert not any(key.problem for key in found)
    return {key.fingerprint: key.state for key in found if key.purpose == purpose}


def drawn(ca: Installation) -> m.CertificateView:
    """A certificate of a grant of alice."""
    certificate = ca.ask(ca.native(ALICE), "web1").certificate
    assert certificate is not None
    return certificate


def signed_by(ca: Installation, certificate: str) -> str:
    """The fingerprint of the key that signed, by ssh-keygen."""
    (ca.home / "x-cert.pub").write_text(certificate)
    done = subprocess.run(
        ["ssh-keygen", "-L", "-f", ca.home / "x-cert.pub"], capture_output=True, text=True, check=True
    )
    return next(line.split()[3] for line in done.stdout.splitlines() if "Signing CA" in line)


def whole(ca: Installation) -> tuple[str, ...]:
    """What ``log verify`` finds wrong."""
    store = Store(ca.config.database, read_only=True)
    try:
        return verification.verify(store, files.load_public(ca.config.key_file("log"))).problems
    finally:
        store.close()


def fp(line: str) -> str:
    """The fingerprint of a public key's line."""
    return sshkey.parse_line(line).fingerprint
