"""Whether the details that are missing from a log are those that were to be erased, and no other.

A ``Forgot`` entry names the entries whose details went, and it is under the tree: whoever can write the database, but
not sign, can erase nothing in its name. Release 0.1.0 recorded only how many went and how old they were. Of such an
entry the rules are applied again to the state of then: what may not go by them is found, and so is one more than were
counted. Which ones went among the rest, earlier sign-ins above all, cannot be known, and is counted as such.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from sshjit.entries import Entry
from sshjit.events import Event, Forgot
from sshjit_ca.log import erasure, fast_reader
from sshjit_ca.log.erasure import BY_REQUEST, ERASABLE, Plan
from sshjit_ca.state import State


@dataclass(frozen=True, slots=True)
class GapsFound:
    """What is to be said of the details that are missing.

    ``problem``: what is not as recorded; empty if nothing. ``unlisted``: how many were erased, as far as the rules and
    the number that was recorded tell, by an entry that does not name them.
    """

    problem: str
    unlisted: int


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """A ``Forgot`` entry that does not say which entries it erased; ``plan`` is what the rules make of it."""

    index: int
    erased: int
    plan: Plan

    def allows(self, index: int, time: int, request: str | None) -> bool:
        plan = self.plan
        kept = index in plan.newest or request in plan.requests
        return index < self.index and time < plan.before and not kept


class Gaps:
    """Follows the entries of a log, in order."""

    def __init__(self) -> None:
        self.erased = 0
        self._wrong = ""
        self._indices, self._times = array("q"), array("q")
        self._requests: dict[int, str] = {}
        self._listed: list[tuple[int, int]] = []
        self._unlisted: list[_Unlisted] = []

    def read(self, entry: Entry) -> Event:
        """What is left of an event whose detail is gone. Raises ``Invalid``, as ``sshjit.entries.read_erased``."""
        event = fast_reader.read_erased(entry)
        self.miss(entry.index, entry.time, entry.kind, event)
        return event

    def miss(self, index: int, time: int, kind: str, event: Event) -> None:
        """Takes note of an entry without its detail, of which ``event`` is left."""
        self.erased += 1
        if kind not in ERASABLE:
            self._wrong = self._wrong or f"entry {index}: its detail is missing, and that of its kind is never erased"
            return
        self._indices.append(index)
        self._times.append(time)
        if kind in BY_REQUEST:
            self._requests[index] = getattr(event, "request", "")

    def follow(self, index: int, time: int, event: Event, state: State | None) -> None:
        """Takes note of what was recorded as erased. ``state``: before the event is folded, if it is known."""
        if not isinstance(event, Forgot):
            return
        if event.entries is not None:
            self._listed += [(first, min(end, index)) for first, end in event.entries]
            return
        plan = Plan(event.before, frozenset(), frozenset())
        if state is not None:
            plan = erasure.plan_for(erasure.forgotten(state, event.before, time), event.before)
        self._unlisted.append(_Unlisted(index, event.erased, plan))

    def find(self) -> GapsFound:
        """What is to be said. Ask at the end of the log."""
        unlisted = wrong = 0
        first_wrong = -1
        for place in self._not_listed():
            index, time = self._indices[place], self._times[place]
            request = self._requests.get(index)
            if any(forgot.allows(index, time, request) for forgot in reversed(self._unlisted)):
                unlisted += 1
                continue
            wrong += 1
            first_wrong = index if first_wrong < 0 else first_wrong
        if self._wrong:
            return GapsFound(self._wrong, unlisted)
        if wrong:
            more = f" (the first of {wrong})" if wrong > 1 else ""
            said = f"entry {first_wrong}: its detail is missing, and nobody recorded it as erased{more}"
            return GapsFound(said, unlisted)
        counted = sum(forgot.erased for forgot in self._unlisted)
        if unlisted > counted:
            return GapsFound(f"the details of {unlisted} entries are missing, and {counted} were recorded as erased", 0)
        return GapsFound("", unlisted)

    def _not_listed(self) -> Iterator[int]:
        """Places in our tables of the entries that no ``Forgot`` entry names."""
        place = 0
        for first, end in sorted(self._listed):
            begin = bisect_left(self._indices, first, lo=place)
            yield from range(place, begin)
            place = bisect_left(self._indices, end, lo=begin)
        yield from range(place, len(self._indices))
