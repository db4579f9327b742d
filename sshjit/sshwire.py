"""The data types of the SSH protocol (RFC 4251, section 5), which keys, certificates and signatures are made of."""

from __future__ import annotations

import struct

from sshjit.errors import Invalid

U64_MAX = 2**64 - 1


def string(value: bytes) -> bytes:
    """``string``: four bytes of length, then the bytes."""
    return len(value).to_bytes(4, "big") + value


def text(value: str) -> bytes:
    """``string`` of ASCII text. Raises ``Invalid`` (``not_ascii``) for other text."""
    if not value.isascii():
        raise Invalid("not_ascii", "text that is not ASCII cannot be written")
    return string(value.encode("ascii"))


def u32(value: int) -> bytes:
    """``uint32``, big-endian."""
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    """``uint64``, big-endian."""
    return struct.pack(">Q", value)


def mpint(value: int) -> bytes:
    """``mpint`` of a number that is not negative: no leading zeroes but the one that keeps it positive."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


class Reader:
    """Reads one blob from front to back. Every method raises ``Invalid`` (``truncated``) when the blob is too short."""

    __slots__ = ("_at", "_blob")

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def raw(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        end = self._at + length
        if end > len(self._blob):
            raise Invalid("truncated", "the data ends too early")
        taken, self._at = self._blob[self._at : end], end
        return taken

    def u8(self) -> int:
        """The next byte."""
        return self.raw(1)[0]

    def u32(self) -> int:
        """``uint32``."""
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        """``uint64``."""
        return int.from_bytes(self.raw(8), "big")

    def string(self) -> bytes:
        """``string``, as bytes."""
        return self.raw(self.u32())

    def text(self) -> str:
        """``string`` that must be ASCII."""
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError:
            raise Invalid("not_ascii", "the data holds text that is not ASCII") from None

    def mpint(self) -> int:
        """``mpint`` that is not negative and in its shortest form."""
        raw = self.string()
        if raw and (raw[0] & 0x80 or (raw[0] == 0 and (len(raw) == 1 or not raw[1] & 0x80))):
            raise Invalid("bad_mpint", "the data holds a number that is negative or padded")
        return int.from_bytes(raw, "big")

    def rest(self) -> bytes:
        """Everything that was not read yet."""
        return self.raw(len(self._blob) - self._at)

    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._blob)

    def finish(self) -> None:
        """Raises ``Invalid`` (``trailing_bytes``) unless everything was read."""
        if not self.at_end():
            raise Invalid("trailing_bytes", "the data goes on after its end")
