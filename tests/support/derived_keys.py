"""Private keys that come out of a text: for vectors that were made with them, so that no private key is ever kept.

Whoever reads this can sign with them; nothing outside tests may believe one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def derived(text: str) -> Ed25519PrivateKey:
    """The Ed25519 key whose 32 private bytes are the SHA-256 of ``text``."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(text.encode()).digest())


def public_line(text: str) -> str:
    """Its public half as an OpenSSH line without a comment."""
    public = derived(text).public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def write_key(path: Path, text: str) -> Path:
    """Writes it as ``ssh-keygen`` would: the private key for the owner alone, and ``.pub`` beside it."""
    format_, encryption = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    path.touch(0o600)
    path.write_bytes(derived(text).private_bytes(serialization.Encoding.PEM, format_, encryption))
    path.with_name(f"{path.name}.pub").write_text(f"{public_line(text)}\n")
    return path
