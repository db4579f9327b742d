"""User certificates, as sshd shows them to PAM: read whole, to know whose session it is and until when.

sshd has verified the certificate before anybody gets to see it, so nothing is verified here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from sshjit_host.formats import certificate_types, sshkey

GRANT = "grant@ssh-jit"
"""The extension that names the grant and the end of its window."""
_USER = 1
_GRANT = re.compile(r"([a-z]{1,8}-[0-9a-z]{8,40}) ([1-9][0-9]{0,15})", re.ASCII)
_EMERGENCY = re.compile(r"(?:urgent-[0-9a-z]+ operator emergency|recovery\b.*)", re.ASCII)
"""Key ids of certificates that the operator draws past every rule, and of those by the recovery key."""


@dataclass(frozen=True)
class UserCertificate:
    """A user certificate. Times are seconds since the epoch; ``grant`` is empty where the certificate names none."""

    digest: str
    """SHA-256 of its wire format, in hex: by this the CA's log knows it."""
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    grant: str
    grant_ends: int
    ca: bytes
    """The blob of the key that signed it."""

    @property
    def emergency(self) -> bool:
        """Whether it was made past every rule, or of a kind that names no grant: its session ends with it."""
        return not self.grant or _EMERGENCY.fullmatch(self.key_id) is not None


def of_session(auth_info: str) -> tuple[UserCertificate, ...]:
    """The certificates by which a session was opened (``SSH_AUTH_INFO_0``): sshd may ask for more than one.

    Raises ``ValueError`` for one that cannot be read.
    """
    certificates = []
    for line in auth_info.splitlines():
        words = line.split(" ")
        if len(words) >= 3 and words[0] == "publickey" and certificate_types.is_certificate(words[1]):
            try:
                certificates.append(read(words[1], base64.b64decode(words[2], validate=True)))
            except binascii.Error:
                raise ValueError("the certificate is not base64") from None
    return tuple(certificates)


def read(kind: str, blob: bytes) -> UserCertificate:
    """Read a certificate of this type. Raises ``ValueError`` if it is none for a user."""
    reader = sshkey.Reader(blob)
    if reader.string() != kind.encode("ascii"):
        raise ValueError("the certificate has another type inside")
    reader.string()  # the nonce
    for _ in range(certificate_types.strings_of(certificate_types.plain(kind))):
        reader.string()
    serial, of_whom = reader.number(8), reader.number(4)
    if of_whom != _USER:
        raise ValueError("the certificate is not a user's")
    key_id = reader.string().decode("utf-8", "replace")
    names, inside = [], sshkey.Reader(reader.string())
    while inside:
        names.append(inside.string().decode("utf-8", "replace"))
    after, before = reader.number(8), reader.number(8)
    reader.string()  # critical options, which sshd has obeyed
    grant, ends = _grant(sshkey.Reader(reader.string()))
    reader.string()  # reserved
    ca = reader.string()
    return UserCertificate(
        hashlib.sha256(blob).hexdigest(), serial, key_id, tuple(names), after, before, grant, ends, ca
    )


def _grant(extensions: sshkey.Reader) -> tuple[str, int]:
    """The grant and the end of its window, from the one extension that says it."""
    while extensions:
        name, value = extensions.string(), extensions.string()
        if name == GRANT.encode("ascii"):
            inner = sshkey.Reader(value)
            match = _GRANT.fullmatch(inner.string().decode("ascii", "replace"))
            if match is None or inner:
                raise ValueError(f"the certificate's {GRANT} is malformed")
            return match[1], int(match[2])
    return "", 0
