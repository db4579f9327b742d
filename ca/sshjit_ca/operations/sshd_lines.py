"""Lines of sshd's log about certificates, of every version from 8.4 to 10.6, read for what they say.

``docs/sshd-log.md`` shows them. A serial leads to the log's entry; a line that has none may have the key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SERIAL = re.compile(r"\bID (?P<id>.{1,1000}) \(serial (?P<serial>\d{1,20})\) CA [A-Z0-9-]+ (?P<ca>SHA256:[\w+/]{43})")
"""``Accepted publickey for …`` and ``Failed publickey for …`` (this one from LogLevel VERBOSE on)."""
QUOTED = re.compile(
    r'\bcertificate ID "(?P<id>.{1,1000})" (?:\(serial |serial=)(?P<serial>\d{1,20})\)? signed by [A-Z0-9-]+ CA '
    r"(?P<ca>SHA256:[\w+/]{43})"
)
"""``Refusing certificate ID …`` (after 10.0), and ``Accepted certificate ID …`` (from VERBOSE on)."""
# Both are greedy: ids of other people's CAs hold what they like, and sshd's own words come after.
KEY = re.compile(r"\b[A-Z0-9-]+-CERT (?P<key>SHA256:[\w+/]{43})")
"""The key that a certificate is for; its fingerprint is the plain key's."""
MEANINGS = (
    ("Certificate invalid: expired", "the certificate has expired", "ssh-jit draws another while access is open"),
    ("Certificate invalid: not yet valid", "it is not valid yet", "compare the clocks of the CA and of this host"),
    (
        "Certificate does not contain an authorized principal",
        "it is for another host or account",
        "ssh-jit-host status says which accounts are open on the host",
    ),
    (
        " revoked by file ",
        "its serial, or its CA's key, is on the revocation list",
        "ssh-jit-ca log show --kind revoke",
    ),
    (
        "not from a permitted source address",
        "it is for connections from another address",
        "the rule's source, and proxies or NAT in between",
    ),
    ("Refused by certificate options", "it is for connections from another address", "the line before names it"),
    (
        'Certificate extension "grant@ssh-jit" is not supported',
        "nothing is wrong: sshd leaves alone what is meant for the session hook of ssh-jit-host",
        "",
    ),
    ("Certificate critical option ", "sshd does not know an option of it", "is it a certificate of this CA?"),
    ("Invalid certificate options", "sshd does not know an option of it", "is it a certificate of this CA?"),
    (
        "certificate signature algorithm ",
        "sshd does not take what the CA's type of key signs",
        "ssh-jit-host doctor on the host: CASignatureAlgorithms",
    ),
    ("Failed publickey for ", "it was refused", "a line before says why, if sshd does"),
    ("Accepted publickey for ", "somebody logged in", ""),
    ("Accepted certificate ID ", "it is trusted; whether it opened the account stands below", ""),
)
"""A part of a line, what it means, and what to look at; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class SshdLine:
    """What a line says. ``serial``, ``key_id``, ``ca`` and ``key`` (fingerprints) as far as it has them."""

    meaning: str
    hint: str
    serial: int | None = None
    key_id: str | None = None
    ca: str | None = None
    key: str | None = None


def _pattern(line: str) -> re.Pattern[str]:
    """Which of the two a line has, by sshd's first words: names and ids of anybody's choice come later in it."""
    quoted, plain = line.find('certificate ID "'), line.find("publickey for ")
    return QUOTED if quoted >= 0 and (plain < 0 or quoted < plain) else SERIAL


def read(line: str) -> SshdLine | None:
    """What a line of sshd's log says of a certificate; ``None`` if it says nothing of one."""
    named, key = _pattern(line).search(line), KEY.search(line)
    known = ((meaning, hint) for part, meaning, hint in MEANINGS if part in line)
    meaning, hint = next(known, ("", ""))
    if named is None and key is None and (not meaning or "publickey" in line):
        return None
    return SshdLine(
        meaning or "it is about a certificate",
        hint,
        None if named is None else int(named["serial"]),
        None if named is None else named["id"],
        None if named is None else named["ca"],
        None if key is None else key["key"],
    )
