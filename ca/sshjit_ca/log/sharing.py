"""Who walks which stretch of the log: other processes from its beginning, this one, when it has time, from its end.

What is found is the same however many there are, and also if one of them dies.
"""

from __future__ import annotations

import dataclasses
import gc
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import sqlalchemy as sa

from sshjit_ca.log import walking
from sshjit_ca.log.walking import Numbering, Stretch, Walked
from sshjit_ca.storage.store import Store

LONG = 20_000
"""Entries from which on a second process is worth its start."""
MOST = 8
"""Processes at most: the state is recomputed by one, which takes as long as all the others together."""


def processors(size: int) -> int:
    """How many processes to use for a log of ``size`` entries."""
    return 1 if size < LONG else min(len(os.sched_getaffinity(0)), MOST)


class Walk:
    """A walk along the whole log, of which the other processes do as much as they can until ``finish``."""

    def __init__(
        self, store: Store, numbers: Numbering, sizes: frozenset[int], pool: ProcessPoolExecutor | None
    ) -> None:
        self._numbers = numbers
        self._parts = [
            (first, end, [size for size in sizes if first < size <= end]) for first, end in numbers.stretches
        ]
        self._store = store
        self._sound: Future[str] | None = None
        self._begun: list[Future[Stretch]] = []
        if pool is not None:
            address = store.engine.url.render_as_string(hide_password=False)
            self._sound = pool.submit(walking.sound_at, address)
            self._begun = [pool.submit(walking.walk_at, address, *part) for part in self._parts]

    def finish(self, connection: sa.Connection) -> Walked:
        """Walks along what nobody has begun, and says what all have found."""
        found: dict[int, Stretch] = {}
        for place in reversed(range(len(self._parts))):
            if not self._begun or self._begun[place].cancel():
                found[place] = walking.walk(connection, *self._parts[place])
        for place, begun in enumerate(self._begun):
            if place not in found:
                try:
                    found[place] = begun.result()
                except BrokenProcessPool:
                    found[place] = walking.walk(connection, *self._parts[place])
        walked = walking.put_together(self._numbers, [found[place] for place in sorted(found)])
        if broken := self._damage():
            said = f"the database file is damaged: {broken}"
            return dataclasses.replace(walked, problems=(*walked.problems, said))
        return walked

    def _damage(self) -> str:
        """What the database finds wrong with its own file."""
        try:
            return self._store.sound() if self._sound is None else self._sound.result()
        except BrokenProcessPool:
            return self._store.sound()


@contextmanager
def pool(processes: int) -> Iterator[ProcessPoolExecutor | None]:
    """The other processes; ``None`` when this one is alone."""
    collecting = gc.isenabled()
    gc.disable()  # nothing here goes round in circles, and looking for that takes a tenth of the time
    try:
        if processes < 2:
            yield None
            return
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes - 1, mp_context=spawn, initializer=gc.disable) as others:
            yield others
    finally:
        if collecting:
            gc.enable()
