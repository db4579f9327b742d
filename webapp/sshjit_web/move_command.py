"""``ssh-jit-web move-database``: the front end's database goes from SQLite to PostgreSQL, with everybody's sessions."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, make_url, select

from sshjit.errors import Failed, Invalid, Refused
from sshjit_web import config, migrate
from sshjit_web.config import WebConfig
from sshjit_web.schema import METADATA, NOTIFIER
from sshjit_web.store import MIGRATION, Guard, open_engine


def run(path: Path, address: str) -> int:
    """Moves it, says how many rows, and what comes next.

    Raises:
        Invalid: ``not_sqlite``, ``not_empty``; Refused: ``running``; Failed: ``database_down``.

    """
    settings = config.load(path)
    old = make_url(settings.database)
    if old.get_backend_name() != "sqlite" or not old.database or make_url(address).get_backend_name() != "postgresql":
        raise Invalid("not_sqlite", "this moves a front end's database from SQLite to PostgreSQL")
    file = Path(old.database)
    _become_owner(file)
    _require_stopped(settings)
    source, target = open_engine(settings.database, seconds=MIGRATION), open_engine(address, seconds=MIGRATION)
    try:
        migrate.upgrade(source)
        migrate.upgrade(target)
        with Guard(), source.connect() as reading, target.begin() as writing:
            reading.exec_driver_sql("BEGIN IMMEDIATE")  # nobody else writes meanwhile
            _require_free(reading, int(time.time()))
            rows = sum(_copy(reading, writing, name) for name in METADATA.tables)
            reading.rollback()
    finally:
        source.dispose()
        target.dispose()
    aside = config.set_aside(file)
    print(f"{rows} rows of the front end were moved; the old database is now {aside}")  # noqa: T201 -- a command
    print(f'say in {path}: database = "{address}"')  # noqa: T201 -- a command
    return 0


def _become_owner(file: Path) -> None:
    """Root becomes the user whose file it is, who is the one that PostgreSQL will know."""
    try:
        status = file.stat()
    except OSError as error:
        raise Failed("database_down", f"{file} cannot be read: {error.strerror}") from None
    if os.geteuid() == 0 and status.st_uid != 0:
        os.setgroups([])
        os.setresgid(status.st_gid, status.st_gid, status.st_gid)
        os.setresuid(status.st_uid, status.st_uid, status.st_uid)


def _require_stopped(settings: WebConfig) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.address else socket.AF_INET) as probe:
        probe.settimeout(2)
        if probe.connect_ex((settings.address, settings.port)) == 0:
            raise Refused("running", "the front end is running", hint="systemctl stop ssh-jit-web ssh-jit-notify")


def _require_free(connection: Connection, now: int) -> None:
    if connection.execute(select(NOTIFIER.c.lease)).scalar_one() > now:
        raise Refused("running", "the notifier is running", hint="systemctl stop ssh-jit-notify, and wait for a minute")


def _copy(source: Connection, target: Connection, name: str) -> int:
    """One table, whole: they are small."""
    table = METADATA.tables[name]
    if table is NOTIFIER:
        target.execute(delete(table).where(table.c.position == -1))  # of a new database
    if target.execute(select(func.count()).select_from(table)).scalar_one():
        raise Invalid("not_empty", "the front end's new database has something in it", hint="name a new one")
    rows = [dict(row) for row in source.execute(select(table)).mappings()]
    if rows:
        target.execute(insert(table), rows)
    if target.execute(select(func.count()).select_from(table)).scalar_one() != len(rows):
        raise Failed("database_down", f"not every row of {name} arrived")
    return len(rows)
