"""Tiles and proofs for whoever does not take the CA's word: what other people's tools fetch, and what travels alone."""

from __future__ import annotations

import base64
from collections.abc import Callable

from sshjit import checkpoint, entries, tiles, tlogproof
from sshjit.ca_protocol.log import ProofReply, ReadProof, ReadTile, TileReply
from sshjit.errors import Invalid
from sshjit.events import EmergencyIssued
from sshjit.merkle import TILE
from sshjit.tlogproof import SERIALS_PER_EPOCH, Proof
from sshjit_ca.context import Context
from sshjit_ca.log import pages
from sshjit_ca.storage.store import Store


def read_tile(store: Store) -> Callable[[Context, ReadTile], TileReply]:
    """A reader of tiles.

    It raises ``Invalid``: ``bad_tile`` for what is no tile's name, ``unknown_tile`` for one that is not there (yet).
    """

    def read(context: Context, message: ReadTile) -> TileReply:
        tile = tiles.parse(message.name)
        if not tile.within(_size(context)):
            raise Invalid("unknown_tile", "the log has no such tile yet")
        end = tile.first + tile.width
        if tile.level is None:
            raw = tiles.bundle(pages.facts(store, tile.first, end))
        elif tile.level == 0:
            raw = b"".join(pages.leaves(store, tile.first, end))
        else:
            raw = b"".join(tiles.heads(bytes(context.journal.tree.tiles), tile.level)[tile.first : end])
        return TileReply(base64.b64encode(raw).decode("ascii"))

    return read


def read_proof(store: Store) -> Callable[[Context, ReadProof], ProofReply]:
    """A maker of proofs, under the newest checkpoint.

    It raises ``Invalid``: ``unknown_certificate``.
    """

    def read(context: Context, message: ReadProof) -> ProofReply:
        note = context.journal.checkpoint
        index, size = _place(store, message.serial), checkpoint.size_of(note)
        if index is None or not 0 <= index < size:
            raise Invalid("unknown_certificate", f"no certificate has the serial {message.serial}")
        first, last = index - index % TILE, size - size % TILE
        path = tiles.inclusion_proof(
            index,
            size,
            bytes(context.journal.tree.tiles),
            pages.leaves(store, first, min(first + TILE, size)),
            pages.leaves(store, last, size),
        )
        (fact,) = pages.facts(store, index, index + 1)
        return ProofReply(tlogproof.write(Proof(fact, index, path, note)))

    return read


def _place(store: Store, serial: int) -> int | None:
    """Where a certificate's entry is: its serial says so, unless there was no log when it was signed."""
    if not tlogproof.without_log(serial):
        return serial % SERIALS_PER_EPOCH
    few = ((entry.index, entries.read(entry)) for entry in store.of_kinds(("emergency",)))
    return next((at for at, event in few if isinstance(event, EmergencyIssued) and event.serial == serial), None)


def _size(context: Context) -> int:
    """How many entries the newest durable checkpoint is over; those of this batch are not among them."""
    return checkpoint.size_of(context.journal.checkpoint)
