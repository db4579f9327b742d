"""New key files of a CA that runs, plain and encrypted, as ssh-keygen sees them; and what cannot encrypt one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid
from sshjit_ca.keys import PURPOSES
from sshjit_ca.keys.locations import KeyLocations
from tests.support.devices import KINDS
from tests.support.installation import Installation
from tests.support.keyring import activate, add, drawn, fp, listed, signed_by

PASSPHRASE = "correct horse battery staple"


def secret(path: Path, text: str = PASSPHRASE) -> str:
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return str(path)


def public_half(path: Path, passphrase: str) -> str | None:
    """The public half by OpenSSH, which reads the private one; ``None`` if the passphrase does not open it."""
    line = ["ssh-keygen", "-y", "-P", passphrase, "-f", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        assert "incorrect passphrase" in done.stderr
        return None
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_is_encrypted_and_signs_and_is_found_again(ca: Installation, kind: m.KeyKind) -> None:
    source = secret(ca.home / "a passphrase")
    key = add(ca, "user_ca", kind, source)
    path = ca.config.key_file("user_ca.2")
    assert key.reference == f"file:{path}?passphrase={source.replace(' ', '%20')}"
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_half(path, "") is None
    assert public_half(path, "another") is None
    assert fp(public_half(path, PASSPHRASE) or "") == key.fingerprint
    activate(ca, key, now=True)
    ca.restart()
    assert listed(ca, "user_ca")[key.fingerprint] == "active"
    assert signed_by(ca, drawn(ca).text) == key.fingerprint


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_credential_of_the_ca_encrypts_a_key_of_every_purpose(ca: Installation, purpose: m.Purpose) -> None:
    folder = ca.home / "credentials"
    folder.mkdir()
    (folder / "new-keys").write_text(PASSPHRASE)
    ca.places = KeyLocations(None, folder)
    ca.restart()
    key = add(ca, purpose, "ed25519", "new-keys")
    path = ca.config.key_file(f"{purpose}.2")
    assert key.reference == f"file:{path}?passphrase=new-keys"
    assert public_half(path, "") is None
    assert fp(public_half(path, PASSPHRASE) or "") == key.fingerprint
    activate(ca, key, now=True)
    ca.restart()
    assert listed(ca, purpose)[key.fingerprint] == "active"


def test_without_a_passphrase_the_file_is_plain(ca: Installation) -> None:
    key = add(ca, "user_ca")
    assert fp(public_half(ca.config.key_file("user_ca.2"), "") or "") == key.fingerprint


def test_a_passphrase_of_the_greatest_length_is_read_back(ca: Installation) -> None:
    text = "y" * 1023
    key = add(ca, "user_ca", "ed25519", secret(ca.home / "long", text))
    assert fp(public_half(ca.config.key_file("user_ca.2"), text) or "") == key.fingerprint


def test_what_cannot_encrypt_is_said_and_nothing_is_left_behind(ca: Installation) -> None:
    folder = ca.home / "ca" / "keys"
    before, kinds = sorted(folder.iterdir()), ca.kinds()
    good, exposed = secret(ca.home / "good"), secret(ca.home / "exposed")
    Path(exposed).chmod(0o644)
    given = f"file:{ca.config.key_file('user_ca')}"
    wrong: list[tuple[m.AddKey, str]] = [
        (m.AddKey("user_ca", None, "ed25519", "/nowhere"), "no_secret"),
        (m.AddKey("user_ca", None, "ed25519", exposed), "secret_exposed"),
        (m.AddKey("user_ca", None, "ed25519", secret(ca.home / "empty", "")), "no_secret"),
        (m.AddKey("user_ca", None, "ed25519", secret(ca.home / "long", "x" * 1024)), "bad_passphrase"),
        (m.AddKey("user_ca", None, "ed25519", "../user_ca"), "bad_reference"),
        (m.AddKey("user_ca", None, "ed25519", ""), "bad_reference"),
        (m.AddKey("user_ca", None, "ed25519", "of-systemd"), "no_secret"),
        (m.AddKey("user_ca", given, None, good), "bad_message"),
        (m.AddKey("user_ca", None, None, good), "bad_message"),
        (m.AddKey("log", None, "rsa-3072", good), "bad_key_type"),
    ]
    for message, code in wrong:
        with pytest.raises((Invalid, Failed)) as refused:
            ca.say(message, m.KeyReply, "admin")
        assert refused.value.code == code, message
    assert (sorted(folder.iterdir()), ca.kinds()) == (before, kinds)


def test_a_file_that_cannot_be_named_is_not_kept(ca: Installation) -> None:
    source = ca.home
    while len(str(source)) < 900:
        source /= "a folder with blanks"  # four characters more for each, in a reference
    source.mkdir(parents=True)
    before = sorted((ca.home / "ca" / "keys").iterdir())
    with pytest.raises(Invalid, match="at most 1000"):
        add(ca, "user_ca", "ed25519", secret(source / "passphrase"))
    assert sorted((ca.home / "ca" / "keys").iterdir()) == before
