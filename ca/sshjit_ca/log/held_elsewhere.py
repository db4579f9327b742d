"""A checkpoint that somebody else holds (a front end, a host), and what it means for our log.

An older copy of the CA's database, or of its whole machine, knows nothing of what came after it. Others do: what the CA
signed once is a proof that the log was so long, whoever brings it. The one rule (``docs/decisions/0069``):

1. It counts if a key of this log signed it while it had its turn, or a key that is shown to follow one of them.
2. If our log continues it, all is well.
3. If an operator gave it up, all is well: a loss was accepted, of at least so many entries, and the checkpoint is not
   shown to be of what came after that.
4. Anything else means that this log is an older copy, or forked. Nothing more is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sshjit import checkpoint, entries, lineage
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit.events import Restored
from sshjit.merkle import TILE, Frontier
from sshjit_ca.keys.succession import Succession, raw, verified
from sshjit_ca.log import pages
from sshjit_ca.storage.store import Store

_UNKNOWN = "somebody made it up, unless this log is an older copy: ssh-jit-ca log key prints the keys that it knows"
_HINT = "put the newest database back, or: ssh-jit-ca restore --accept-loss --reason TEXT"


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint of this log that somebody holds. ``loss``: the epoch of the newest accepted loss under it, or 0."""

    point: Checkpoint
    loss: int


@dataclass(frozen=True, slots=True)
class AcceptedLoss:
    """What an operator gave up: the entries of a log of up to ``size``, as far as was known then."""

    epoch: int
    index: int
    size: int
    witnesses: Mapping[str, int]
    """What witnesses of the lost log had signed, by their keys' hashes."""


def read(note: str, descent: str, keys: Succession, origin: str) -> Held | None:
    """A checkpoint of this log, with what was told beside it (``sshjit/lineage.py``); ``None`` for anything else.

    Raises:
        Invalid: ``unknown_log_key``: it names this log, and nobody shows by which right its key signed.

    """
    try:
        point = checkpoint.parse_text(note.partition("\n\n")[0] + "\n")
    except Invalid:
        return None
    if point.origin != origin:
        return None
    with suppress(SshJitError):
        keys.verified(note)
        return Held(point, lineage.proven_loss(descent, note))
    for key in keys.turns:
        with suppress(SshJitError):
            verified(note, raw(key))
            return None  # signed with a key of ours, but after its turn
    with suppress(SshJitError):
        for key in keys.followers(lineage.parse(descent).turns):
            with suppress(SshJitError):
                verified(note, raw(key))
                return Held(point, lineage.proven_loss(descent, note))
    what = f"there is a checkpoint over {point.size} entries by a key that this log does not know"
    raise Invalid("unknown_log_key", what, hint=_UNKNOWN)


def contradiction(
    held: Held, tree: Frontier, durable: int, store: Store, losses: Sequence[AcceptedLoss]
) -> Failed | None:
    """What is wrong if our log, of which ``durable`` entries are in the database, neither continues it nor gave it up.

    Raises:
        Failed: ``database_broken``, ``database_silent``.

    """
    point = held.point
    if point.size > durable:
        what = f"the log has {durable} entries, and a checkpoint over {point.size} was signed, which others hold"
    elif _root(point.size, tree, store) != point.root:
        what = f"the log differs from a checkpoint at size {point.size} that was signed, and that others hold"
    else:
        return None
    if any(held.loss < loss.epoch and point.size <= loss.size for loss in losses):
        return None
    return Failed("log_rolled_back", what, hint=_HINT)


def accepted_losses(store: Store) -> tuple[AcceptedLoss, ...]:
    """What operators gave up, oldest first. Raises ``Failed``: ``database_broken``, ``database_silent``."""
    losses = []
    for entry in store.of_kinds((lineage.KIND,)):
        event = entries.read(entry) or entries.read_erased(entry)
        if isinstance(event, Restored):
            size = 0
            with suppress(ValueError, IndexError):
                size = checkpoint.size_of(event.checkpoint)
            losses.append(AcceptedLoss(event.epoch, entry.index, size, dict(event.witnesses)))
    return tuple(losses)


def gave_up_witnessed(losses: Sequence[AcceptedLoss], witness: str, size: int) -> bool:
    """Whether an operator gave up what a witness signed, of whose log nothing but the size is known.

    A witness of a lost log signs nothing more of it. Where it stands elsewhere than then, it began anew with the log
    that goes on. One that did not answer then counts by size, as a checkpoint of before the loss does.
    """
    if not losses:
        return False
    stood = losses[-1].witnesses.get(witness)
    return size == stood if stood is not None else any(size <= loss.size for loss in losses)


def lineage_text(keys: Succession, losses: Sequence[AcceptedLoss], size: int, tree: Frontier, store: Store) -> str:
    """What is told beside our own checkpoint over ``size`` entries.

    Raises:
        Failed: ``database_broken``, ``database_silent``.

    """
    loss = None
    if losses and (index := losses[-1].index) < size:
        (fact,) = pages.facts(store, index, index + 1)
        loss = lineage.loss_of(fact, index, pages.inclusion(index, size, tree, store))
    return lineage.write(lineage.Lineage(keys.lineage, loss))


def _root(size: int, tree: Frontier, store: Store) -> bytes:
    """The head over the first entries."""
    whole = size // TILE
    return Frontier.of(bytes(tree.tiles[: whole * 32]), pages.leaves(store, whole * TILE, size)).head()
