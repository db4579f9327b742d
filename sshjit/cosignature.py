"""Cosignatures: what a witness says of a checkpoint, as C2SP tlog-cosignature, and how it is asked, C2SP tlog-witness.

A witness remembers the newest head of a log that it signed, and signs another one only if that is a beginning of it. So
whoever sees the cosignatures of witnesses they trust knows that others saw the same log. This file knows the texts;
verifying a signature and speaking HTTP belong to the CA.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sshjit.checkpoint import Checkpoint, signatures
from sshjit.errors import Invalid

_COSIGNATURE = b"\x04"  # C2SP signed-note: the signature type of timestamped Ed25519 cosignatures
_NAME = re.compile(r"[!-*,-~]{1,120}")
_SIZE = re.compile(r"(?:0|[1-9][0-9]{0,12})\n?")
MAX_PROOF = 63
"""Steps of a consistency proof that a witness reads (C2SP tlog-witness)."""
SIZE_TYPE = "text/x.tlog.size"
"""What a witness says its size is, when it stands elsewhere than was thought."""
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness's name, and its Ed25519 key (32 bytes)."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """The four bytes by which its lines name its key."""
        return hashlib.sha256(self.name.encode("ascii") + b"\n" + _COSIGNATURE + self.public).digest()[:4]

    @property
    def verifier_key(self) -> str:
        """``name+hash+base64``, as people write it down."""
        encoded = base64.b64encode(_COSIGNATURE + self.public).decode("ascii")
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word, not verified: seconds since 1970, and the signature (64 bytes). ``line`` is how it came."""

    time: int
    signature: bytes
    line: str

    def signed(self, point: Checkpoint) -> bytes:
        """The text that the signature is over."""
        return f"cosignature/v1\ntime {self.time}\n{point.text}".encode("ascii")


def parse_verifier_key(text: str) -> Witness:
    """The witness of a verifier key.

    Raises:
        Invalid: ``bad_witness_key``.

    """
    name, _, rest = text.partition("+")
    try:
        raw = base64.b64decode(rest.partition("+")[2], validate=True)
    except ValueError:
        raw = b""
    if not _NAME.fullmatch(name) or len(raw) != 33 or Witness(name, raw[1:]).verifier_key != text:
        raise Invalid(
            "bad_witness_key",
            "not the key of a witness: name+hash+base64, of type 4 (Ed25519 cosignatures)",
            hint="the witness's operator publishes it; litewitness prints it when it starts",
        )
    return Witness(name, raw[1:])


def request(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body of ``add-checkpoint``: the size that the witness has, the way from there, and the new signed note."""
    if len(proof) > MAX_PROOF:
        raise Invalid("bad_proof", f"a witness reads at most {MAX_PROOF} steps")
    lines = [f"old {old}", *(base64.b64encode(step).decode("ascii") for step in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode("utf-8")


def find(lines: str, witness: Witness) -> Cosignature:
    """The witness's own line among signature lines.

    Raises:
        Invalid: ``no_cosignature``.

    """
    for line, signed in signatures(lines, witness.name, witness.key_hash):
        if len(signed) == _TIME_BYTES + 64:
            return Cosignature(int.from_bytes(signed[:_TIME_BYTES], "big"), signed[_TIME_BYTES:], line)
    raise Invalid("no_cosignature", "there is no cosignature by the key of this witness")


def parse_size(text: str) -> int:
    """The size that a witness says it has.

    Raises:
        Invalid: ``bad_size``.

    """
    if not _SIZE.fullmatch(text) or not text.isascii():
        raise Invalid("bad_size", "the witness does not say which size it has")
    return int(text)


def cosigned(note: str, cosignatures: Iterable[Cosignature]) -> str:
    """The note with the cosignatures' lines after its own."""
    return note + "".join(f"{cosignature.line}\n" for cosignature in cosignatures)
