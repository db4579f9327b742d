"""Who walks which stretch of the log: other processes from its beginning, this one, when it has time, from its end.

What is found is the same however many there are, and also if one of them dies: whatever it had not said by then is
looked at again.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import sqlalchemy as sa

from sshjit_ca.log import verify_entries
from sshjit_ca.log.verify_entries import Numbering, Stretch, Walked
from sshjit_ca.storage.store import Store

LONG = 20_000
"""Entries from which on a second process is worth its start."""
MOST = 8
"""Processes at most: the state is recomputed by one, which takes as long as all the others together."""
_Part = tuple[int, int, list[int]]
_log = logging.getLogger(__name__)


def processors(size: int) -> int:
    """How many processes to use for a log of ``size`` entries."""
    return 1 if size < LONG else min(len(os.sched_getaffinity(0)), MOST)


class Walk:
    """A walk along the whole log, of which the other processes do as much as they can until ``finish``."""

    def __init__(self, store: Store, numbers: Numbering, sizes: frozenset[int]) -> None:
        self._store = store
        self._numbers = numbers
        self._parts: list[_Part] = [
            (first, end, [size for size in sizes if first < size <= end]) for first, end in numbers.stretches
        ]
        self._channels: list[Connection] = []
        self.others: list[Any] = []
        self.taken: Any = bytearray(len(self._parts))
        """For each stretch, whether somebody has begun it. If two begin one at once, both find the same."""

    def share(self, processes: int) -> None:
        """Starts so many other processes."""
        address = self._store.engine.url.render_as_string(hide_password=False)
        spawn = multiprocessing.get_context("spawn")
        try:
            self.taken = spawn.RawArray("b", len(self._parts))
            for number in range(processes):
                receive, send = spawn.Pipe(duplex=False)
                arguments = (address, self._parts, self.taken, number == 0, send)
                other = spawn.Process(target=_walk, args=arguments, daemon=True)
                other.start()
                send.close()  # so that the end of the process is the end of the channel
                self.others.append(other)
                self._channels.append(receive)
        except OSError as error:
            _log.warning("no other process could be started: %s", error)

    def finish(self, connection: sa.Connection) -> Walked:
        """Walks along what nobody has begun, and says what all have found."""
        results: dict[int, Stretch] = {}
        damage: str | None = None
        for place in reversed(range(len(self._parts))):
            if not self.taken[place]:
                self.taken[place] = 1
                results[place] = verify_entries.walk(connection, *self._parts[place])
        for channel in self._channels:
            try:
                theirs, their_damage = channel.recv()
            except (EOFError, OSError):
                _log.warning("another process died while it verified the log; this one does its part")
            else:
                results |= theirs
                damage = damage or their_damage
        for place, part in enumerate(self._parts):
            if place not in results:
                results[place] = verify_entries.walk(connection, *part)
        stretches = [results[place] for place in sorted(results)]
        return verify_entries.put_together(
            self._numbers, stretches, verify_entries.damage(self._store) if damage is None else damage
        )

    def close(self) -> None:
        """Ends the other processes."""
        for other, channel in zip(self.others, self._channels, strict=True):
            channel.close()
            other.terminate()
            other.join()


def _walk(address: str, parts: Sequence[_Part], taken: Any, look: bool, send: Connection) -> None:  # noqa: FBT001
    """What another process does. ``look``: for damage, too."""
    gc.disable()
    damage = verify_entries.damage_at(address) if look else None
    stretches: dict[int, Stretch] = {}
    for place, part in enumerate(parts):
        if not taken[place]:
            taken[place] = 1
            stretches[place] = verify_entries.walk_at(address, *part)
    send.send((stretches, damage))
    send.close()


@contextmanager
def begun(store: Store, numbers: Numbering, sizes: frozenset[int], processes: int) -> Iterator[Walk]:
    """A walk by so many processes, this one among them."""
    walk, collecting = Walk(store, numbers, sizes), gc.isenabled()
    gc.disable()  # nothing here goes round in circles, and looking for that takes a tenth of the time
    try:
        walk.share(processes - 1)
        yield walk
    finally:
        walk.close()
        if collecting:
            gc.enable()
