"""What happened, for whoever tells people about it: entries of the log by position, each with whom it may concern.

Who is told, by which way, is decided by whoever reads this; why it needs no sign-in, ``docs/decisions/0025``. People
are shown with the addresses that their provider vouches for, and no others: mail to any other could reach a stranger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import sqlalchemy as sa

from sshjit import approvals, entries, events, policy
from sshjit.approvals import Person
from sshjit.errors import Invalid
from sshjit.events import Event
from sshjit.messages import FeedItem, FeedKind, FeedReply, PersonView, ReadFeed, RequestView
from sshjit.requests import Request
from sshjit_ca.access.views import request_view, steps_of
from sshjit_ca.desk import Desk, person_view
from sshjit_ca.log import quick
from sshjit_ca.log.history import History
from sshjit_ca.log.logreading import telling
from sshjit_ca.log.summaries import entry_view
from sshjit_ca.storage.schema import entries as table
from sshjit_ca.storage.store import Row, Store

MOST = 100
"""Items of one answer."""
LOOKED_AT = 5_000
"""Entries that one question goes past at most, told or not: no question holds the CA up."""
_KINDS: dict[str, FeedKind] = {
    "ask": "asked",
    "decision": "decided",
    "grant": "opened",
    "close": "closed",
    "comment": "commented",
    "review": "reviewed",
    "lock": "locked",
    "unlock": "unlocked",
    "emergency": "emergency",
}


def read_feed(store: Store, history: History) -> Callable[[Desk, ReadFeed], FeedReply]:
    """A reader of what happened. It raises ``Invalid``: ``bad_limit``, ``bad_position``."""

    def read(desk: Desk, message: ReadFeed) -> FeedReply:
        if not 1 <= message.limit <= MOST:
            raise Invalid("bad_limit", f"one answer has 1 to {MOST} items")
        size = desk.journal.durable
        if not -1 <= message.after < max(size, 1):
            raise Invalid("bad_position", f"the log has {size} entries; begin after -1")
        last = min(message.after + LOOKED_AT, size - 1)
        query = sa.select(table).where(
            table.c.number > message.after, table.c.number <= last, table.c.kind.in_(sorted(_KINDS))
        )
        rows = store.select(query, newest_first=False, limit=message.limit)
        read_to = rows[-1].entry.index if len(rows) == message.limit else last
        crowd = _Crowd(desk)
        return FeedReply(tuple(_item(desk, history, crowd, row) for row in rows), read_to, size)

    return read


def _item(desk: Desk, history: History, crowd: _Crowd, row: Row) -> FeedItem:
    """One entry, and whom it may concern. Of an entry whose detail was erased the fact is left."""
    entry = row.entry
    event = quick.read(entry) or entries.read_erased(entry)
    request = None if row.request is None else history.request(desk.state, row.request)
    view = entry_view(telling(desk.state, history, row), entry)
    return FeedItem(
        index=entry.index,
        time=entry.time,
        kind=_KINDS[entry.kind],
        summary=view.summary,
        request=None if request is None else _request(desk, request),
        actor=_actor(desk, event),
        labels=() if request is None else _labels(desk, request),
        deciders=() if request is None else crowd.deciders(request),
        reviewers=() if request is None else crowd.reviewers(request),
        notify=() if request is None else request.asked.notify,
    )


def _request(desk: Desk, request: Request) -> RequestView:
    """The request as it stands now."""
    view = request_view(desk, request)
    return replace(view, requester=_vouched(desk, request.asked.subject) or replace(view.requester, email=None))


def _actor(desk: Desk, event: Event) -> PersonView | None:
    """Who did it; a window is opened by nobody: a rule did, or the last of several approvals."""
    match event:
        case events.Asked() | events.Decided() | events.Commented() | events.Reviewed():
            return _vouched(desk, event.subject)
        case events.Closed() | events.Locked() | events.Unlocked():
            return None if event.by is None else _vouched(desk, event.by)
        case _:
            return None


def _vouched(desk: Desk, subject: str) -> PersonView | None:
    """Somebody as they are known now, with their address only if their provider vouches for it."""
    if subject not in desk.state.newest_login:
        return None
    login = desk.newest_login(subject)
    view = person_view(login)
    return view if login.opened.verified else replace(view, email=None)


def _labels(desk: Desk, request: Request) -> tuple[tuple[str, str], ...]:
    """The labels of the machines that were asked for, as far as they are enrolled still."""
    known = zip(request.asked.hosts, request.asked.host_ids, strict=True)
    hosts = (desk.state.hosts.get(name) for name, id_ in known if _is(desk, name, id_))
    return tuple(sorted({label for host in hosts if host is not None for label in host.labels}))


def _is(desk: Desk, name: str, host_id: str) -> bool:
    host = desk.state.hosts.get(name)
    return host is not None and host.id == host_id


@dataclass
class _Crowd:
    """Everybody who signed in lately, looked through once for all items of an answer."""

    desk: Desk

    @cached_property
    def known(self) -> tuple[Person, ...]:
        return self.desk.known()

    @cached_property
    def permitted(self) -> tuple[Person, ...]:
        """Those with the permission to review."""
        desk = self.desk
        return tuple(
            person
            for person in self.known
            if "review"
            in policy.permissions_of(desk.policy, desk.policy_subject(desk.newest_login(person.subject_id)), desk.now)
        )

    def deciders(self, request: Request) -> tuple[PersonView, ...]:
        """Who could say yes to some step."""
        steps = steps_of(request)
        if not steps:
            return ()
        able = approvals.able(steps, self.desk.person(request.asked.subject), self.known)
        return self._shown(person for step in able for person in step)

    def reviewers(self, request: Request) -> tuple[PersonView, ...]:
        """Who may look at this break-glass access."""
        if request.review_by is None:
            return ()
        return self._shown(approvals.others(self.desk.person(request.asked.subject), self.permitted, self.known))

    def _shown(self, people: Iterable[Person]) -> tuple[PersonView, ...]:
        found = {person.subject_id: _vouched(self.desk, person.subject_id) for person in people}
        return tuple(view for _, view in sorted(found.items()) if view is not None)
