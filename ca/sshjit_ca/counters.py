"""What the CA counts while it runs, for whoever watches it. It decides nothing, and a restart begins at 0.

What a batch wrote counts once it is durable (``settle``); what came of a lost one does not (``forget``).
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sshjit import events
from sshjit.errors import Failed, Refused, SshJitError
from sshjit.events import Event
from sshjit.requests import Request

MICROSECONDS = 1_000_000
"""In a second: what times are counted in."""
_TIMES = tuple(
    round(seconds * MICROSECONDS) for seconds in (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
)
_WAITS = tuple(seconds * MICROSECONDS for seconds in (15, 60, 180, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600))
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(slots=True)
class Histogram:
    """How often what was observed was at most each of ``bounds``."""

    bounds: tuple[int, ...]
    total: int = 0
    buckets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)

    def observe(self, value: int) -> None:
        """One more."""
        self.buckets[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Counters:
    """All of them. For the one thread that answers."""

    entries: Counter[str] = field(default_factory=Counter)
    """Durable entries, by kind."""
    certificates: Counter[str] = field(default_factory=Counter)
    """Issued, by what they are for: user, host, emergency, probe."""
    opened: Counter[str] = field(default_factory=Counter)
    """Grants, by how they were given: automatic, reviewed, break_glass."""
    decisions: Counter[str] = field(default_factory=Counter)
    """By people, by verdict."""
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Messages that policy or a check refused, by kind and code."""
    failed: Counter[str] = field(default_factory=Counter)
    """Messages that the CA could not answer, by code."""
    approval: Histogram = field(default_factory=lambda: Histogram(_WAITS))
    """Microseconds from a request to the approval that opened it."""
    batch: Histogram = field(default_factory=lambda: Histogram(_SIZES))
    """Messages in a batch."""
    batch_time: Histogram = field(default_factory=lambda: Histogram(_TIMES))
    """Microseconds until a batch was answered."""
    prepare_time: Histogram = field(default_factory=lambda: Histogram(_TIMES))
    """Microseconds in which a provider, a device or a checker was waited for."""
    queue: int = 0
    """Messages that wait for their turn now."""
    preparing: int = 0
    """Messages that wait for somebody else now."""
    _batch: list[tuple[Event, int]] = field(default_factory=list)

    def record(self, event: Event, now: int, requests: Mapping[str, Request]) -> None:
        """An event of the batch, before it is folded into these requests."""
        waited = 0
        if isinstance(event, events.Opened) and event.how == "reviewed":
            waited = now - requests[event.request].time
        self._batch.append((event, waited))

    def refuse(self, kind: str, error: SshJitError) -> None:
        """A message of this kind was not answered as it wished; who asked wrongly does not count."""
        if isinstance(error, Refused):
            self.refused[kind, error.code] += 1
        elif isinstance(error, Failed):
            self.failed[error.code] += 1

    def answered(self, answers: Sequence[object], seconds: float) -> None:
        """A batch went out."""
        self.batch.observe(len(answers))
        self.batch_time.observe(round(seconds * MICROSECONDS))
        for answer in answers:
            if isinstance(answer, Failed):
                self.failed[answer.code] += 1

    def forget(self) -> None:
        """The batch was lost."""
        self._batch.clear()

    def settle(self) -> None:
        """The batch became durable."""
        for event, waited in self._batch:
            self._count(event, waited)
        self._batch.clear()

    def _count(self, event: Event, waited: int) -> None:
        self.entries[events.kind_of(event)] += 1
        match event:
            case events.Issued():
                self.certificates["user"] += 1
            case events.HostIssued():
                self.certificates["host"] += 1
            case events.EmergencyIssued():
                self.certificates["emergency"] += 1
            case events.ProbeIssued():
                self.certificates["probe"] += 1
            case events.Opened():
                self.opened[event.how] += 1
                if event.how == "reviewed":
                    self.approval.observe(waited * MICROSECONDS)
            case events.Decided():
                self.decisions[event.verdict] += 1
            case _:
                pass
