"""Makes snapshots beside the batches: copied between two, written down in a thread, signed between two again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sshjit_ca.log import snapshots
from sshjit_ca.log.journal import Journal
from sshjit_ca.log.snapshots import Folded

LOOK = 2.0
"""Seconds between two looks at whether a snapshot is due."""
InTurn = Callable[[Callable[[], None]], Awaitable[None]]


async def keep_snapshots(journal: Journal, in_turn: InTurn) -> None:
    """Makes one whenever enough was written; ``in_turn`` runs something between two batches."""
    while True:
        await asyncio.sleep(LOOK)
        if journal.snapshot_due:
            await _one(journal, in_turn)


async def _one(journal: Journal, in_turn: InTurn) -> None:
    copies: list[Folded] = []

    def copy() -> None:
        if journal.snapshot_due:
            copies.append(journal.freeze())

    await in_turn(copy)
    for folded in copies:
        text = await asyncio.to_thread(snapshots.text_of, folded)
        await in_turn(lambda folded=folded, text=text: journal.keep(folded, text))  # type: ignore[misc]


def keep_last(journal: Journal) -> None:
    """The snapshot of a clean end, with which the next start is the quickest."""
    if journal.settled:
        folded = journal.freeze()
        journal.keep(folded, snapshots.text_of(folded))
