"""Key revocation lists (OpenSSH's ``PROTOCOL.krl``): checks which of them sshd may read.

sshd refuses *everybody* when its list is missing, cut short or of a form it does not know, revokes *nothing* when the
file is empty, and would lock the owner out if a list held the owner's plain key. So a list is walked to its last byte
and may hold only: certificates of a named CA, by serial or key id; and keys of CAs. Only the CA makes lists.
"""

from __future__ import annotations

from dataclasses import dataclass

from sshjit_host.formats.sshkey import Reader, UnknownType, check_blob, string

MAGIC = b"SSHKRL\n\0"
FORMAT = 1

CERTIFICATES = 1
EXPLICIT_KEYS = 2
SERIAL_LIST = 0x20
SERIAL_RANGE = 0x21
SERIAL_BITMAP = 0x22
KEY_IDS = 0x23

SIGNATURE = 4
NOT_OURS = (3, SIGNATURE, 5, 255)
"""Keys by hash, signatures, extensions: OpenSSH knows them, and no CA of ours writes them."""

EMPTY = MAGIC + FORMAT.to_bytes(4, "big") + bytes(3 * 8 + 2 * 4)
"""A list that revokes nothing."""

LAST_SERIAL = 2**64 - 1


@dataclass(frozen=True)
class Later:
    """A section about certificates of a CA whose key is of the type ``kind``, which is not known here."""

    kind: str
    data: bytes


@dataclass(frozen=True)
class RevocationList:
    """A list that may be given to sshd: its bytes, and the keys (blobs) that it revokes whole.

    ``left_out`` says which sections are not in ``data``, of types that came later: by one, sshd would refuse everybody.
    ``later`` are those of them that are about certificates of a CA whose key is of such a type.
    """

    data: bytes
    keys: tuple[bytes, ...]
    left_out: tuple[str, ...] = ()
    later: tuple[Later, ...] = ()

    def for_types(self, types: frozenset[str]) -> bytes:
        """The list for a machine whose OpenSSH knows these types too: sections follow each other after one header."""
        return self.data + b"".join(section.data for section in self.later if section.kind in types)


def sections(data: bytes) -> Reader:
    """A reader that stands behind a list's header. Raises ``ValueError`` if it is no list of a known format."""
    reader = Reader(data)
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("does not begin with the magic bytes of a KRL")
    reader.take(len(MAGIC))
    if reader.number(4) != FORMAT:
        raise ValueError("is of an unknown format version")
    reader.take(3 * 8)  # its own version, date, flags: the bundle's sequence says which list is newer
    reader.string()  # reserved
    reader.string()  # comment
    return reader


def read(data: bytes, *, post_quantum: bool = False) -> RevocationList:
    """Read a whole list; what sshd could not read, or must not be given, raises ``ValueError``.

    ``post_quantum``: whether it may be about keys of that type, which only the newest OpenSSH reads.
    """
    reader = sections(data)
    kept = data[: len(data) - reader.left]
    keys: list[bytes] = []
    left_out: list[str] = []
    later: list[Later] = []
    while reader:
        section, body = reader.number(1), reader.string()
        if section == CERTIFICATES:
            try:
                _certificates(Reader(body), post_quantum=post_quantum)
            except UnknownType as error:
                left_out.append(f"certificates by a key of the type {error.kind}")
                later.append(Later(error.kind, bytes([section]) + string(body)))
                continue
        elif section == EXPLICIT_KEYS:
            known, unknown = _keys(Reader(body), post_quantum=post_quantum)
            keys.extend(known)
            left_out.extend(unknown)
            body = b"".join(string(blob) for blob in known)
        elif section in NOT_OURS:
            raise ValueError(f"holds a section of type {section}")
        else:
            left_out.append(f"a section of the type {section}")
            continue
        kept += bytes([section]) + string(body) if body else b""
    return RevocationList(data=kept, keys=tuple(keys), left_out=tuple(dict.fromkeys(left_out)), later=tuple(later))


def merge(ours: bytes, other: bytes) -> bytes:
    """A list of ours with the sections of another one, which is somebody else's and is not judged here.

    Its signature, if it has one, is over another list, and sshd does not ask for it. Raises ``ValueError``.
    """
    reader, added = sections(other), b""
    while reader:
        section, body = reader.number(1), reader.string()
        if section != SIGNATURE:
            added += bytes([section]) + string(body)
    return ours + added


def _certificates(body: Reader, *, post_quantum: bool) -> None:
    name = body.string()
    if not name:
        # An unnamed CA means every CA, the owner's own one too.
        raise ValueError("revokes certificates of an unnamed CA")
    check_blob(name, post_quantum=post_quantum)
    body.string()  # reserved
    while body:
        section, inner = body.number(1), Reader(body.string())
        if section == SERIAL_LIST:
            _serials(inner)
        elif section == SERIAL_RANGE:
            first, last = inner.number(8), inner.number(8)
            inner.end()
            if not 0 < first <= last:
                raise ValueError("contains an empty serial range")
        elif section == SERIAL_BITMAP:
            offset, bits = inner.number(8), inner.mpint()
            inner.end()
            if (offset == 0 and bits & 1) or offset + bits.bit_length() - 1 > LAST_SERIAL:
                raise ValueError("contains serials out of range")
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


def _keys(body: Reader, *, post_quantum: bool) -> tuple[list[bytes], list[str]]:
    """Keys that are revoked whole, and what is said of those whose type is not known here."""
    known, unknown = [], []
    for blob in _strings(body):
        try:
            check_blob(blob, post_quantum=post_quantum)
        except UnknownType as error:  # noqa: PERF203 - lists are short
            unknown.append(f"keys of the type {error.kind}")
        else:
            known.append(blob)
    return known, unknown


def _strings(body: Reader) -> list[bytes]:
    strings = []
    while body:
        strings.append(body.string())
    if not strings or not all(strings):
        raise ValueError("holds an empty list or name")
    return strings
