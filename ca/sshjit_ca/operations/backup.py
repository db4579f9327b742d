"""``ssh-jit-ca backup``: one archive that a CA can be restored from, made while it runs.

The database goes in by SQLite's own backup, or out of PostgreSQL by one transaction: either sees one moment of it. With
it go the newest checkpoint, the highest epoch and the settings. Private keys are left out unless they are asked for: a
backup with them can sign. All of that is read as the CA's user, who could exchange it for a link to what only root may
read; only the archive is root's.
"""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from sshjit.errors import Failed, Invalid
from sshjit_ca.config import Config
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine import durable, owner
from sshjit_ca.storage import copying, scan
from sshjit_ca.storage.database import sqlite_file
from sshjit_ca.storage.store import Store

DATABASE = "ca.db"
"""The database's name in the archive."""


def back_up(config: Config, settings: Path, target: Path, *, with_keys: bool) -> int:
    """Writes the archive, readable by us alone; returns how many entries of the log are in it.

    Raises:
        Invalid: ``already_there``.
        Failed: ``no_database``, ``not_read``, ``not_written``.

    """
    database = sqlite_file(config.database)
    pinned = PinnedCheckpoint(config.home)
    beside = [pinned.checkpoint_file, pinned.epoch_file, settings, config.policy, config.providers]
    named = [(path, path.name) for path in beside if os.path.lexists(path)]
    if with_keys:
        named += [(path, f"keys/{path.name}") for path in sorted((config.home / "keys").iterdir())]
    members = [_member(path, name) for path, name in named]
    try:
        with (
            _opened(database) if database else _connected(config.database) as copy_to,
            owner.as_operator(),
            durable.Folder.open(target.parent, ours=True) as folder,
            folder.replacing(target.name, new=True) as file,
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as scratch,
        ):
            copy = Path(scratch) / DATABASE
            size = copy_to(copy)
            with tarfile.open(fileobj=file, mode="w") as archive:
                archive.add(copy, DATABASE)
                for member, content in members:
                    archive.addfile(member, io.BytesIO(content))
    except FileExistsError:
        raise Invalid("already_there", f"{target} already exists", hint="nothing was changed") from None
    except OSError as error:
        raise Failed("not_written", f"the backup cannot be written: {error.strerror or error}", hint=_WHERE) from None
    return size


def _member(path: Path, name: str) -> tuple[tarfile.TarInfo, bytes]:
    """A file as it goes into the archive, and its content; where there is a link, what it leads to."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(file.fileno())
            content = file.read() if stat.S_ISREG(status.st_mode) else None
    except OSError as error:
        raise _unread(path, error.strerror or str(error)) from None
    if content is None:
        raise _unread(path, "it is not a plain file")
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), stat.S_IMODE(status.st_mode), int(status.st_mtime)
    member.uid, member.gid = status.st_uid, status.st_gid
    return member, content


def _unread(path: Path, why: str) -> Failed:
    return Failed("not_read", f"{path} cannot be read: {why}", hint="nothing was written")


_WHERE = "name a file in a folder that is yours, and that other users cannot change"
_SQLITE = b"SQLite format 3\0"
"""How every database of SQLite begins."""


def unpack(archive: Path, target: Path) -> None:
    """Takes the database out of an archive of ``back_up``, or copies one that is none, to ``target``.

    Raises:
        Invalid: ``no_backup``.

    """
    try:
        with owner.as_operator():
            file = archive.open("rb")
        with file, contextlib.ExitStack() as stack:
            source: IO[bytes] = file
            if file.read(len(_SQLITE)) != _SQLITE:
                file.seek(0)
                packed = stack.enter_context(tarfile.open(fileobj=file)).extractfile(DATABASE)
                if packed is None:
                    raise Invalid("no_backup", f"{archive} does not contain {DATABASE}")
                source = stack.enter_context(packed)
            source.seek(0)
            with durable.replacing(target, new=True) as out:
                while part := source.read(1 << 20):
                    out.write(part)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise Invalid("no_backup", f"{archive} cannot be read as a backup: {error}") from None


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Callable[[Path], int]]:
    """Copies a PostgreSQL database, as it is at this moment, into an SQLite file."""
    source = Store(address, read_only=True)
    try:
        with scan.moment(source) as connection:
            connection.execute(sa.text("SELECT size FROM head")).all()  # the moment, with the rights of the CA's user

            def copy_to(target: Path) -> int:
                copy = Store(f"sqlite:///{target}")
                try:
                    return copying.copy_into(connection, copy)
                finally:
                    copy.close()

            yield copy_to
    finally:
        source.close()


@contextlib.contextmanager
def _opened(database: Path) -> Iterator[Callable[[Path], int]]:
    """Copies an SQLite database. The files beside it are open already: they are made by whoever opens it first."""
    if not database.is_file():
        raise Failed("no_database", f"there is no database at {database}")
    with closing(sqlite3.connect(database)) as source:
        try:
            source.execute("SELECT size FROM head").fetchone()
        except sqlite3.Error as error:
            raise _uncopied(error) from None
        yield partial(_copy, source)


def _copy(source: sqlite3.Connection, target: Path) -> int:
    """A consistent copy in one file; the size of the log in it."""
    try:
        with closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            row = copy.execute("SELECT size FROM head").fetchone()
    except sqlite3.Error as error:
        raise _uncopied(error) from None
    return int(row[0]) if row else 0


def _uncopied(error: sqlite3.Error) -> Failed:
    return Failed("no_database", f"the database cannot be copied: {error}")
