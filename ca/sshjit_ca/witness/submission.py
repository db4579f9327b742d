"""Asking a witness to sign the log's newest head: C2SP tlog-witness, ``add-checkpoint``.

The witness remembers the last head that it signed. It gets the proof that ours continues that one, and answers with its
signature, or with the size that it has if that is another than we thought. A size above ours means that the log was
longer once: this database, or the whole machine, is an older copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sshjit import checkpoint, cosignature, tiles
from sshjit.checkpoint import Checkpoint
from sshjit.cosignature import Cosignature, Witness
from sshjit.errors import Failed, Invalid
from sshjit.merkle import TILE
from sshjit_ca.log import pages
from sshjit_ca.log.journal import Journal
from sshjit_ca.storage.store import Store
from sshjit_ca.witness.standing import verified
from sshjit_ca.witness.transport import Answer

TRIES = 2
"""Questions to a witness about one head: the second goes from where it says that it stands."""


class OtherLog(Failed):
    """A witness signed another log under our name, or a longer one: ``witness_ahead``, ``log_forked``."""

    def __init__(self, code: str, message: str, hint: str, size: int) -> None:
        super().__init__(code, message, hint=hint)
        self.size = size
        """Entries that it signed."""


_OK, _CONFLICT, _FORKED = 200, 409, 422
_WHY = {
    400: "it does not understand the request",
    403: "it does not know the key that signs this log's checkpoints (ssh-jit-ca log key)",
    404: "it does not know this log",
    429: "it was asked too often",
}


@dataclass(frozen=True, slots=True)
class Head:
    """The log at one moment: its checkpoint, as a point and as it was signed, and the heads of its complete tiles."""

    point: Checkpoint
    note: str
    tiles: bytes

    @classmethod
    def of(cls, journal: Journal) -> Head | None:
        """What is durable now; ``None`` of a log without entries. Call it between batches."""
        note = journal.checkpoint
        text, _, _ = note.partition("\n\n")
        return cls(checkpoint.parse_text(f"{text}\n"), note, bytes(journal.tree.tiles)) if note else None


def submit(witness: Witness, head: Head, known: int, store: Store, post: Callable[[bytes], Answer]) -> Cosignature:
    """The witness's word over a head; ``known`` is the size that it is thought to have.

    Raises:
        OtherLog: ``witness_ahead``, ``log_forked``.
        Failed: ``witness_refused``, ``witness_down``.

    """
    for _ in range(TRIES):
        if known > head.point.size:
            raise _ahead(witness, known, head.point.size)
        try:
            answer = post(cosignature.request(known, _proof(store, head, known), head.note))
        except Failed as error:
            raise Failed(error.code, f"the witness {witness.name}: {error.message}") from None
        if answer.status != _CONFLICT:
            return _read(witness, head, known, answer)
        try:
            known = cosignature.parse_size(answer.body)
        except Invalid as error:
            raise Failed("witness_refused", f"the witness {witness.name} refuses: {error.message}") from None
    raise Failed("witness_refused", f"the witness {witness.name} does not stand where it says")


def _read(witness: Witness, head: Head, known: int, answer: Answer) -> Cosignature:
    if answer.status == _FORKED:
        raise OtherLog(
            "log_forked",
            f"the witness {witness.name} signed another log under this name: the one here does not continue it",
            "ssh-jit-ca log verify; a log that was restored from a backup needs its witnesses to begin anew",
            known,
        )
    if answer.status != _OK:
        why = _WHY.get(answer.status, f"it answers {answer.status}")
        raise Failed("witness_refused", f"the witness {witness.name} refuses: {why}")
    try:
        return verified(answer.body, witness, head.point)
    except Invalid as error:
        raise Failed("witness_refused", f"the witness {witness.name}: {error.message}") from None


def _ahead(witness: Witness, theirs: int, ours: int) -> Failed:
    return OtherLog(
        "witness_ahead",
        f"the witness {witness.name} signed this log with {theirs} entries, and here it has {ours}",
        "this database is an older copy; restore the newest one, or: ssh-jit-ca restore --accept-loss",
        theirs,
    )


def _proof(store: Store, head: Head, old: int) -> tuple[bytes, ...]:
    """That the tree over the first ``old`` entries is a beginning of the head's."""
    size = head.point.size
    if not old:
        return ()
    first, last = (old - 1) // TILE * TILE, size - size % TILE
    own = pages.leaves(store, first, min(first + TILE, size))
    return tiles.consistency_proof(old, size, head.tiles, own, pages.leaves(store, last, size))
