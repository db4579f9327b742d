"""A private key in PuTTY's form, version 3, without a passphrase (PuTTY's manual, appendix C).

Only for the keys that ssh-jit makes: Ed25519 without a passphrase. ``puttygen`` converts every other one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

from sshjit import sshkey
from sshjit.errors import Invalid
from sshjit.sshwire import string
from sshjit_client.ssh import private_key as private_key_file

_ED25519 = sshkey.ED25519.encode()
_COLUMNS = 64


def private_key(key: Path, certificate: Path | None = None) -> str:
    """The text of a ``.ppk``; with ``certificate``, the one that holds it as well.

    Raises:
        Invalid: ``other_key``, with the command that converts it.

    """
    try:
        read = private_key_file.read(key)
    except Invalid:
        read = None
    if read is None or read.kind != sshkey.ED25519:
        command = f"puttygen {key} -O private -o {key}.ppk"
        text = "ssh-jit writes only Ed25519 keys without a passphrase for PuTTY"
        raise Invalid("other_key", text, hint=command)
    public, seed = read.public, read.parts[1][:32]
    algorithm, blob = _ED25519, public
    if certificate is not None:
        words = certificate.read_text("ascii").split()
        algorithm, blob = words[0].encode(), base64.b64decode(words[1])
    comment, private = b"ssh-jit", string(seed)
    mac = hmac.new(b"", b"".join(map(string, (algorithm, b"none", comment, blob, private))), hashlib.sha256)
    lines = [
        f"PuTTY-User-Key-File-3: {algorithm.decode()}",
        "Encryption: none",
        f"Comment: {comment.decode()}",
        *_block("Public-Lines", blob),
        *_block("Private-Lines", private),
        f"Private-MAC: {mac.hexdigest()}",
    ]
    return "\n".join(lines) + "\n"


def _block(name: str, data: bytes) -> list[str]:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return [f"{name}: {len(lines)}", *lines]
