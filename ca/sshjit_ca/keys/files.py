"""Keys in files: OpenSSH's own format, readable by the CA's user alone, with or without a passphrase."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization.ssh import SSHPrivateKeyTypes

from sshjit import sshkey
from sshjit.ca_protocol.keys import KeyKind
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit.sshwire import string, text
from sshjit_ca.keys import private_file
from sshjit_ca.keys.composite import CompositeKey
from sshjit_ca.keys.signatures import CURVE_HASHES, ecdsa_blob
from sshjit_ca.keys.signer import RSA_SIGNATURE
from sshjit_ca.machine import durable, owner

MAX_BYTES = 64 * 1024
MAX_PASSPHRASE = 1023
"""Bytes of what a file is encrypted by: more, the library cannot write."""
_Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | CompositeKey
_CURVES: dict[str, ec.EllipticCurve] = {
    "ecdsa-p256": ec.SECP256R1(),
    "ecdsa-p384": ec.SECP384R1(),
    "ecdsa-p521": ec.SECP521R1(),
}


class FileKey:
    """A key from a file, in memory."""

    def __init__(self, private: _Private) -> None:
        """Raises ``Invalid`` for a key that ``sshjit.sshkey`` does not take, such as a short RSA key."""
        self._private = private
        if isinstance(private, CompositeKey):
            self.public: PublicKey = sshkey.parse_blob(_COMPOSITE + string(private.public), post_quantum=True)
            return
        line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self.public = sshkey.parse_line(line.decode("ascii"))

    def sign(self, data: bytes) -> bytes:
        """The signature blob over ``data``."""
        private = self._private
        if isinstance(private, Ed25519PrivateKey):
            return _ED25519 + string(private.sign(data))
        if isinstance(private, CompositeKey):
            return _COMPOSITE + string(private.sign(data))
        if isinstance(private, rsa.RSAPrivateKey):
            return text(RSA_SIGNATURE) + string(private.sign(data, padding.PKCS1v15(), hashes.SHA512()))
        der = private.sign(data, ec.ECDSA(CURVE_HASHES[self.public.type]))
        return ecdsa_blob(self.public, *utils.decode_dss_signature(der))


_ED25519 = text(sshkey.ED25519)
_COMPOSITE = text(sshkey.MLDSA44_ED25519)


def make(path: Path, kind: KeyKind = "ed25519", *, passphrase: bytes | None = None) -> None:
    """Makes a key and writes it, readable by us alone, with ``.pub`` beside it. Never replaces one.

    Raises:
        FileExistsError: when there is a file already.

    """
    private = _new(kind)
    durable.make_durably(path, _written(private, passphrase))
    write_public(path, FileKey(private).public)


def _written(private: _Private, passphrase: bytes | None) -> bytes:
    if isinstance(private, CompositeKey):
        return private_file.write(private, passphrase)
    hidden = serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, hidden)


def write_public(path: Path, public: PublicKey) -> None:
    """Writes the public half beside the key at ``path``, in the place of one that is damaged."""
    durable.write_durably(public_file(path), f"{public.line}\n".encode("ascii"), durable.PUBLIC)


def public_file(path: Path) -> Path:
    """Where the public half of a key lies."""
    return path.with_name(f"{path.name}.pub")


def has_public(path: Path) -> bool:
    """Whether the public half lies beside a key, whole."""
    try:
        sshkey.parse_line(public_file(path).read_text(encoding="ascii"), post_quantum=True)
    except (OSError, Invalid, UnicodeDecodeError):
        return False
    return True


def load_public(path: Path) -> PublicKey:
    """The public half beside a key that ``make`` wrote: what is left to go by when the private one is gone.

    Where it is missing or damaged and the private half lies there unencrypted, it is taken from that one.

    Raises:
        Failed: ``no_key``, ``bad_key_file``.

    """
    beside = public_file(path)
    try:
        return sshkey.parse_line(beside.read_text(encoding="ascii"), post_quantum=True)
    except (Invalid, UnicodeDecodeError):
        problem = Failed("bad_key_file", f"{beside} is not a public key", hint=_PUBLIC.format(path=path))
    except OSError as error:
        hint = owner.unreadable_hint(beside, error, _PUBLIC.format(path=path))
        problem = Failed("no_key", f"{beside}: {error.strerror}", hint=hint)
    try:
        return load(path).public
    except Failed:
        raise problem from None


_PUBLIC = "put it back, or: ssh-keygen -y -f {path} > {path}.pub; before the first start: ssh-jit-ca init goes on"


_MISSING = "put it back from where keys are kept; for a new installation ssh-jit-ca init makes the first keys"


def load(path: Path, passphrase: bytes | None = None) -> FileKey:
    """The key in a file.

    Raises:
        Failed: ``no_key``, ``key_exposed``, ``bad_key_file``, ``bad_passphrase``.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(MAX_BYTES)
    except OSError as error:
        hint = owner.unreadable_hint(path, error, _MISSING)
        raise Failed("no_key", f"{path}: {error.strerror}", hint=hint) from None
    if status.st_uid != os.getuid():
        text = f"{path} belongs to Unix user {status.st_uid}, and this runs as {os.getuid()}"
        right = owner.owner_of(path.parent)
        hint = f"as root: chown {right.name} {path}; chmod 600 {path}"
        raise Failed("key_exposed", text, hint=hint if right.uid == os.getuid() else f"run it as {right.name}")
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise Failed("key_exposed", f"{path} can be read by other users", hint=f"chmod 600 {path}")
    private = _read(path, raw, passphrase)
    if not isinstance(private, (Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, CompositeKey)):
        raise Failed("bad_key_file", f"{path} is not an Ed25519, ECDSA, RSA or {sshkey.MLDSA44_ED25519} key")
    try:
        return FileKey(private)
    except Invalid as error:
        raise Failed("bad_key_file", f"{path}: {error.message}") from None


def _read(path: Path, raw: bytes, passphrase: bytes | None) -> SSHPrivateKeyTypes | CompositeKey:
    try:
        if private_file.holds_composite(raw):
            return private_file.read(raw, passphrase)
        return serialization.load_ssh_private_key(raw, password=passphrase)
    except TypeError:
        if passphrase is None:
            raise Failed(
                "bad_passphrase",
                f"{path} is encrypted, but its reference has no passphrase",
                hint=f"file:{path}?passphrase=/path/of/a/file",
            ) from None
        raise Failed(
            "bad_passphrase", f"{path} is not encrypted, but its reference has a passphrase", hint=f"file:{path}"
        ) from None
    except Invalid as error:
        if error.code == "bad_passphrase":
            raise Failed("bad_passphrase", f"the passphrase does not decrypt {path}") from None
        raise Failed("bad_key_file", f"{path}: {error.message}", hint=error.hint or _DAMAGED) from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase is None:
            raise Failed("bad_key_file", f"{path} is not an OpenSSH private key", hint=_DAMAGED) from None
        raise Failed("bad_passphrase", f"the passphrase does not decrypt {path}") from None


_DAMAGED = (
    "a damaged one is put back from where keys are kept, or before the first start ssh-jit-ca init makes it anew; "
    "others: ssh-keygen -p rewrites them in OpenSSH's format"
)


def _new(kind: KeyKind) -> _Private:
    if kind == "ed25519":
        return Ed25519PrivateKey.generate()
    if kind == "mldsa44-ed25519":
        return CompositeKey.generate()
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))
