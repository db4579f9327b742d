"""Erasing details that are old and that nothing alive needs. Facts stay, and so does every proof.

An entry is erased only if its kind is listed here, it is older than what was asked for, and the state does not depend
on its detail once the ``Forgot`` entry is folded. Then a fold over what is left comes to the same state: an erased
entry counts by its fact alone. Kinds that are not listed (hosts, locks, keys) keep their details for ever.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit.entries import Entry, read_erased
from sshjit.events import Event, Forgot
from sshjit_ca.state import State
from sshjit_ca.storage.schema import entries, snapshots
from sshjit_ca.storage.store import Store

BY_AGE = ("certificate", "refusal", "revoke")
"""Kinds whose details no fold ever looks at."""
BY_REQUEST = ("ask", "decision", "close", "comment", "review")
"""Kinds whose details count as long as their request is at hand."""
BY_LOGIN = ("login",)
ERASABLE = frozenset({*BY_AGE, *BY_REQUEST, *BY_LOGIN})
_log = logging.getLogger(__name__)


class Gaps:
    """Follows the entries of a log, and says whether the details that are missing were erased by the book."""

    def __init__(self) -> None:
        self.erased = 0
        self._wrong = ""
        self._newest = -1
        self._forgotten = 0

    def read(self, entry: Entry) -> Event:
        """What is left of an event whose detail is gone. Raises ``Invalid``, as ``sshjit.entries.read_erased``."""
        self.miss(entry.index, entry.time, entry.kind)
        return read_erased(entry)

    def miss(self, index: int, time: int, kind: str) -> None:
        """Takes note of an entry without its detail."""
        self.erased += 1
        self._newest = max(self._newest, time)
        if kind not in ERASABLE and not self._wrong:
            self._wrong = f"entry {index}: its detail is missing, and that of its kind is never erased"

    def follow(self, event: Event) -> None:
        """Takes note of what was recorded as erased."""
        if isinstance(event, Forgot):
            self._forgotten = max(self._forgotten, event.before)

    @property
    def problem(self) -> str:
        """What is not by the book; empty if nothing. Ask at the end of the log."""
        if self._newest >= self._forgotten and not self._wrong:
            return "details are missing that nobody recorded as erased"
        return self._wrong


@dataclass(frozen=True, slots=True)
class Plan:
    """What is erased: details older than ``before``, but not of these requests, nor of these entries."""

    before: int
    requests: frozenset[str]
    logins: frozenset[int]

    def where(self) -> sa.ColumnElement[bool]:
        """The entries that are erased."""
        of = entries.c
        logins = sorted(self.logins)
        kept: sa.BindParameter[list[int]] = sa.bindparam("kept", logins, expanding=True, literal_execute=True)
        return sa.and_(
            of.time < self.before,
            of.detail.is_not(None),
            sa.or_(
                of.kind.in_(BY_AGE),
                of.kind.in_(BY_REQUEST) & of.request.not_in(sorted(self.requests)),
                of.kind.in_(BY_LOGIN) & of.number.not_in(kept),
            ),
        )


def plan_for(state: State, before: int) -> Plan:
    """What may go, so that ``state`` can still be folded from what is left."""
    requests = frozenset(request.id for request in state.requests.values() if request.time < before)
    logins = {login.entry for login in state.logins.values() if login.time < before} | set(state.seen_in.values())
    return Plan(before, requests, frozenset(logins))


def erase(store: Store, plan: Plan) -> None:
    """Erases, and drops the snapshots: they hold what was erased. What fails can be forgotten again."""
    try:
        with store.engine.begin() as connection:
            connection.execute(sa.update(entries).where(plan.where()).values(detail=None, salt=None))
            connection.execute(sa.delete(snapshots))
    except SQLAlchemyError:
        _log.exception("the details could not be erased; ssh-jit-ca log forget does it again")


def count(store: Store, where: sa.ColumnElement[bool]) -> int:
    """How many entries a condition meets."""
    with store.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(entries).where(where)).scalar() or 0)


def old(before: int) -> sa.ColumnElement[bool]:
    """The entries before a time that still have their detail."""
    return sa.and_(entries.c.time < before, entries.c.detail.is_not(None))
