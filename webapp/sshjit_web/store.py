"""The front end's own database: sessions, tokens of command lines, and which states of sign-ins were used.

Nothing in it is a secret that works by itself: tokens and states are stored as their SHA-256. Nothing in it is a truth
about requests or people: a row only says which login, known to the CA, a cookie or token stands for.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    delete,
    event,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from sshjit.errors import Failed
from sshjit_web.schema import DRAFTS, SESSIONS, SIGN_INS

LOG = logging.getLogger(__name__)
T = TypeVar("T")
Kind = Literal["page", "api"]
"""A session is a browser's (``page``) or a command line's (``api``); neither token works at the other's door."""
ENDED = "ended"
"""The kind of a session that was signed out of while the CA could not be told."""
AT_ONCE = 20
SWEEP_EVERY = 60
"""Seconds between two removals of what has expired."""
SWEEPER = 0x7373686A6977
"""The number of the lock in PostgreSQL of whoever sweeps."""
WRITE_EVERY = 10.0
"""Seconds for which a write proves that more can be written."""
_USED = "used"
"""Stands where front ends of release 0.1 wrote which browser began a sign-in: none of them takes such a row for one."""


def digest(token: str) -> str:
    """How a token is stored: SHA-256, hex. Tokens are 256 random bits, so nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Store:
    """Reads and writes the database. Times are whole seconds since the epoch, given by the caller.

    Every method raises ``Failed`` (``database_down``) when the database cannot be used.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # A question alone needs no transaction, which is two round trips on PostgreSQL.
        self._asking = (
            engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._swept = 0
        self._sweeping = threading.Lock()
        self._unwritten = True
        """The newest write failed, or is not done yet."""
        self._written = 0.0
        """When one was done last, by the monotonic clock."""

    @property
    def engine(self) -> Engine:
        """The database, for those who only look."""
        return self._engine

    def add_session(self, token: str, kind: Kind, login_id: str, *, now: int, expires: int) -> None:
        """Remembers that ``token`` stands for ``login_id`` until ``expires``."""
        row = {"token_hash": digest(token), "kind": kind, "login_id": login_id, "created": now, "expires": expires}
        row["seen"] = now
        with self.writing() as connection:
            connection.execute(insert(SESSIONS).values(row))
        self.sweep(now)

    def find_session(self, token: str, kind: Kind, *, now: int, idle: int | None = None) -> str | None:
        """The login that ``token`` stands for, or ``None``; also for a session unused for ``idle`` seconds."""
        query = select(SESSIONS.c.login_id).where(
            SESSIONS.c.token_hash == digest(token), SESSIONS.c.kind == kind, SESSIONS.c.expires > now
        )
        if idle is not None:
            # An older front end beside this one writes no use.
            query = query.where(or_(SESSIONS.c.seen > now - idle, SESSIONS.c.created > now - idle))
        return self.read(lambda connection: connection.execute(query).scalar_one_or_none())

    def use_session(self, token: str, *, now: int) -> None:
        """The session of ``token`` is used now."""
        with self.writing() as connection:
            connection.execute(update(SESSIONS).where(SESSIONS.c.token_hash == digest(token)).values(seen=now))

    def end_idle_sessions(self, kind: Kind, *, now: int, idle: int) -> None:
        """Sessions unused for ``idle`` seconds work no more; their logins are remembered as with ``end_session``."""
        unused = (SESSIONS.c.kind == kind, SESSIONS.c.seen <= now - idle, SESSIONS.c.created <= now - idle)
        some = select(SESSIONS.c.login_id).where(*unused).limit(1)
        if self.read(lambda connection: connection.execute(some).one_or_none()) is None:
            return
        with self.writing() as connection:
            connection.execute(update(SESSIONS).where(*unused).values(kind=ENDED))

    def last_uses(self, login_ids: Iterable[str]) -> dict[str, int]:
        """When the session of each of these logins was used last, of those that have one."""
        query = select(SESSIONS.c.login_id, SESSIONS.c.seen).where(SESSIONS.c.login_id.in_(list(login_ids)))
        return self.read(lambda connection: {row.login_id: row.seen for row in connection.execute(query)})

    def drop_session(self, token: str) -> None:
        """Forgets ``token``; forgetting it twice is no error."""
        with self.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.token_hash == digest(token)))

    def end_session(self, token: str) -> None:
        """``token`` works no more; its login is remembered until the CA knows that it is over."""
        this = SESSIONS.c.token_hash == digest(token)
        with self.writing() as connection:
            connection.execute(update(SESSIONS).where(this).values(kind=ENDED))

    def ended_sessions(self, *, now: int) -> tuple[str, ...]:
        """Logins that are over and that the CA may not know of, some at a time."""
        query = select(SESSIONS.c.login_id).where(SESSIONS.c.kind == ENDED, SESSIONS.c.expires > now).limit(AT_ONCE)
        return self.read(lambda connection: tuple(connection.execute(query).scalars()))

    def drop_login(self, login_id: str) -> None:
        """Forgets every token of a login that is over."""
        with self.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.login_id == login_id))

    def use_state(self, state: str, provider: str, *, now: int, expires: int) -> bool:
        """Whether this state of a sign-in is used for the first time; it is remembered until it ``expires``."""
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        row = {"state_hash": digest(state), "browser_hash": _USED, "provider": provider, "target": ""}
        query = dialect.insert(SIGN_INS).values(**row, expires=expires).on_conflict_do_nothing()
        with self.writing() as connection:
            new = connection.execute(query.returning(SIGN_INS.c.state_hash)).one_or_none() is not None
        self.sweep(now)
        return new

    def is_state_used(self, state: str) -> bool:
        """Whether a sign-in with this state got its answer before."""
        query = select(SIGN_INS.c.state_hash).where(SIGN_INS.c.state_hash == digest(state))
        return self.read(lambda connection: connection.execute(query).one_or_none()) is not None

    def check(self) -> None:
        """Proves that the database answers, and takes what is written: as it did lately, or by a row that goes again.

        Raises:
            Failed: ``database_down``.

        """
        self.read(lambda connection: connection.execute(text("SELECT 1")))
        if self._unwritten or time.monotonic() - self._written >= WRITE_EVERY:
            try:
                self._try_writing()
            except Failed as error:
                raise Failed(error.code, "the front end's database cannot be written", hint=error.hint) from error

    def _try_writing(self) -> None:
        row = {"state_hash": "", "browser_hash": "", "provider": "", "target": "", "expires": 0}
        with self.writing() as connection:
            connection.execute(insert(SIGN_INS).values(row))
            connection.execute(delete(SIGN_INS).where(SIGN_INS.c.state_hash == ""))

    def read(self, ask: Callable[[Connection], T]) -> T:
        """What ``ask`` reads by a connection, in one round trip; it only reads, since it may be asked twice.

        A connection that broke while nobody used it, as all do when the server restarts, is found out by that.
        """
        with Guard():
            try:
                with _unpinged(self._asking) as connection:
                    return ask(connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            with self._asking.connect() as connection:
                return ask(connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection to write by, in one transaction; whether it could is remembered."""
        self._unwritten = True
        with Guard(), self._engine.begin() as connection:
            yield connection
        self._unwritten, self._written = False, time.monotonic()

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def sweep(self, now: int) -> None:
        """Removes what has expired, now and then, after a write; what was written counts, whatever becomes of this."""
        with self._sweeping:
            if now - self._swept < SWEEP_EVERY:
                return
            self._swept = now
        try:
            with self.writing() as connection:
                if not _sweeps_alone(connection):
                    return
                connection.execute(delete(SESSIONS).where(SESSIONS.c.expires <= now))
                connection.execute(delete(SIGN_INS).where(SIGN_INS.c.expires <= now))
                connection.execute(delete(DRAFTS).where(DRAFTS.c.expires <= now))
        except Failed as error:
            LOG.warning("what has expired was not removed: %s (%s)", error, error.__cause__)


def _sweeps_alone(connection: Connection) -> bool:
    """Whether no other front end removes what has expired just now. On SQLite there is one writer at any time."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({SWEEPER})").scalar())


