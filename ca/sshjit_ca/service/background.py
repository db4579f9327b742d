"""What the CA does by itself beside answering: it writes down what time has ended, sounds its own alarm, and tidies up.

All at a coarse tick, between two batches; none stops another or an answer.
"""

from __future__ import annotations

import asyncio
import logging

from sshjit.errors import SshJitError
from sshjit.events import Event
from sshjit_ca.access import expiry
from sshjit_ca.authority import Authority
from sshjit_ca.context import Context
from sshjit_ca.log import summaries
from sshjit_ca.machine.memory import Returner
from sshjit_ca.service import alerts
from sshjit_ca.service.alerts import Alarm, Alarms
from sshjit_ca.storage.store import Row, Store

SWEEP = 10.0
"""Seconds between two looks at what is over."""
SETTLE = 10.0
"""Seconds between two looks at the process's own memory."""
HURRY = 0.5
"""The same while there is more of it than one look takes."""
LOOK = 0.25
"""Seconds between two looks for something alarming."""
RETRY = 2.0
"""Seconds until the log is searched for alarms again after it could not be read."""
KEEP = 1_000
"""Entries after which the position is kept although there was nothing to tell: so many are looked at again."""
_log = logging.getLogger(__name__)


async def sweep(authority: Authority) -> None:
    """Writes down endings, until it is cancelled."""
    while authority.fenced is None:
        try:
            swept = authority.sweep()
        except SshJitError as error:
            _log.warning("endings could not be recorded: %s", error.message)
            swept = 0
        except Exception:  # noqa: BLE001 - whatever it is, the CA goes on, and tries again
            _log.exception("endings could not be recorded")
            swept = 0
        await asyncio.sleep(HURRY if swept >= expiry.MOST else SWEEP)


async def return_memory() -> None:
    """Gives memory back that a flood of questions took, until it is cancelled."""
    returner = Returner()
    while True:
        await asyncio.sleep(SETTLE)
        returner.look()


async def alert(context: Context, store: Store, alarms: Alarms) -> None:
    """Sounds the alarm for every entry that deserves it, until it is cancelled."""
    position = await asyncio.to_thread(alarms.position, context.journal.durable)
    while True:
        await asyncio.sleep(LOOK)
        size = context.journal.durable
        if size - 1 <= position:
            continue
        try:
            position = await look(context, store, alarms, position, size)
        except SshJitError as error:
            _log.warning("the log could not be searched for alarms: %s", error.message)
            await asyncio.sleep(RETRY)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("the log could not be searched for alarms")
            await asyncio.sleep(SWEEP)


async def look(context: Context, store: Store, alarms: Alarms, position: int, size: int) -> int:
    """Tells what is new below ``size``; how far it came."""
    due, last = await asyncio.to_thread(alerts.find, store, position, size)
    for each in [alarm(context, row, event) for row, event in due]:
        await asyncio.to_thread(alarms.tell, each)
    if due or last // KEEP != position // KEEP:
        await asyncio.to_thread(alarms.keep, last)
    return last


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
