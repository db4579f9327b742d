"""Who is notified of an entry of the log, and when. Pure: an item of the CA's feed in, notices out.

A notice is about one *thing*, named by a key that does not depend on when or how often the log is read. Nobody is
notified twice of the same thing over the same channel. The item shows the request as it is now, so what is no longer
true is not sent. Over which channel people are reached is decided
in ``recipients.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from sshjit.api.views import PersonView, RequestState, RequestView
from sshjit.ca_protocol.feed import FeedItem, FeedKind
from sshjit_web.notify_config import Topic

DAY = 86_400
_CLOSED: dict[RequestState, Topic] = {
    RequestState.DENIED: "denied",
    RequestState.CANCELLED: "cancelled",
    RequestState.EXPIRED: "expired",
    RequestState.ENDED: "ended",
    RequestState.LAPSED: "lapsed",
    RequestState.REVOKED: "revoked",
}
AT_LARGE: dict[FeedKind, Topic] = {
    "locked": "locked",
    "unlocked": "unlocked",
    "emergency": "emergency",
    "join_refused": "join_refused",
    "passkey_registered": "passkey_registered",
    "passkey_accepted": "passkey_accepted",
    "passkey_removed": "passkey_removed",
    "passkey_refused": "passkey_refused",
}
"""What is about no request: locks, emergency certificates, tokens of hosts that do not count, and passkeys."""
ASKING: tuple[Topic, ...] = ("asked", "reminder", "escalated", "decided")
"""Topics that matter only while the request waits for a decision."""
_SETTLED = frozenset({RequestState.DENIED, RequestState.CANCELLED, RequestState.EXPIRED})
"""Ends of a request that was never approved: its approvers need not decide any more."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that people and channels are notified of. Times are seconds since the epoch."""

    thing: str
    """The key of the thing: the same after a restart, and different for different things."""
    topic: Topic
    item: FeedItem
    people: tuple[PersonView, ...]
    due: int
    """Not before this."""
    until: int
    """Not after this: it is no longer relevant."""
    told: tuple[PersonView, ...] = ()
    """These as well, if they were notified of the request: they need not look any more."""
    named: bool = False
    """Also to the channels that the rule names."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from one entry. ``withdraw``: topics about this request that are not sent any more."""

    notices: tuple[Notice, ...] = ()
    withdraw: tuple[Topic, ...] = ()
    answered: PersonView | None = None
    """Somebody who decided, and is not reminded any more; the others still are."""
    first_reminder: int | None = None
    """When the reviewers are reminded for the first time."""
    reviewed: bool = False
    """The reviewers are not reminded any more."""


def derive(item: FeedItem, now: int) -> Outcome:
    """What follows from an entry that is read at ``now``."""
    outcome = _derive(item)
    return replace(outcome, notices=tuple(notice for notice in outcome.notices if _in_time(notice, now)))


def _in_time(notice: Notice, now: int) -> bool:
    """Whether it is still relevant. A reminder that is already late would come together with the request itself."""
    return notice.until > now and (notice.topic != "reminder" or notice.due > now)


def _derive(item: FeedItem) -> Outcome:  # noqa: C901, PLR0911 -- one return for each kind
    request = item.request
    if request is None:
        return Outcome((_at_large(item),)) if item.kind in AT_LARGE else Outcome()
    match item.kind:
        case "asked":
            return _asked(item, request)
        case "decided":
            return _decided(item, request)
        case "escalated":
            return _escalated(item, request)
        case "opened":
            return _opened(item, request)
        case "closed":
            return _closed(item, request)
        case "commented":
            return _commented(item, request)
        case "reviewed":
            recipients = tuple(each for each in item.reviewers if not _same(each, item.actor))
            people = _others(item, request.requester)
            notice = _now(item, "reviewed", f"reviewed/{request.id}", people)
            return Outcome((replace(notice, told=recipients, named=True),), withdraw=("unreviewed",), reviewed=True)
        case "locked" | "unlocked" | "emergency" | "join_refused":
            return Outcome((_at_large(item),))
        case "passkey_registered" | "passkey_accepted" | "passkey_removed" | "passkey_refused":
            return Outcome((_at_large(item),))
        case _:
            assert_never(item.kind)


def _asked(item: FeedItem, request: RequestView) -> Outcome:
    """The approvers; those who have not decided are reminded at half of the time. Emergency access asks nobody."""
    if request.break_glass or request.state is not RequestState.PENDING:
        return Outcome()
    asked = Notice(f"asked/{request.id}", "asked", item, item.deciders, item.time, request.pending_until)
    half = (item.time + request.pending_until) // 2
    reminder = replace(asked, thing=f"reminder/{request.id}", topic="reminder", due=half)
    answered = {decision.person.id for decision in request.decisions}
    return Outcome((asked, replace(reminder, people=tuple(p for p in item.deciders if p.id not in answered))))


