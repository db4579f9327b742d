"""``ssh-jit-ca log verify``: is the log whole, and if not, where not.

Reads a database, its own or a copy, and trusts nothing in it but the log's first public key, which comes from
elsewhere. One half looks at what is stored and grows the tree over it (``verify_entries.py``), which other processes do
meanwhile (``verify_workers.py``); the other recomputes what it means (``verify_state.py``). Here both are compared with
the signed checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from sshjit.checkpoint import Checkpoint
from sshjit.errors import SshJitError
from sshjit.sshkey import PublicKey
from sshjit_ca.keys import succession
from sshjit_ca.log import policies, snapshots, verify_entries, verify_workers
from sshjit_ca.log.snapshots import Snapshot
from sshjit_ca.log.verify_entries import Walked
from sshjit_ca.log.verify_state import Refold
from sshjit_ca.storage import scan
from sshjit_ca.storage.database import reason
from sshjit_ca.storage.store import Head, Store

T = TypeVar("T")
MAX_PROBLEMS = 20
"""Problems after which nothing more is listed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. ``problems`` says where the log is not whole; none: it is, as far as it can be read.

    ``newer`` names the first entry that a newer version wrote: what it means, and whether it could follow what stands
    before it, only that version can tell. That no entry was changed or cut is sure all the same, and that no detail is
    another one; of details that are missing without a record that is known here, ``newer`` says so too. ``unlisted`` of
    the ``erased`` details were erased by release 0.1.0, which recorded how many, and not which (``gaps.py``).
    """

    size: int
    head: bytes
    checkpoint: Checkpoint | None
    erased: int
    problems: tuple[str, ...]
    newer: str = ""
    unlisted: int = 0


def verify(
    store: Store, first: PublicKey, *, against: Sequence[Checkpoint] = (), processes: int | None = None
) -> Verdict:
    """Verifies the whole log against its own checkpoint and against others, older or newer, known from elsewhere.

    ``processes``: how many do it, unless as many as there are processors. They find the same.

    """
    problems: list[str] = []
    with scan.moment(store) as connection:  # the CA may be writing: all this is seen as it stands now
        head = _attempt(lambda: scan.head(connection), problems)
        numbers = _attempt(lambda: verify_entries.numbering(connection), problems) or verify_entries.NO_ENTRIES
        stored = {each.size: each for each in _attempt(lambda: snapshots.read(connection), problems) or ()}
        refold, sizes = Refold(first, stored), frozenset({*stored, *(point.size for point in against)})
        with verify_workers.begun(store, numbers, sizes, processes or verify_workers.processors(numbers.size)) as walk:
            refold.run(connection, numbers.end)
            walked = walk.finish(connection)
    newer = walked.newer
    problems += [*walked.problems, *refold.problems(before=newer.index if newer else None)]
    unexplained = f"; {refold.missing.problem}, as far as can be read here" if refold.missing.problem else ""
    own = _own(head, walked, refold, problems)
    for point in against:
        problems += _differs(point, walked)
    for snapshot in stored.values():
        problems += _unsigned(snapshot, refold)
    problems += _attempt(lambda: policies.problems(store), problems) or ()
    return Verdict(
        walked.size,
        walked.head,
        own,
        refold.gaps.erased,
        tuple(dict.fromkeys(problems))[:MAX_PROBLEMS],
        newer.problem + unexplained if newer else "",
        refold.missing.unlisted,
    )


def _own(head: Head | None, walked: Walked, refold: Refold, problems: list[str]) -> Checkpoint | None:
    """The log's own checkpoint, held against the entries."""
    if head is None:
        problems.append("the log has no checkpoint")
        return None
    try:
        point = succession.verified(head.checkpoint, succession.raw(refold.keys.current))
    except SshJitError as error:
        problems.append(error.message)
        return None
    if (point.size, head.size) != (walked.size, walked.size):
        problems.append(f"the checkpoint is over {point.size} entries, and there are {walked.size}")
    elif point.root != walked.head:
        problems.append(f"the {point.size} entries are not those that the checkpoint was signed over")
    return point


def _differs(point: Checkpoint, walked: Walked) -> list[str]:
    if point.size > walked.size:
        return [f"the log ends at {walked.size} entries, and a checkpoint over {point.size} was signed: it was cut"]
    if walked.heads.get(point.size) != point.root:
        return [f"the first {point.size} entries are not those that a checkpoint was signed over"]
    return []


def _unsigned(snapshot: Snapshot, refold: Refold) -> list[str]:
    try:
        point = refold.keys.verified(snapshot.note)
    except SshJitError as error:
        return [f"the snapshot at {snapshot.size} entries: {error.message}"]
    return [] if point.size == snapshot.size else [f"the snapshot at {snapshot.size} entries is another one's"]


def _attempt(action: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return action()
    except SshJitError as error:
        problems.append(error.message)
    except SQLAlchemyError as error:
        problems.append(f"the CA's database cannot be read: {reason(error)}")
    return None
