"""The state recomputed from the first entry on: the other half of ``log verify``.

Every event must be able to follow what stands before it, every index must say what the fold says, and every snapshot
must be what the fold came to. An entry without its detail must be one that may be erased, and a later ``Forgot`` entry
must name it (``gaps.py``). Details that no fold looks at are not read here: that they are well-formed, and that fact
and detail belong together, is the other half's (``verify_entries.py``).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from sshjit import canonical
from sshjit.errors import SshJitError
from sshjit.events import ClockConfirmed, Event, Forgot, KeyActivated, KeyAdded
from sshjit.sshkey import PublicKey
from sshjit_ca import state as states
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import fast_reader
from sshjit_ca.log import snapshots as kept
from sshjit_ca.log.erasure import BY_AGE
from sshjit_ca.log.gaps import Gaps, GapsFound
from sshjit_ca.log.passkey_proofs import PasskeyProofs
from sshjit_ca.log.snapshots import Snapshot
from sshjit_ca.state import State, codec
from sshjit_ca.storage import scan
from sshjit_ca.storage.schema import entries

MAX_SAID = 20
_OF = entries.c
_COLUMNS = (_OF.number, _OF.time, _OF.kind, _OF.fact, _OF.detail, _OF.subject, _OF.request)
_SEEN_TO = (KeyAdded, KeyActivated, Forgot)
_UNREADABLE = (TypeError, AttributeError, ValueError, LookupError, msgspec.DecodeError)


class Refold:
    """One pass over the entries, in order."""

    def __init__(self, first: PublicKey, snapshots: Mapping[int, Snapshot]) -> None:
        self.keys = Succession(first)
        self.state: State | None = State()
        self.gaps = Gaps()
        self.passkeys = PasskeyProofs()
        self.missing = GapsFound("", 0)
        """Of the details; known after ``run``."""
        self._problems: list[tuple[int, str]] = []
        self._snapshots = snapshots

    def problems(self, *, before: int | None = None) -> list[str]:
        """What is wrong; with ``before``, as far as it was found at entries before this one."""
        return [problem for at, problem in self._problems if before is None or at < before]

    def say(self, at: int, problem: str) -> None:
        """Notes a problem at an entry; not more than anybody reads."""
        if len(self._problems) < MAX_SAID:
            self._problems.append((at, problem))

    def run(self, connection: sa.Connection, end: int) -> None:
        """Takes every entry before ``end``."""
        number = -1
        try:
            for number, time, kind, fact, detail, subject, request in scan.scan(connection, _COLUMNS, 0, end):
                if type(time) is not int:  # SQLite takes anything into any column
                    self.say(number, f"entry {number}: it has no time")
                    self.state = None
                    continue
                try:
                    if detail is None or kind in BY_AGE:
                        event = fast_reader.without_detail(kind, fact)
                    else:
                        event = fast_reader.event(kind, fact, detail)
                    if detail is None:
                        self.gaps.miss(number, time, kind, event)
                except _UNREADABLE:
                    self.say(number, f"entry {number}: it cannot be read")
                    self.state = None
                    continue
                self._fold(number, time, event, subject, request)
                if number + 1 in self._snapshots and self.state is not None:
                    self._compare(self._snapshots[number + 1], self.state)
        except SshJitError as error:
            self.say(number + 1, f"from entry {number + 1} on {error.message}")
        self.missing = self.gaps.find()
        if self.missing.problem:
            self.say(number, self.missing.problem)

    def _fold(self, index: int, time: int, event: Event, subject: str | None, request: str | None) -> None:
        if type(event) in _SEEN_TO:
            self._see_to(index, time, event)
        state = self.state
        if state is None:
            return
        if time < state.time and not _set_back(event, state):
            self.say(index, f"entry {index}: it is earlier than the entry before it")
        try:
            states.apply(state, event, index, time)
        except (SshJitError, LookupError) as error:
            self.say(index, f"entry {index}: it cannot follow the entries before it ({error})")
            self.state = None
            return
        for problem in self.passkeys.follow(time, event, state):
            self.say(index, f"entry {index}: {problem}")
        if subject != state.subject_of(event) or request != getattr(event, "request", None):
            self.say(index, f"entry {index}: its index names another person or request")

    def _see_to(self, index: int, time: int, event: Event) -> None:
        """Keys of the log, and what was recorded as erased."""
        self.gaps.follow(index, time, event, self.state)
        try:
            self.keys.take(event, index)
        except SshJitError as error:
            self.say(index, f"entry {index}: {error.message}")

    def _compare(self, snapshot: Snapshot, state: State) -> None:
        if snapshot.fold != states.FOLD:
            return
        try:
            same = kept.unpacked(snapshot) == canonical.dumps(codec.encode(state))
        except zlib.error:
            same = False
        if not same:
            self.say(snapshot.size, f"the snapshot at {snapshot.size} entries does not match the entries before it")


def _set_back(event: Event, state: State) -> bool:
    """Whether an operator confirmed here that the clock was right to go back behind the entry before."""
    return isinstance(event, ClockConfirmed) and event.before == state.time
