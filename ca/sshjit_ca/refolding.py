"""The state recomputed from the first entry on: the other half of ``log verify``.

Every detail must be the one that its fact commits to, every event must be able to follow what stands before it, every
index must say what the fold says, and every snapshot must be what the fold came to. An entry without its detail must be
one that may be erased, and a later ``Forgot`` entry must say that it was.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from sshjit import canonical, entries
from sshjit.entries import Entry
from sshjit.errors import SshJitError
from sshjit.events import Event, Forgot
from sshjit.sshkey import PublicKey
from sshjit_ca import quick
from sshjit_ca import snapshots as kept
from sshjit_ca import state as states
from sshjit_ca.erasing import ERASABLE
from sshjit_ca.keys.lineage import Lineage
from sshjit_ca.snapshots import Snapshot
from sshjit_ca.state import State, codec
from sshjit_ca.store import Row

MAX_SAID = 20


class Refold:
    """One pass over the entries, in order."""

    def __init__(self, first: PublicKey, snapshots: Mapping[int, Snapshot]) -> None:
        self.keys = Lineage(first)
        self.state: State | None = State()
        self.erased = 0
        self.problems: list[str] = []
        self._snapshots = snapshots
        self._newest_erased = -1
        self._forgotten = 0

    def say(self, problem: str) -> None:
        """Notes a problem; not more than anybody reads."""
        if len(self.problems) < MAX_SAID:
            self.problems.append(problem)

    def take(self, row: Row) -> None:
        """Checks one entry and folds it."""
        event = self._event(row.entry)
        if event is not None:
            self._fold(row, event)
        if (snapshot := self._snapshots.get(row.entry.index + 1)) is not None and self.state is not None:
            self._compare(snapshot, self.state)

    def end(self) -> None:
        """Says what can only be said at the end."""
        if self._newest_erased >= self._forgotten:
            self.say("details are missing that nobody recorded as erased")

    def _event(self, entry: Entry) -> Event | None:
        """The event; ``None``, with a problem noted, where there is none to be had."""
        try:
            event = quick.read(entry)
            if event is not None:
                return event
            self.erased += 1
            self._newest_erased = max(self._newest_erased, entry.time)
            if entry.kind not in ERASABLE:
                self.say(f"entry {entry.index}: its detail is missing, and that of its kind is never erased")
            return entries.read_erased(entry)
        except SshJitError as error:
            self.say(error.message)
            self.state = None
            return None

    def _fold(self, row: Row, event: Event) -> None:
        entry = row.entry
        try:
            self.keys.take(event)
        except SshJitError as error:
            self.say(f"entry {entry.index}: {error.message}")
        if isinstance(event, Forgot):
            self._forgotten = max(self._forgotten, event.before)
        if self.state is None:
            return
        if entry.time < self.state.time:
            self.say(f"entry {entry.index}: it lies before the one before it in time")
        try:
            states.apply(self.state, event, entry.index, entry.time)
        except (SshJitError, LookupError) as error:
            self.say(f"entry {entry.index}: it cannot have happened after what stands before it ({error})")
            self.state = None
            return
        if (row.subject, row.request) != (self.state.subject_of(event), getattr(event, "request", None)):
            self.say(f"entry {entry.index}: the index says that it is about somebody or something else")

    def _compare(self, snapshot: Snapshot, state: State) -> None:
        if snapshot.fold != states.FOLD:
            return
        try:
            same = kept.unpacked(snapshot) == canonical.dumps(codec.encode(state))
        except zlib.error:
            same = False
        if not same:
            self.say(f"the snapshot at {snapshot.size} entries is not what the entries before it come to")
