"""Hardware keys in software: what a thief would build, and what tests have in place of a device.

The layout is OpenSSH's PROTOCOL.u2f: a signature is over SHA-256(application), flags, counter and SHA-256(message).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sshjit import sshkey
from sshjit.sshwire import mpint, string, text, u32

PRESENT, VERIFIED = 0x01, 0x04
"""Flags: somebody touched the device; somebody gave its PIN."""
APPLICATION = "ssh:"


@dataclass
class SoftKey:
    """The key. ``flags`` is what its signatures say of touch and PIN; nothing stops it from saying anything."""

    flags: int = PRESENT | VERIFIED
    counter: int = 1
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def blob(self) -> bytes:
        """The public key in wire format."""
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return text(sshkey.SK_ED25519) + string(raw) + text(APPLICATION)

    @property
    def line(self) -> str:
        """The public key as one OpenSSH line."""
        return sshkey.parse_blob(self.blob).line

    def sign(self, data: bytes) -> bytes:
        """An SSH signature blob over ``data``."""
        self.counter += 1
        tail = bytes([self.flags]) + u32(self.counter)
        said = hashlib.sha256(APPLICATION.encode()).digest() + tail + hashlib.sha256(data).digest()
        return text(sshkey.SK_ED25519) + string(self.private.sign(said)) + tail

    def sshsig(self, namespace: str, message: bytes) -> str:
        """An armoured SSHSIG."""
        digest = hashlib.sha512(message).digest()
        signed = b"SSHSIG" + text(namespace) + string(b"") + text("sha512") + string(digest)
        blob = (b"SSHSIG" + u32(1) + string(self.blob) + text(namespace) + string(b"") + text("sha512")) + string(
            self.sign(signed)
        )
        encoded = base64.b64encode(blob).decode()
        lines = [encoded[at : at + 70] for at in range(0, len(encoded), 70)]
        return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


@dataclass
class SoftEcdsaKey(SoftKey):
    """The same with P-256: the other type of hardware key that there is."""

    point: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def blob(self) -> bytes:
        """The public key in wire format."""
        public = self.point.public_key()
        raw = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return text(sshkey.SK_ECDSA) + text("nistp256") + string(raw) + text(APPLICATION)

    def sign(self, data: bytes) -> bytes:
        """An SSH signature blob over ``data``."""
        self.counter += 1
        tail = bytes([self.flags]) + u32(self.counter)
        said = hashlib.sha256(APPLICATION.encode()).digest() + tail + hashlib.sha256(data).digest()
        r, s = utils.decode_dss_signature(self.point.sign(said, ec.ECDSA(hashes.SHA256())))
        return text(sshkey.SK_ECDSA) + string(mpint(r) + mpint(s)) + tail
