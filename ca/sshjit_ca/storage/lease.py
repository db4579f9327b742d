"""The writer's lease on PostgreSQL: an advisory lock, held by a session of its own that the server ends if idle.

Whoever holds the lock pings the server three times in a lease. A process that died loses its session, and the lock, at
once; one that hangs, or cannot reach the server, once ``idle_session_timeout`` is over. So those who stand by hear of
it in seconds. It says who may try to take over, and no more: what keeps a writer from writing that was replaced is the
epoch, checked in each commit (``store.py``), whatever becomes of this session.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit_ca.storage import limits
from sshjit_ca.storage.database import kind_of, open_engine, reason
from sshjit_ca.storage.limits import SERVING

_log = logging.getLogger(__name__)
SECONDS = 5.0
"""After so long without a ping the server ends the session."""
PINGS = 3
"""Pings in that time."""
_KEY = 0x7373686A69746361
"""The number of the lock, one for each database: ``sshjitca`` in ASCII."""
_TIMEOUT = sa.text(
    "SELECT set_config('idle_session_timeout', :value, false) FROM pg_settings WHERE name = 'idle_session_timeout'"
)
_TRY = sa.text("SELECT pg_try_advisory_lock(:key)").bindparams(key=_KEY)
_PING = sa.text("SELECT 1")


class Lease:
    """One process's claim to be the writer. ``take`` is for one thread; afterwards a thread of its own keeps it."""

    def __init__(self, address: str) -> None:
        """Nothing is connected to yet."""
        self.address = address
        self._engine = open_engine(address, bounds=SERVING)
        self._session: sa.Connection | None = None
        self._held = False
        self._closing, self._closed = os.pipe()
        """The second is closed when the lease is to end."""
        self._keeper: threading.Thread | None = None
        self.counts = True
        """Whether the server ends idle sessions. One before PostgreSQL 14 does not, and then the lock says nothing."""

    @classmethod
    def of(cls, address: str) -> Lease | None:
        """The lease on a database; ``None`` where there is none to be had: on SQLite."""
        return cls(address) if kind_of(address) == "postgresql" else None

    @property
    def held(self) -> bool:
        """Whether the lock is ours, as far as is known."""
        return self._held

    def take(self) -> bool:
        """Tries to get the lock, and keeps it from then on; whether it is ours. Never waits for another holder."""
        if self._keeper is None and self.try_once():
            self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._keeper.start()
        return self._held

    def close(self) -> None:
        """Gives it up: those who stand by get it at once."""
        os.close(self._closed)
        if self._keeper is not None:
            self._keeper.join(SECONDS)
        self._end_session()
        self._engine.dispose()
        os.close(self._closing)

    def _keep(self) -> None:
        """Pings, and gets the lock again when the session ended, which is noticed at once."""
        while not self._wait():
            if self._session is not None and self._ask(_PING) is not None:
                continue
            if self._held:
                _log.warning("the writer's lease was lost")
            self._held = False
            if self.try_once():
                _log.warning("the writer's lease is held again")

    def _wait(self) -> bool:
        """Until the next ping is due, or the session ends; whether the lease is to be given up."""
        watched = [self._closing]
        if self._session is not None:
            watched.append(self._session.connection.driver_connection.fileno())  # type: ignore[union-attr]
        readable, _, _ = select.select(watched, [], [], SECONDS / PINGS)
        return self._closing in readable

    def try_once(self) -> bool:
        """Tries to get the lock, and does not keep it: it is over ``SECONDS`` later."""
        if self._session is None:
            self._begin_session()
        self._held = self._session is not None and self.counts and bool(self._ask(_TRY))
        return self._held

    def _begin_session(self) -> None:
        try:
            with limits.within(SECONDS):
                session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._session = session
                value = f"{SECONDS * 1000:.0f}"
                self.counts = session.execute(_TIMEOUT, {"value": value}).one_or_none() is not None
        except SQLAlchemyError as error:
            _log.debug("no session for the lease: %s", reason(error))
            self._end_session()

    def _ask(self, question: sa.TextClause) -> object | None:
        """One answer by the session; ``None``, and no session any more, if there is none."""
        assert self._session is not None  # noqa: S101 - asked where there is one
        try:
            with limits.within(SECONDS / PINGS):
                return self._session.execute(question).scalar()
        except SQLAlchemyError:
            self._end_session()
            return None

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(SQLAlchemyError):
                session.invalidate()  # never back into a pool: the lock is the session's
            with suppress(SQLAlchemyError):
                session.close()
