"""OpenSSH certificates, as bytes: one encoder and one reader.

What a certificate may say is decided in ``sshjit/profile.py``; how a signature is made, in the CA. This file knows the
layout (OpenSSH's PROTOCOL.certkeys) and refuses what could not be written in it. Reading what was written gives the
same record back, and writing what was read the same bytes; the CA holds every certificate to that before release.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, Literal

from sshjit import sshkey
from sshjit.errors import Invalid
from sshjit.sshkey import PublicKey
from sshjit.sshwire import U64_MAX, Reader, string, text, u32, u64

USER: Final = 1
HOST: Final = 2
MAX_PRINCIPALS = 256
MAX_BYTES = 256 * 1024
_SUFFIX = "-cert-v01@openssh.com"
_POST_QUANTUM_SUFFIX = "-cert"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Everything that a certificate says, without the signature.

    ``critical`` and ``extensions`` are pairs (name, value), sorted by name; a value ``None`` is a bare flag. Times are
    seconds since the epoch.
    """

    key: PublicKey
    kind: Literal[1, 2]
    serial: int
    key_id: str
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical: tuple[tuple[str, str | None], ...]
    extensions: tuple[tuple[str, str | None], ...]
    nonce: bytes
    ca_blob: bytes

    def __post_init__(self) -> None:
        """A certificate for everybody, for ever, or with serial 0 cannot be said."""
        principals = self.principals
        if not 1 <= len(principals) <= MAX_PRINCIPALS or not all(principals):
            raise Invalid("no_principals", f"a certificate names 1 to {MAX_PRINCIPALS} principals, none of them empty")
        if len(set(principals)) != len(principals):
            raise Invalid("bad_principal", "a principal stands twice")
        if not 0 < self.valid_after < self.valid_before < U64_MAX:
            raise Invalid("bad_validity", "a certificate has a beginning and a later end")
        if not 0 < self.serial <= U64_MAX:
            raise Invalid("bad_serial", "a certificate's serial is 1 or more: 0 could not be revoked")
        for options in (self.critical, self.extensions):
            if len(options) > 1 and any(first >= second for (first, _), (second, _) in pairwise(options)):
                raise Invalid("bad_options", "options must be sorted, each at most once")

    @property
    def type(self) -> str:
        """The certificate's type, which always follows from the key's."""
        return certificate_type(self.key.type)


@lru_cache(maxsize=32)
def certificate_type(key_type: str) -> str:
    """``ssh-ed25519`` becomes ``ssh-ed25519-cert-v01@openssh.com``; the sk types keep their ``sk-``.

    OpenSSH 10.6 names the certificate of a post-quantum key without a version and a domain.
    """
    if key_type == sshkey.MLDSA44_ED25519:
        return f"{key_type}{_POST_QUANTUM_SUFFIX}"
    return key_type.removesuffix("@openssh.com") + _SUFFIX


def is_certificate_type(name: str) -> bool:
    """Whether a type, as it stands first in a line or a blob, is a certificate's."""
    return name.endswith(_SUFFIX) or name == certificate_type(sshkey.MLDSA44_ED25519)


def encode(certificate: Certificate) -> bytes:
    """What the CA signs: everything up to the signature."""
    return b"".join(
        (
            text(certificate.type),
            string(certificate.nonce),
            certificate.key.body,
            u64(certificate.serial),
            u32(certificate.kind),
            text(certificate.key_id),
            string(b"".join(map(text, certificate.principals))),
            u64(certificate.valid_after),
            u64(certificate.valid_before),
            string(_options(certificate.critical)),
            string(_options(certificate.extensions)),
            string(b""),
            string(certificate.ca_blob),
        )
    )


def seal(signed: bytes, signature: bytes) -> bytes:
    """The whole certificate, from what was signed and the signature blob (``string type``, ``string bytes``)."""
    return signed + string(signature)


def line(blob: bytes) -> str:
    """``type base64``, as in ``-cert.pub`` files."""
    return f"{Reader(blob).text()} {base64.b64encode(blob).decode('ascii')}"


