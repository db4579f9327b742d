"""The life of a request. Everything that moves one stands in this file.

::

    pending  -> approved | denied | cancelled | expired
    approved -> ended (window over, or done) | lapsed (not used in time) | revoked

States that are not listed on the left never change. Who may approve is decided in ``sshjit/approvals.py`` and policy;
times are arguments, seconds since the epoch. Four clocks run apart: ``pending`` from the ask, ``use_by`` and the window
from the approval, and each certificate's own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

from sshjit import canonical, events, wire
from sshjit.errors import Invalid
from sshjit.messages import RequestState

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
    decisions: tuple[Decision, ...] = ()
    closing: str = ""
    closed: int | None = None

    @property
    def id(self) -> str:
        """The request's id, which is the grant's too."""
        return self.asked.request

    @property
    def pending_until(self) -> int:
        """When an unanswered request expires."""
        return self.time + self.asked.pending

    @property
    def use_until(self) -> int | None:
        """When an approved request lapses unless it is used."""
        return None if self.approved is None else self.approved + self.asked.use_by


@lru_cache(maxsize=1024)
def digest(asked: events.Asked) -> str:
    """SHA-256 (hex) over the whole immutable ask: what an approver approves."""
    return canonical.digest(wire.encode(asked))


def state_at(request: Request, now: int) -> RequestState:
    """How the request stands at ``now``: expiry is computed, not awaited."""
    if request.state is RequestState.PENDING and now >= request.pending_until:
        return RequestState.EXPIRED
    if request.state is RequestState.APPROVED:
        if request.ends is not None and now >= request.ends:
            return RequestState.ENDED
        if not request.used and request.use_until is not None and now >= request.use_until:
            return RequestState.LAPSED
    return request.state


def window_end(asked: events.Asked, approved: int) -> int:
    """When the window closes that opens at ``approved``."""
    end = approved + asked.duration
    return end if asked.ends_by is None else min(end, asked.ends_by)


def require(request: Request, state: RequestState, now: int) -> None:
    """Raises ``Invalid`` (``wrong_state``) unless the request stands at ``state``."""
    standing = state_at(request, now)
    if standing is not state:
        raise Invalid("wrong_state", f"request {request.id}: {_TOO_LATE[standing]}")


def decide(request: Request, said: events.Decided, now: int, *, erased: bool = False) -> Request:
    """One more approver was heard; whether that suffices is not decided here.

    ``erased``: the ask's detail is gone, and so is what the digest was over.
    """
    require(request, RequestState.PENDING, now)
    if not erased and said.digest != digest(request.asked):
        raise Invalid("digest_differs", f"request {request.id} is not the one that was shown", hint="look at it again")
    return dataclasses.replace(request, decisions=(*request.decisions, Decision(said, now)))


def open_window(request: Request, opened: events.Opened, now: int) -> Request:
    """The request is approved."""
    require(request, RequestState.PENDING, now)
    if opened.ends > window_end(request.asked, now):
        raise Invalid("window_too_long", f"request {request.id}: the window is longer than what was asked for")
    return dataclasses.replace(request, state=RequestState.APPROVED, how=opened.how, approved=now, ends=opened.ends)


def close(request: Request, closed: events.Closed, now: int) -> Request:
    """The request reaches an ended state, if there is a move to it: by somebody, or, once it is true, by time."""
    standing = state_at(request, now)
    by_hand = closed.state in MOVES.get(standing, frozenset()) - {RequestState.APPROVED, *_BY_TIME}
    by_time = closed.state is standing is not request.state
    if not by_hand and not by_time:
        raise Invalid("wrong_state", f"request {request.id}: {_TOO_LATE[standing]}")
    return dataclasses.replace(request, state=closed.state, closing=closed.reason, closed=now)


def draw(request: Request, now: int) -> Request:
    """A certificate is drawn from the open window."""
    require(request, RequestState.APPROVED, now)
    return Request(  # spelt out: this is what a fold does most, and ``replace`` takes three times as long
        request.asked,
        request.time,
        request.state,
        request.how,
        request.approved,
        request.ends,
        used=True,
        certificates=request.certificates + 1,
        decisions=request.decisions,
        closing=request.closing,
        closed=request.closed,
    )


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
