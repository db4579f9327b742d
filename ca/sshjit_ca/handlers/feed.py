"""What happened, for whoever tells people about it: entries of the log by position, each with whom it may concern.

Who is told, by which way, is decided by whoever reads this; why it needs no sign-in, ``docs/decisions/0025``. People
are shown with the addresses that their provider vouches for, and no others: mail to any other could reach a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from sshjit import approvals, events
from sshjit.api.views import PersonView, RequestView
from sshjit.approvals import Person, Step
from sshjit.ca_protocol import feed
from sshjit.ca_protocol.feed import FeedItem, FeedKind, FeedReply, ReadFeed
from sshjit.errors import Invalid
from sshjit.events import Event
from sshjit.requests import Request
from sshjit_ca.access.approvals import steps_of
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context, person_view
from sshjit_ca.log.history import read as read_entry
from sshjit_ca.log.summaries import entry_view
from sshjit_ca.state import locks
from sshjit_ca.storage.schema import entries as table
from sshjit_ca.storage.store import Row

MOST = 100
"""Items of one answer."""
LOOKED_AT = 5_000
"""Entries that one question goes past at most, told or not: no question holds the CA up."""
PEOPLE = 20_000
"""Deciders and reviewers after which an answer has no further item: about two megabytes."""
_KINDS: dict[str, FeedKind] = {
    "ask": "asked",
    "decision": "decided",
    "escalation": "escalated",
    "grant": "opened",
    "close": "closed",
    "comment": "commented",
    "review": "reviewed",
    "lock": "locked",
    "unlock": "unlocked",
    "emergency": "emergency",
    "join-refusal": "join_refused",
    "passkey": "passkey_registered",
    "passkey-acceptance": "passkey_accepted",
    "passkey-removal": "passkey_removed",
    "passkey-refusal": "passkey_refused",
}


def read_feed(context: Context, message: ReadFeed) -> FeedReply:
    """What happened, oldest first.

    Raises:
        Invalid: ``bad_limit``, ``bad_position``.

    """
    if not 1 <= message.limit <= MOST:
        raise Invalid("bad_limit", f"limit must be 1 to {MOST}")
    size = context.journal.durable
    if not -1 <= message.after < max(size, 1):
        raise Invalid("bad_position", f"the log has {size} entries; begin after -1")
    last = min(message.after + LOOKED_AT, size - 1)
    known = [kind for kind, told in sorted(_KINDS.items()) if feed.SINCE.get(told, 1) <= message.version]
    query = sa.select(table).where(table.c.number > message.after, table.c.number <= last, table.c.kind.in_(known))
    rows = context.store.select(query, newest_first=False, limit=message.limit)
    items = _items(context, rows)
    whole = len(items) == len(rows) < message.limit
    return FeedReply(tuple(items), last if whole else items[-1].index, size)


def _items(context: Context, rows: list[Row]) -> list[FeedItem]:
    """The entries in order, until they concern so many people that the answer would become too large to be read."""
    known, items, people = _People(context), list[FeedItem](), 0
    for row in rows:
        items.append(_item(context, known, row))
        people += len(items[-1].deciders) + len(items[-1].reviewers) + len(items[-1].admins)
        if people >= PEOPLE:
            break
    return items


def _item(context: Context, known: _People, row: Row) -> FeedItem:
    """One entry, and whom it may concern. Of an entry whose detail was erased the fact is left."""
    entry = row.entry
    event = read_entry(row)
    if isinstance(event, _OF_PASSKEYS):
        return _passkey_item(context, known, row, event)
    request = None if row.request is None else context.history.request(context.state, row.request)
    view = entry_view(context.history.with_request(context.state, row), entry)
    return FeedItem(
        index=entry.index,
        time=entry.time,
        kind=_KINDS[entry.kind],
        summary=view.summary,
        request=None if request is None else _request(context, request),
        actor=_actor(context, event),
        labels=() if request is None else _labels(context, request),
        deciders=() if request is None else known.deciders(request),
        reviewers=() if request is None else known.reviewers(request),
        notify=_channels(event, request),
        claims=() if request is None else _claims(context, request.asked.subject),
    )


_OF_PASSKEYS = (events.PasskeyRegistered, events.PasskeyAccepted, events.PasskeyRemoved, events.PasskeyRefused)
_Passkey = events.PasskeyRegistered | events.PasskeyAccepted | events.PasskeyRemoved | events.PasskeyRefused
_ADMINS = ("passkeys", "unlock", "hosts")
"""The permissions of those who are told of everybody's passkeys: each gives something that others lack."""


