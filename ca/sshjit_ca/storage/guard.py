"""The one way to the database: its errors become ours here, and one that hangs is waited for once.

Everything that reads or writes goes through ``Guard.read`` or ``Guard.write``. What a database does not answer in time
is given up (``limits.py``); from then on everybody is told so at once, until a trial in a thread is answered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from sshjit.errors import Failed
from sshjit_ca.machine import circuit_breaker
from sshjit_ca.machine.circuit_breaker import CircuitBreaker
from sshjit_ca.storage import limits
from sshjit_ca.storage.database import is_full, is_taken_back, is_unanswered, reason, what_to_do
from sshjit_ca.storage.limits import Limits

TRIALS = 2.0
"""Seconds between two trials of a database that hangs, at most: it is back soon after it is well."""
TRIAL = 2.5
"""Seconds that a trial may take."""
_NAME = "the log's database"


class Guard:
    """Access to one database, over one engine or several."""

    def __init__(self, engine: sa.Engine, bounds: Limits) -> None:
        self._engine = engine
        self._bounds = bounds
        self._breaker = CircuitBreaker(most=TRIALS, still="")

    @property
    def silent(self) -> Failed | None:
        """What is wrong, while the database does not answer."""
        return self._breaker.why(_NAME)

    @contextmanager
    def read(self, code: str = "database_broken", *, seconds: float | None = None) -> Iterator[sa.Connection]:
        """A connection to read by.

        Raises:
            Failed: ``database_silent``, or ``code``.

        """
        self._breaker.check(_NAME)
        began = time.monotonic()
        try:
            with limits.within(seconds or self._bounds.operation), self._engine.connect() as connection:
                if seconds is not None and connection.dialect.name != "sqlite":
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {seconds * 1000:.0f}")
                yield connection
        except SQLAlchemyError as error:
            raise self._failed(error, began, _unreadable(error, code)) from None

    @contextmanager
    def write(self, engine: sa.Engine | None = None, *, seconds: float | None = None) -> Iterator[sa.Connection]:
        """A connection to write by: one transaction, which is durable when the block was left.

        Raises:
            Failed: ``disk_full``, ``not_signing``, ``database_silent``: nothing was written; ``outcome_unknown``, when
                it failed at the very end, and the database did not say that it took everything back.

        """
        self._breaker.check(_NAME)
        began, ending = time.monotonic(), False
        try:
            with limits.within(seconds or self._bounds.operation), (engine or self._engine).begin() as connection:
                yield connection
                ending = True
        except SQLAlchemyError as error:
            failed = _unwritten(error)
            if ending and not is_taken_back(error):
                failed = _unknown(error)
                self._failed(error, began, failed)
                raise failed from None
            raise self._failed(error, began, failed) from None

    def close(self) -> None:
        """No more trials."""
        self._breaker.close()

    def _failed(self, error: SQLAlchemyError, began: float, otherwise: Failed) -> Failed:
        """What to raise; from now on everybody is told at once, if it was not an error but silence."""
        waited = time.monotonic() - began
        if waited < circuit_breaker.SLOW or not (is_unanswered(error) or isinstance(error, PoolTimeoutError)):
            return otherwise
        silent = silence(datetime.now(UTC) - timedelta(seconds=waited), self._engine.dialect.name)
        self._breaker.trip(_NAME, silent, self._try)
        return silent

    def _try(self) -> None:
        """Whether the database answers: whoever takes the writer's lock can write. Any answer at once will do."""
        began = time.monotonic()
        try:
            with limits.within(TRIAL), self._engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    connection.exec_driver_sql("SELECT id FROM head FOR UPDATE")
                connection.rollback()
        except SQLAlchemyError as error:
            if is_unanswered(error) and time.monotonic() - began >= circuit_breaker.SLOW:
                raise Failed("database_silent", "it does not answer yet") from None


def silence(since: datetime, kind: str) -> Failed:
    """What everybody is told while the database does not answer."""
    sqlite = kind == "sqlite"
    hint = "which other program holds it locked?" if sqlite else "is PostgreSQL running, and can it be reached?"
    return Failed(
        "database_silent",
        f"the log's database does not answer since {since:%H:%M:%S} UTC; nothing is signed or written",
        hint=f"{hint} It goes on by itself",
    )


def _unreadable(error: SQLAlchemyError, code: str) -> Failed:
    why = reason(error)
    if code == "no_database":
        hint = what_to_do(why, "is it running, and is its schema up to date? ssh-jit-ca migrate")
        return Failed(code, f"the CA's database cannot be read: {why}", hint=hint)
    return Failed(
        code,
        f"the log cannot be read: {why}",
        hint=what_to_do(why, "is its database running? ssh-jit-ca doctor looks at it"),
    )


def _unwritten(error: SQLAlchemyError) -> Failed:
    why = reason(error)
    code = "disk_full" if is_full(why) else "not_signing"
    return Failed(code, f"the log cannot be written: {why}; nothing was signed", hint="ssh-jit-ca doctor")


def _unknown(error: SQLAlchemyError) -> Failed:
    text = f"the log cannot be written: {reason(error)}; what was being written may have been done, or not"
    return Failed("outcome_unknown", text, hint="look before you try again")
