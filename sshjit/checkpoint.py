"""Checkpoints: signed tree heads, as C2SP tlog-checkpoint in a C2SP signed-note.

A checkpoint is text that anybody's tools can read and witness: the log's origin, its size, its head, and signatures.
Signing and verifying a signature belong to the programs; this file knows the text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sshjit.errors import Invalid

_ED25519 = b"\x01"  # C2SP signed-note: the signature type of Ed25519
_NAME = re.compile(r"[a-z0-9][a-z0-9./-]{0,120}")
_ANY_NAME = re.compile(r"[!-*,-~]+")  # C2SP signed-note: no blanks, no plus; of ours, ASCII
MAX_SIZE = 2**40
_SIZE = re.compile(r"0|[1-9][0-9]{0,12}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log of ``size`` entries."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """A checkpoint that exists can be written."""
        if not _NAME.fullmatch(self.origin) or not 0 <= self.size < MAX_SIZE or len(self.root) != 32:
            raise Invalid("bad_checkpoint", "not a checkpoint of a log of ours")

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


def key_hash(name: str, public: bytes) -> bytes:
    """The four bytes by which a signature line names its key (Ed25519, 32 bytes)."""
    return hashlib.sha256(name.encode("ascii") + b"\n" + _ED25519 + public).digest()[:4]


def verifier_key(name: str, public: bytes) -> str:
    """``name+hash+base64``: how people write down which key verifies a log."""
    encoded = base64.b64encode(_ED25519 + public).decode("ascii")
    return f"{name}+{key_hash(name, public).hex()}+{encoded}"


def parse_verifier_key(text: str) -> tuple[str, bytes]:
    """The name and the 32 bytes of an Ed25519 key of ``verifier_key``."""
    name, _, rest = text.partition("+")
    try:
        raw = base64.b64decode(rest.partition("+")[2], validate=True)
    except ValueError:
        raise Invalid("bad_verifier_key", "not a verifier key: name+hash+base64") from None
    if not _ANY_NAME.fullmatch(name) or len(raw) != 33 or verifier_key(name, raw[1:]) != text:
        raise Invalid("bad_verifier_key", "the verifier key contradicts itself, or is not Ed25519")
    return name, raw[1:]


def note(checkpoint: Checkpoint, public: bytes, signature: bytes) -> str:
    """The signed note: the text, an empty line, and one signature line by the origin's own key."""
    encoded = base64.b64encode(key_hash(checkpoint.origin, public) + signature).decode("ascii")
    return f"{checkpoint.text}\n\N{EM DASH} {checkpoint.origin} {encoded}\n"


def size_of(note: str) -> int:
    """The size that a note of our own is over; nothing of it is verified, or looked at otherwise."""
    return int(note.split("\n", 2)[1])


def parse_text(text: str) -> Checkpoint:
    """The checkpoint of a text that was signed.

    Raises:
        Invalid: ``bad_checkpoint``.

    """
    parts = text.split("\n")
    if len(parts) < 4 or not _SIZE.fullmatch(parts[1]):
        raise Invalid("bad_checkpoint", "the checkpoint is not a signed note of a log")
    try:
        checkpoint = Checkpoint(parts[0], int(parts[1]), base64.b64decode(parts[2], validate=True))
    except ValueError:
        raise Invalid("bad_checkpoint", "the checkpoint's head is not base64") from None
    if checkpoint.text != text:
        raise Invalid("bad_checkpoint", "the checkpoint is not in its one spelling")
    return checkpoint


def signatures(lines: str, name: str, wanted: bytes) -> Iterator[tuple[str, bytes]]:
    """The signature lines by the key of this name and hash, each with what follows the hash; others are passed over."""
    for line in lines.split("\n"):
        mark, _, rest = line.partition(" ")
        signer, _, encoded = rest.partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            continue
        if mark == "\N{EM DASH}" and signer == name and raw[:4] == wanted:
            yield line, raw[4:]


def parse_note(text: str, public: bytes) -> tuple[Checkpoint, bytes]:
    """The checkpoint in a note, and the signature that it carries by the key ``public`` of its origin, unverified.

    Signatures by others (witnesses) are passed over, as the format asks.
    """
    body, separator, lines = text.partition("\n\n")
    if not separator:
        raise Invalid("bad_checkpoint", "the checkpoint is not a signed note of a log")
    checkpoint = parse_text(f"{body}\n")
    for _, signature in signatures(lines, checkpoint.origin, key_hash(checkpoint.origin, public)):
        if len(signature) == 64:
            return checkpoint, signature
    raise Invalid("unsigned_checkpoint", "the checkpoint is not signed by the log's key")
