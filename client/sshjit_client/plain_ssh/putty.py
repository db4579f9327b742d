"""A private key in PuTTY's form, version 3, without a passphrase (PuTTY's manual, appendix C).

Only for the keys that ssh-jit makes: Ed25519 without a passphrase. ``puttygen`` converts every other one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from pathlib import Path

from sshjit.errors import Invalid

_MAGIC = b"openssh-key-v1\0"
_BEGIN, _END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
_ED25519 = b"ssh-ed25519"
_COLUMNS = 64


def private_key(key: Path, certificate: Path | None = None) -> str:
    """The text of a ``.ppk``; with ``certificate``, the one that holds it as well.

    Raises:
        Invalid: ``other_key``, with the command that converts it.

    """
    try:
        public, seed = _ed25519(key.read_text("ascii"))
    except (ValueError, struct.error):
        command = f"puttygen {key} -O private -o {key}.ppk"
        text = "ssh-jit writes only Ed25519 keys without a passphrase for PuTTY"
        raise Invalid("other_key", text, hint=command) from None
    algorithm, blob = _ED25519, public
    if certificate is not None:
        words = certificate.read_text("ascii").split()
        algorithm, blob = words[0].encode(), base64.b64decode(words[1])
    comment, private = b"ssh-jit", _string(seed)
    mac = hmac.new(b"", b"".join(map(_string, (algorithm, b"none", comment, blob, private))), hashlib.sha256)
    lines = [
        f"PuTTY-User-Key-File-3: {algorithm.decode()}",
        "Encryption: none",
        f"Comment: {comment.decode()}",
        *_block("Public-Lines", blob),
        *_block("Private-Lines", private),
        f"Private-MAC: {mac.hexdigest()}",
    ]
    return "\n".join(lines) + "\n"


def _ed25519(text: str) -> tuple[bytes, bytes]:
    """Public blob and seed of a private key in OpenSSH's form (its PROTOCOL.key). Raises ``ValueError``."""
    body = text.partition(_BEGIN)[2].partition(_END)[0]
    data = base64.b64decode(body)
    if not data.startswith(_MAGIC):
        raise ValueError("not a private key of OpenSSH")
    cipher, rest = _taken(data[len(_MAGIC) :])
    _, rest = _taken(rest)
    _, rest = _taken(rest)
    (count,), rest = struct.unpack(">I", rest[:4]), rest[4:]
    public, rest = _taken(rest)
    private, _ = _taken(rest)
    if cipher != b"none" or count != 1:
        raise ValueError("encrypted, or several keys")
    kind, private = _taken(private[8:])  # after two equal numbers, which show that a passphrase was right
    if kind != _ED25519:
        raise ValueError("another kind of key")
    _, private = _taken(private)
    both, _ = _taken(private)
    return public, both[:32]


def _taken(data: bytes) -> tuple[bytes, bytes]:
    """A string of SSH's encoding, and what follows it. Raises ``struct.error``."""
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise ValueError("cut off")
    return data[4 : 4 + length], data[4 + length :]


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _block(name: str, data: bytes) -> list[str]:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return [f"{name}: {len(lines)}", *lines]
