"""What is owed to whom, in the front end's database, and who works on it. The one place that writes these tables.

Every change is fenced: it begins by renewing this process's lease in the same transaction, and if another process holds
it nothing is changed. So of several front ends one works at a time, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.sql import and_, or_

from sshjit.errors import Failed
from sshjit_web.notify.messages import Content
from sshjit_web.notify.planner import Announcement, Plan, ReviewReminder, copy_id
from sshjit_web.notify.recipients import Target
from sshjit_web.schema import DELIVERIES, NAGS, NOTICES, NOTIFIER
from sshjit_web.store import Guard

KEPT = 30 * 86_400
"""Seconds that a delivery which is over stays visible, and that nobody is told of the thing again."""
MAX_ERROR = 256


class LostLease(Failed):
    """Another process does the work now."""

    def __init__(self) -> None:
        super().__init__("lost_lease", "another notifier does the work now")


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery that this process has claimed and now tries."""

    id: str
    channel: str
    recipient: str
    tries: int
    """This one included."""
    due: int
    content: Content
    body: str


class Ledger:
    """The tables, for one process. Times are seconds since the epoch; methods raise ``Failed`` (``database_down``)."""

    def __init__(self, engine: Engine, holder: str, lease: int) -> None:
        self._engine = engine
        self._holder = holder
        self._lease = lease

    # ------------------------------------------------------------------------------------------------- who works

    def take(self, now: int) -> bool:
        """Takes or renews the lease; what an earlier holder had claimed is free again."""
        free = or_(NOTIFIER.c.holder == self._holder, NOTIFIER.c.lease <= now)
        with Guard(), self._engine.begin() as connection:
            if not self._renew(connection, now, free):
                return False
            claimed = and_(DELIVERIES.c.state == "waiting", DELIVERIES.c.claimed.not_in(("", self._holder)))
            connection.execute(update(DELIVERIES).where(claimed).values(claimed=""))
        return True

    def release(self) -> None:
        """Lets another process work at once."""
        mine = NOTIFIER.c.holder == self._holder
        with Guard(), self._engine.begin() as connection:
            connection.execute(update(NOTIFIER).where(mine).values(holder="", lease=0))

    @contextmanager
    def _fenced(self, now: int) -> Iterator[Connection]:
        with Guard(), self._engine.begin() as connection:
            if not self._renew(connection, now, NOTIFIER.c.holder == self._holder):
                raise LostLease
            yield connection

    def _renew(self, connection: Connection, now: int, condition: ColumnElement[bool]) -> bool:
        statement = update(NOTIFIER).where(NOTIFIER.c.id == 1, condition)
        done = connection.execute(statement.values(holder=self._holder, lease=now + self._lease))
        return done.rowcount == 1

    # ------------------------------------------------------------------------------------------------- what is owed

    def position(self) -> int:
        """The index of the last entry of the log that was read; -1: none."""
        with Guard(), self._engine.connect() as connection:
            return int(connection.execute(select(NOTIFIER.c.position)).scalar_one())

    def record(self, plans: Sequence[Plan], now: int, *, position: int | None = None) -> None:
        """Writes what entries changed, and the new position, or nothing of it."""
        with self._fenced(now) as connection:
            for plan in plans:
                _withdraw(connection, plan, now)
                for announcement in plan.announcements:
                    _announce(connection, announcement, now)
                _remind(connection, plan)
            if position is not None:
                connection.execute(update(NOTIFIER).values(position=position))

    def due_reminders(self, now: int, limit: int = 50) -> tuple[ReviewReminder, ...]:
        """The reviews that are to be reminded of now."""
        query = select(NAGS).where(NAGS.c.due <= now).order_by(NAGS.c.due).limit(limit)
        with Guard(), self._engine.connect() as connection:
            return tuple(ReviewReminder(row.request, row.step, row.due, row.item) for row in connection.execute(query))

    # ------------------------------------------------------------------------------------------------- delivering

    def claim(self, channel: str, now: int, limit: int) -> tuple[Owed, ...]:
        """Deliveries to try now, at most ``limit``; each counts as a try, and is nobody else's."""
        mine = and_(DELIVERIES.c.state == "waiting", DELIVERIES.c.channel == channel, DELIVERIES.c.claimed == "")
        ready = and_(mine, DELIVERIES.c.next_try <= now)
        with self._fenced(now) as connection:
            old = update(DELIVERIES).where(ready, DELIVERIES.c.until <= now)
            connection.execute(old.values(state="dropped", changed=now, last_error="no longer relevant"))
            query = (
                select(DELIVERIES, NOTICES.c.words, NOTICES.c.body)
                .join(NOTICES, NOTICES.c.thing == DELIVERIES.c.thing)
                .where(ready)
                .order_by(DELIVERIES.c.next_try, DELIVERIES.c.id)
                .limit(limit)
            )
            rows = connection.execute(query).all()
            if rows:
                these = update(DELIVERIES).where(DELIVERIES.c.id.in_([row.id for row in rows]))
                connection.execute(these.values(claimed=self._holder, tries=DELIVERIES.c.tries + 1, changed=now))
        return tuple(_owed(row) for row in rows)

    def sent(self, delivery: str, now: int) -> None:
        """It was delivered. This is written also by a process that lost its lease: it is true all the same."""
        this = and_(DELIVERIES.c.id == delivery, DELIVERIES.c.state != "sent")
        with Guard(), self._engine.begin() as connection:
            done = update(DELIVERIES).where(this)
            connection.execute(done.values(state="sent", claimed="", changed=now, last_error=""))

    def failed(self, delivery: str, now: int, error: str, *, next_try: int | None) -> None:
        """It was not delivered; tried again at ``next_try``, or never if that is ``None``."""
        this = and_(DELIVERIES.c.id == delivery, DELIVERIES.c.state == "waiting", DELIVERIES.c.claimed == self._holder)
        change = {"state": "dead"} if next_try is None else {"next_try": next_try}
        with self._fenced(now) as connection:
            values = {**change, "claimed": "", "changed": now, "last_error": error[:MAX_ERROR]}
            connection.execute(update(DELIVERIES).where(this).values(values))

    def orphans(self, channels: Collection[str], now: int) -> None:
        """What is owed over channels that are not configured any more is dead, and seen."""
        lost = and_(DELIVERIES.c.state == "waiting", DELIVERIES.c.channel.not_in(tuple(channels)))
        with self._fenced(now) as connection:
            dead = update(DELIVERIES).where(lost)
            connection.execute(
                dead.values(state="dead", changed=now, last_error="web.toml has no channel with this name")
            )

    def sweep(self, now: int) -> None:
        """Removes what has been over for long."""
        with self._fenced(now) as connection:
            over = and_(DELIVERIES.c.state != "waiting", DELIVERIES.c.changed < now - KEPT)
            connection.execute(delete(DELIVERIES).where(over))
            used = select(DELIVERIES.c.thing).where(DELIVERIES.c.thing == NOTICES.c.thing).exists()
            connection.execute(delete(NOTICES).where(NOTICES.c.created < now - KEPT, ~used))


