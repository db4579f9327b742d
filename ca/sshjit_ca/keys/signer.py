"""What every key of the CA can do, wherever it lives."""

from __future__ import annotations

from typing import Protocol

from sshjit import sshkey
from sshjit.ca_protocol.keys import Purpose
from sshjit.sshkey import PublicKey

PURPOSES: tuple[Purpose, ...] = ("user_ca", "host_ca", "bundle", "log")
RSA_SIGNATURE = "rsa-sha2-512"
"""The one way in which RSA keys sign here (RFC 8332): never with SHA-1."""


class Signer(Protocol):
    """A private key that signs, wherever it lives."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """The SSH signature blob over ``data``: ``string type``, ``string signature`` (RFC 4253, section 6.6).

        Raises:
            Failed: ``not_signing``, with what is wrong with the key's device and what to do.

        """


def signature_type(key: PublicKey) -> str:
    """The type that a signature by this key must say: the key's own, but for RSA."""
    return RSA_SIGNATURE if key.type == sshkey.RSA else key.type
