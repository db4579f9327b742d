"""``ssh-jit-ca move-database``: an installation on SQLite goes on on PostgreSQL, with the same log.

Nothing counts before the log was verified where it arrived. Then the old file gets another name, so that no CA goes on
with it by mistake: two databases with one log would be two logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed, Invalid, Refused
from sshjit_ca.config import Config
from sshjit_ca.keys import files
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import verification
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine.durable import rename
from sshjit_ca.service import standby
from sshjit_ca.storage import copying, scan
from sshjit_ca.storage.database import kind_of, set_aside, sqlite_file
from sshjit_ca.storage.store import Store


@dataclass(frozen=True, slots=True)
class Moved:
    """``size`` entries are in the new database, and were verified there; the old one is at ``aside``."""

    size: int
    aside: Path


def move(config: Config, address: str, time: standby.Time) -> Moved:
    """Moves the log to the database at ``address``, where there is none yet.

    Raises:
        Invalid: ``not_sqlite``, ``bad_database``, ``not_empty``.
        Refused: ``writer_lives``.
        Failed: what is wrong with either database; ``log_broken``, if what arrived is not the log.

    """
    old = sqlite_file(config.database)
    if old is None or kind_of(address) != "postgresql":
        raise Invalid("not_sqlite", "this moves a log from SQLite to PostgreSQL", hint="postgresql://user@/database?…")
    if not old.is_file():
        raise Failed("no_database", f"there is no database at {old}")
    source, target = Store(config.database), Store(address)
    aside: Path | None = None
    try:
        if not standby.wait(source, time, lambda _: None, limit=standby.PATIENCE + 1):
            raise Refused("writer_lives", "a CA is writing this log", hint="systemctl stop ssh-jit-ca")
        source.migrate()
        with scan.moment(source) as connection:
            size = copying.copy_into(connection, target)
        _require_same(config, source, target)
        aside = set_aside(old, "moved") or old  # from here on nobody can write into it
        _require_unwritten(source, target, old, aside)
    finally:
        target.close()
        source.close()
    return Moved(size, aside)


def _require_unwritten(source: Store, target: Store, old: Path, aside: Path) -> None:
    """That no CA wrote between the last look and the file's new name; else it goes on where it was."""
    before, after = source.head(), target.head()
    if before is not None and after is not None and before.size == after.size:
        return
    for ending in ("", "-wal", "-shm"):
        if (part := aside.with_name(f"{aside.name}{ending}")).exists():
            rename(part, old.with_name(f"{old.name}{ending}"))
    raise Failed("log_broken", "somebody wrote while the log was copied", hint="stop it; empty the new database")


def _require_same(config: Config, source: Store, target: Store) -> None:
    """That nobody wrote meanwhile, and that the log that arrived is the whole one."""
    before, after = source.head(), target.head()
    if before is None or after is None or (before.size, before.checkpoint) != (after.size, after.checkpoint):
        raise Failed("log_broken", "somebody wrote while the log was copied", hint="stop it; empty the new database")
    first = files.load_public(config.key_file("log"))
    note = PinnedCheckpoint(config.home).checkpoint()
    against = [Succession.of(first, target).verified(note)] if note else []
    verdict = verification.verify(target, first, against=against)
    if verdict.problems:
        what = f"what arrived is not the log: {verdict.problems[0]}"
        raise Failed("log_broken", what, hint="nothing was changed here; ssh-jit-ca log verify; empty the new database")
