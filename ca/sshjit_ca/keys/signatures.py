"""Signatures as SSH writes them: checked, and made of what libraries and devices return.

What a device returns is held against the public key before it leaves: a broken or exchanged device must not leak
certificates that nobody believes, nor a fault in one signature give its key away.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from sshjit import sshkey
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit.sshwire import Reader, mpint, string, text
from sshjit_ca.keys import composite
from sshjit_ca.keys.signer import signature_type

CURVE_HASHES = {
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}
"""By which hash a curve's keys sign (RFC 5656, section 6.2.1)."""
_RSA_HASHES = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_USER_PRESENT = 0x01


def ecdsa_blob(key: PublicKey, r: int, s: int) -> bytes:
    """The signature blob of an ECDSA signature's two numbers."""
    return text(key.type) + string(mpint(r) + mpint(s))


def ours(key: PublicKey, data: bytes, signature: bytes, where: str) -> bytes:
    """The signature, if it is the one that ``key`` must make over ``data``; ``where`` names the device in the error.

    Raises:
        Failed: ``not_signing``.

    """
    try:
        verify(key, data, signature)
        if Reader(signature).text() == signature_type(key):
            return signature
    except (InvalidSignature, Invalid):
        pass
    raise Failed(
        "not_signing",
        f"{where} returned a signature that is not by {key.fingerprint}; it was discarded",
        hint="is the device broken, or was the key replaced?",
    )


def verify(key: PublicKey, data: bytes, signature: bytes) -> None:
    """Checks one SSH signature blob by ``key`` over ``data``.

    Hardware keys of people (PROTOCOL.u2f) sign with flags and a counter; that the key was touched is always demanded.

    Raises:
        InvalidSignature: it does not fit.
        Invalid: it is not a signature blob at all.

    """
    reader = Reader(signature)
    kind, raw = reader.text(), reader.string()
    if key.hardware:
        flags, counter = reader.u8(), reader.raw(4)
        application = _application(key)
        if not flags & _USER_PRESENT:
            raise InvalidSignature
        data = hashlib.sha256(application).digest() + bytes([flags]) + counter + hashlib.sha256(data).digest()
    reader.finish()
    if key.post_quantum:
        if kind != key.type:
            raise InvalidSignature
        composite.verify(Reader(key.body).string(), raw, data)
        return
    if kind != key.type and not (key.type == sshkey.RSA and kind in _RSA_HASHES):
        raise InvalidSignature
    public = _public_key(key)
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(raw, data)
    elif isinstance(public, rsa.RSAPublicKey):
        if kind not in _RSA_HASHES:
            raise InvalidSignature  # "ssh-rsa" as a signature's type means SHA-1
        public.verify(raw, data, padding.PKCS1v15(), _RSA_HASHES[kind])
    else:
        points = Reader(raw)
        r, s = points.mpint(), points.mpint()
        points.finish()
        digest = hashes.SHA256() if key.hardware else CURVE_HASHES[key.type]
        public.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(digest))


def _public_key(key: PublicKey) -> ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The key for the library; of a hardware key, the curve's key inside."""
    reader = Reader(key.body)
    if key.type == sshkey.SK_ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
    if key.type == sshkey.SK_ECDSA:
        reader.text()
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), reader.string())
    public = serialization.load_ssh_public_key(key.line.encode("ascii"))
    if not isinstance(public, (ed25519.Ed25519PublicKey, rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise InvalidSignature
    return public


def _application(key: PublicKey) -> bytes:
    reader = Reader(key.body)
    reader.string()
    if key.type == sshkey.SK_ECDSA:
        reader.string()
    return reader.string()
