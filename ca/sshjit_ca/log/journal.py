"""Writing the log: events become entries, the tree grows, and a batch becomes durable with one signed checkpoint.

``record`` changes what the CA knows at once; nothing that follows from it may be told to anybody before ``commit``
returned. If a commit fails the journal is broken for good: what is in memory is ahead of the log, so the CA must read
the log again before it goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from sshjit import checkpoint, entries, merkle
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed
from sshjit.events import Event, KeyActivated, KeyAdded
from sshjit.lineage import Traced
from sshjit.sshkey import PublicKey
from sshjit_ca import state as states
from sshjit_ca.counters import Counters
from sshjit_ca.keys import Signer
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.succession import Succession, raw, verified
from sshjit_ca.log import entry_text, erasure, fast_reader, held_elsewhere, snapshots
from sshjit_ca.log.gaps import Gaps
from sshjit_ca.log.held_notes import HeldNotes, Log
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.log.snapshots import Folded
from sshjit_ca.state import State
from sshjit_ca.state import keys as folded
from sshjit_ca.storage.store import Head, Row, Store, fenced, late

SERIALS_PER_EPOCH = 2**40
READS = 5
"""How often a log is read before a CA begins, while another one writes it."""


class Journal:
    """The one writer of the log."""

    def __init__(
        self,
        store: Store,
        key_store: KeyStore,
        first: PublicKey,
        origin: str,
        *,
        pinned: PinnedCheckpoint,
        salt: Callable[[int], bytes],
    ) -> None:
        """``first`` is the log's first key; ``pinned`` keeps the newest checkpoint and highest epoch elsewhere."""
        self._store = store
        self._key_store = key_store
        self._first = first
        self._origin = origin
        self._pinned = pinned
        self._salt = salt
        self._rows: list[Row] = []
        self._texts: list[tuple[str, str]] = []
        self._tree = merkle.Frontier()
        self.state = State()
        self.checkpoint = ""
        self.checkpoint_key = first
        """The key that signed the newest checkpoint."""
        self.epoch = 0
        self.durable = 0
        """Entries that the newest checkpoint is over."""
        self._snapshot = self._erased_at = 0
        self.counters = Counters()
        self._plan: tuple[erasure.Plan, Callable[[], None]] | None = None
        self.held = HeldNotes(pinned)
        """What others hold of the log."""
        self._keys = Succession(first)
        self._losses: tuple[held_elsewhere.AcceptedLoss, ...] = ()
        self._traced = Traced()
        """The newest checkpoint of which the lineage is known."""

    def read(self) -> None:
        """Folds the log, and holds it against its checkpoint and the one remembered elsewhere.

        Begins at the newest snapshot that fits, and else at the first entry.

        Raises:
            Failed: ``log_broken``, ``log_rolled_back``; ``fenced``, if another CA wrote while it was read.

        """
        head = self._store.head()
        keys = Succession.of(self._first, self._store)
        losses = held_elsewhere.accepted_losses(self._store)
        note = self._pinned.checkpoint()
        remembered = keys.verified(note) if note else None
        begun = self._begin(head, remembered, keys)
        state, tree, began = begun.state, begun.tree, begun.size
        gaps = Gaps()
        if remembered is not None and tree.size == remembered.size and tree.head() != remembered.root:
            raise Failed("log_rolled_back", f"the log differs from its checkpoint at size {remembered.size}")
        for row in self._store.rows(tree.size):
            entry = row.entry
            event = fast_reader.read(entry) or gaps.read(entry)
            gaps.follow(entry.index, entry.time, event, state)
            if entry.index != tree.size:
                raise Failed("log_broken", f"the log is broken at entry {entry.index}", hint="ssh-jit-ca log verify")
            tree.append(merkle.leaf_hash(entry.fact))
            states.apply(state, event, entry.index, entry.time)
            if remembered is not None and tree.size == remembered.size and tree.head() != remembered.root:
                raise Failed("log_rolled_back", f"the log differs from its checkpoint at size {remembered.size}")
        if remembered is not None and tree.size < remembered.size:
            raise Failed(
                "log_rolled_back",
                f"the log has {tree.size} entries, and a checkpoint over {remembered.size} was signed",
                hint="this database is an older copy; restore the newest one, or: ssh-jit-ca restore --accept-loss",
            )
        if problem := gaps.find().problem:
            raise Failed("log_broken", problem, hint="ssh-jit-ca log verify")
        if head is not None and head.size:
            signed = verified(head.checkpoint, raw(keys.current))
            if (signed.size, signed.root) != (tree.size, tree.head()):
                if moved := self._moved(head):
                    raise moved
                raise Failed("log_broken", "the log does not fit its checkpoint", hint="ssh-jit-ca log verify")
        self.state, self._tree, self._rows, self._texts, self._plan = state, tree, [], [], None
        self.counters.forget()
        self.checkpoint = head.checkpoint if head else ""
        self.checkpoint_key = keys.current
        self.durable, self._snapshot = tree.size, began
        self._keys, self._losses, self._traced = keys, losses, Traced()

    def read_to_begin(self) -> None:
        """The same; again, if the writer before wrote meanwhile: it may do so until its epoch is over."""
        for again in reversed(range(READS)):
            try:
                self.read()
            except Failed as error:
                if error.code != "fenced" or not again:
                    raise
            else:
                return

    def _moved(self, seen: Head) -> Failed | None:
        """What to raise if somebody wrote since the head was seen: another CA, or a late batch of our own."""
        now = self._store.head()
        if now is not None and (now.epoch, now.size) == (seen.epoch, seen.size):
            return None
        return late() if now is not None and now.epoch == self.epoch else fenced()

    def _begin(self, head: Head | None, remembered: Checkpoint | None, keys: Succession) -> Folded:
        """Where the fold begins: never past what is remembered elsewhere, so that this is always met."""
        at_most = head.size if head else 0
        if remembered is not None:
            at_most = min(at_most, remembered.size)
        return snapshots.newest(self._store, self._origin, at_most, keys.verified)

    @property
    def snapshot_due(self) -> bool:
        """Whether enough was written since the last snapshot, and what is known is in the log."""
        return self.settled and self.durable - self._snapshot >= snapshots.EVERY

    @property
    def settled(self) -> bool:
        """Whether everything that is known here is in the log, and not all of it in a snapshot."""
        return not self._rows and self.durable == self._tree.size > self._snapshot

    def hold_against(self, note: str, descent: str, who: str) -> Failed | None:
        """What is wrong if somebody holds a checkpoint that this log does not continue. Call it between batches.

        ``descent``: what was told beside it; ``who`` brings it. The note is kept as the newest one then: a restart
        finds the same, and ``restore`` cites it.
        """
        return self.held.hold(self._log, note, descent, who)

    @property
    def contradicted(self) -> Failed | None:
        """What somebody held against this log: nothing more is written then."""
        return self.held.contradicted

    @property
    def _log(self) -> Log:
        return Log(
            self._origin,
            self._store,
            self._keys,
            self._tree,
            self.checkpoint,
            self.durable,
            self.epoch,
            self._losses,
        )

    def traced(self) -> Traced:
        """The newest checkpoint, and what is told beside it. Raises ``Failed``, as the database does."""
        if self._traced.note != self.checkpoint:
            lineage = held_elsewhere.lineage_text(self._keys, self._losses, self.durable, self._tree, self._store)
            self._traced = Traced(self.checkpoint, lineage)
        return self._traced

    def freeze(self) -> Folded:
        """What is known now, for a snapshot. Call it between batches."""
        self._snapshot = self._tree.size
        return snapshots.freeze(self._tree, self.state)

    def keep(self, folded: Folded, text: snapshots.Text) -> None:
        """Signs and stores a snapshot. Call it between batches. One from before something was erased is thrown away."""
        if folded.size < self._erased_at:
            return
        point = snapshots.point_of(folded, text, self._origin)
        snapshots.keep(self._store, folded, text, self._note(point, self._signer()))

    @property
    def tree(self) -> merkle.Frontier:
        """The tree over all entries, those of this batch too."""
        return self._tree

    def take_over(self, holder: str = "", *, above: int = 0) -> int:
        """Becomes the writer, in a new epoch above every one that is known and ``above``, and returns it.

        ``holder`` tells others which process writes.

        Raises:
            Failed: ``fenced``, ``not_signing``; as ``read`` does, if the writer before wrote on meanwhile.

        """
        head: Head | None = self._store.head()
        epoch = max(head.epoch if head else 0, self._pinned.epoch(), above) + 1
        self._store.take_over(head, epoch, holder)
        self._pinned.keep_epoch(epoch)
        now = self._store.head()  # until just now the writer before could write
        if now is not None and now.size != self._tree.size:
            self.read()
        self.epoch = epoch
        return epoch

    def beat(self) -> None:
        """Shows that this writer lives, and can write. Raises ``Failed``: ``fenced``, ``not_signing``."""
        self._store.beat(self.epoch)
        self._pinned.try_writing()

    def release(self) -> None:
        """Says that this writer stops. Raises as ``beat`` does."""
        self._store.release(self.epoch)

    def next_serial(self) -> int:
        """The serial of a certificate whose entry is recorded next: its place in the log says where to find it."""
        return self.epoch * SERIALS_PER_EPOCH + self._tree.size

    def record(self, event: Event, now: int) -> None:
        """Adds an event to the batch and folds it."""
        self.counters.record(event, now, self.state.requests)
        entry = entries.write(event, self._tree.size, now, self._salt(entries.SALT_BYTES), entry_text.encode)
        states.apply(self.state, event, entry.index, now)
        if isinstance(event, KeyAdded | KeyActivated):
            self._keys.take(event, entry.index)
        leaf = merkle.leaf_hash(entry.fact)
        self._rows.append(Row(entry, leaf, self.state.subject_of(event), getattr(event, "request", None)))
        self._tree.append(leaf)

    @property
    def size(self) -> int:
        """Entries, with those of the batch that is being decided."""
        return self._tree.size

    def keep_policy(self, digest: str, text: str) -> None:
        """Stores a policy's text with the batch."""
        self._texts.append((digest, text))

    def commit(self) -> None:
        """Makes the batch durable, with a signed checkpoint over all of it."""
        if not self._rows:
            return
        self.held.settle(self._log)
        signer = self._signer()
        note = self._note(Checkpoint(self._origin, self._tree.size, self._tree.head()), signer)
        rows, texts, size = self._rows, self._texts, self._tree.size
        self._rows, self._texts = [], []
        plan, self._plan = self._plan, None
        self._store.commit(rows, self.epoch, note, texts)
        self._pinned.keep_checkpoint(note)
        self.checkpoint, self.checkpoint_key = note, signer.public
        self.durable = size
        self.counters.settle()
        if plan is not None:
            erasure.erase(self._store, plan[0])
            self._erased_at, self._snapshot = size, 0
            plan[1]()

    def erase(self, plan: erasure.Plan, then: Callable[[], None]) -> None:
        """Erases details once the batch that records it is durable, and calls ``then``."""
        self._plan = (plan, then)

    @staticmethod
    def _note(point: Checkpoint, signer: Signer) -> str:
        return checkpoint.note(point, raw(signer.public), signer.sign(point.text.encode("ascii"))[-64:])

    def _signer(self) -> Signer:
        """The log's key that has its turn: also over the batch that gave it."""
        key = folded.active(self.state, "log")
        if key is None:
            raise Failed("no_key", "the log has no key for its checkpoints")
        return self._key_store.signer(key.fingerprint, key.reference)
