"""SSH signatures over files and messages (OpenSSH's PROTOCOL.sshsig): made for bundles, checked at logins.

What is checked: namespace, hash, key and signature, all of them, and nothing may be left over. RSA signs with SHA-2
only (``keys/signatures.py``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature

from sshjit.errors import Invalid, Refused
from sshjit.sshkey import PublicKey
from sshjit.sshwire import Reader, string, text, u32
from sshjit_ca.keys import Signer, signatures

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
MAX_ARMOUR = 16 * 1024
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


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
    blob, space, reserved, digest, signature = (
        reader.string(),
        reader.text(),
        reader.string(),
        reader.text(),
        reader.string(),
    )
    reader.finish()
    if blob != key.blob or space != namespace or reserved or digest not in _HASHES:
        raise Refused("signature_refused", "the signature is by another key, or for another purpose")
    try:
        signatures.verify(key, _to_be_signed(namespace, digest, message), signature)
    except InvalidSignature:
        raise Refused("signature_refused", "the signature is not valid") from None


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
