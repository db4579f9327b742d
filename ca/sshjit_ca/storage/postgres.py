"""Connections to PostgreSQL that wait no longer than they may.

The server ends statements and waits for locks by itself. A server that was stopped, or a network that lets nothing
through, ends nothing: what we wait for is given up here, the connection with it. Kept apart, since psycopg is needed
for PostgreSQL alone.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa

from sshjit_ca.storage import limits
from sshjit_ca.storage.limits import Limits

RV = TypeVar("RV")
DRIP = 1.0
"""Seconds more for an answer that is coming in."""
IDLE = 10
"""Seconds after which the server looks whether we are there, and we whether it is."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose every wait ends when the time of the thread's operation is over (``limits.within``)."""

    def wait(self, gen: Generator[Any, Any, RV], *args: Any, **named: Any) -> RV:
        """As psycopg's.

        Raises:
            psycopg.OperationalError: when the time is over; the connection is closed then.

        """
        if limits.left() is None:
            return super().wait(gen, *args, **named)
        return super().wait(self._bounded(gen), *args, **named)

    def _bounded(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        """The same steps. psycopg takes one several times a second, also while nothing comes."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if (limits.left() or 0) <= (-DRIP if ready else 0):
                    self.pgconn.finish()
                    raise psycopg.OperationalError("it does not answer")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: RV = done.value
            return result


def guard(engine: sa.Engine, bounds: Limits) -> None:
    """Has an engine make connections of this kind, and tells the server the limits too."""

    def connect(_: sa.Dialect, __: Any, positional: list[Any], named: dict[str, Any]) -> Any:
        remaining = limits.left()
        if remaining is not None and remaining <= 0:
            raise psycopg.OperationalError("it does not answer")
        tcp: dict[str, int] = {
            "tcp_user_timeout": IDLE * 1000,
            "keepalives_idle": IDLE,
            "keepalives_interval": 3,
            "keepalives_count": 3,
        }
        return BoundedConnection.connect(*positional, **{"connect_timeout": bounds.connect, **tcp, **named})

    def settle(connection: Any, _: Any) -> None:
        wanted = {
            "statement_timeout": bounds.statement * 1000,
            "lock_timeout": bounds.lock * 1000,
            "idle_in_transaction_session_timeout": bounds.idle * 1000,
            "tcp_user_timeout": IDLE * 1000,
            "tcp_keepalives_idle": IDLE,
        }
        values = ", ".join(f"('{name}', '{value:.0f}')" for name, value in wanted.items())
        with connection.cursor() as cursor:  # an older server does not know all of them
            cursor.execute(
                f"SELECT set_config(s.name, v.value, false) FROM (VALUES {values}) AS v(name, value) "  # noqa: S608
                "JOIN pg_settings AS s ON s.name = v.name"
            )
        connection.commit()

    sa.event.listen(engine, "do_connect", connect)
    sa.event.listen(engine, "connect", settle)
