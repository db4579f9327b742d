"""Makes snapshots beside the batches: copied between two, written down in a thread, signed between two again."""

from __future__ import annotations

import asyncio
import time

from sshjit_ca.log import snapshots
from sshjit_ca.log.journal import Journal

LOOK = 2.0
"""Seconds between two looks at whether a snapshot is due."""
REST = 30.0
"""Seconds after a snapshot in which none is made, however much is written: what a start reads more for it is little."""
PAUSE = 0.002
"""Seconds for which whoever writes a snapshot down lets the others go on, after each millisecond of it."""


async def keep_snapshots(journal: Journal) -> None:
    """Makes one whenever enough was written. Runs in the loop that answers the batches, so never within one."""
    while True:
        await asyncio.sleep(LOOK)
        if journal.snapshot_due:
            folded = journal.freeze()
            journal.keep(folded, await asyncio.to_thread(snapshots.text_of, folded, lambda: time.sleep(PAUSE)))
            await asyncio.sleep(REST)


def keep_last(journal: Journal) -> None:
    """The snapshot of a clean end, with which the next start is the quickest."""
    if journal.settled:
        folded = journal.freeze()
        journal.keep(folded, snapshots.text_of(folded))