def _decided(item: FeedItem, request: RequestView) -> Outcome:
    """One of several approvals: the requester is notified. The last approval opens the grant."""
    if item.actor is None:
        return Outcome()
    notices: tuple[Notice, ...] = ()
    if request.state is RequestState.PENDING:
        thing = f"decided/{request.id}/{item.index}/{item.time}"
        notices = (Notice(thing, "decided", item, (request.requester,), item.time, request.pending_until),)
    return Outcome(notices, answered=item.actor)


def _escalated(item: FeedItem, request: RequestView) -> Outcome:
    """Everybody who can approve it by now, and the channels that the step names."""
    if request.state is not RequestState.PENDING:
        return Outcome()
    thing = f"escalated/{request.id}/{item.index}"
    notice = Notice(thing, "escalated", item, item.deciders, item.time, request.pending_until, named=True)
    return Outcome((notice,))


def _opened(item: FeedItem, request: RequestView) -> Outcome:
    """Granted. Access without approval is the answer to the request and needs no mail; channels may want it."""
    if request.how == "break_glass":
        return _broken(item, request)
    until = item.time + DAY if request.ends is None else min(request.ends, item.time + DAY)
    reviewed = request.how == "reviewed" or request.how is None
    last = request.decisions[-1].person if request.decisions else None
    told = tuple(person for person in item.deciders if not _same(person, last))
    people = (request.requester,) if reviewed else ()
    notice = Notice(f"opened/{request.id}", "opened", item, people, item.time, until, told)
    live = request.state in (RequestState.APPROVED, RequestState.ENDED)  # "ended" by time is dropped by ``until``
    return Outcome((notice,) if live else (), ASKING)


def _broken(item: FeedItem, request: RequestView) -> Outcome:
    """Reviewers and the rule's channels at once; also the requester, whose sign-in may have been stolen."""
    people = (*item.reviewers, request.requester)
    notice = replace(_now(item, "broken_glass", f"broken_glass/{request.id}", people), named=True)
    if request.review_by is None:
        return Outcome((notice,))
    if request.review is not None:
        return Outcome()
    half = (item.time + request.review_by) // 2
    return Outcome((notice,), first_reminder=half)


def remind_of_review(item: FeedItem, step: int) -> tuple[Notice, int]:
    """The reminder of a review that is still missing, and when the next one is due.

    ``step`` 0 is half of the time, 1 the deadline, and then it is every day.
    """
    request = item.request
    if request is None or request.review_by is None:
        raise ValueError("only broken glass is reviewed")
    half = (item.time + request.review_by) // 2
    due = half if step == 0 else request.review_by + (step - 1) * DAY
    after = request.review_by + step * DAY
    thing = f"unreviewed/{request.id}/{step}"
    return Notice(thing, "unreviewed", item, item.reviewers, due, after, named=True), after


def _closed(item: FeedItem, request: RequestView) -> Outcome:
    """The requester, unless they did it; the approvers, when there is nothing left to decide."""
    topic = _CLOSED.get(request.state)
    if topic is None:
        return Outcome()
    quiet = request.how == "automatic" and item.actor is None and topic in ("ended", "lapsed")
    people = () if quiet else _others(item, request.requester)
    recipients: tuple[PersonView, ...] = ()
    if request.state in _SETTLED:
        recipients = tuple(person for person in item.deciders if not _same(person, item.actor))
    notice = replace(_now(item, topic, f"closed/{request.id}", people), told=recipients)
    return Outcome((notice,), (*ASKING, "opened"))


def _commented(item: FeedItem, request: RequestView) -> Outcome:
    """The requester's comment goes to approvers and earlier commenters, a comment by others to the requester."""
    if item.actor is None:
        return Outcome()
    if _same(item.actor, request.requester):
        spoke = [decision.person for decision in request.decisions] + [remark.person for remark in request.comments]
        pending = item.deciders if request.state is RequestState.PENDING else ()
        people = tuple({person.id: person for person in (*pending, *spoke, *_reviewer(request))}.values())
        people = _others(item, *(person for person in people if not _same(person, request.requester)))
    else:
        people = (request.requester,)
    return Outcome((_now(item, "commented", f"commented/{request.id}/{item.index}/{item.time}", people),))


def _reviewer(request: RequestView) -> tuple[PersonView, ...]:
    return () if request.review is None else (request.review.person,)


def _at_large(item: FeedItem) -> Notice:
    """What is about no request: the channels that want it are notified; of a passkey its owner, and all admins."""
    kind = AT_LARGE.get(item.kind)
    if kind is None:
        raise ValueError(f"{item.kind} is about a request")
    owner = () if item.owner is None else (item.owner,)
    people = {person.id: person for person in (*owner, *item.admins)}
    return _now(item, kind, f"{kind}/{item.index}/{item.time}", tuple(people.values()))


def _now(item: FeedItem, topic: Topic, thing: str, people: tuple[PersonView, ...]) -> Notice:
    return Notice(thing, topic, item, people, item.time, item.time + DAY)


def _others(item: FeedItem, *people: PersonView) -> tuple[PersonView, ...]:
    """These people without the one who acted."""
    return tuple(person for person in people if not _same(person, item.actor))


def _same(person: PersonView, other: PersonView | None) -> bool:
    return other is not None and person.id == other.id
