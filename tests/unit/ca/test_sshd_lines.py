"""Lines of sshd's log, as four versions wrote them; ``hostconfig/test_host_of_every_age`` has real ones."""

from __future__ import annotations

import re

import pytest

from demo.isolate import REPOSITORY
from sshjit_ca.operations import sshd_lines
from sshjit_ca.operations.sshd_lines import read

KEY, CA = f"SHA256:{'k' * 43}", f"SHA256:{'c' * 43}"
ID = "req-2 alice@example.com"
PLACE = "for root from 127.0.0.1 port 34988 ssh2:"


@pytest.mark.parametrize(
    ("line", "meaning", "serial", "key"),
    [
        (f"Accepted publickey {PLACE} ED25519-CERT {KEY} ID {ID} (serial 2) CA ED25519 {CA}", "logged in", 2, KEY),
        (f"Failed publickey {PLACE} RSA-CERT {KEY} ID {ID} (serial 2) CA ECDSA {CA}", "was refused", 2, KEY),
        (f'Accepted certificate ID "{ID}" (serial 2) signed by RSA CA {CA} via /etc/ca.pub', "is trusted", 2, None),
        (
            f'error: Refusing certificate ID "{ID}" serial=2 signed by ED25519 CA {CA}: Certificate invalid: expired',
            "has expired",
            2,
            None,
        ),
        (
            f"Nov 30 22:00:00 web1 sshd[7]: error: Authentication key ED25519-SK-CERT {KEY} revoked by file /etc/x",
            "revocation list",
            None,
            KEY,
        ),
        ("error: Certificate invalid: not yet valid", "not valid yet", None, None),
        (
            f"Accepted publickey {PLACE} MLDSA44-ED25519-CERT {KEY} ID {ID} (serial 2) CA MLDSA44-ED25519 {CA}",
            "logged in",
            2,
            KEY,
        ),
        (
            "userauth_pubkey: certificate signature algorithm not in CASignatureAlgorithm: signature algorithm not s",
            "does not take what the CA's type of key signs",
            None,
            None,
        ),
        ("Certificate does not contain an authorized principal", "another host or account", None, None),
        ('Certificate extension "grant@ssh-jit" is not supported', "nothing is wrong", None, None),
    ],
)
def test_a_line_is_read(line: str, meaning: str, serial: int | None, key: str | None) -> None:
    said = read(line)
    assert said is not None
    assert meaning in said.meaning
    assert (said.serial, said.key) == (serial, key)
    assert (said.key_id, said.ca) == ((None, None) if serial is None else (ID, CA))


@pytest.mark.parametrize(
    "line",
    ["", "Server listening on 0.0.0.0 port 22.", f"Failed publickey {PLACE} ED25519 {KEY}", "Failed password for root"],
)
def test_a_line_that_is_about_no_certificate_is_not(line: str) -> None:
    assert read(line) is None


def test_a_key_id_cannot_pass_for_another_serial() -> None:
    """It stands in the line as it is; sshd's own words come after it."""
    for forged in (f"x (serial 9) CA ED25519 {KEY}", f'certificate ID "x" serial=9 signed by RSA CA {KEY}'):
        for line in (
            f"Failed publickey {PLACE} ED25519-CERT {KEY} ID {forged} (serial 2) CA ED25519 {CA}",
            f"Failed publickey for invalid user {forged} from ::1: : RSA-CERT {KEY} ID x (serial 2) CA DSA {CA}",
            f'Refusing certificate ID "{forged}" serial=2 signed by RSA CA {CA}: Certificate invalid: expired',
        ):
            said = read(line)
            assert said is not None
            assert (said.serial, said.ca) == (2, CA), line


def test_the_page_has_the_patterns_and_every_line() -> None:
    page = (REPOSITORY / "docs/sshd-log.md").read_text()
    for pattern in (sshd_lines.SERIAL, sshd_lines.QUOTED, sshd_lines.KEY):
        assert f"\n{pattern.pattern}\n" in page
    rows = re.findall(r"(?m)^\| (?:the|it|somebody) .*$", page)
    lines = [line for row in rows for line in re.findall(r"`([^`]+)`", row)]
    assert len(lines) > 10
    for line in lines:
        assert any(part in line for part, _, _ in sshd_lines.MEANINGS), line
