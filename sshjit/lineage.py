"""What the CA tells beside a checkpoint, so that it can be known later which line of the log the checkpoint belongs to.

A checkpoint says a size and a head, and is signed by the log's key of its time. An older copy of the log cannot tell
from that what it lost: it may not know the key yet, and once an operator accepted a loss, a size says no more whether
the checkpoint is of the entries that were given up or of what came after. So whoever holds a checkpoint gets two things
with it, hands them back, and need not understand them: how each log key was endorsed by the one before it, and the
newest entry of an accepted loss, with the path from there to the head. Neither can be made up. Nothing is verified
here but that path; signatures belong to the programs.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from sshjit import canonical, checkpoint, entries, merkle, wire
from sshjit.errors import Invalid
from sshjit.limits import MAX_LINEAGE

MAX_TURNS = 64
"""Changes of the log's key that are told, the newest."""
KIND = "restore"
"""The kind of the entry of an accepted loss."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A log key that followed another: its OpenSSH line, and the SSHSIG of that line by the key before."""

    line: str
    endorsement: str


@dataclass(frozen=True, slots=True)
class Loss:
    """The newest entry of an accepted loss: its fact, its place, and the path (base64) from it to the head."""

    fact: str
    index: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a checkpoint comes from. ``turns``: oldest first."""

    turns: tuple[Turn, ...] = ()
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """A checkpoint as the CA told it: the signed note, and the lineage beside it, as they came."""

    note: str = ""
    lineage: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        """What is newer ranks higher: by the accepted loss under it, then by size. Zeros of what is no checkpoint."""
        try:
            size = checkpoint.size_of(self.note)
        except (ValueError, IndexError):
            return 0, 0
        return proven_loss(self.lineage, self.note), size


def write(lineage: Lineage) -> str:
    """The text that is told; empty of a lineage that says nothing."""
    if lineage == Lineage():
        return ""
    return canonical.dumps(wire.encode(lineage)).decode("ascii")


def parse(text: str) -> Lineage:
    """Reads a lineage; nothing of it is verified. A field that came later is passed over.

    Raises:
        Invalid: ``bad_lineage``.

    """
    if not text:
        return Lineage()
    try:
        return wire.decode_answer(Lineage, wire.loads(text.encode("ascii"), limit=MAX_LINEAGE))
    except (Invalid, UnicodeEncodeError, RecursionError):
        raise Invalid("bad_lineage", "the lineage of a checkpoint cannot be read") from None


def loss_of(fact: bytes, index: int, path: tuple[bytes, ...]) -> Loss:
    """The entry of an accepted loss, as it is told."""
    return Loss(fact.decode("ascii"), index, tuple(base64.b64encode(step).decode("ascii") for step in path))


def proven_loss(text: str, note: str) -> int:
    """The epoch of the newest accepted loss that is shown to be under a checkpoint; 0 if none is.

    Later losses have higher epochs. The note's signature must be verified by whoever relies on this: then the log's key
    signed that this entry is in the log, and nobody else can have made it up.
    """
    try:
        loss, head = parse(text).loss, checkpoint.parse_text(note.partition("\n\n")[0] + "\n")
        if loss is None or len(loss.path) > checkpoint.MAX_SIZE.bit_length():
            return 0
        fact, path = loss.fact.encode("ascii"), [base64.b64decode(step, validate=True) for step in loss.path]
        if not merkle.included(merkle.leaf_hash(fact), loss.index, head.size, path, head.root):
            return 0
        return _epoch(fact, loss.index)
    except (Invalid, ValueError):
        return 0


def _epoch(fact: bytes, index: int) -> int:
    value = wire.loads(fact, limit=entries.MAX_FACT)
    if not isinstance(value, dict) or (value.get("kind"), value.get("index")) != (KIND, index):
        return 0
    body = value.get("body")
    epoch = body.get("epoch") if isinstance(body, dict) else None
    return epoch if type(epoch) is int and epoch > 0 else 0
