"""Key revocation lists (OpenSSH's PROTOCOL.krl): which ones a bundle may hold.

sshd and ssh refuse *everybody* by a list that is cut short or of a form they do not know, and would shut people out by
one that held their own plain keys. So a list is walked to its last byte and may hold only what our CA writes or an
operator could: certificates of a named CA, by serial or key id, and keys of CAs that are refused whole. Making lists is
the CA's business.
"""

from __future__ import annotations

import base64
import binascii

from sshjit import sshkey, sshwire
from sshjit.errors import Invalid
from sshjit.sshwire import U64_MAX, Reader

MAGIC = b"SSHKRL\n\0\0\0\0\1"
"""The magic and format version 1."""
_CERTIFICATES, _EXPLICIT_KEYS = 1, 2
_NOT_OURS = {3, 4, 5, 255}
"""Keys by hash, signatures, extensions: OpenSSH knows them, and no CA of ours writes them."""
_SERIAL_LIST, _SERIAL_RANGE, _SERIAL_BITMAP, _KEY_IDS = 0x20, 0x21, 0x22, 0x23


def decode(text: str) -> bytes:
    """A list of a bundle, from base64.

    Raises:
        Invalid: ``bad_krl``.

    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("bad_krl", "the bundle's revocation list is not base64") from None


def read(data: bytes, *, post_quantum: bool = False) -> frozenset[bytes]:
    """Walks a list whole; the keys (blobs) that it refuses, with every certificate they signed.

    ``post_quantum``: of a list that is about post-quantum CA keys alone. In others there are none.

    Raises:
        Invalid: ``bad_krl``.

    """
    try:
        return _read(data, post_quantum=post_quantum)
    except Invalid as error:
        if error.code == "bad_krl":
            raise
        raise _bad(error.message) from None


def known(data: bytes, *, post_quantum: bool = False) -> tuple[bytes, tuple[str, ...]]:
    """The list without the sections that are not known here, and what those are, for people.

    Left out are whole sections: of a type that came later, or about certificates of a CA whose key is of one. An sshd
    that does not know them would refuse everybody by the whole list; so each must stand apart from the rest.

    Raises:
        Invalid: ``bad_krl``, where it is cut short.

    """
    try:
        head, sections = _sections(data)
        parts = [_known(kind, body, post_quantum=post_quantum) for kind, body in sections]
    except Invalid as error:
        raise error if error.code == "bad_krl" else _bad(error.message) from None
    left_out = tuple(dict.fromkeys(why for _, why in parts if why))
    return (head + b"".join(section for section, _ in parts) if left_out else data), left_out


def _known(kind: int, body: bytes, *, post_quantum: bool) -> tuple[bytes, str]:
    """What of a section is known here, as it is written, and what is not, in words; one of both may be empty."""
    why = ""
    if kind == _CERTIFICATES:
        blob = Reader(body).string()
        if sshkey.is_unknown(blob, post_quantum=post_quantum):
            body, why = b"", f"certificates by a key of the type {Reader(blob).text()}"
    elif kind == _EXPLICIT_KEYS:
        blobs = _strings(Reader(body))
        if unknown := [blob for blob in blobs if sshkey.is_unknown(blob, post_quantum=post_quantum)]:
            body = b"".join(sshwire.string(blob) for blob in blobs if blob not in unknown)
            why = f"keys of the type {', '.join(sorted({Reader(blob).text() for blob in unknown}))}"
    elif kind not in _NOT_OURS:
        body, why = b"", f"a section of the type {kind}"
    return (bytes([kind]) + sshwire.string(body) if body else b""), why


def _sections(data: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """What stands before the sections, and each section's type and body."""
    reader = Reader(data)
    if not reader.take(MAGIC):
        raise _bad("it does not begin like one")
    reader.raw(3 * 8)  # its own version, date, flags: the bundle's sequence says which list is newer
    reader.string()  # reserved
    reader.string()  # comment
    rest = len(reader.rest())
    body = Reader(data[len(data) - rest :])
    sections = []
    while not body.at_end():
        sections.append((body.u8(), body.string()))
    return data[: len(data) - rest], sections


def _read(data: bytes, *, post_quantum: bool) -> frozenset[bytes]:
    keys: set[bytes] = set()
    for kind, body in _sections(data)[1]:
        if kind == _CERTIFICATES:
            _certificates(Reader(body), post_quantum=post_quantum)
        elif kind == _EXPLICIT_KEYS:
            keys |= _keys(Reader(body), post_quantum=post_quantum)
        else:
            raise _bad(f"it holds a section of type {kind}")
    return frozenset(keys)


def _certificates(body: Reader, *, post_quantum: bool) -> None:
    """The refused certificates of one CA. A section that names none means every CA, people's own ones too."""
    _check_key(body.string(), post_quantum=post_quantum)
    body.string()  # reserved
    while not body.at_end():
        kind, inner = body.u8(), Reader(body.string())
        if kind == _SERIAL_LIST:
            _serials(inner)
        elif kind == _SERIAL_RANGE:
            first, last = inner.u64(), inner.u64()
            inner.finish()
            if not 0 < first <= last:
                raise _bad("it contains an empty serial range")
        elif kind == _SERIAL_BITMAP:
            offset, bits = inner.u64(), inner.mpint()
            inner.finish()
            if not bits or (offset == 0 and bits & 1) or offset + bits.bit_length() - 1 > U64_MAX:
                raise _bad("it contains serials out of range")
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


def _keys(body: Reader, *, post_quantum: bool) -> set[bytes]:
    blobs = _strings(body)
    for blob in blobs:
        _check_key(blob, post_quantum=post_quantum)
    return set(blobs)


def _check_key(blob: bytes, *, post_quantum: bool) -> None:
    key = sshkey.parse_blob(blob, post_quantum=post_quantum)
    if key.hardware:
        raise _bad("it names a hardware key, which no CA is")
    if post_quantum and not key.post_quantum:
        raise _bad(f"it is about post-quantum keys, and names one of the type {key.type}")


def _strings(body: Reader) -> list[bytes]:
    strings = []
    while not body.at_end():
        strings.append(body.string())
    if not strings or not all(strings):
        raise _bad("it holds an empty list or name")
    return strings


def _bad(problem: str) -> Invalid:
    return Invalid("bad_krl", f"the revocation list cannot be given to OpenSSH: {problem}")
