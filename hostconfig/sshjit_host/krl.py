"""Key revocation lists (OpenSSH's ``PROTOCOL.krl``): which ones this host lets sshd read.

sshd refuses *everybody* when its list is missing, cut short or of a form it does not know, revokes *nothing* when the
file is empty, and would lock the owner out if a list held the owner's plain key. So a list is walked to its last byte
and may hold only: certificates of a named CA, by serial or key id; and keys of CAs. Making lists is the CA's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from .sshkey import Reader, check_blob

MAGIC = b"SSHKRL\n\0"
FORMAT = 1

CERTIFICATES = 1
EXPLICIT_KEYS = 2
SERIAL_LIST = 0x20
SERIAL_RANGE = 0x21
SERIAL_BITMAP = 0x22
KEY_IDS = 0x23

LAST_SERIAL = 2**64 - 1


@dataclass(frozen=True)
class RevocationList:
    """A list that may be given to sshd: the exact bytes, and the keys (blobs) that it revokes whole."""

    data: bytes
    keys: tuple[bytes, ...]


def read(data: bytes) -> RevocationList:
    """Walk a list whole; whatever sshd would stumble over, or must not be given, raises ``ValueError``."""
    reader = Reader(data)
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("does not begin like a KRL")
    reader.take(len(MAGIC))
    if reader.number(4) != FORMAT:
        raise ValueError("is of an unknown format version")
    reader.take(3 * 8)  # its own version, date, flags: the bundle's sequence says which list is newer
    reader.string()  # reserved
    reader.string()  # comment
    keys: list[bytes] = []
    while reader:
        section, body = reader.number(1), Reader(reader.string())
        if section == CERTIFICATES:
            _certificates(body)
        elif section == EXPLICIT_KEYS:
            keys.extend(_keys(body))
        else:
            raise ValueError(f"holds a section of type {section}")
    return RevocationList(data=data, keys=tuple(keys))


def _certificates(body: Reader) -> None:
    name = body.string()
    if not name:
        # An unnamed CA means every CA, the owner's own one too.
        raise ValueError("revokes certificates of an unnamed CA")
    check_blob(name)
    body.string()  # reserved
    while body:
        section, inner = body.number(1), Reader(body.string())
        if section == SERIAL_LIST:
            _serials(inner)
        elif section == SERIAL_RANGE:
            first, last = inner.number(8), inner.number(8)
            inner.end()
            if not 0 < first <= last:
                raise ValueError("holds a range of serials that is none")
        elif section == SERIAL_BITMAP:
            offset, bits = inner.number(8), inner.mpint()
            inner.end()
            if (offset == 0 and bits & 1) or offset + bits.bit_length() - 1 > LAST_SERIAL:
                raise ValueError("holds serials that cannot be")
        elif section == KEY_IDS:
            _strings(inner)
        else:
            raise ValueError(f"holds a certificate section of type {section:#x}")


def _serials(body: Reader) -> None:
    """A list of serials. sshd rejects a whole list for the serial 0."""
    count = 0
    while body:
        if body.number(8) == 0:
            raise ValueError("holds the serial 0")
        count += 1
    if not count:
        raise ValueError("holds an empty list of serials")


def _keys(body: Reader) -> list[bytes]:
    """Keys that are revoked whole. sshd rejects a whole list for one that it cannot read."""
    found = _strings(body)
    for blob in found:
        check_blob(blob)
    return found


def _strings(body: Reader) -> list[bytes]:
    found = []
    while body:
        found.append(body.string())
    if not found or not all(found):
        raise ValueError("holds an empty list or name")
    return found
