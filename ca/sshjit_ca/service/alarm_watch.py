"""Follows the log for what deserves the alarm, and tells it: the most urgent first, of one host and kind once a minute.

Hosts raise alarms by what they report, and one that was broken into raises thousands. None of them must keep an alarm
of somebody else waiting, least of all that of an emergency. So what is due is looked for anew before each alarm, and
what one host says again within the minute is counted, and told with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sshjit import events
from sshjit.errors import SshJitError
from sshjit.events import Event
from sshjit_ca.context import Context
from sshjit_ca.log import summaries
from sshjit_ca.service import alerts
from sshjit_ca.service.alerts import Alarm, Alarms
from sshjit_ca.storage.store import Row, Store

PAUSE = 60.0
"""Seconds between two alarms of one kind by one host."""
KEEP = 1_000
"""Entries after which the position is kept although there was nothing to tell: so many are looked at again."""
_URGENCY = {"break_glass": 0, "emergency": 0, "lock_everything": 0, "session_emergency": 1, "session_recovery": 1}
_LEAST = 2


@dataclass(slots=True)
class AlarmQueue:
    """What is still to be told."""

    monotonic: Callable[[], float]
    _waiting: dict[tuple[str, str], tuple[Alarm, int]] = field(default_factory=dict)
    """By kind and source: the newest alarm, and the entry of the first one that it stands for."""
    _told: dict[tuple[str, str], float] = field(default_factory=dict)
    """By kind and source: when the last one was told."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, alarm: Alarm, entry: int, source: str) -> None:
        """One more, by this source; an empty one is people, each of whose alarms is told."""
        key = (alarm.kind, source or str(entry))
        before, first = self._waiting.get(key, (None, entry))
        count = alarm.count + (0 if before is None else before.count)
        self._waiting[key] = (replace(alarm, count=count), first)

    def take(self) -> Alarm | None:
        """The most urgent that is due, which counts as told from now on; ``None`` if none is."""
        now = self.monotonic()
        self._told = {key: when for key, when in self._told.items() if now - when < PAUSE}
        due = [key for key in self._waiting if key not in self._told]
        if not due:
            return None
        key = min(due, key=lambda each: (_URGENCY.get(each[0], _LEAST), self._waiting[each][1]))
        self._told[key] = now
        return self._waiting.pop(key)[0]

    def told_until(self, read: int) -> int:
        """The last entry before which nothing waits, of a log that was read to the entry ``read``."""
        return min((first - 1 for _, first in self._waiting.values()), default=read)


class AlarmWatch:
    """One look after the other. ``read`` is the last entry that was looked at."""

    def __init__(
        self, context: Context, store: Store, alarms: Alarms, position: int, monotonic: Callable[[], float]
    ) -> None:
        self.read = self._kept = position
        self._context, self._store, self._alarms = context, store, alarms
        self._queue = AlarmQueue(monotonic)

    async def step(self, size: int) -> bool:
        """Looks at what is new of a log of this size, and tells one alarm; whether there was one to tell.

        Raises:
            SshJitError: the log cannot be read. What was read before is told all the same.

        """
        problem: SshJitError | None = None
        try:
            await self._look(size)
        except SshJitError as error:
            problem = error
        due = self._queue.take()
        if due is not None:
            await asyncio.to_thread(self._alarms.tell, due)
        position = self._queue.told_until(self.read)
        if position > self._kept and (due is not None or position // KEEP != self._kept // KEEP):
            await asyncio.to_thread(self._alarms.keep, position)
            self._kept = position
        if problem is not None:
            raise problem
        return due is not None

    async def _look(self, size: int) -> None:
        if size - 1 <= self.read or len(self._queue) >= alerts.READ:
            return
        due, last = await asyncio.to_thread(alerts.find, self._store, self.read, size)
        for row, event in due:
            self._queue.add(alarm(self._context, row, event), row.entry.index, source_of(event))
        self.read = last


def source_of(event: Event) -> str:
    """The host that raised an alarm, or the token and what was wrong with it; empty if people did."""
    match event:
        case events.SessionStarted() | events.SessionReportRefused():
            return event.host_id
        case events.JoinRefused():
            return f"{event.invitation or event.name} {event.problem}"
        case _:
            return ""


def alarm(context: Context, row: Row, event: Event) -> Alarm:
    """The alarm that an entry is."""
    return Alarm(
        kind=alerts.kind_of(event) or "",
        installation=context.config.installation,
        entry=row.entry.index,
        time=row.entry.time,
        summary=summaries.summary(context.state, event),
        request=row.request,
        notify=getattr(event, "notify", ()),
    )
