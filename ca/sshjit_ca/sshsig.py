"""SSH signatures over files and messages (OpenSSH's PROTOCOL.sshsig): made for bundles, checked at logins.

What is checked: namespace, hash, key and signature, all of them, and nothing may be left over. RSA signs with SHA-2
only. Signatures by hardware keys carry flags and a counter (PROTOCOL.u2f); touching the key is always demanded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from sshjit import sshkey
from sshjit.errors import Invalid, Refused
from sshjit.sshkey import PublicKey
from sshjit.sshwire import Reader, string, text, u32
from sshjit_ca.keys import Signer

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
MAX_ARMOUR = 16 * 1024
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_CURVE_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "521": hashes.SHA512()}
_RSA_HASHES = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_USER_PRESENT = 0x01


def sign(signer: Signer, namespace: str, message: bytes) -> str:
    """An armoured signature over ``message``."""
    signature = signer.sign(_to_be_signed(namespace, "sha512", message))
    blob = (
        _MAGIC
        + u32(1)
        + string(signer.public.blob)
        + text(namespace)
        + string(b"")
        + text("sha512")
        + string(signature)
    )
    encoded = base64.b64encode(blob).decode("ascii")
    lines = [encoded[at : at + 70] for at in range(0, len(encoded), 70)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def verify(armoured: str, key: PublicKey, namespace: str, message: bytes) -> None:
    """Checks that ``key`` signed ``message`` in ``namespace``.

    Raises:
        Invalid: ``bad_signature``, when it is not a signature at all.
        Refused: ``signature_refused``, when it is one, and not this one.

    """
    reader = Reader(_unarmour(armoured))
    if reader.raw(6) != _MAGIC or reader.u32() != 1:
        raise Invalid("bad_signature", "not an SSH signature of version 1")
    blob, said, reserved, digest, signature = (
        reader.string(),
        reader.text(),
        reader.string(),
        reader.text(),
        reader.string(),
    )
    reader.finish()
    if blob != key.blob or said != namespace or reserved or digest not in _HASHES:
        raise Refused("signature_refused", "the signature is by another key, or for another purpose")
    try:
        _check(key, _to_be_signed(namespace, digest, message), signature)
    except InvalidSignature:
        raise Refused("signature_refused", "the signature does not fit") from None


def _unarmour(armoured: str) -> bytes:
    lines = armoured.strip().splitlines()
    if len(armoured) > MAX_ARMOUR or len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise Invalid("bad_signature", "not an armoured SSH signature")
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("bad_signature", "the SSH signature is not base64") from None


def _to_be_signed(namespace: str, digest: str, message: bytes) -> bytes:
    return _MAGIC + text(namespace) + string(b"") + text(digest) + string(_HASHES[digest](message).digest())


def _check(key: PublicKey, data: bytes, signature: bytes) -> None:
    """Checks one SSH signature blob by ``key`` over ``data``."""
    reader = Reader(signature)
    kind, raw = reader.text(), reader.string()
    if key.hardware:
        flags, counter = reader.u8(), reader.raw(4)
        application = _application(key)
        if not flags & _USER_PRESENT:
            raise InvalidSignature
        data = hashlib.sha256(application).digest() + bytes([flags]) + counter + hashlib.sha256(data).digest()
    reader.finish()
    if kind != key.type and not (key.type == sshkey.RSA and kind in _RSA_HASHES):
        raise InvalidSignature
    public = _public_key(key)
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(raw, data)
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(raw, data, padding.PKCS1v15(), _RSA_HASHES[kind])
    else:
        points = Reader(raw)
        r, s = points.mpint(), points.mpint()
        points.finish()
        digest = _CURVE_HASHES[str(public.curve.key_size)]
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
