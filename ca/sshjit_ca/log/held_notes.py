"""What others held against our log so far: which of their checkpoints it continues, and which one it does not.

What each means is ``held_elsewhere.py``'s to say. Here is what is kept of them: the one that stops everything, on the
disk too; those that came while the database was away, which are looked at before anything is written; and that somebody
showed one by a key that nobody knows, which stops nothing, since anybody can make a key, but is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sshjit.errors import Failed, Invalid
from sshjit.merkle import Frontier
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import held_elsewhere
from sshjit_ca.log.held_elsewhere import AcceptedLoss, Held
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.storage.store import Store

NOTES = 64
"""Notes that are kept of each sort."""

UNKNOWN_KEY = "unknown_log_key"
"""The kind of the alarm of a checkpoint by a key that nobody shows to be the log's."""


@dataclass(frozen=True, slots=True)
class Log:
    """Our log, as it is now."""

    origin: str
    store: Store
    keys: Succession
    tree: Frontier
    checkpoint: str
    durable: int
    epoch: int
    losses: Sequence[AcceptedLoss]

    def is_behind(self, size: int) -> bool:
        """Whether the database has what is missing here: then another CA writes, and this one hears of it soon."""
        head = self.store.head()
        return head is not None and (head.epoch != self.epoch or head.size >= size)


@dataclass(slots=True)
class HeldNotes:
    """The notes of others. ``pinned`` keeps the one that stops us, so that a restart finds the same."""

    pinned: PinnedCheckpoint
    contradicted: Failed | None = None
    """Somebody holds a checkpoint that this log does not continue: nothing more is written."""
    alarming: list[tuple[str, str]] = field(default_factory=list)
    """What people are to be told, each kind once: the kind of the alarm, and what happened."""
    _continued: dict[str, None] = field(default_factory=dict)
    """Notes that the log continues, some of the newest."""
    _unchecked: dict[str, tuple[Held, str]] = field(default_factory=dict)
    """Notes that came while the database was away, each with who brought it."""
    _not_kept: tuple[str, int] | None = None
    """The note that stops us, and its line, while it could not be written down."""

    def hold(self, log: Log, note: str, descent: str, who: str) -> Failed | None:
        """What is wrong if the log does not continue a note that ``who`` brings, the first time."""
        if self.contradicted is not None:
            self._keep()
            return None
        if note in {"", log.checkpoint} or note in self._continued:
            return None
        try:
            held = held_elsewhere.read(note, descent, log.keys, log.origin)
        except Invalid as error:
            self._alarm(UNKNOWN_KEY, f"{error.message} ({who} brought it); {error.hint}")
            return None
        return None if held is None else self._look(log, note, held, who)

    def settle(self, log: Log) -> None:
        """Looks at what came while the database was away.

        Raises:
            Failed: what is wrong with the log; ``not_signing``, while the database is still away.

        """
        while self._unchecked and self.contradicted is None:
            note, (held, who) = next(iter(self._unchecked.items()))
            del self._unchecked[note]
            self._look(log, note, held, who)
            if note in self._unchecked:
                raise Failed("not_signing", "the log cannot be read; nothing was signed", hint="try again in a moment")
        if self.contradicted is not None:
            raise self.contradicted

    def _look(self, log: Log, note: str, held: Held, who: str) -> Failed | None:
        try:
            if held.point.size > log.durable and log.is_behind(held.point.size):
                return None  # asked again once this one has read the log
            self.contradicted = held_elsewhere.contradiction(held, log.tree, log.durable, log.store, log.losses)
        except Failed:
            self._put_off(note, held, who)  # the database is away, and with it whatever could be written
            return None
        if self.contradicted is not None:
            self._alarm(self.contradicted.code, f"{self.contradicted.message} ({who} brought it); nothing is signed")
            self._not_kept = (note, held.loss)
            self._keep()
            return self.contradicted
        while len(self._continued) >= NOTES:
            del self._continued[next(iter(self._continued))]
        self._continued[note] = None
        return None

    def _put_off(self, note: str, held: Held, who: str) -> None:
        """Keeps a note for later. Where there are too many, the largest stay: they are what is missing here."""
        self._unchecked[note] = held, who
        if len(self._unchecked) > NOTES:
            del self._unchecked[min(self._unchecked, key=lambda each: self._unchecked[each][0].point.size)]

    def _alarm(self, kind: str, what: str) -> None:
        if kind not in (known for known, _ in self.alarming):
            self.alarming.append((kind, what))

    def _keep(self) -> None:
        """Writes down what stops us: a restart finds it, ``restore`` cites it, and opens an epoch above its line's."""
        if self._not_kept is None:
            return
        note, loss = self._not_kept
        self.pinned.keep_checkpoint(note)
        if loss > self.pinned.epoch():
            self.pinned.keep_epoch(loss)
        self._not_kept = None
