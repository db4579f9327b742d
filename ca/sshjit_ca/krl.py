"""Key revocation lists as sshd reads them (OpenSSH's PROTOCOL.krl, version 1).

Ours hold the serials of user certificates, under the CA key that signed them, and nothing else: a list that names plain
keys could lock an owner out. One without serials is valid too and revokes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from sshjit.bundle import KRL_MAGIC
from sshjit.sshkey import PublicKey
from sshjit.sshwire import string, u64

_CERTIFICATES = b"\x01"
_SERIAL_LIST = b"\x20"


def write(ca: PublicKey, serials: Iterable[int], *, version: int, time: int) -> bytes:
    """A list of revoked serials; ``version`` only ever rises, ``time`` is seconds since the epoch."""
    ordered = sorted(set(serials))
    head = KRL_MAGIC + u64(version) + u64(time) + u64(0) + string(b"") + string(b"")
    if not ordered:
        return head
    listed = _SERIAL_LIST + string(b"".join(map(u64, ordered)))
    return head + _CERTIFICATES + string(string(ca.blob) + string(b"") + listed)
