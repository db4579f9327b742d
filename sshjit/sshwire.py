"""The data types of the SSH protocol (RFC 4251, section 5), which keys, certificates and signatures are made of."""

from __future__ import annotations

import struct

from sshjit.errors import Invalid

U64_MAX = 2**64 - 1
_U32, _U64 = struct.Struct(">I"), struct.Struct(">Q")
_U64_U32, _U64_U64 = struct.Struct(">QI"), struct.Struct(">QQ")


def string(value: bytes) -> bytes:
    """``string``: four bytes of length, then the bytes."""
    return len(value).to_bytes(4, "big") + value


def text(value: str) -> bytes:
    """``string`` of ASCII text. Raises ``Invalid`` (``not_ascii``) for other text."""
    try:
        raw = value.encode("ascii")
    except UnicodeEncodeError:
        raise Invalid("not_ascii", "text that is not ASCII cannot be written") from None
    return len(raw).to_bytes(4, "big") + raw


def u32(value: int) -> bytes:
    """``uint32``, big-endian."""
    return _U32.pack(value)


def u64(value: int) -> bytes:
    """``uint64``, big-endian."""
    return _U64.pack(value)


def mpint(value: int) -> bytes:
    """``mpint`` of a number that is not negative: no leading zeroes but the one that keeps it positive."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


class Reader:
    """Reads one blob from front to back. Every method raises ``Invalid`` (``truncated``) when the blob is too short.

    Every certificate is read back before it leaves, so these methods are written for speed: none calls another.
    """

    __slots__ = ("_blob", "position")

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self.position = 0
        """Bytes read so far."""

    def raw(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        start = self.position
        end = start + length
        if end > len(self._blob):
            raise _truncated()
        self.position = end
        return self._blob[start:end]

    def u8(self) -> int:
        """The next byte."""
        return self.raw(1)[0]

    def u32(self) -> int:
        """``uint32``."""
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        """``uint64``."""
        return int.from_bytes(self.raw(8), "big")

    def u64_u32(self) -> tuple[int, int]:
        """``uint64`` and ``uint32``."""
        return self._two(_U64_U32)

    def u64_u64(self) -> tuple[int, int]:
        """``uint64`` twice."""
        return self._two(_U64_U64)

    def _two(self, layout: struct.Struct) -> tuple[int, int]:
        try:
            first, second = layout.unpack_from(self._blob, self.position)
        except struct.error:
            raise _truncated() from None
        self.position += layout.size
        return first, second

    def string(self) -> bytes:
        """``string``, as bytes."""
        blob, start = self._blob, self.position + 4
        end = start + int.from_bytes(blob[start - 4 : start], "big")
        if end > len(blob):  # true as well when the length itself is cut off: then ``start`` lies beyond the end
            raise _truncated()
        self.position = end
        return blob[start:end]

    def text(self) -> str:
        """``string`` that must be ASCII."""
        blob, start = self._blob, self.position + 4
        end = start + int.from_bytes(blob[start - 4 : start], "big")
        if end > len(blob):
            raise _truncated()
        self.position = end
        try:
            return blob[start:end].decode("ascii")
        except UnicodeDecodeError:
            raise Invalid("not_ascii", "the data holds text that is not ASCII") from None

    def take(self, expected: bytes) -> bool:
        """Reads exactly these bytes if they come next; else reads nothing."""
        there = self._blob.startswith(expected, self.position)
        if there:
            self.position += len(expected)
        return there

    def since(self, position: int) -> bytes:
        """The bytes read since ``position``."""
        return self._blob[position : self.position]

    def mpint(self) -> int:
        """``mpint`` that is not negative and in its shortest form."""
        raw = self.string()
        if raw and (raw[0] & 0x80 or (raw[0] == 0 and (len(raw) == 1 or not raw[1] & 0x80))):
            raise Invalid("bad_mpint", "the data holds a number that is negative or padded")
        return int.from_bytes(raw, "big")

    def rest(self) -> bytes:
        """Everything that was not read yet."""
        return self.raw(len(self._blob) - self.position)

    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.position == len(self._blob)

    def finish(self) -> None:
        """Raises ``Invalid`` (``trailing_bytes``) unless everything was read."""
        if not self.at_end():
            raise Invalid("trailing_bytes", "the data goes on after its end")


def _truncated() -> Invalid:
    return Invalid("truncated", "the data ends too early")