class Guard:
    """Turns the database's errors into ours, without their SQL and parameters."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError):
            raise Failed(
                "database_down",
                "the front end's database is away",
                hint="try again in a minute; if it goes on, tell the operator",
            ) from (getattr(error, "orig", None) or error)


ANSWER = 3.0
"""Seconds that the database may take for an answer, or for another writer to be done."""
MIGRATION = 60.0
"""The same while the schema is brought up to date."""


class _Ping(threading.local):
    wanted = True


_PING = _Ping()
"""Whether this thread has a connection of the pool tried before it gets it."""


def _unpinged(engine: Engine) -> Connection:
    """A connection that may have broken while nobody used it."""
    _PING.wanted = False
    try:
        return engine.connect()
    finally:
        _PING.wanted = True


def open_engine(url: str, *, seconds: float = ANSWER) -> Engine:
    """An engine for ``url``; SQLite gets WAL and full synchronisation.

    No answer is waited for longer than ``seconds``.
    """
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    pool = {} if url.startswith("sqlite") else {"pool_pre_ping": True, "pool_timeout": seconds, "max_overflow": 64}
    engine = create_engine(url, hide_parameters=True, **pool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    elif engine.dialect.driver == "psycopg":
        from sshjit_web import postgres  # noqa: PLC0415 - psycopg, which SQLite does without

        postgres.guard(engine, seconds, lambda: _PING.wanted)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={ANSWER * 1000:.0f}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
