"""Writing the log: events become entries, the tree grows, and a batch becomes durable with one signed checkpoint.

``record`` changes what the CA knows at once; nothing that follows from it may be told to anybody before ``commit``
returned. If a commit fails the journal is broken for good: what is in memory is ahead of the log, so the CA must read
the log again before it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sshjit import checkpoint, entries, merkle
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed
from sshjit.events import Event
from sshjit_ca import state as states
from sshjit_ca.keys import Signer
from sshjit_ca.state import State
from sshjit_ca.store import Head, Row, Store

SERIALS_PER_EPOCH = 2**40


class Journal:
    """The one writer of the log."""

    def __init__(self, store: Store, key: Signer, origin: str, *, memory: Path, salt: Callable[[int], bytes]) -> None:
        """``memory`` is the file that keeps the newest checkpoint outside the database."""
        self._store = store
        self._key = key
        self._origin = origin
        self._memory = memory
        self._salt = salt
        self._rows: list[Row] = []
        self._texts: list[tuple[str, str]] = []
        self._tree = merkle.Frontier()
        self.state = State()
        self.checkpoint = ""
        self.epoch = 0

    def read(self) -> None:
        """Folds the whole log, and holds it against its checkpoint and the one remembered elsewhere.

        Raises:
            Failed: ``log_broken``, ``log_rolled_back``.

        """
        head = self._store.head()
        state, tree = State(), merkle.Frontier()
        remembered = self._remembered()
        for row in self._store.rows():
            entry = row.entry
            event = entries.read(entry)
            if event is None or entry.index != tree.size:
                raise Failed("log_broken", f"the log is broken at entry {entry.index}", hint="ssh-jit-ca log verify")
            tree.append(merkle.leaf_hash(entry.fact))
            states.apply(state, event, entry.index, entry.time)
            if remembered is not None and tree.size == remembered.size and tree.head() != remembered.root:
                raise Failed("log_rolled_back", f"the log differs from its checkpoint at size {remembered.size}")
        if remembered is not None and tree.size < remembered.size:
            raise Failed(
                "log_rolled_back",
                f"the log has {tree.size} entries, and a checkpoint over {remembered.size} was signed",
                hint="this database is an older copy; restore the newest one",
            )
        if head is not None and head.size:
            signed = self._signed(head.checkpoint)
            if (signed.size, signed.root) != (tree.size, tree.head()):
                raise Failed("log_broken", "the log does not fit its checkpoint", hint="ssh-jit-ca log verify")
        self.state, self._tree, self._rows, self._texts = state, tree, [], []
        self.checkpoint = head.checkpoint if head else ""

    def take_over(self) -> int:
        """Becomes the writer, in a new epoch, and returns it."""
        head: Head | None = self._store.head()
        epoch = (head.epoch if head else 0) + 1
        self._store.take_over(head, epoch)
        self.epoch = epoch
        return epoch

    def next_serial(self) -> int:
        """The serial of a certificate whose entry is recorded next: its place in the log says where to find it."""
        return self.epoch * SERIALS_PER_EPOCH + self._tree.size

    def record(self, event: Event, now: int) -> None:
        """Adds an event to the batch and folds it."""
        entry = entries.write(event, self._tree.size, now, self._salt(entries.SALT_BYTES))
        states.apply(self.state, event, entry.index, now)
        leaf = merkle.leaf_hash(entry.fact)
        self._rows.append(Row(entry, leaf, self.state.subject_of(event), getattr(event, "request", None)))
        self._tree.append(leaf)

    def keep_policy(self, digest: str, text: str) -> None:
        """Stores a policy's text with the batch."""
        self._texts.append((digest, text))

    def commit(self) -> None:
        """Makes the batch durable, with a signed checkpoint over all of it."""
        if not self._rows:
            return
        point = Checkpoint(self._origin, self._tree.size, self._tree.head())
        public, signature = raw_public(self._key), self._key.sign(point.text.encode("ascii"))[-64:]
        note = checkpoint.note(point, public, signature)
        self._store.commit(self._rows, self.epoch, note, self._texts)
        self._remember(note)
        self.checkpoint = note
        self._rows, self._texts = [], []

    def _signed(self, note: str) -> Checkpoint:
        return verified(note, raw_public(self._key))

    def _remembered(self) -> Checkpoint | None:
        try:
            note = self._memory.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return self._signed(note) if note else None

    def _remember(self, note: str) -> None:
        """Keeps the checkpoint beside the database. Not synced: the database is, and this one may lag behind it."""
        new = self._memory.with_suffix(".new")
        new.write_text(note, encoding="utf-8")
        new.replace(self._memory)


def raw_public(key: Signer) -> bytes:
    """The 32 bytes of an Ed25519 public key."""
    return key.public.blob[-32:]


def verified(note: str, public: bytes) -> Checkpoint:
    """The checkpoint of a note, once its signature was checked.

    Raises:
        Failed: ``bad_checkpoint``.

    """
    point, signature = checkpoint.parse_note(note, public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, point.text.encode("ascii"))
    except InvalidSignature:
        raise Failed("bad_checkpoint", "the checkpoint's signature is not by the log's key") from None
    return point