def _owed(row: Row[tuple[object, ...]]) -> Owed:
    title, rows, to_do, link = json.loads(row.words)
    content = Content(title, tuple((label, text) for label, text in rows), to_do, link)
    return Owed(row.id, row.channel, row.recipient, row.tries + 1, row.due, content, row.body)


def _withdraw(connection: Connection, plan: Plan, now: int) -> None:
    """What is on its way cannot be called back; if that fails it is not tried again (``until``)."""
    if plan.request == "":
        return
    owed = and_(DELIVERIES.c.request == plan.request, DELIVERIES.c.state == "waiting")
    which: list[ColumnElement[bool]] = [DELIVERIES.c.topic.in_(plan.withdraw)] if plan.withdraw else []
    if plan.answered is not None:
        asking = DELIVERIES.c.topic.in_(("asked", "reminder"))
        which.append(and_(asking, DELIVERIES.c.recipient == plan.answered))
    if not which:
        return
    connection.execute(update(DELIVERIES).where(owed, or_(*which)).values(until=0))
    gone = update(DELIVERIES).where(owed, or_(*which), DELIVERIES.c.claimed == "")
    connection.execute(gone.values(state="dropped", changed=now, last_error="already settled"))


def _announce(connection: Connection, announcement: Announcement, now: int) -> None:
    """Adds the notice and those copies that are not there yet."""
    copies = [
        copy for copy in announcement.copies if not copy.target.if_told or _told(connection, copy.after, copy.target)
    ]
    ids = [copy.id for copy in copies]
    there = set(connection.execute(select(DELIVERIES.c.id).where(DELIVERIES.c.id.in_(ids))).scalars())
    new = [copy for copy in copies if copy.id not in there]
    if not new:
        return
    notice = announcement.notice
    common = {"thing": notice.thing, "topic": notice.topic, "request": announcement.request}
    if connection.execute(select(NOTICES.c.thing).where(NOTICES.c.thing == notice.thing)).first() is None:
        content = announcement.content
        text = json.dumps([content.title, content.rows, content.to_do, content.link])
        row = {**common, "position": notice.item.index, "created": now, "words": text, "body": announcement.body}
        connection.execute(insert(NOTICES).values(row))
    for copy in new:
        target = copy.target
        row = {
            **common,
            "id": copy.id,
            "channel": target.channel,
            "recipient": target.recipient,
            "state": "dead" if target.problem else "waiting",
            "tries": 0,
            "next_try": notice.due,
            "due": max(notice.due, now),
            "until": 0 if target.problem and target.recipient else notice.until,  # no address: no use to try again
            "changed": now,
            "claimed": "",
            "last_error": target.problem,
        }
        connection.execute(insert(DELIVERIES).values(row))


def _told(connection: Connection, thing: str, target: Target) -> bool:
    """Whether this recipient was told of that, as far as we know or must fear."""
    told = copy_id(thing, target.channel, target.recipient)
    query = select(DELIVERIES.c.state, DELIVERIES.c.tries).where(DELIVERIES.c.id == told)
    row = connection.execute(query).one_or_none()
    return row is not None and (row.state == "sent" or row.tries > 0)


def _remind(connection: Connection, plan: Plan) -> None:
    reminder = plan.reminder
    if plan.reviewed:
        connection.execute(delete(NAGS).where(NAGS.c.request == plan.request))
    if reminder is None:
        return
    moved = update(NAGS).where(NAGS.c.request == reminder.request, NAGS.c.step < reminder.step)
    known = connection.execute(select(NAGS.c.step).where(NAGS.c.request == reminder.request)).first()
    if known is None:
        row = {"request": reminder.request, "step": reminder.step, "due": reminder.due, "item": reminder.item}
        connection.execute(insert(NAGS).values(row))
    else:
        connection.execute(moved.values(step=reminder.step, due=reminder.due))
