"""``ssh-jit-ca backup``: one archive that a CA can be restored from, made while it runs.

The database goes in by SQLite's own backup, which sees one moment of it; with it the newest checkpoint, the highest
epoch and the settings. Private keys are left out unless they are asked for: a backup with them can sign.
"""

from __future__ import annotations

import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from sshjit.errors import Failed, Invalid
from sshjit_ca.config import Config
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.storage.database import sqlite_file

DATABASE = "ca.db"
"""The database's name in the archive."""


def back_up(config: Config, settings: Path, target: Path, *, with_keys: bool) -> int:
    """Writes the archive, readable by us alone; returns how many entries of the log are in it.

    Raises:
        Invalid: ``not_sqlite``, ``already_there``.
        Failed: ``no_database``, ``not_written``.

    """
    database = sqlite_file(config.database)
    if database is None:
        raise Invalid(
            "not_sqlite",
            "back up a PostgreSQL database with its own tools",
            hint=f"pg_dump --format=custom, and keep {config.home} (checkpoint, epoch, keys) beside it",
        )
    pinned = PinnedCheckpoint(config.home)
    beside = [pinned.checkpoint_file, pinned.epoch_file, settings, config.policy, config.providers]
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
            copy = Path(folder) / DATABASE
            size = _copy(database, copy)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    archive.add(copy, DATABASE)
                    for path in beside:
                        if path.exists():
                            archive.add(path, path.name)
                    if with_keys:
                        archive.add(config.home / "keys", "keys")
                file.flush()
                os.fsync(file.fileno())
    except FileExistsError:
        raise Invalid("already_there", f"{target} already exists", hint="nothing was changed") from None
    except OSError as error:
        raise Failed("not_written", f"the backup cannot be written: {error}") from None
    return size


def unpack(archive: Path, target: Path) -> None:
    """Takes the database out of an archive of ``back_up`` and writes it to ``target``.

    Raises:
        Invalid: ``no_backup``.

    """
    try:
        with tarfile.open(archive) as found:
            member = found.extractfile(DATABASE)
            if member is None:
                raise Invalid("no_backup", f"{archive} does not contain {DATABASE}")
            with member, target.open("xb") as out:
                while part := member.read(1 << 20):
                    out.write(part)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise Invalid("no_backup", f"{archive} cannot be read as a backup: {error}") from None


def _copy(database: Path, target: Path) -> int:
    """A consistent copy in one file; the size of the log in it."""
    if not database.is_file():
        raise Failed("no_database", f"there is no database at {database}")
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            row = copy.execute("SELECT size FROM head").fetchone()
    except sqlite3.Error as error:
        raise Failed("no_database", f"the database cannot be copied: {error}") from None
    return int(row[0]) if row else 0
