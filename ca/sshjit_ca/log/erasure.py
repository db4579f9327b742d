"""Erasing details that are old and that nothing alive needs. Facts stay, and so does every proof.

An entry is erased only if its kind is listed here, it is older than what was asked for, and the state does not depend
on its detail once the ``Forgot`` entry is folded. Then a fold over what is left comes to the same state: an erased
entry counts by its fact alone. Kinds that are not listed (hosts, locks, keys) keep their details for ever.

The ``Forgot`` entry names every entry whose detail goes (``log/gaps.py`` reads it), because whoever can write the
database could else erase more in its name. A kind must never be added to those listed here without a new field that
says from when on: the ranges of older entries would cover it.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from sshjit.errors import Failed
from sshjit.events import Forgot
from sshjit_ca.state import State, authority, codec
from sshjit_ca.storage.database import reason
from sshjit_ca.storage.limits import LONG
from sshjit_ca.storage.schema import entries, snapshots
from sshjit_ca.storage.store import Store

BY_AGE = ("certificate", "refusal", "revoke")
"""Kinds whose details no fold ever looks at."""
BY_REQUEST = ("ask", "decision", "close", "comment", "review", "passkey-use")
"""Kinds whose details count as long as their request is at hand."""
BY_LOGIN = ("login",)
BY_HOST = ("session", "session-end", "session-refusal")
"""Kinds of which the newest entry of each host says how far its reports were taken."""
BY_ROTA = ("rota",)
"""Kinds of which the newest entry of each rota says who is on call."""
ERASABLE = frozenset({*BY_AGE, *BY_REQUEST, *BY_LOGIN, *BY_HOST, *BY_ROTA})
STEP = 5000
"""Entries that are looked at in one transaction; thirty milliseconds or so."""
_PAUSE = 0.01
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is erased: details older than ``before``, but not of these requests, nor of these newest entries."""

    before: int
    requests: frozenset[str]
    newest: frozenset[int]
    """Of sign-ins, of what hosts report of sessions, and of rotas."""

    def where(self) -> sa.ColumnElement[bool]:
        """The entries that are erased."""
        of = entries.c
        newest = sorted(self.newest)
        kept: sa.BindParameter[list[int]] = sa.bindparam("kept", newest, expanding=True, literal_execute=True)
        return sa.and_(
            of.time < self.before,
            of.detail.is_not(None),
            sa.or_(
                of.kind.in_(BY_AGE),
                of.kind.in_(BY_REQUEST) & of.request.not_in(sorted(self.requests)),
                of.kind.in_((*BY_LOGIN, *BY_HOST, *BY_ROTA)) & of.number.not_in(kept),
            ),
        )


MOST_RANGES = 16_000
"""Ranges in one ``Forgot`` entry: 400 kB. Its detail holds 512."""


def forgotten(state: State, before: int, now: int) -> State:
    """A copy of the state as it is once a ``Forgot`` entry at the time ``now`` is folded."""
    after = codec.copy(state)
    authority.forgotten(after, Forgot(before, 0), now)
    return after


def plan_for(state: State, before: int) -> Plan:
    """What may go, so that ``state`` can still be folded from what is left.

    ``Forgot`` entries of release 0.1.0 are judged by it (``gaps.py``). If it ever keeps more, they need theirs.
    """
    requests = frozenset(request.id for request in state.requests.values() if request.time < before)
    logins = {login.entry for login in state.logins.values() if login.time < before} | set(state.seen_in.values())
    rotas = {rota.entry for rota in state.rotas.values()}
    return Plan(before, requests, frozenset(logins) | rotas | {entry for _, entry in state.session_events.values()})


def erase(store: Store, plan: Plan) -> threading.Thread | None:
    """Erases, and drops the snapshots: they hold what was erased. What fails can be forgotten again.

    The first entries are through on return. If there are more, what comes back goes on with them, in small
    transactions with pauses in between, in which the CA writes.
    """
    end = _end(store, plan)
    if not _step(store, plan, 0, min(STEP, end)):
        return None
    if end <= STEP:
        _wipe(store)
        return None
    rest = threading.Thread(target=_rest, args=(store, plan, end), name="erasing", daemon=True)
    rest.start()
    return rest


