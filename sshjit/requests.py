"""The life of a request. Everything that moves one stands in this file.

::

    pending  -> approved | denied | cancelled | expired
    approved -> ended (window over, or done) | lapsed (not used in time) | revoked

States that are not listed on the left never change. Who may approve is decided in ``sshjit/approvals.py`` and policy;
times are arguments, seconds since the epoch. Four clocks run apart: ``pending`` from the ask, ``use_by`` and the window
from the approval or, with a later start, from there, and each certificate's own. A request that ``extends`` a grant has
the same life; its approval makes the grant's window longer, and no certificate is drawn from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from sshjit import canonical, durations, events, wire
from sshjit.api.views import RequestState
from sshjit.errors import Invalid

MOVES: dict[RequestState, frozenset[RequestState]] = {
    RequestState.PENDING: frozenset(
        {RequestState.APPROVED, RequestState.DENIED, RequestState.CANCELLED, RequestState.EXPIRED}
    ),
    RequestState.APPROVED: frozenset({RequestState.ENDED, RequestState.LAPSED, RequestState.REVOKED}),
}
"""From where to where; whatever is not a key has ended for ever."""

_BY_TIME = frozenset({RequestState.EXPIRED, RequestState.LAPSED})
"""States that only time brings about; ``ENDED`` comes by time or by hand."""

_TOO_LATE = {
    RequestState.PENDING: "it is not approved yet",
    RequestState.APPROVED: "it is approved already",
    RequestState.DENIED: "it was denied",
    RequestState.CANCELLED: "it was cancelled",
    RequestState.EXPIRED: "nobody answered in time",
    RequestState.ENDED: "its window is over",
    RequestState.LAPSED: "it was approved and then not used in time",
    RequestState.REVOKED: "it was revoked",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What one approver said, and when."""

    said: events.Decided
    time: int


@dataclass(frozen=True, slots=True)
class Remark:
    """What somebody said without deciding, and when."""

    said: events.Commented
    time: int


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody found who looked at a break-glass access, and when."""

    said: events.Reviewed
    time: int


MAX_REMARKS = 50
"""Remarks about one request."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request and what became of it so far, as it was recorded: ask ``state_at`` how it stands at a time."""

    asked: events.Asked
    time: int
    """When it was asked."""
    state: RequestState = RequestState.PENDING
    how: events.How | None = None
    approved: int | None = None
    ends: int | None = None
    used: bool = False
    """Whether a certificate was drawn: then ``use_by`` is met for good."""
    certificates: int = 0
    """How many were drawn; nought as long as they are at hand, for counting them makes a new record for each."""
    decisions: tuple[Decision, ...] = ()
    closing: str = ""
    closed: int | None = None
    remarks: tuple[Remark, ...] = ()
    review: Review | None = None
    since: int | None = None
    """Of an extension that was approved: when the grant would have closed without it."""
    extended: int = 0
    """How often the window was made longer."""
    escalated: tuple[int, ...] = ()
    """The steps, counted from 0, of which further people were told that they may answer as well."""
    opened_by: tuple[events.StepAsked, ...] | None = None
    """The steps that it was opened by, where those that it was asked with were not complete."""

    @property
    def id(self) -> str:
        """The request's id, which is the grant's too."""
        return self.asked.request

    @property
    def granted(self) -> events.Asked:
        """What was asked, with the approvals that were needed in the end."""
        return self.asked if self.opened_by is None else dataclasses.replace(self.asked, steps=self.opened_by)

    @property
    def pending_until(self) -> int:
        """When an unanswered request expires: in any case when nothing of what was asked could be used any more."""
        unanswered = self.time + self.asked.pending
        return unanswered if self.asked.ends_by is None else min(unanswered, self.asked.ends_by)

    @property
    def opens(self) -> int | None:
        """When the window of an approved request opens."""
        return None if self.approved is None else window_start(self.asked, self.approved)

    @property
    def use_until(self) -> int | None:
        """When an approved request must have been used: when it lapses, or when its window closes before that."""
        lapses = self.lapses
        return lapses if lapses is None or self.ends is None else min(lapses, self.ends)

    @property
    def lapses(self) -> int | None:
        """When an approved request lapses unless it was used."""
        return None if self.opens is None else self.opens + self.asked.use_by

    @property
    def review_by(self) -> int | None:
        """When somebody else must have looked at a break-glass access."""
        within = self.asked.review_within
        return None if within is None or self.approved is None else self.approved + within

    @property
    def unreviewed(self) -> bool:
        """Whether this is a break-glass access that nobody else has looked at yet."""
        return self.review_by is not None and self.review is None


@lru_cache(maxsize=1024)
def digest(asked: events.Asked) -> str:
    """SHA-256 (hex) over the whole immutable ask: what an approver approves."""
    return canonical.digest(wire.encode_said(asked))


def state_at(request: Request, now: int) -> RequestState:
    """How the request stands at ``now``: expiry is computed, not awaited. Whichever clock ran out first has decided."""
    if request.state is RequestState.PENDING and now >= request.pending_until:
        return RequestState.EXPIRED
    if request.state is RequestState.APPROVED:
        unused = None if request.used else request.lapses
        if unused is not None and now >= unused and (request.ends is None or unused <= request.ends):
            return RequestState.LAPSED
        if request.ends is not None and now >= request.ends:
            return RequestState.ENDED
    return request.state


def window_start(asked: events.Asked, approved: int) -> int:
    """When the window opens of what is approved at ``approved``."""
    return approved if asked.start is None else max(approved, asked.start)


