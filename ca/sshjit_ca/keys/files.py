"""The CA's own keys: what signs, and for which purpose.

Four keys apart from each other, so that none can stand in for another: ``user_ca`` signs user certificates, ``host_ca``
host certificates, ``bundle`` what hosts and laptops believe, ``log`` the heads of the log. They are Ed25519 keys in
OpenSSH's own format, in files that only the CA's user can read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sshjit import sshkey
from sshjit.errors import Failed
from sshjit.sshwire import string, text
from sshjit_ca.keys.signer import PURPOSES, Signer


class FileKey:
    """An Ed25519 key from a file."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self.public = sshkey.parse_line(line.decode("ascii"))

    def sign(self, data: bytes) -> bytes:
        """Ed25519 over ``data``."""
        return _SIGNATURE_TYPE + string(self._private.sign(data))


_SIGNATURE_TYPE = text(sshkey.ED25519)


@dataclass(frozen=True, slots=True)
class Keys:
    """One signer for each purpose."""

    user_ca: Signer
    host_ca: Signer
    bundle: Signer
    log: Signer

    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """(purpose, fingerprint), in the order of ``PURPOSES``."""
        return tuple((purpose, getattr(self, purpose).public.fingerprint) for purpose in PURPOSES)


def make(path: Path) -> None:
    """Makes a key and writes it, readable by us alone. Never replaces one.

    Raises:
        FileExistsError: when there is a file already.

    """
    raw = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def load(folder: Path) -> Keys:
    """The keys in a folder.

    Raises:
        Failed: ``no_key``, ``key_exposed``, ``bad_key_file``, ``same_key``.

    """
    signers = {purpose: _load(folder / purpose) for purpose in PURPOSES}
    if len({signer.public.blob for signer in signers.values()}) != len(PURPOSES):
        raise Failed("same_key", "one key serves two purposes", hint="each purpose has a key of its own")
    return Keys(**signers)


def _load(path: Path) -> FileKey:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise Failed("no_key", f"{path}: {error.strerror}", hint="ssh-jit-ca init makes the keys") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise Failed("key_exposed", f"{path} is not readable by us alone", hint=f"chmod 600 {path}")
        raw = file.read(64 * 1024)
    try:
        private = serialization.load_ssh_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Failed("bad_key_file", f"{path} is not an OpenSSH private key without a passphrase") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise Failed("bad_key_file", f"{path} is not an Ed25519 key")
    return FileKey(private)
