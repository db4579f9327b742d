"""``ssh-jit-ca log verify``: is the log whole, and if not, where not.

Reads a database, its own or a copy, and trusts nothing in it but the log's public key, which comes from elsewhere:
every fact in its one spelling and place, every leaf the hash of its fact, every detail the one that its fact commits
to, every index as it is recomputed, events that fold into a state, and a signed checkpoint over exactly these leaves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sshjit import entries, merkle
from sshjit.checkpoint import Checkpoint
from sshjit.errors import SshJitError
from sshjit_ca import state as states
from sshjit_ca.journal import verified
from sshjit_ca.state import State
from sshjit_ca.store import Row, Store

MAX_PROBLEMS = 20
"""Problems after which nothing more is listed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. ``problems`` says where the log is not whole; none: it is."""

    size: int
    head: bytes
    checkpoint: Checkpoint | None
    erased: int
    problems: tuple[str, ...]


def verify(store: Store, log_key: bytes, *, newest: Checkpoint | None = None) -> Verdict:
    """Verifies the whole log against its own checkpoint and, if there is one, the ``newest`` known from elsewhere."""
    reading = _Reading(newest)
    try:
        for row in store.rows():
            reading.take(row)
    except SshJitError as error:
        reading.say(error.message)
    tree = reading.tree
    point = _checkpoint(store, log_key, reading)
    if newest is not None and newest.size > tree.size:
        reading.say(f"the log ends at {tree.size} entries, and a checkpoint over {newest.size} was signed: it was cut")
    for digest, text in store.policy_texts():
        if hashlib.sha256(text.encode("utf-8")).hexdigest() != digest:
            reading.say(f"the policy kept as {digest[:12]} is another text")
    if broken := store.sound():
        reading.say(f"the database file is damaged: {broken}")
    return Verdict(tree.size, tree.head(), point, reading.erased, tuple(reading.problems[:MAX_PROBLEMS]))


class _Reading:
    """One pass over the entries."""

    def __init__(self, newest: Checkpoint | None) -> None:
        self.tree = merkle.Frontier()
        self.state: State | None = State()
        self.erased = 0
        self.problems: list[str] = []
        self._newest = newest

    def say(self, problem: str) -> None:
        """Notes a problem."""
        self.problems.append(problem)

    def take(self, row: Row) -> None:
        """Checks one entry and folds it."""
        entry = row.entry
        if entry.index != self.tree.size:
            self.say(f"entry {self.tree.size} is missing: the next one is {entry.index}")
        leaf = merkle.leaf_hash(entry.fact)
        if leaf != row.leaf:
            self.say(f"entry {entry.index}: the fact was changed")
        self.tree.append(leaf)
        if self._newest is not None and self.tree.size == self._newest.size and self.tree.head() != self._newest.root:
            self.say(f"the first {self._newest.size} entries are not those that a checkpoint was signed over")
        self._fold(row)

    def _fold(self, row: Row) -> None:
        entry = row.entry
        try:
            event = entries.read(entry)
        except SshJitError as error:
            self.say(error.message)
            self.state = None
            return
        if event is None:
            self.erased += 1
            self.state = None
        elif self.state is not None:
            try:
                states.apply(self.state, event, entry.index, entry.time)
            except (SshJitError, KeyError) as error:
                self.say(f"entry {entry.index}: it cannot have happened after what stands before it ({error})")
                self.state = None
                return
            if (row.subject, row.request) != (self.state.subject_of(event), getattr(event, "request", None)):
                self.say(f"entry {entry.index}: the index says that it is about somebody or something else")


def _checkpoint(store: Store, log_key: bytes, reading: _Reading) -> Checkpoint | None:
    """The log's own checkpoint, held against the entries."""
    try:
        head = store.head()
        if head is None:
            reading.say("the log has no checkpoint")
            return None
        point = verified(head.checkpoint, log_key)
    except SshJitError as error:
        reading.say(error.message)
        return None
    tree = reading.tree
    if (point.size, head.size) != (tree.size, tree.size):
        reading.say(f"the checkpoint is over {point.size} entries, and there are {tree.size}")
    elif point.root != tree.head():
        reading.say(f"the {point.size} entries are not those that the checkpoint was signed over")
    return point
