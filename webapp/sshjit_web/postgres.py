"""Connections to PostgreSQL that wait no longer than they may. Kept apart: SQLite does without psycopg.

A server that was stopped, or a network that lets nothing through, ends nothing by itself. What is waited for is given
up here, and the connection with it. Then one question at a time finds out whether the database is back, and everybody
else is told at once that it is not: no thread is kept by it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

RV = TypeVar("RV")
PAUSE = 1.0
"""Seconds between two questions to a database that does not answer."""
CONNECT = 2
"""Seconds for a connection; libpq knows none below 2."""
IDLE = 15
"""Seconds after which the server ends a transaction that was begun and forgotten."""


class Silence:
    """Whether the database answers. ``seconds``: how long an answer may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = 0.0
        self._asking = 0
        """The thread that finds out."""
        self._lock = threading.Lock()

    def check(self) -> None:
        """Lets the asker through, unless somebody waited in vain just now or is finding out.

        Raises:
            psycopg.OperationalError: at once.

        """
        if not self._until:
            return
        with self._lock:
            now, me = time.monotonic(), threading.get_ident()
            if now < self._until and self._asking != me:
                raise psycopg.OperationalError(_SILENT)
            if self._asking != me:
                self._until, self._asking = now + self.seconds + CONNECT, me

    def begin(self) -> None:
        """Somebody waited in vain."""
        with self._lock:
            self._until, self._asking = time.monotonic() + PAUSE, 0

    def end(self) -> None:
        """The database answered."""
        if self._until:
            with self._lock:
                self._until, self._asking = 0.0, 0


_SILENT = "the database does not answer"


def guard(engine: Engine, seconds: float, pinged: Callable[[], bool] = lambda: True) -> None:
    """Has an engine make connections on which no answer is waited for longer than ``seconds``.

    ``pinged``: whether whoever takes a connection now wants it tried first.
    """
    silence = Silence(seconds)
    ping = engine.dialect.do_ping

    def try_first(dbapi_connection: DBAPIConnection) -> bool:
        return not pinged() or ping(dbapi_connection)

    engine.dialect.do_ping = try_first  # type: ignore[method-assign]

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, RV], *args: Any, **named: Any) -> RV:
            try:
                silence.check()
            except psycopg.OperationalError:
                self.pgconn.finish()
                raise
            result: RV = super().wait(_bounded(self, gen, silence), *args, **named)
            silence.end()
            return result

    def connect(_: Any, __: Any, positional: list[Any], named: dict[str, Any]) -> Any:
        silence.check()
        began = time.monotonic()
        tcp: dict[str, int] = {"tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 3}
        try:
            return Bounded.connect(*positional, **{"connect_timeout": CONNECT, **tcp, **named})
        except psycopg.OperationalError:
            if time.monotonic() - began >= PAUSE:
                silence.begin()
            else:
                silence.end()  # it says itself that it is away
            raise

    def settle(connection: Any, _: Any) -> None:
        limits = {"statement_timeout": seconds, "lock_timeout": seconds, "idle_in_transaction_session_timeout": IDLE}
        values = ", ".join(f"set_config('{name}', '{limit * 1000:.0f}', false)" for name, limit in limits.items())
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {values}")
        connection.commit()

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", settle)


def _bounded(connection: psycopg.Connection[Any], gen: Generator[Any, Any, RV], silence: Silence) -> Any:
    """The same steps. psycopg takes one several times a second, also while nothing comes."""
    until = time.monotonic() + silence.seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= until:
                connection.pgconn.finish()
                silence.begin()
                raise psycopg.OperationalError(_SILENT)
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value
