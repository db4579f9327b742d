"""Builds a report: reads the log at one moment, analyses the policies, and verifies what it read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from sshjit.checkpoint import Checkpoint
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit_ca.keys.succession import Succession
from sshjit_ca.log import fast_reader, verification
from sshjit_ca.report.access import PolicyAccess, fill_access
from sshjit_ca.report.counts import fill_counts
from sshjit_ca.report.gathering import Gathering
from sshjit_ca.report.period import Period
from sshjit_ca.report.spool import Spool
from sshjit_ca.storage import scan
from sshjit_ca.storage.schema import policies
from sshjit_ca.storage.store import Store

_BROKEN = (TypeError, AttributeError, ValueError, LookupError, msgspec.DecodeError, Invalid)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is printed or written. Times are seconds since the epoch."""

    installation: str
    period: Period
    made: int
    head: Checkpoint
    """The head of the log that the report was made from."""
    note: str
    """The head as a signed checkpoint."""
    entry_time: int
    """When the newest entry under the head was written."""
    problems: tuple[str, ...]
    """What ``log verify`` finds wrong; empty: the log is whole."""
    erased: int
    """Entries of the period whose details were erased."""
    gathered: Gathering
    access: PolicyAccess
    spool: Spool


@contextmanager
def build_report(
    store: Store,
    first: PublicKey,
    *,
    installation: str,
    period: Period,
    now: int,
    against: tuple[str, ...] = (),
    certificates: bool,
    processes: int | None = None,
) -> Iterator[Report]:
    """The report of a period; its rows are gone when the block is left.

    ``first`` is the log's first key, ``against`` signed checkpoints from elsewhere, ``certificates`` whether each is a
    row, ``processes`` as ``verification.verify``.

    Raises:
        Failed: ``no_log``, ``log_broken``, ``no_database``.
        Invalid: ``newer_log``.

    """
    spool = Spool()
    try:
        gathered = Gathering(spool, period, certificates=certificates)
        note, size, texts = _read(store, gathered)
        keys = Succession.of(first, store)
        head = keys.verified(note)
        if head.size != size:
            raise Failed("log_broken", "the log's checkpoint is over another size", hint="ssh-jit-ca log verify")
        known = [head, *(keys.verified(checkpoint) for checkpoint in against)]
        verdict = verification.verify(store, first, against=known, processes=processes)
        if verdict.newer:
            raise Invalid("newer_log", verdict.newer, hint="upgrade ssh-jit-ca to the version that wrote it")
        access = fill_access(gathered, texts, spool)
        fill_counts(gathered, access, spool)
        yield Report(
            installation=installation,
            period=period,
            made=now,
            head=head,
            note=note,
            entry_time=gathered.state.time,
            problems=verdict.problems,
            erased=gathered.erased,
            gathered=gathered,
            access=access,
            spool=spool,
        )
    finally:
        spool.close()


def _read(store: Store, gathered: Gathering) -> tuple[str, int, dict[str, str]]:
    """Reads the log; returns its checkpoint and size, and the stored policies by digest."""
    with scan.moment(store) as connection:
        head = scan.head(connection)
        if head is None or not head.size:
            raise Failed("no_log", "there is no log yet", hint="ssh-jit-ca init")
        texts = {row.digest: row.text for row in connection.execute(sa.select(policies))}
        try:
            gathered.run(connection, head.size)
        except _BROKEN as error:
            at = gathered.state.size
            _require_known(store, at)
            raise Failed(
                "log_broken", f"the log cannot be read at entry {at}: {error}", hint="ssh-jit-ca log verify"
            ) from None
        return head.checkpoint, head.size, texts


def _require_known(store: Store, index: int) -> None:
    """Raises ``Invalid``: ``newer_log``, if the entry cannot be read because a newer version wrote it."""
    try:
        for row in store.rows(index, index + 1):
            fast_reader.read(row.entry)
    except _BROKEN as error:
        if getattr(error, "code", "") == "newer_log":
            raise
