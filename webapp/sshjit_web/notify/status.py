"""How the notifier is, for the operator's ``status`` and the auditors' page; and dead deliveries made alive again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select, update
from sqlalchemy.sql import and_, or_

from sshjit_web.schema import DELIVERIES, NAGS, NOTIFIER
from sshjit_web.store import Guard

SHOWN = 50
"""Dead deliveries that are shown, the newest."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many deliveries of a channel are in a state."""

    channel: str
    state: str
    number: int


@dataclass(frozen=True, slots=True)
class Dead:
    """A delivery that was given up."""

    id: str
    topic: str
    request: str
    channel: str
    recipient: str
    tries: int
    changed: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Overview:
    """How it is now."""

    position: int
    holder: str
    lease: int
    """The holder's, in seconds since the epoch: works if this is not past."""
    counts: tuple[Count, ...]
    oldest: int | None
    """Since when the oldest delivery waits that was tried and failed."""
    nags: int
    """Broken glass that waits for its review."""
    dead: tuple[Dead, ...]


def overview(engine: Engine) -> Overview:
    """Raises ``Failed``: ``database_down``."""
    groups = select(DELIVERIES.c.channel, DELIVERIES.c.state, func.count()).group_by(
        DELIVERIES.c.channel, DELIVERIES.c.state
    )
    waiting = and_(DELIVERIES.c.state == "waiting", DELIVERIES.c.tries > 0)
    dead = select(DELIVERIES).where(DELIVERIES.c.state == "dead").order_by(DELIVERIES.c.changed.desc()).limit(SHOWN)
    with Guard(), engine.connect() as connection:
        notifier = connection.execute(select(NOTIFIER)).one()
        return Overview(
            position=notifier.position,
            holder=notifier.holder,
            lease=notifier.lease,
            counts=tuple(
                sorted((Count(*row) for row in connection.execute(groups)), key=lambda c: (c.channel, c.state))
            ),
            oldest=connection.execute(select(func.min(DELIVERIES.c.due)).where(waiting)).scalar_one(),
            nags=connection.execute(select(func.count()).select_from(NAGS)).scalar_one(),
            dead=tuple(_dead(row) for row in connection.execute(dead)),
        )


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the notifier still owes."""

    position: int
    """The last entry of the log that was read; -1: none."""
    lease: int
    """Seconds since the epoch until which one works."""
    late: int
    """Seconds for which the oldest delivery is due."""
    counts: tuple[Count, ...]
    """Deliveries that are due (``waiting``) or given up (``dead``)."""


def backlog(engine: Engine, now: int) -> Backlog:
    """What is owed now. Raises ``Failed``: ``database_down``."""
    due = and_(DELIVERIES.c.state == "waiting", DELIVERIES.c.due <= now, DELIVERIES.c.until > now)
    number, since = func.count().label("number"), func.min(DELIVERIES.c.due).label("since")
    groups = (
        select(DELIVERIES.c.channel, DELIVERIES.c.state, number, since)
        .where(or_(due, DELIVERIES.c.state == "dead"))
        .group_by(DELIVERIES.c.channel, DELIVERIES.c.state)
    )
    with Guard(), engine.connect() as connection:
        notifier = connection.execute(select(NOTIFIER)).one()
        rows = sorted(connection.execute(groups), key=lambda row: (row.channel, row.state))
    late = max((now - row.since for row in rows if row.state == "waiting"), default=0)
    counts = tuple(Count(row.channel, row.state, row.number) for row in rows)
    return Backlog(notifier.position, notifier.lease, late, counts)


def _dead(row: object) -> Dead:
    return Dead(*(getattr(row, name) for name in Dead.__slots__))


def retry(engine: Engine, now: int, deliveries: tuple[str, ...] | None) -> int:
    """Lets dead deliveries be tried again, all or these; how many. What is no longer news is dropped then."""
    these = DELIVERIES.c.state == "dead"
    if deliveries is not None:
        these = and_(these, DELIVERIES.c.id.in_(deliveries))
    with Guard(), engine.begin() as connection:
        again = update(DELIVERIES).where(these)
        done = connection.execute(
            again.values(state="waiting", tries=0, next_try=now, due=now, claimed="", changed=now)
        )
    return done.rowcount
