"""Public keys of certificate authorities, and the strings that SSH packs binary data in (RFC 4251, section 5).

Decides which keys may be a CA's or the bundle's: Ed25519, ECDSA on a NIST curve, RSA of at least 3072 bits, and where
asked for ML-DSA-44 with Ed25519, written as exactly ``type base64``. Whether an ECDSA point lies on its curve is left
to ``ssh-keygen``, which reads every file that this program writes before it counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from sshjit_host.formats.certificate_types import POST_QUANTUM, POST_QUANTUM_BYTES

MIN_RSA_BITS = 3072
MAX_RSA_BITS = 8192
MAX_EXPONENT_BITS = 33
_TYPE = re.compile(rb"[!-+\--~]{1,64}")
CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
"""Bytes of an uncompressed point (SEC 1, 2.3.3) by the curve's name in RFC 5656."""
_ECDSA = frozenset(b"ecdsa-sha2-" + curve.encode("ascii") for curve in CURVES)
_CERTIFICATE = re.compile(rb"-cert-v|^ssh-mldsa44-ed25519-cert")
"""Types of certificates: OpenSSH 10.6 names the post-quantum one without a version."""
_HARDWARE = frozenset((b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"))
"""Known, and no CA's."""


class UnknownType(ValueError):
    """A key of a type that is not known here: a newer version may know it. ``kind`` is its name."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"is of the type {kind}, which is not known here")
        self.kind = kind


class Reader:
    """Takes SSH-encoded values off the front of ``data``; raises ``ValueError`` where there are too few bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return self._at < len(self._data)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count > len(self._data) - self._at:
            raise ValueError("ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        """An unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        """A string: four bytes of length, then the bytes."""
        return self.take(self.number(4))

    def mpint(self) -> int:
        """A positive number in its one shortest form."""
        data = self.string()
        if not data or data[0] & 0x80 or (data[0] == 0 and (len(data) == 1 or not data[1] & 0x80)):
            raise ValueError("holds a number in a form that is not the shortest")
        return int.from_bytes(data, "big")

    def end(self) -> None:
        """Raise ``ValueError`` if there is anything left."""
        if self:
            raise ValueError("has bytes left over")


def string(data: bytes) -> bytes:
    """An SSH string: four bytes of length, then the bytes."""
    return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True)
class PublicKey:
    """A key that may be a CA's: ``line`` is ``type base64``, ``blob`` its binary form."""

    line: str
    blob: bytes

    @property
    def type(self) -> str:
        """``ssh-ed25519`` and so on."""
        return self.line.partition(" ")[0]

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``, as ``ssh-keygen -l`` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii")
        return "SHA256:" + digest.rstrip("=")


@dataclass(frozen=True)
class LaterKey:
    """A key of a type that is not known here, written as ``type base64``. Nothing of it was checked but the type."""

    kind: str
    line: str


def read_line(line: str, *, post_quantum: bool = False) -> PublicKey:
    """Read ``type base64``; anything else (a comment, options, a certificate, a weak key) raises ``ValueError``.

    A post-quantum key is taken where the caller says so: elsewhere it would shut people out of an older OpenSSH.
    """
    kind, blank, text = line.partition(" ")
    if not blank:
        raise ValueError("is not of the form `type base64`")
    try:
        blob = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("is not base64") from None
    if base64.b64encode(blob).decode("ascii") != text:
        raise ValueError("is not canonical base64")
    inside = Reader(blob).string()
    if inside != kind.encode("ascii"):
        raise ValueError("has another type inside")
    check_blob(blob, post_quantum=post_quantum)
    return PublicKey(line=line, blob=blob)


def blob_of(line: str) -> bytes:
    """The blob of an OpenSSH line of any type, not looked into. Raises ``ValueError`` if it is not base64."""
    try:
        return base64.b64decode(line.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("is not of the form `type base64`") from None


def check_blob(blob: bytes, *, post_quantum: bool = False) -> str:
    """Check a key blob whole and return its type; raises ``UnknownType`` for one that may only be too new."""
    reader = Reader(blob)
    kind = reader.string()
    if post_quantum and kind == POST_QUANTUM.encode("ascii"):
        if len(reader.string()) != POST_QUANTUM_BYTES:
            raise ValueError("is not an ML-DSA-44 and Ed25519 key")
    else:
        _check_classical(kind, reader)
    reader.end()
    return kind.decode("ascii")


def _check_classical(kind: bytes, reader: Reader) -> None:
    """Check what comes after the type of a key."""
    if kind == b"ssh-ed25519":
        if len(reader.string()) != 32:
            raise ValueError("is not an Ed25519 key")
    elif kind == b"ssh-rsa":
        exponent, modulus = reader.mpint(), reader.mpint()
        if not 3 <= exponent < 1 << MAX_EXPONENT_BITS or not exponent & 1 or not modulus & 1:
            raise ValueError("is not an RSA key")
        if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
            raise ValueError(
                f"is an RSA key of {modulus.bit_length()} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are taken"
            )
    elif kind in _ECDSA:
        curve, point = reader.string(), reader.string()
        if kind != b"ecdsa-sha2-" + curve or CURVES.get(curve.decode("ascii", "replace")) != len(point):
            raise ValueError("is not an ECDSA key")
        if point[0] != 4:
            raise ValueError("is not an uncompressed point")
    elif kind in _HARDWARE or _CERTIFICATE.search(kind) or not _TYPE.fullmatch(kind):
        raise ValueError("is neither Ed25519, ECDSA nor RSA")
    else:
        raise UnknownType(kind.decode("ascii"))