def _passkey_item(context: Context, known: _People, row: Row, event: _Passkey) -> FeedItem:
    """What happened to a passkey: it is about no request, also where it was refused for one."""
    by = getattr(event, "by", event.subject)
    return FeedItem(
        index=row.entry.index,
        time=row.entry.time,
        kind=_KINDS[row.entry.kind],
        summary=entry_view(context.state, row.entry).summary,
        request=None,
        actor=None if by is None else _vouched(context, by),
        labels=(),
        deciders=(),
        reviewers=(),
        notify=(),
        owner=_vouched(context, event.subject),
        admins=known.admins(),
    )


def _channels(event: Event, request: Request | None) -> tuple[str, ...]:
    """The channels that the rule names for this."""
    if isinstance(event, events.Escalated):
        return event.notify
    return () if request is None else request.asked.notify


def _request(context: Context, request: Request) -> RequestView:
    """The request as it stands now."""
    view = request_view(context, request)
    return replace(view, requester=_vouched(context, request.asked.subject) or view.requester)


def _actor(context: Context, event: Event) -> PersonView | None:
    """Who did it; a window is opened by nobody: a rule did, or the last of several approvals."""
    match event:
        case events.Asked() | events.Decided() | events.Commented() | events.Reviewed():
            return _vouched(context, event.subject)
        case events.Closed() | events.Locked() | events.Unlocked():
            return None if event.by is None else _vouched(context, event.by)
        case _:
            return None


def _vouched(context: Context, subject: str) -> PersonView | None:
    """Somebody as they are known now, with their address only if their provider vouches for it."""
    if subject not in context.state.newest_login:
        return None
    login = context.newest_login(subject)
    view = person_view(login)
    return replace(view, email=context.accounts.verified_address(login))


def _claims(context: Context, subject: str) -> tuple[str, ...]:
    """A workload's, which are the same at all its sign-ins; a person has none."""
    return context.newest_login(subject).opened.claims if subject in context.state.newest_login else ()


def _labels(context: Context, request: Request) -> tuple[tuple[str, str], ...]:
    """The labels of the machines that were asked for, as far as they are enrolled still."""
    asked, known = request.asked, context.state.hosts
    machines = zip(map(known.get, asked.hosts), asked.host_ids, strict=True)
    return tuple(
        sorted({label for host, id_ in machines if host is not None and host.id == id_ for label in host.labels})
    )


class _People:
    """Everybody who signed in lately, looked through once for each question of an answer, however many items ask it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: dict[tuple[str, tuple[Step, ...]], tuple[PersonView, ...]] = {}
        self._linked: dict[str, frozenset[str]] = {}
        self._admins: tuple[PersonView, ...] | None = None

    def deciders(self, request: Request) -> tuple[PersonView, ...]:
        """Who could say yes to some step."""
        steps = steps_of(self._context, request)
        requester, known = self._context.person(request.asked.subject), self._context.person_directory()
        able = {person.subject_id for some in approvals.able(steps, requester, known) for person in some}
        return self._ask(request, steps, lambda person: person.subject_id in able) if steps else ()

    def reviewers(self, request: Request) -> tuple[PersonView, ...]:
        """Who may look at this break-glass access."""
        return self._ask(request, (), self._may_review) if request.review_by is not None else ()

    def admins(self) -> tuple[PersonView, ...]:
        """Who is told of everybody's passkeys."""
        if self._admins is None:
            subjects = (person.subject_id for person in self._context.person_directory() if self._is_admin(person))
            views = (_vouched(self._context, subject) for subject in sorted(subjects))
            self._admins = tuple(view for view in views if view is not None)
        return self._admins

    def _is_admin(self, person: Person) -> bool:
        login = self._context.newest_login(person.subject_id)
        return any(self._context.permitted(login, each) for each in _ADMINS)

    def _ask(self, request: Request, of: tuple[Step, ...], asked: Callable[[Person], bool]) -> tuple[PersonView, ...]:
        """Whom of those that fit it may concern: nobody who is, by any link, the requester."""
        requester = request.asked.subject
        if (requester, of) not in self._asked:
            own = self._accounts(requester)
            reviewers = (
                each.subject_id
                for each in self._context.person_directory()
                if each.subject_id not in own and asked(each)
            )
            views = (_vouched(self._context, subject) for subject in sorted(reviewers))
            self._asked[requester, of] = tuple(view for view in views if view is not None)
        return self._asked[requester, of]

    def _accounts(self, subject: str) -> frozenset[str]:
        if subject not in self._linked:
            self._linked[subject] = frozenset(locks.accounts_of(self._context.state, subject))
        return self._linked[subject]

    def _may_review(self, person: Person) -> bool:
        return self._context.permitted(self._context.newest_login(person.subject_id), "review")
