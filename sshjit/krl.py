"""Key revocation lists (OpenSSH's PROTOCOL.krl): which ones a bundle may hold.

sshd and ssh refuse *everybody* by a list that is cut short or of a form they do not know, and would shut people out by
one that held their own plain keys. So a list is walked to its last byte and may hold only what our CA writes or an
operator could: certificates of a named CA, by serial or key id, and keys of CAs that are refused whole. Making lists is
the CA's business.
"""

from __future__ import annotations

from sshjit import sshkey
from sshjit.errors import Invalid
from sshjit.sshwire import U64_MAX, Reader

MAGIC = b"SSHKRL\n\0\0\0\0\1"
"""The magic and format version 1."""
_CERTIFICATES, _EXPLICIT_KEYS = 1, 2
_SERIAL_LIST, _SERIAL_RANGE, _SERIAL_BITMAP, _KEY_IDS = 0x20, 0x21, 0x22, 0x23


def read(data: bytes) -> frozenset[bytes]:
    """Walks a list whole; the keys (blobs) that it refuses, with every certificate they signed.

    Raises:
        Invalid: ``bad_krl``.

    """
    try:
        return _read(data)
    except Invalid as error:
        if error.code == "bad_krl":
            raise
        raise _bad(error.message) from None


def _read(data: bytes) -> frozenset[bytes]:
    reader = Reader(data)
    if not reader.take(MAGIC):
        raise _bad("it does not begin like one")
    reader.raw(3 * 8)  # its own version, date, flags: the bundle's sequence says which list is newer
    reader.string()  # reserved
    reader.string()  # comment
    keys: set[bytes] = set()
    while not reader.at_end():
        kind, body = reader.u8(), Reader(reader.string())
        if kind == _CERTIFICATES:
            _certificates(body)
        elif kind == _EXPLICIT_KEYS:
            keys |= _keys(body)
        else:
            raise _bad(f"it holds a section of type {kind}")
    return frozenset(keys)


def _certificates(body: Reader) -> None:
    """The refused certificates of one CA. A section that names none means every CA, people's own ones too."""
    _check_key(body.string())
    body.string()  # reserved
    while not body.at_end():
        kind, inner = body.u8(), Reader(body.string())
        if kind == _SERIAL_LIST:
            _serials(inner)
        elif kind == _SERIAL_RANGE:
            first, last = inner.u64(), inner.u64()
            inner.finish()
            if not 0 < first <= last:
                raise _bad("it holds a range of serials that is none")
        elif kind == _SERIAL_BITMAP:
            offset, bits = inner.u64(), inner.mpint()
            inner.finish()
            if not bits or (offset == 0 and bits & 1) or offset + bits.bit_length() - 1 > U64_MAX:
                raise _bad("it holds serials that cannot be")
        elif kind == _KEY_IDS:
            _strings(inner)
        else:
            raise _bad(f"it holds a certificate section of type {kind:#x}")


def _serials(body: Reader) -> None:
    """A list of serials. OpenSSH rejects a whole list for the serial 0."""
    if body.at_end():
        raise _bad("it holds an empty list of serials")
    while not body.at_end():
        if body.u64() == 0:
            raise _bad("it holds the serial 0")


def _keys(body: Reader) -> set[bytes]:
    blobs = _strings(body)
    for blob in blobs:
        _check_key(blob)
    return set(blobs)


def _check_key(blob: bytes) -> None:
    if sshkey.parse_blob(blob).hardware:
        raise _bad("it names a hardware key, which no CA is")


def _strings(body: Reader) -> list[bytes]:
    found = []
    while not body.at_end():
        found.append(body.string())
    if not found or not all(found):
        raise _bad("it holds an empty list or name")
    return found


def _bad(problem: str) -> Invalid:
    return Invalid("bad_krl", f"the revocation list cannot be given to OpenSSH: {problem}")
