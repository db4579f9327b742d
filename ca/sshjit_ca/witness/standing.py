"""How far each witness is, kept in ``home`` over restarts: the newest checkpoint that it signed, with its line.

The file is a checkpoint as anybody's tools read it, so it can be copied away as evidence. Losing it loses nothing: the
witness says where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sshjit import checkpoint, cosignature
from sshjit.checkpoint import Checkpoint
from sshjit.cosignature import Cosignature, Witness
from sshjit.errors import Invalid
from sshjit_ca.machine.durable import PUBLIC, make_folder, write_durably

MAX_NOTE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """What a witness signed last: our note word for word, its size, and the witness's word."""

    note: str
    size: int
    cosignature: Cosignature

    @property
    def cosigned(self) -> str:
        """The note with the witness's line."""
        return cosignature.cosigned(self.note, (self.cosignature,))


def verified(lines: str, witness: Witness, point: Checkpoint) -> Cosignature:
    """The witness's word over a checkpoint, among signature lines.

    Raises:
        Invalid: ``no_cosignature``, ``bad_cosignature``.

    """
    word = cosignature.find(lines, witness)
    try:
        Ed25519PublicKey.from_public_bytes(witness.public).verify(word.signature, word.signed(point))
    except InvalidSignature:
        raise Invalid("bad_cosignature", "its cosignature is not by its key over this checkpoint") from None
    return word


def load(home: Path, witness: Witness) -> Standing | None:
    """What was kept of a witness; ``None`` if nothing is, or what is there is not its word."""
    try:
        text = _file(home, witness).read_text(encoding="utf-8")[:MAX_NOTE]
        body, _, lines = text.partition("\n\n")
        note = f"{body}\n\n" + "".join(
            f"{line}\n" for line in lines.splitlines() if not line.startswith(f"\N{EM DASH} {witness.name} ")
        )
        point = checkpoint.parse_text(f"{body}\n")
        return Standing(note, point.size, verified(lines, witness, point))
    except (OSError, UnicodeDecodeError, Invalid):
        return None


def keep(home: Path, witness: Witness, standing: Standing) -> None:
    """Keeps it. Raises ``OSError``."""
    make_folder(home / "witnesses")
    write_durably(_file(home, witness), standing.cosigned.encode("utf-8"), PUBLIC)


def _file(home: Path, witness: Witness) -> Path:
    return home / "witnesses" / witness.key_hash.hex()
