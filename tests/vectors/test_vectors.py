"""The core's readers against what OpenSSH wrote: the same bytes back, and the same things seen in them."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sshjit import sshcert, sshkey

HERE = Path(__file__).resolve().parent
CERTIFICATES = sorted(path.stem for path in HERE.glob("*-cert.pub"))
KEYS = sorted(path.stem for path in HERE.glob("*.pub") if path.stem not in CERTIFICATES)
TYPES = {
    "ecdsa-256": "ecdsa-sha2-nistp256",
    "ecdsa-384": "ecdsa-sha2-nistp384",
    "ecdsa-521": "ecdsa-sha2-nistp521",
    "ed25519": "ssh-ed25519",
    "rsa-3072": "ssh-rsa",
    "sk-ecdsa-256": "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ed25519": "sk-ssh-ed25519@openssh.com",
}


def pub(name: str) -> str:
    return (HERE / f"{name}.pub").read_text()


def shown(name: str) -> str:
    return (HERE / f"{name}.txt").read_text()


def field(name: str, label: str) -> str:
    found = re.search(rf"^ +{label}: (.*)$", shown(name), re.MULTILINE)
    assert found
    return found[1]


def section(name: str, label: str) -> list[str]:
    """The indented lines under ``label`` of ``ssh-keygen -L``."""
    found = re.search(rf"^ {{8}}{label}: *\n((?: {{16}}.*\n)*)", shown(name), re.MULTILINE)
    return [line.strip() for line in found[1].splitlines()] if found else []


def test_there_is_a_vector_of_every_type_that_is_taken() -> None:
    assert sorted(TYPES) == KEYS
    assert [f"{name}-{kind}-cert" for name in KEYS for kind in ("host", "user")] == CERTIFICATES


@pytest.mark.parametrize("name", KEYS)
def test_a_key_reads_and_is_written_the_same(name: str) -> None:
    key = sshkey.parse_line(pub(name))
    assert key.type == TYPES[name]
    assert key.line.split() == pub(name).split()[:2]
    assert base64.b64encode(key.blob).decode() == pub(name).split()[1]
    assert key.blob == len(key.type).to_bytes(4, "big") + key.type.encode() + key.body
    assert key.fingerprint == shown(name).split()[1]
    assert key.hardware is name.startswith("sk-")


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_reads_and_is_written_the_same(name: str) -> None:
    certificate, signed, signature = sshcert.parse_line(pub(name))
    assert sshcert.encode(certificate) == signed
    assert sshcert.line(sshcert.seal(signed, signature)).split() == pub(name).split()[:2]


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_says_what_openssh_says_that_it_says(name: str) -> None:
    certificate, _, _ = sshcert.parse_line(pub(name))
    window = [
        datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        for moment in (certificate.valid_after, certificate.valid_before)
    ]
    kind = "user" if certificate.kind == sshcert.USER else "host"
    assert field(name, "Type") == f"{certificate.type} {kind} certificate"
    assert field(name, "Public key").split()[1] == certificate.key.fingerprint
    assert field(name, "Signing CA").split()[1] == sshkey.fingerprint(certificate.ca_blob)
    assert field(name, "Key ID") == f'"{certificate.key_id}"'
    assert field(name, "Serial") == str(certificate.serial)
    assert field(name, "Valid") == f"from {window[0]} to {window[1]}"
    assert section(name, "Principals") == list(certificate.principals)
    assert section(name, "Critical Options") == [
        option if value is None else f"{option} {value}" for option, value in certificate.critical
    ]
    assert [line.split()[0] for line in section(name, "Extensions")] == [option for option, _ in certificate.extensions]


@pytest.mark.parametrize("name", KEYS)
def test_t7_the_certificates_of_a_key_hold_that_key_and_its_type(name: str) -> None:
    key = sshkey.parse_line(pub(name))
    for kind in ("user", "host"):
        certificate, signed, signature = sshcert.parse_line(pub(f"{name}-{kind}-cert"))
        assert certificate.key == key
        assert certificate.type == sshcert.certificate_type(key.type) == pub(f"{name}-{kind}-cert").split()[0]
        assert sshcert.parse_blob(sshcert.seal(signed, signature), checked=key) == (certificate, signed, signature)


def test_the_sk_certificates_demand_the_touch_and_the_pin() -> None:
    demanding = [
        name for name in CERTIFICATES if ("verify-required", None) in sshcert.parse_line(pub(name))[0].critical
    ]
    assert demanding == ["sk-ecdsa-256-user-cert", "sk-ed25519-user-cert"]
