"""A private key without a passphrase, in OpenSSH's form (its PROTOCOL.key): what other forms are made of.

Only the kinds whose parts somebody here needs. OpenSSH's own programs read all others.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from sshjit import sshkey
from sshjit.errors import Invalid
from sshjit.sshwire import Reader

_MAGIC = b"openssh-key-v1\0"
_BEGIN, _END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
_ECDSA = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_PARTS = {sshkey.ED25519: 2, sshkey.MLDSA44_ED25519: 2, **dict.fromkeys(_ECDSA, 3)}
"""Kind of a key -> how many strings its private part has: public and secret; or curve, point and number."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """``kind``: as in its public line. ``public``: the public key's blob. ``parts``: the strings of the private key."""

    kind: str
    public: bytes
    parts: tuple[bytes, ...]


def read(path: Path) -> PrivateKey:
    """Reads the file of a key.

    Raises:
        Invalid: ``other_key``: it has a passphrase, is of another kind or in another form, or is no private key.

    """
    try:
        body = path.read_text("ascii").partition(_BEGIN)[2].partition(_END)[0]
        data = base64.b64decode(body)
    except (OSError, ValueError) as error:
        raise Invalid("other_key", f"can't read the private key {path}: {error}") from None
    if not data.startswith(_MAGIC):
        raise Invalid("other_key", f"{path} is not a private key in OpenSSH's form")
    reader = Reader(data[len(_MAGIC) :])
    cipher = reader.string()
    _, _, count = reader.string(), reader.string(), reader.u32()
    if cipher != b"none" or count != 1:
        raise Invalid("other_key", f"the key {path} has a passphrase")
    public, private = reader.string(), Reader(reader.string())
    private.u64()  # two equal numbers, which show that a passphrase was right
    kind = private.text()
    if kind not in _PARTS:
        raise Invalid("other_key", f"the key {path} is of the kind {kind}")
    return PrivateKey(kind, public, tuple(private.string() for _ in range(_PARTS[kind])))
