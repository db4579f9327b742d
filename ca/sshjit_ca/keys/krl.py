"""Key revocation lists as sshd reads them (OpenSSH's PROTOCOL.krl, version 1).

Ours hold the serials of user and of host certificates, under every CA key of their kind that is still believed, and CA
keys that are refused whole. Serials are never given twice, whichever key signs, so naming one under each key revokes no
other certificate. sshd and ssh read the same list: a section that names a CA says nothing of what another one signed. A
list that named people's plain keys could lock an owner out; one that holds nothing is valid and revokes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from sshjit.krl import MAGIC
from sshjit.sshkey import PublicKey
from sshjit.sshwire import string, u64

_CERTIFICATES = b"\x01"
_EXPLICIT_KEYS = b"\x02"
_SERIAL_LIST = b"\x20"
_SERIAL_RANGE = b"\x21"
SHORTEST_RUN = 4
"""Serials in a row that are written as a range: sshd then keeps one thing in mind, and reads it at each login."""


def write(
    refused: Iterable[tuple[Iterable[PublicKey], Iterable[int]]],
    *,
    version: int,
    time: int,
    keys: Iterable[PublicKey] = (),
) -> bytes:
    """A list of serials that are revoked under each of some CAs, and of CA ``keys`` that are revoked whole.

    ``version`` only ever rises, ``time`` is seconds since the epoch.
    """
    data = MAGIC + u64(version) + u64(time) + u64(0) + string(b"") + string(b"")
    for cas, serials in refused:
        if listed := _serials(sorted(set(serials))):
            data += b"".join(_CERTIFICATES + string(string(ca.blob) + string(b"") + listed) for ca in cas)
    blobs = sorted(key.blob for key in keys)
    if blobs:
        data += _EXPLICIT_KEYS + string(b"".join(map(string, blobs)))
    return data


def _serials(ordered: list[int]) -> bytes:
    """Ranges of those that follow each other, and one list of the rest."""
    single, ranges, begin = list[int](), b"", 0
    for end in range(1, len(ordered) + 1):
        if end < len(ordered) and ordered[end] == ordered[end - 1] + 1:
            continue
        if end - begin >= SHORTEST_RUN:
            ranges += _SERIAL_RANGE + string(u64(ordered[begin]) + u64(ordered[end - 1]))
        else:
            single += ordered[begin:end]
        begin = end
    listed = _SERIAL_LIST + string(b"".join(map(u64, single))) if single else b""
    return ranges + listed