def parse_line(written: str) -> tuple[Certificate, bytes, bytes]:
    """Reads one line ``type base64 [comment]``; see ``parse_blob``."""
    parts = written.strip().split(None, 2)
    if len(parts) < 2 or len(written) > 2 * MAX_BYTES or "\n" in written.strip():
        raise Invalid("bad_certificate", "a certificate is one line: type, base64, and perhaps a comment")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("bad_certificate", "the certificate is not base64") from None
    if Reader(blob).text() != parts[0]:
        raise Invalid("bad_certificate", "the certificate says two different types")
    return parse_blob(blob)


def parse_blob(blob: bytes, *, checked: PublicKey | None = None) -> tuple[Certificate, bytes, bytes]:
    """Reads a whole certificate: what it says, the bytes that were signed, and the signature blob.

    The signature is not checked here. The key inside is checked as in ``sshkey``, unless it is the one that the caller
    has ``checked`` already.

    Raises:
        Invalid: when the blob is not exactly one certificate of a type and content that we would write.

    """
    *found, signature = _fields(blob, checked)
    return Certificate(*found), blob[: len(blob) - 4 - len(signature)], signature


def reads_back(blob: bytes, certificate: Certificate, signature: bytes) -> bool:
    """Whether a whole certificate says exactly what ``certificate`` says, and ends with this signature blob.

    What ``parse_blob`` finds out, without a second record, for who holds the first. Raises as that does.
    """
    return _fields(blob, certificate.key) == (*_says(certificate), signature)


_says = attrgetter(*(field.name for field in fields(Certificate)))


def _fields(blob: bytes, checked: PublicKey | None) -> tuple[Any, ...]:
    """The fields of ``Certificate`` in their order, and the signature blob, as they stand in a whole certificate."""
    if len(blob) > MAX_BYTES:
        raise Invalid("bad_certificate", "the certificate is too large")
    reader = Reader(blob)
    kind = _key_type(reader.text())
    nonce = reader.string()
    key = _read_key(kind, reader, checked)
    serial, cert_kind = reader.u64_u32()
    if cert_kind not in (USER, HOST):
        raise Invalid("bad_certificate", "the certificate is neither for a user nor for a host")
    key_id = reader.text()
    principals = _strings(reader.string())
    valid_after, valid_before = reader.u64_u64()
    critical, extensions = _read_options(reader.string()), _read_options(reader.string())
    if reader.string():
        raise Invalid("bad_certificate", "the certificate's reserved field is not empty")
    ca_blob, signature = reader.string(), reader.string()
    reader.finish()
    return (
        key,
        cert_kind,
        serial,
        key_id,
        principals,
        valid_after,
        valid_before,
        critical,
        extensions,
        nonce,
        ca_blob,
        signature,
    )


def _read_key(kind: str, reader: Reader, checked: PublicKey | None) -> PublicKey:
    if checked is not None and checked.type == kind and reader.take(checked.body):
        return checked
    start = reader.position
    sshkey.read_body(kind, reader)
    body = reader.since(start)
    return PublicKey(kind, text(kind) + body, body)


@lru_cache(maxsize=32)
def _key_type(certificate: str) -> str:
    if certificate == certificate_type(sshkey.MLDSA44_ED25519):
        return sshkey.MLDSA44_ED25519
    plain = certificate.removesuffix(_SUFFIX)
    kind = f"{plain}@openssh.com" if plain.startswith("sk-") else plain
    if plain == certificate or certificate_type(kind) != certificate:
        raise Invalid("bad_certificate", f"{certificate[:60]!r} is not a certificate's type")
    return kind


def _options(pairs: tuple[tuple[str, str | None], ...]) -> bytes:
    return b"".join(text(name) + (string(b"") if value is None else string(text(value))) for name, value in pairs)


def _read_options(blob: bytes) -> tuple[tuple[str, str | None], ...]:
    if not blob:
        return ()
    reader, options, end = Reader(blob), [], len(blob)
    while reader.position < end:
        options.append((reader.text(), _read_value(reader.string())))
    return tuple(options)


def _read_value(data: bytes) -> str | None:
    """An option's value: nothing for a flag, else a ``string`` inside the ``string``."""
    if not data:
        return None
    reader = Reader(data)
    value = reader.text()
    reader.finish()
    return value


def _strings(blob: bytes) -> tuple[str, ...]:
    reader, strings, end = Reader(blob), [], len(blob)
    while reader.position < end:
        strings.append(reader.text())
    return tuple(strings)
