"""Going on with an older copy of the log, when the newest one is lost.

Certificates, requests and sign-ins that came after the copy are forgotten, so this is never done unasked. What it
guarantees: no serial is given out twice (a new epoch, far above every one that is known), hosts and laptops take the
next bundle, and the log says what is missing, citing the newest checkpoint known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed, Invalid, Refused, SshJitError
from sshjit.events import Restored
from sshjit.sshkey import PublicKey
from sshjit_ca.authority import record_first_keys
from sshjit_ca.config import Config
from sshjit_ca.context import Context
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log.pinned_checkpoint import PinnedCheckpoint
from sshjit_ca.machine.clock import Clock
from sshjit_ca.machine.durable import rename, replacing, write_durably
from sshjit_ca.service import daemon, standby
from sshjit_ca.storage.database import set_aside
from sshjit_ca.storage.store import Store
from sshjit_ca.witness.submission import Head

JUMP = 1000
"""Epochs that are left out, for writers of which nothing is known any more. There are 2^24, one for each start."""


_MINUTES_BEGIN = 1_735_689_600
"""2025-01-01 00:00 UTC: an accepted loss opens an epoch above the minutes since then too."""
_MOST_MINUTES = 2**23
"""Half of all epochs: a clock that is wrong by many years leaves the other half."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The log goes on at ``size`` in ``epoch``; ``lost`` entries are gone, as the checkpoint in ``kept`` says."""

    epoch: int
    size: int
    lost: int
    kept: Path | None


def restore(config: Config, places: KeyLocations, clock: Clock, time: standby.Time, reason: str) -> Outcome:
    """Opens a new epoch over the database as it is.

    Raises:
        Refused: ``writer_lives``.
        Invalid: ``no_reason``.
        Failed: what is wrong with the database, the log or the keys.

    """
    if not reason:
        raise Invalid("no_reason", "give a reason", hint="--reason TEXT")
    store = Store(config.database)
    try:
        if not standby.wait(store, time, lambda _: None, limit=standby.PATIENCE + 1):
            raise Refused("writer_lives", "a CA is writing this log", hint="stop it first")
        return _restore(config, store, places, clock, time, reason)
    finally:
        store.close()


def _restore(  # noqa: PLR0917 - as ``restore``
    config: Config, store: Store, places: KeyLocations, clock: Clock, time: standby.Time, reason: str
) -> Outcome:
    pinned = PinnedCheckpoint(config.home)
    after = PinnedCheckpoint(config.home, "checkpoint.restored")
    after.checkpoint_file.unlink(missing_ok=True)  # of an attempt that was cut off
    cited = pinned.checkpoint()
    context = daemon.open_context(config, store, places, clock, pinned=after)
    context.journal.read()
    size = context.state.size
    context.now = clock.steady(context.state.time)
    known = max(context.state.epoch, _epoch(pinned)) + JUMP - 1
    epoch = context.journal.take_over(standby.me(), above=max(known, _minutes(context.now)))
    lost = max(0, _size(cited) - size)
    if not context.state.keys:
        record_first_keys(context)
    context.keys.open()
    kept = None
    if cited:
        kept = config.home / f"checkpoint.before-epoch-{epoch}"
        write_durably(kept, cited.encode("utf-8"))
    context.record(Restored(epoch, lost, cited, reason, _witnessed(context, time)))
    context.journal.commit()
    rename(after.checkpoint_file, pinned.checkpoint_file)
    context.keys.remember(context.keys.turns())
    context.journal.release()
    return Outcome(epoch, size, lost, kept)


def _witnessed(context: Context, time: standby.Time) -> tuple[tuple[str, int], ...]:
    """What witnesses signed of the log that is given up: they are asked now, since this home may be an older copy."""
    if (head := Head.of(context.journal)) is None:
        return ()
    context.witnesses.ask_all(head, context.store, time.monotonic)
    return tuple(sorted((name, other.size) for name, other in context.witnesses.elsewhere()))


def _minutes(now: int) -> int:
    """What rises by itself: two losses that are accepted from one copy, neither of which knows of the other, differ."""
    return min((now - _MINUTES_BEGIN) // 60, _MOST_MINUTES)


def _epoch(pinned: PinnedCheckpoint) -> int:
    """The highest epoch that is known; a damaged file is replaced, and the jump leaves out what it may have said."""
    try:
        return pinned.epoch()
    except Failed as error:
        if error.code != "no_memory" or not os.access(pinned.epoch_file, os.R_OK):
            raise
        pinned.keep_epoch(0)
        return 0


def _size(note: str) -> int:
    """The size that a note claims. Whether it was signed does not matter: the reader of the log is to judge."""
    try:
        return int(note.split("\n")[1])
    except (IndexError, ValueError):
        return 0


def put_in_place(database: Path, copy: Path, first: PublicKey) -> Path | None:
    """Moves the database aside and puts ``copy`` in its place; where the old one went, if there was one.

    ``first`` is the log's first key: the copy must be of this CA.

    Raises:
        Invalid: ``no_database``, when the copy is none, or another CA's; nothing was changed then.

    """
    if not copy.is_file() or not _is_sqlite(copy):
        raise Invalid("no_database", f"{copy} is not an SQLite database")
    store = Store(f"sqlite:///{copy.resolve()}", read_only=True)
    try:
        store.head()
        Succession.of(first, store)
    except SshJitError as error:
        raise Invalid("no_database", f"{copy} is not the database of this CA: {error.message}") from None
    finally:
        store.close()
    aside = set_aside(database, "before-restore")
    with copy.open("rb") as source, replacing(database) as out:
        while part := source.read(1 << 20):
            out.write(part)
    return aside


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"