def window_end(asked: events.Asked, start: int, at_most: int | None = None) -> int:
    """When the window closes that opens at ``start``, or, of an extension, that would have closed then.

    ``at_most``: seconds, if an approver wanted it shorter than it was asked.
    """
    length = asked.duration if at_most is None else min(asked.duration, at_most)
    return start + length if asked.ends_by is None else min(start + length, asked.ends_by)


def at_most(request: Request) -> int | None:
    """The shortest of the lengths (seconds) that approvers named; ``None`` if none did."""
    said = (each.said for each in request.decisions)
    return min((one.duration for one in said if one.verdict == "approve" and one.duration is not None), default=None)


def require(request: Request, state: RequestState, now: int) -> None:
    """Raises ``Invalid`` (``wrong_state``) unless the request stands at ``state``."""
    standing = state_at(request, now)
    if standing is not state:
        raise Invalid("wrong_state", f"request {request.id}: {_TOO_LATE[standing]}")


def require_open(request: Request, now: int) -> None:
    """Raises ``Invalid`` unless certificates can be drawn: ``wrong_state``, ``not_yet``, ``extension``."""
    require(request, RequestState.APPROVED, now)
    if request.asked.extends is not None:
        raise Invalid("extension", f"request {request.id} only extends {request.asked.extends}: draw from that")
    opens = request.opens
    if opens is not None and now < opens:
        text = f"request {request.id} is approved and opens in {durations.show(opens - now)}"
        raise Invalid("not_yet", text, hint="come back then")


def decide(request: Request, decision: events.Decided, now: int, *, erased: bool = False) -> Request:
    """One more approver was heard; whether that suffices is not decided here.

    ``erased``: the ask's detail is gone, and so is what the digest was over.
    """
    require(request, RequestState.PENDING, now)
    if not erased and decision.digest != digest(request.asked):
        raise Invalid("digest_differs", f"request {request.id} is not the one that was shown", hint="look at it again")
    return dataclasses.replace(request, decisions=(*request.decisions, Decision(decision, now)))


def open_window(request: Request, opened: events.Opened, now: int, *, grant: Request | None = None) -> Request:
    """The request is approved. An extension comes with the ``grant`` that it makes longer, which must be open."""
    require(request, RequestState.PENDING, now)
    start = window_start(request.asked, now)
    if request.asked.extends is None:
        grant = None
    else:
        if grant is None or grant.id != request.asked.extends or grant.ends is None:
            raise Invalid("wrong_grant", f"request {request.id} extends another grant")
        require(grant, RequestState.APPROVED, now)
        start = grant.ends
    if opened.ends > window_end(request.asked, start, at_most(request)):
        raise Invalid("window_too_long", f"request {request.id}: the window is longer than what was asked for")
    used = grant is not None  # of an extension there is nothing to draw, so nothing lapses
    since = None if grant is None else grant.ends
    return dataclasses.replace(
        request,
        state=RequestState.APPROVED,
        how=opened.how,
        approved=now,
        ends=opened.ends,
        used=used,
        since=since,
        opened_by=opened.steps,
    )


def escalating(request: Request, roles: Collection[str], now: int) -> tuple[int, ...]:
    """The steps, counted from 0, that people of these further roles may answer at ``now``."""
    waited, steps = now - request.time, enumerate(request.asked.steps)
    return tuple(number for number, step in steps if step.instead in roles and waited >= step.after)


def lengthen(grant: Request, ends: int) -> Request:
    """The grant's window closes later than it did, once more."""
    return dataclasses.replace(grant, ends=ends, extended=grant.extended + 1)


def remark(request: Request, comment: events.Commented, now: int) -> Request:
    """Somebody said something about it; how it stands does not matter, and does not change."""
    if len(request.remarks) >= MAX_REMARKS:
        raise Invalid("too_many_remarks", f"request {request.id} has {MAX_REMARKS} remarks already")
    return dataclasses.replace(request, remarks=(*request.remarks, Remark(comment, now)))


def look_at(request: Request, review: events.Reviewed, now: int) -> Request:
    """A break-glass access is reviewed: once, whenever."""
    if request.review_by is None:
        raise Invalid("nothing_to_review", f"request {request.id} is no break-glass access")
    if request.review is not None:
        raise Invalid("already_reviewed", f"request {request.id} was reviewed already")
    return dataclasses.replace(request, review=Review(review, now))


def close(request: Request, closed: events.Closed, now: int) -> Request:
    """The request reaches an ended state, if there is a move to it: by somebody, or, once it is true, by time."""
    standing = state_at(request, now)
    by_hand = closed.state in MOVES.get(standing, frozenset()) - {RequestState.APPROVED, *_BY_TIME}
    by_time = closed.state is standing is not request.state
    if not by_hand and not by_time:
        raise Invalid("wrong_state", f"request {request.id}: {_TOO_LATE[standing]}")
    return dataclasses.replace(request, state=closed.state, closing=closed.reason, closed=now)


def draw(request: Request, now: int) -> Request:
    """A certificate is drawn from the open window. Only the first one changes the request: see ``certificates``."""
    require_open(request, now)
    return request if request.used else dataclasses.replace(request, used=True)


def sentence(state: RequestState) -> str:
    """The state in words, for pages and terminals."""
    return _IN_WORDS[state]


_IN_WORDS = {
    RequestState.PENDING: "waiting for approval",
    RequestState.APPROVED: "open",
    RequestState.DENIED: "denied",
    RequestState.CANCELLED: "cancelled",
    RequestState.EXPIRED: "expired unanswered",
    RequestState.ENDED: "over",
    RequestState.LAPSED: "approved, but not used in time",
    RequestState.REVOKED: "revoked",
}
