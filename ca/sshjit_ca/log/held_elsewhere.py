"""A checkpoint that somebody else holds (a front end, a host), and whether our log continues it.

An older copy of the CA's database, or of its whole machine, knows nothing of what came after it. Others do: what the CA
signed once is a proof that the log was so long, whoever brings it. What an operator gave up (``restore``) counts no
more.
"""

from __future__ import annotations

from contextlib import suppress

from sshjit import checkpoint, entries
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed, SshJitError
from sshjit.events import Restored
from sshjit.merkle import TILE, Frontier
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import pages
from sshjit_ca.storage.store import Store

_RESTORED = ("restore",)
_HINT = "put the newest database back, or: ssh-jit-ca restore --accept-loss --reason TEXT"


def signed(note: str, keys: Succession) -> Checkpoint | None:
    """The checkpoint of a note that a key of this log signed; ``None`` for whatever else somebody brings."""
    with suppress(SshJitError):
        return keys.verified(note)
    return None


def contradiction(point: Checkpoint, tree: Frontier, durable: int, store: Store) -> Failed | None:
    """What is wrong if the log, of which ``durable`` entries are in the database, does not continue a checkpoint."""
    if point.size > durable:
        what = f"the log has {durable} entries, and a checkpoint over {point.size} was signed, which others hold"
    elif _root(point.size, tree, store) != point.root:
        what = f"the log differs from a checkpoint at size {point.size} that was signed, and that others hold"
    else:
        return None
    return None if point.size <= _given_up(store) else Failed("log_rolled_back", what, hint=_HINT)


def _root(size: int, tree: Frontier, store: Store) -> bytes:
    """The head over the first entries."""
    whole = size // TILE
    return Frontier.of(bytes(tree.tiles[: whole * 32]), pages.leaves(store, whole * TILE, size)).head()


def _given_up(store: Store) -> int:
    """Up to which size an operator has given up what others may still hold."""
    sizes = [0]
    for entry in store.of_kinds(_RESTORED):
        event = entries.read(entry)
        if isinstance(event, Restored) and event.checkpoint:
            with suppress(ValueError, IndexError):
                sizes.append(checkpoint.size_of(event.checkpoint))
    return max(sizes)
