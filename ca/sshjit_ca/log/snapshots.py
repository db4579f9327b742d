"""Snapshots: what a fold of the log came to, so that the CA starts without reading every entry again.

A snapshot is no truth of its own. The log's key signs it, because whoever can write to the database could otherwise
change what the CA knows; ``log verify`` recomputes it from the first entry; and one that does not fit is passed over.
Its note is a checkpoint of another origin (``<log>/snapshot``), whose head is the digest of all that the snapshot says.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from sshjit import canonical, entries, merkle, wire
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed, SshJitError
from sshjit_ca import state as states
from sshjit_ca.state import State, codec
from sshjit_ca.storage.limits import LONG
from sshjit_ca.storage.schema import snapshots
from sshjit_ca.storage.store import Store

EVERY = 10_000
"""Entries after which the next snapshot is made."""
KEPT = 2
_MAX_STATE = 2**31
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Folded:
    """A fold as it stood after ``tree.size`` entries; nothing changes it any more."""

    tree: merkle.Frontier
    state: State

    @property
    def size(self) -> int:
        """How many entries it is a fold of."""
        return self.tree.size


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it is stored. ``tiles`` are the heads of the complete tiles, ``state`` is compressed JSON."""

    size: int
    fold: int
    tiles: bytes
    state: bytes
    note: str


def freeze(tree: merkle.Frontier, state: State) -> Folded:
    """A copy that can be written down while the original goes on. Copies tables, not records: they never change."""
    return Folded(tree.copy(), codec.copy(state))


@dataclass(frozen=True, slots=True)
class Text:
    """The state as it is signed (``whole``), and as it is stored."""

    whole: bytes
    packed: bytes


def text_of(folded: Folded, pause: Callable[[], None] = lambda: None) -> Text:
    """Writes the state down; ``pause`` is called about every millisecond, so that others can go on meanwhile."""
    pieces = []
    for piece in codec.pieces(folded.state):
        pieces.append(piece)
        pause()
    whole = b"".join(pieces)
    return Text(whole, zlib.compress(whole, 1))


def point_of(folded: Folded, text: Text, origin: str) -> Checkpoint:
    """What the log's key signs."""
    return _point(origin, folded.tree, states.FOLD, text.whole)


def keep(store: Store, folded: Folded, text: Text, note: str) -> None:
    """Stores a snapshot and drops old ones. One that cannot be stored is only said: the log is what counts."""
    values = {
        "size": folded.tree.size,
        "fold": states.FOLD,
        "tiles": bytes(folded.tree.tiles),
        "state": text.packed,
        "note": note,
    }
    try:
        with store.writing(seconds=LONG) as connection:
            connection.execute(sa.delete(snapshots).where(snapshots.c.size == folded.tree.size))
            connection.execute(sa.insert(snapshots).values(values))
            newest = sa.select(snapshots.c.size).order_by(snapshots.c.size.desc()).limit(KEPT).scalar_subquery()
            connection.execute(sa.delete(snapshots).where(snapshots.c.size.not_in(newest)))
    except Failed as error:
        _log.warning("a snapshot at %d entries could not be stored: %s", folded.tree.size, error.message)


def stored(store: Store) -> list[Snapshot]:
    """The snapshots, newest first."""
    with store.reading(seconds=LONG) as connection:
        return read(connection)


def read(connection: sa.Connection) -> list[Snapshot]:
    """The same, over a connection that is open."""
    rows = connection.execute(sa.select(snapshots).order_by(snapshots.c.size.desc()))
    return [Snapshot(row.size, row.fold, row.tiles, row.state, row.note) for row in rows]


def newest(store: Store, origin: str, at_most: int, signed: Callable[[str], Checkpoint]) -> Folded:
    """The newest fold that a snapshot vouches for, over at most ``at_most`` entries; of nothing, if there is none.

    ``signed`` verifies a note and returns its checkpoint.
    """
    for snapshot in stored(store):
        if snapshot.size > at_most or snapshot.fold != states.FOLD:
            continue
        try:
            if folded := _open(store, snapshot, origin, signed):
                return folded
        except (SshJitError, TypeError, KeyError, zlib.error) as error:
            _log.warning("the snapshot at %d entries cannot be read: %s", snapshot.size, error)
            continue
        _log.warning("the snapshot at %d entries does not fit the log; it is not used", snapshot.size)
    return Folded(merkle.Frontier(), State())


def unpacked(snapshot: Snapshot) -> bytes:
    """The state's text.

    Raises:
        zlib.error: when it is damaged.

    """
    return zlib.decompressobj().decompress(snapshot.state, _MAX_STATE)


def _open(store: Store, snapshot: Snapshot, origin: str, signed: Callable[[str], Checkpoint]) -> Folded | None:
    """The fold of a snapshot; ``None`` if signature, tree and state do not belong together."""
    first = snapshot.size - snapshot.size % merkle.TILE
    tail = (row.entry for row in store.rows(first, snapshot.size))
    tree = merkle.Frontier.of(snapshot.tiles, (merkle.leaf_hash(entry.fact) for entry in tail))
    text = unpacked(snapshot)
    if signed(snapshot.note) != _point(origin, tree, snapshot.fold, text) or tree.size != snapshot.size:
        return None
    return Folded(tree, codec.decode(wire.loads(text, limit=_MAX_STATE)))


def _point(origin: str, tree: merkle.Frontier, fold: int, text: bytes) -> Checkpoint:
    said = {"fold": fold, "root": tree.head().hex(), "state": hashlib.sha256(text).hexdigest(), "v": entries.VERSION}
    return Checkpoint(f"{origin}/snapshot", tree.size, hashlib.sha256(canonical.dumps(said)).digest())
