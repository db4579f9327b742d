"""Key revocation lists as sshd reads them (OpenSSH's PROTOCOL.krl, version 1).

Ours hold the serials of user and of host certificates, under every CA key of their kind that is still believed, and CA
keys that are refused whole. Serials are never given twice, whichever key signs, so naming one under each key revokes no
other certificate. sshd and ssh read the same list: a section that names a CA says nothing of what another one signed. A
list that named people's plain keys could lock an owner out; one that holds nothing is valid and revokes nothing.

sshd reads the whole list at each login, for each key that is offered: 100,000 serials cost a second, and a range of
100,000 nothing. Serials are places in the log, and most places are no certificate. So a range may go over all that is
none, and over what is dead: over everything but what still counts.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence

from sshjit.krl import MAGIC
from sshjit.sshkey import PublicKey
from sshjit.sshwire import string, u64

EPOCH_BITS = 40
"""A serial is the epoch, and in so many bits the place in the log."""
_CERTIFICATES = b"\x01"
_EXPLICIT_KEYS = b"\x02"
_SERIAL_LIST = b"\x20"
_SERIAL_RANGE = b"\x21"
SHORTEST_RUN = 4
"""Serials in a row that are written as a range: sshd then keeps one thing in mind."""


def write(
    refused: Iterable[tuple[Iterable[PublicKey], Iterable[int]]],
    *,
    version: int,
    time: int,
    keys: Iterable[PublicKey] = (),
    alive: Iterable[int] | None = None,
) -> bytes:
    """A list of serials that are revoked under each of some CAs, and of CA ``keys`` that are revoked whole.

    ``version`` only ever rises, ``time`` is seconds since the epoch. ``alive``: every serial that must not be refused;
    ranges then go over what is none of them. Without it, exactly the serials that are given are refused.
    """
    living = None if alive is None else sorted(alive)
    data = MAGIC + u64(version) + u64(time) + u64(0) + string(b"") + string(b"")
    for cas, serials in refused:
        if listed := _serials(sorted(set(serials)), living):
            data += b"".join(_CERTIFICATES + string(string(ca.blob) + string(b"") + listed) for ca in cas)
    blobs = sorted(key.blob for key in keys)
    if blobs:
        data += _EXPLICIT_KEYS + string(b"".join(map(string, blobs)))
    return data


def _serials(ordered: list[int], alive: Sequence[int] | None) -> bytes:
    """Ranges of those that follow each other, and one list of the rest."""
    single, ranges, begin = list[int](), b"", 0
    for end in range(1, len(ordered) + 1):
        if end < len(ordered) and _follows(ordered[end - 1], ordered[end], alive):
            continue
        if end - begin >= SHORTEST_RUN:
            ranges += _SERIAL_RANGE + string(u64(ordered[begin]) + u64(ordered[end - 1]))
        else:
            single += ordered[begin:end]
        begin = end
    listed = _SERIAL_LIST + string(b"".join(map(u64, single))) if single else b""
    return ranges + listed


def _follows(first: int, then: int, alive: Sequence[int] | None) -> bool:
    """Whether a range may hold both: nothing between them counts, and nothing will.

    Later certificates have later places in the log, so none will lie between. But those that were signed without the
    log have numbers at random, below the first epoch's.
    """
    if then == first + 1:
        return True
    if alive is None or first >> EPOCH_BITS != then >> EPOCH_BITS or not first >> EPOCH_BITS:
        return False
    return bisect(alive, first) == bisect(alive, then)
