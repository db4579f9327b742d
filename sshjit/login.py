"""How a native login ties an ID token to an SSH key.

The provider signs whatever nonce the client chose. The native client chooses the hash of its key, so a token with that
nonce says: the person who signed in just now runs the program that holds this key.
"""

from __future__ import annotations

import base64
import hashlib
import re

from sshjit.errors import Invalid

NAMESPACE = "login@ssh-jit"
"""The SSHSIG namespace of the signature over the token."""
SALT_BYTES = 16
_LABEL = b"ssh-jit login v1\n"
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def nonce(key_blob: bytes, salt: bytes) -> str:
    """The nonce that binds ``key_blob`` (a public key in SSH wire format): base64url without padding, 43 characters."""
    if len(salt) != SALT_BYTES:
        raise Invalid("bad_salt", f"the salt must have {SALT_BYTES} bytes")
    return b64url(hashlib.sha256(_LABEL + key_blob + salt).digest())


def signed_text(id_token: str) -> bytes:
    """What the key signs: the 32 bytes of the token's SHA-256."""
    if not id_token.isascii():
        raise Invalid("bad_token", "the ID token is not ASCII")
    return hashlib.sha256(id_token.encode("ascii")).digest()


def b64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """The bytes of unpadded base64url, in its one canonical spelling."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Invalid("bad_base64", "not base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(raw) != text:
        raise Invalid("bad_base64", "not canonical base64url")
    return raw
