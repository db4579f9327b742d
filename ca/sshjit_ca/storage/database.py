"""Opens the CA's database by its address alone, and sees to it that a commit is durable when it returns.

``sqlite:////path`` is a file (WAL, every commit synced), ``postgresql://…`` a server, spoken to by psycopg 3. What is
kept in either is ``store.py``'s.
"""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, InterfaceError, NoSuchModuleError, OperationalError, SQLAlchemyError

from sshjit.errors import Failed, Invalid
from sshjit_ca.machine.durable import rename
from sshjit_ca.storage.limits import PATIENT, Limits

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_FULL = ("disk is full", "no space left", "could not extend file")
"""What SQLite and PostgreSQL say when there is no room left."""


def open_engine(address: str, *, read_only: bool = False, bounds: Limits = PATIENT) -> sa.Engine:
    """An engine for a database, which keeps to ``bounds``; nothing is connected to yet.

    Raises:
        Invalid: ``bad_database``, when the address is none, or names a database that is not supported.
        Failed: ``no_driver``.

    """
    try:
        url = sa.make_url(address)
    except ArgumentError:
        raise Invalid("bad_database", "the database's address is not valid", hint=_EXAMPLE) from None
    if url.drivername not in _DRIVERS:
        raise Invalid("bad_database", f"{url.drivername!r} is not a database that the CA supports", hint=_EXAMPLE)
    try:
        driver = _DRIVERS[url.drivername]
        engine = sa.create_engine(
            url.set(drivername=driver), pool_pre_ping=driver != "sqlite", pool_timeout=bounds.operation
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise Failed("no_driver", "psycopg is not installed", hint="pip install 'ssh-jit[postgres]'") from None
    if engine.dialect.name == "sqlite":
        if read_only:
            sa.event.listen(engine, "do_connect", _sqlite_on_a_still_disk)
        sa.event.listen(engine, "connect", _sqlite(bounds, read_only=read_only))
    else:
        from sshjit_ca.storage import postgres  # noqa: PLC0415 - psycopg, which SQLite does without

        postgres.guard(engine, bounds)
        sa.event.listen(engine, "connect", _postgres_read_only if read_only else _postgres_durable)
    return engine


_EXAMPLE = 'database = "sqlite:////var/lib/ssh-jit-ca/ca.db" or "postgresql://user@/ssh_jit?host=/run/postgresql"'


def kind_of(address: str) -> str:
    """``sqlite`` or ``postgresql``."""
    return sa.make_url(address).get_backend_name()


def sqlite_file(address: str) -> Path | None:
    """The file of an SQLite database; ``None`` for a server."""
    url = sa.make_url(address)
    return Path(url.database) if url.drivername.startswith("sqlite") and url.database else None


def reason(error: SQLAlchemyError) -> str:
    """What the database said, on one line, without the statement, and without the server's address.

    It is told to people who have nothing to do with the database.
    """
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines() or [type(cause).__name__]
    return _ADDRESS.sub("", lines[0])[:200]


_ADDRESS = re.compile(r"connection to server (at|on socket) .*? failed: |(?<=resolve host) '[^']*'")
"""What libpq and psycopg say before the reason why they cannot connect."""


def is_unanswered(error: SQLAlchemyError) -> bool:
    """Whether an error may mean that the database does not answer, if it came late."""
    return isinstance(error, OperationalError | InterfaceError) and not is_full(reason(error))


def what_to_do(why: str, otherwise: str) -> str:
    """The hint for who only reads, by what the database said."""
    if is_damaged(why):
        return _BACKUP
    return _COPY if any(words in why for words in _BESIDE) else otherwise


def is_damaged(why: str) -> bool:
    """Whether a database said that its file is damaged."""
    return any(words in why for words in _DAMAGED)


_DAMAGED = ("file is not a database", "malformed", "invalid page in block")
"""What SQLite and PostgreSQL say of a file that is damaged."""
_BACKUP = (
    "the database is damaged: put a backup in its place (ssh-jit-ca restore FILE --accept-loss --reason TEXT); "
    "before the first start ssh-jit-ca init makes it anew"
)


_BESIDE = ("unable to open database file", "attempt to write a readonly database")
"""What SQLite says where it must write beside the file, and cannot."""
_COPY = "is it there, and may you read it? On a read-only disk: copy ca.db and ca.db-wal to a disk that can be written"


def is_full(why: str) -> bool:
    """Whether a database complained of a full disk."""
    return any(words in why.lower() for words in _FULL)


def is_taken_back(error: SQLAlchemyError) -> bool:
    """Whether a commit that failed certainly left nothing.

    SQLite says so where its last page found no room, or somebody else had the lock (sqlite.org/rescode.html). Where the
    disk failed, as in writing the log through to it, what was committed may be read again after a power cut. A
    PostgreSQL server that answers with an error has rolled back; where the connection broke, nobody knows.
    """
    if getattr(error, "connection_invalidated", False):
        return False
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF in _TAKEN_BACK
    return bool(getattr(cause, "sqlstate", None))


_TAKEN_BACK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT})
"""SQLite's primary result codes after which nothing of a transaction is left."""


def _sqlite(bounds: Limits, *, read_only: bool) -> Callable[[Any, Any], None]:
    """Sets a new connection up."""

    def settle(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {bounds.lock * 1000:.0f}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what was erased is overwritten with zeros
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")

    return settle


WAL_PAGES = 4000
"""Pages that the write-ahead log holds before they go to where they belong; what many batches touch goes there once."""


def _sqlite_on_a_still_disk(dialect: sa.Dialect, _: Any, where: list[Any], how: dict[str, Any]) -> Any:
    """Opens the file of a read-only disk without the files that SQLite would make beside it; else does nothing.

    ``immutable`` takes no locks and passes over the write-ahead log (sqlite.org/uri.html). So it is for a read-only
    disk, and only where no such log is left, nor the ``-shm`` of a CA that runs and may write to the same disk.
    """
    file = Path(where[0])
    if file.is_file() and _is_still(file):
        return dialect.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", **how, uri=True)
    return None


def _is_still(file: Path) -> bool:
    if not os.statvfs(file.parent).f_flag & os.ST_RDONLY or not os.statvfs(file).f_flag & os.ST_RDONLY:
        return False
    log, index = (file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm"))
    return not index.exists() and (not log.exists() or log.stat().st_size == 0)


def _postgres_durable(connection: Any, _: Any) -> None:
    """A server may be set to answer before a commit is on disk: not to us. Stronger settings stay as they are."""
    with connection.cursor() as cursor:
        if cursor.execute("SHOW synchronous_commit").fetchone()[0] == "off":
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _postgres_read_only(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    connection.commit()


def set_aside(database: Path, ending: str) -> Path | None:
    """Gives an SQLite database another name, with the files beside it; which one. ``None``: there was no database.

    The name is a free one, such as ``ca.db.moved`` or ``ca.db.moved.2``: an older one that was set aside stays.
    Files that a lost database left beside it go too: SQLite would take their content for the next database's.
    """
    there, names = database.exists(), (f"{database.name}.{ending}" + (f".{n}" * (n > 1)) for n in itertools.count(1))
    aside = next(path for path in map(database.with_name, names) if not any(map(os.path.lexists, _parts(path))))
    for part, to in zip(_parts(database), _parts(aside), strict=True):
        if part.exists():
            rename(part, to)
    return aside if there else None


def _parts(database: Path) -> list[Path]:
    return [database.with_name(f"{database.name}{suffix}") for suffix in ("", "-wal", "-shm")]
