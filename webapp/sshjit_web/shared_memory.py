"""What all front ends of one database know together, beside sessions: the newest checkpoint, and which session key.

The newest checkpoint of the CA's log is told to each CA that is greeted: one that was put back to an older state hears
of it before it is asked for anything. Front ends with different session keys would refuse each other's forms.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from sshjit.ca_protocol.operating import Health, HealthReply
from sshjit.errors import Failed, SshJitError
from sshjit.lineage import Traced
from sshjit_web.ca_client import CaClient
from sshjit_web.schema import KEPT
from sshjit_web.store import Store

LOG = logging.getLogger(__name__)
LOOK = 5.0
"""Seconds between two looks at the CA's newest checkpoint."""
_SIZES = 2**39
"""So many sizes fit beside 2^24 epochs into the number by which what is newer is known."""
_CHECKPOINT, _SESSION_KEY = "checkpoint", "session-key"


class SharedMemory:
    """What is kept in the front end's database. Methods raise ``Failed`` (``database_down``) as the store's do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note_session_key(self, key: bytes) -> bool:
        """Writes down which session key is used here; whether it is the one of the front end that did so before."""
        mine = hmac.digest(key, b"which session key", hashlib.sha256).hex()
        before = self._read(_SESSION_KEY)
        if before != mine:
            self._keep(_SESSION_KEY, int(time.time()), mine)
        return before in {None, mine}

    def checkpoint(self) -> Traced:
        """The newest that any of the front ends knew; empty: none."""
        kept = self._read(_CHECKPOINT) or ""
        end = kept.rfind("\n") + 1
        return Traced(kept[:end], kept[end:])

    def keep_checkpoint(self, traced: Traced) -> None:
        """Keeps it, unless a newer one is kept. Every line of a note ends, and a lineage is one that does not."""
        loss, size = traced.rank
        self._keep(_CHECKPOINT, loss * _SIZES + min(size, _SIZES - 1), traced.note + traced.lineage)

    def _read(self, name: str) -> str | None:
        query = select(KEPT.c.content).where(KEPT.c.name == name)
        return self._store.read(lambda connection: connection.execute(query).scalar_one_or_none())

    def _keep(self, name: str, number: int, content: str) -> None:
        dialect = sqlite if self._store.engine.dialect.name == "sqlite" else postgresql
        row = dialect.insert(KEPT).values(name=name, number=number, content=content)
        new = {"number": number, "content": content}
        with self._store.writing() as connection:
            connection.execute(
                row.on_conflict_do_update(index_elements=[KEPT.c.name], set_=new, where=KEPT.c.number < number)
            )


def follow_checkpoints(ca: CaClient, memory: SharedMemory) -> None:
    """From now on the newest checkpoint is known, and kept; a CA is told it from the first connection on."""
    try:
        ca.remember(memory.checkpoint())
    except Failed as error:
        LOG.warning("the newest checkpoint known is not read: %s", error)
    threading.Thread(target=_follow, args=(ca, memory), name="checkpoints", daemon=True).start()


def _follow(ca: CaClient, memory: SharedMemory) -> None:
    kept = ca.newest
    while True:
        try:
            health = ca.call(Health(), HealthReply)
            ca.remember(Traced(health.checkpoint, health.lineage))
            if ca.newest != kept:
                memory.keep_checkpoint(ca.newest)
                kept = ca.newest
        except SshJitError:
            pass  # the CA or the database is away: both are known from elsewhere
        except Exception:
            LOG.exception("the newest checkpoint was not kept")
        time.sleep(LOOK)
