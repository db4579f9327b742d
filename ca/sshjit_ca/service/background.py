"""What the CA does by itself beside answering: it writes down what time has ended, sounds its own alarm, and tidies up.

All at a coarse tick, between two batches; none stops another or an answer.
"""

from __future__ import annotations

import asyncio
import logging
import time

from sshjit.errors import Invalid, SshJitError
from sshjit_ca.access import expiry
from sshjit_ca.authority import Authority
from sshjit_ca.config import Config
from sshjit_ca.context import Context
from sshjit_ca.machine.memory import Returner
from sshjit_ca.service.alarm_watch import AlarmWatch
from sshjit_ca.service.alerts import Alarm, Alarms
from sshjit_ca.source_config import RotaPlace
from sshjit_ca.sources import rotas
from sshjit_ca.sources.rotas import FetchedRota
from sshjit_ca.storage.store import Store
from sshjit_ca.witness.submission import Head

SWEEP = 10.0
"""Seconds between two looks at what is over."""
SETTLE = 10.0
"""Seconds between two looks at the process's own memory."""
HURRY = 0.5
"""The same while there is more of it than one look takes."""
LOOK = 0.25
"""Seconds between two looks for something alarming."""
WITNESS = 5.0
"""Seconds between two looks at whether witnesses have a new head to sign."""
PLACES = 2.0
"""Seconds between two looks at whether a place outside is to get a new checkpoint."""
HELD = 3600.0
"""Seconds between two alarms of one kind about what others hold: anybody who reports can bring about one of them."""
RETRY = 2.0
"""Seconds until the log is searched for alarms again after it could not be read."""
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


async def fetch_rotas(authority: Authority, config: Config) -> None:
    """Keeps up with what rotas say, until it is cancelled: each is fetched in a thread, whatever becomes of others."""
    due = dict.fromkeys(config.rotas, 0.0)
    while authority.fenced is None and due:
        now = time.monotonic()
        names = [name for name, when in due.items() if when <= now]
        due |= {name: now + config.rotas[name].every for name in names}
        answers = await asyncio.gather(*(asyncio.to_thread(_fetch_rota, name, config.rotas[name]) for name in names))
        try:
            authority.take_rotas(dict(zip(names, answers, strict=True)))
        except SshJitError as error:
            _log.warning("rotas could not be recorded: %s", error.message)
            due |= dict.fromkeys(names, now + RETRY)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("rotas could not be recorded")
        await asyncio.sleep(max(RETRY, min(due.values()) - time.monotonic()))


def _fetch_rota(name: str, place: RotaPlace) -> FetchedRota | Invalid:
    try:
        return rotas.fetch_rota(name, place)
    except Invalid as error:
        return error
    except Exception:  # noqa: BLE001 - a defect in reading one rota must not end the others
        _log.exception("the rota %s could not be read", name)
        return Invalid("bad_rota", f"the rota {name} is not taken: the CA has a bug")


async def return_memory() -> None:
    """Gives memory back that a flood of questions took, until it is cancelled."""
    returner = Returner()
    while True:
        await asyncio.sleep(SETTLE)
        returner.look()


async def ask_witnesses(context: Context) -> None:
    """Has witnesses sign the log's newest head, until it is cancelled."""
    while context.witnesses.followers:
        await asyncio.sleep(WITNESS)
        if (head := Head.of(context.journal)) is not None:
            await asyncio.to_thread(context.witnesses.ask, head, context.store, time.monotonic)


async def send_checkpoints(context: Context, alarms: Alarms) -> None:
    """Sends the log's newest checkpoint to the places outside, until it is cancelled; alarms where one is long away."""
    while context.witnesses.places.followers:
        await asyncio.sleep(PLACES)
        if note := context.journal.checkpoint:
            context.witnesses.places.send(note, int(time.time()), time.monotonic())
        for follower in context.witnesses.places.followers:
            if follower.alarming(time.monotonic()) and follower.problem is not None:
                follower.alarmed = True
                installation, summary = context.config.installation, follower.problem.message
                alarm = Alarm("checkpoint_not_kept", installation, None, int(time.time()), summary, None, ())
                await asyncio.to_thread(alarms.tell, alarm)


async def tell_what_is_held(context: Context, alarms: Alarms) -> None:
    """Alarms when somebody holds a checkpoint that is not of this log, of each kind once an hour; until cancelled."""
    alarmed: dict[str, float] = {}
    while True:
        await asyncio.sleep(PLACES)
        waiting, context.journal.held.alarming = context.journal.held.alarming, []
        for kind, what in waiting:
            if time.monotonic() - alarmed.get(kind, -HELD) < HELD:
                continue
            alarmed[kind] = time.monotonic()
            _log.error("%s", what)
            alarm = Alarm(kind, context.config.installation, None, int(time.time()), what, None, ())
            await asyncio.to_thread(alarms.tell, alarm)


async def alert(context: Context, store: Store, alarms: Alarms) -> None:
    """Sounds the alarm for every entry that deserves it, until it is cancelled."""
    position = await asyncio.to_thread(alarms.position, context.journal.durable)
    watch = AlarmWatch(context, store, alarms, position, time.monotonic)
    while True:
        try:
            sounded = await watch.step(context.journal.durable)
        except SshJitError as error:
            _log.warning("the log could not be searched for alarms: %s", error.message)
            await asyncio.sleep(RETRY)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("the log could not be searched for alarms")
            await asyncio.sleep(SWEEP)
        else:
            await asyncio.sleep(0 if sounded else LOOK)