def _end(store: Store, plan: Plan) -> int:
    """The index after the last entry that is erased. Not by bisection: a clock that was set back breaks the order."""
    with store.reading(seconds=LONG) as connection:
        last = connection.execute(sa.select(sa.func.max(entries.c.number)).where(plan.where())).scalar()
    return 0 if last is None else int(last) + 1


def _rest(store: Store, plan: Plan, end: int) -> None:
    for first in range(STEP, end, STEP):
        began = time.monotonic()
        if not _step(store, plan, first, min(first + STEP, end)):
            return
        time.sleep(max(_PAUSE, time.monotonic() - began))
    _wipe(store)
    _log.info("all details that were to be erased are erased")


def _step(store: Store, plan: Plan, first: int, end: int) -> bool:
    """Erases details of the entries from ``first`` to before ``end``, in one transaction."""
    these = sa.and_(entries.c.number >= first, entries.c.number < end, plan.where())
    try:
        with store.writing(seconds=LONG) as connection:
            if first == 0:
                connection.execute(sa.delete(snapshots))
            connection.execute(sa.update(entries).where(these).values(detail=None, salt=None))
    except Failed as error:
        again = "run ssh-jit-ca log forget again"
        _log.error("details from entry %d on could not be erased: %s; %s", first, error.message, again)
        return False
    return True


def _wipe(store: Store) -> None:
    """Has the database give up what it still keeps of the rows as they were.

    SQLite overwrote them with zeros (``secure_delete``), and its write-ahead log is emptied into the file here.
    PostgreSQL keeps old rows until they are vacuumed.
    """
    try:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if connection.dialect.name != "sqlite":
                connection.exec_driver_sql("SET statement_timeout = 0")
                connection.exec_driver_sql("VACUUM entries, snapshots")
                connection.invalidate()  # its limits are those of a new one
                return
            usual = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
            connection.exec_driver_sql("PRAGMA busy_timeout = 200")
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {usual}")
    except SQLAlchemyError as error:
        busy, why = 1, reason(error)
    else:
        why = "somebody reads the database"
    if busy:
        _log.warning("erased details may still be in the database's own log (%s) until the CA stops", why)


def events_for(store: Store, plan: Plan, erased: int) -> list[Forgot]:
    """What is recorded of a plan before it is carried out: each entry that it erases, in one ``Forgot`` or several.

    ``erased``: how many there are.
    """
    ranges = _ranges(store, plan)
    if len(ranges) <= MOST_RANGES:
        return [Forgot(plan.before, erased, tuple(ranges))]
    events = []
    for first in range(0, len(ranges), MOST_RANGES):
        part = ranges[first : first + MOST_RANGES]
        inside = sa.and_(plan.where(), entries.c.number >= part[0][0], entries.c.number < part[-1][1])
        events.append(Forgot(plan.before, count(store, inside), tuple(part)))
    return events


def _ranges(store: Store, plan: Plan) -> list[tuple[int, int]]:
    """Which entries a plan erases, as ranges (first, end) that hold no other entry of a kind that may be erased.

    The database walks along all entries of those kinds and gives those alone at which a range begins or ends.
    """
    number = entries.c.number
    marked = sa.select(number, sa.case((plan.where(), 1), else_=0).label("goes")).where(entries.c.kind.in_(ERASABLE))
    one = marked.subquery()
    pairs = sa.select(one, sa.func.lag(one.c.goes).over(order_by=one.c.number).label("before")).subquery()
    turns = sa.select(pairs.c.number, pairs.c.goes).where(sa.func.coalesce(pairs.c.before, 0) != pairs.c.goes)
    with store.reading(seconds=LONG) as connection:
        turns_at = [row.number for row in connection.execute(turns.order_by(pairs.c.number))]
        if len(turns_at) % 2:  # the last range is open
            turns_at.append(1 + connection.execute(sa.select(sa.func.max(number))).scalar_one())
    return list(itertools.pairwise(turns_at))[::2]


def count(store: Store, where: sa.ColumnElement[bool]) -> int:
    """How many entries a condition meets."""
    with store.reading(seconds=LONG) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(entries).where(where)).scalar() or 0)


def old(before: int) -> sa.ColumnElement[bool]:
    """The entries before a time that still have their detail."""
    return sa.and_(entries.c.time < before, entries.c.detail.is_not(None))
