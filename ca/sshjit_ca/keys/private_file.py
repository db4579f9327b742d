"""OpenSSH's private key files (PROTOCOL.key) of composite keys, plain or encrypted; the library reads the other types.

Read is what ``ssh-keygen`` of OpenSSH 10.6 writes by default: one key, in the clear, or by bcrypt and AES-256 in
counter mode. Written is the same. Every byte is accounted for: what is left over, or says two things of one key, is
damage.
"""

from __future__ import annotations

import base64
import binascii
import os

import bcrypt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sshjit.errors import Invalid
from sshjit.sshkey import MLDSA44_ED25519
from sshjit.sshwire import Reader, string, text, u32
from sshjit_ca.keys.composite import CompositeKey

_MAGIC = b"openssh-key-v1\0"
_BEGIN, _END = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----END OPENSSH PRIVATE KEY-----"
_CIPHER, _KDF, _NONE = "aes256-ctr", "bcrypt", "none"
_KEY_BYTES, _COUNTER_BYTES, _SALT_BYTES = 32, 16, 16
_BLOCKS = {_NONE: 8, _CIPHER: 16}
ROUNDS = 24
"""Of bcrypt, as ``ssh-keygen`` has by default."""
MAX_ROUNDS = 100
"""Of a file that is read: a second. One with more is written anew: ssh-keygen -p -a 24."""


def holds_composite(raw: bytes) -> bool:
    """Whether a file says, in the part that is never encrypted, that its key is a composite one."""
    try:
        return Reader(_header(raw)[3]).text() == MLDSA44_ED25519
    except Invalid:
        return False


def read(raw: bytes, passphrase: bytes | None) -> CompositeKey:
    """The key in a file.

    Raises:
        Invalid: ``bad_key``: it is damaged, or written in a way that is not read here. ``bad_passphrase``: it is
            encrypted by another one, or its encrypted part is damaged.
        TypeError: a passphrase is missing, or there should be none; as the library says it of other keys.

    """
    cipher, kdf, options, public, private = _header(raw)
    if (cipher, kdf) not in ((_NONE, _NONE), (_CIPHER, _KDF)):
        raise _bad(f"it is encrypted by {cipher[:40]!r}, and {_CIPHER} is read", hint="ssh-keygen -p -Z aes256-ctr")
    if (cipher == _NONE) != (passphrase is None):
        raise TypeError("a passphrase is missing, or there should be none")
    if not private or len(private) % _BLOCKS[cipher]:
        raise _bad("its private part is cut short")
    if passphrase is None:
        if options:
            raise _bad("it is not encrypted, and says how")
    else:
        private = _crypt(private, passphrase, options)
    return _private(private, public, encrypted=passphrase is not None)


def write(key: CompositeKey, passphrase: bytes | None, *, rounds: int = ROUNDS) -> bytes:
    """The file's text."""
    check, public = os.urandom(4), text(MLDSA44_ED25519) + string(key.public)
    private = check + check + public + string(key.seeds) + string(b"")
    cipher, kdf, options = (_NONE, _NONE, b"") if passphrase is None else (_CIPHER, _KDF, _new_options(rounds))
    private += bytes(range(1, 1 + -len(private) % _BLOCKS[cipher]))
    if passphrase is not None:
        private = _crypt(private, passphrase, options)
    whole = _MAGIC + text(cipher) + text(kdf) + string(options) + u32(1) + string(public) + string(private)
    encoded = base64.b64encode(whole)
    lines = (encoded[at : at + 70] for at in range(0, len(encoded), 70))
    return b"\n".join((_BEGIN, *lines, _END, b""))


def _header(raw: bytes) -> tuple[str, str, bytes, bytes, bytes]:
    """Cipher, key derivation and its options, public key and private part."""
    lines = raw.strip().splitlines()
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise _bad("it does not begin and end like one")
    try:
        reader = Reader(base64.b64decode(b"".join(lines[1:-1]), validate=True))
    except (binascii.Error, ValueError):
        raise _bad("it is not base64") from None
    try:
        if not reader.take(_MAGIC):
            raise _bad("it does not begin like one")
        cipher, kdf, options = reader.text(), reader.text(), reader.string()
        if reader.u32() != 1:
            raise _bad("it does not hold one key")
        public, private = reader.string(), reader.string()
        reader.finish()
    except Invalid as error:
        raise error if error.code == "bad_key" else _bad(error.message) from None
    return cipher, kdf, options, public, private


def _new_options(rounds: int) -> bytes:
    return string(os.urandom(_SALT_BYTES)) + u32(rounds)


def _crypt(data: bytes, passphrase: bytes, options: bytes) -> bytes:
    """Encrypts or decrypts: in counter mode that is the same."""
    try:
        reader = Reader(options)
        salt, rounds = reader.string(), reader.u32()
        reader.finish()
    except Invalid as error:
        raise _bad(error.message) from None
    if not salt or not 0 < rounds <= MAX_ROUNDS:
        raise _bad(f"its passphrase is derived by {rounds} rounds, and 1 to {MAX_ROUNDS} are read")
    secret = bcrypt.kdf(passphrase, salt, _KEY_BYTES + _COUNTER_BYTES, rounds, ignore_few_rounds=True)
    cipher = Cipher(algorithms.AES(secret[:_KEY_BYTES]), modes.CTR(secret[_KEY_BYTES:]))
    crypt = cipher.encryptor()
    return crypt.update(data) + crypt.finalize()


def _private(private: bytes, public: bytes, *, encrypted: bool) -> CompositeKey:
    """The key of a private part in the clear; it must be the one that the file says in public."""
    if private[:4] != private[4:8]:
        if encrypted:
            raise Invalid("bad_passphrase", "the passphrase does not decrypt the private key")
        raise _bad("its private part is damaged")
    reader = Reader(private[8:])
    try:
        start = reader.position
        kind, key = reader.text(), reader.string()
        public_again, seeds = reader.since(start), reader.string()
        reader.string()  # the comment
        padding = reader.rest()
    except Invalid as error:
        raise _bad(error.message) from None
    if kind != MLDSA44_ED25519 or padding != bytes(range(1, 1 + len(padding))) or len(padding) >= _BLOCKS[_CIPHER]:
        raise _bad("its private part is damaged")
    composite = CompositeKey(seeds)
    if public_again != public or composite.public != key:
        raise _bad("its two halves are of different keys")
    return composite


def _bad(problem: str, *, hint: str = "") -> Invalid:
    return Invalid("bad_key", f"this is not an OpenSSH private key of the type {MLDSA44_ED25519}: {problem}", hint=hint)
