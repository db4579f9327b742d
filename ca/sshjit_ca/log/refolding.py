"""The state recomputed from the first entry on: the other half of ``log verify``.

Every event must be able to follow what stands before it, every index must say what the fold says, and every snapshot
must be what the fold came to. An entry without its detail must be one that may be erased, and a later ``Forgot`` entry
must say that it was. That fact and detail belong together is the other half's (``walking.py``).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from itertools import chain

import msgspec
import sqlalchemy as sa

from sshjit import canonical
from sshjit.entries import Entry
from sshjit.errors import Invalid, SshJitError
from sshjit.events import Event
from sshjit.sshkey import PublicKey
from sshjit_ca import state as states
from sshjit_ca.keys.lineage import Lineage
from sshjit_ca.log import quick
from sshjit_ca.log import snapshots as kept
from sshjit_ca.log.erasing import Gaps
from sshjit_ca.log.snapshots import Snapshot
from sshjit_ca.state import State, codec
from sshjit_ca.storage.schema import entries
from sshjit_ca.storage.store import Store

MAX_SAID = 20
_FETCHED = 2000


class Refold:
    """One pass over the entries, in order."""

    def __init__(self, first: PublicKey, snapshots: Mapping[int, Snapshot]) -> None:
        self.keys = Lineage(first)
        self.state: State | None = State()
        self.gaps = Gaps()
        self.problems: list[str] = []
        self._snapshots = snapshots

    def say(self, problem: str) -> None:
        """Notes a problem; not more than anybody reads."""
        if len(self.problems) < MAX_SAID:
            self.problems.append(problem)

    def run(self, store: Store, end: int) -> None:
        """Takes every entry before ``end``."""
        of = entries.c
        columns = (of.number, of.time, of.kind, of.fact, of.detail, of.subject, of.request)
        query = sa.select(*columns).where(of.number < end)
        with store.engine.connect().execution_options(yield_per=_FETCHED) as connection:
            rows = connection.execute(query.order_by(of.number)).partitions()
            for number, time, kind, fact, detail, subject, request in chain.from_iterable(rows):
                if type(time) is not int:  # SQLite takes anything into any column
                    self.say(f"entry {number}: it has no time")
                    self.state = None
                    continue
                event: Event | None
                try:
                    event = quick.event(kind, fact, detail)
                except (TypeError, AttributeError, ValueError, LookupError, msgspec.DecodeError):
                    event = self._lacking(Entry(number, time, kind, fact, detail, None))
                if event is not None:
                    self._fold(number, time, event, subject, request)
                if number + 1 in self._snapshots and self.state is not None:
                    self._compare(self._snapshots[number + 1], self.state)
        if self.gaps.problem:
            self.say(self.gaps.problem)

    def _lacking(self, entry: Entry) -> Event | None:
        """What is left of an event without its detail; ``None``, with a problem noted, where it should be there."""
        try:
            if entry.detail is not None:
                raise Invalid("bad_entry", "it has a detail, and does not say what it should")
            return self.gaps.read(entry)
        except SshJitError:
            self.say(f"entry {entry.index}: it cannot be read")
            self.state = None
            return None

    def _fold(self, index: int, time: int, event: Event, subject: str | None, request: str | None) -> None:
        try:
            self.keys.take(event)
        except SshJitError as error:
            self.say(f"entry {index}: {error.message}")
        self.gaps.follow(event)
        if self.state is None:
            return
        if time < self.state.time:
            self.say(f"entry {index}: it lies before the one before it in time")
        try:
            states.apply(self.state, event, index, time)
        except (SshJitError, LookupError) as error:
            self.say(f"entry {index}: it cannot have happened after what stands before it ({error})")
            self.state = None
            return
        if (subject, request) != (self.state.subject_of(event), getattr(event, "request", None)):
            self.say(f"entry {index}: the index says that it is about somebody or something else")

    def _compare(self, snapshot: Snapshot, state: State) -> None:
        if snapshot.fold != states.FOLD:
            return
        try:
            same = kept.unpacked(snapshot) == canonical.dumps(codec.encode(state))
        except zlib.error:
            same = False
        if not same:
            self.say(f"the snapshot at {snapshot.size} entries is not what the entries before it come to")
