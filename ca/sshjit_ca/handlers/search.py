"""Looking for requests, also for those that only the log knows: newest first, by page, with bounded work for each.

One question looks at ``LOOKED_AT`` requests at most and folds ``FOLDED`` of them from the log; ``next`` says where to
go on. Positions are times, so a page goes on to the end of the second at which it is full: nothing falls between two.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sshjit import events, requests
from sshjit.api.details import RequestsReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import ReadRequests
from sshjit.errors import Invalid
from sshjit.requests import Request
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context, person_of
from sshjit_ca.handlers.approvals import decides_as
from sshjit_ca.handlers.log import limited
from sshjit_ca.handlers.reviews import could_review
from sshjit_ca.log.history import History, read
from sshjit_ca.state import Login

LOOKED_AT = 20_000
"""Requests at hand, and asks in the log, that one question looks at."""
READ = 2_000
"""Asks that one question reads in the log."""
FOLDED = 200
"""Requests that one question folds from the log."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A request that may be wanted; ``request`` of one that is not at hand is folded when it is."""

    time: int
    asked: events.Asked
    held: Request | None


def read_requests(history: History) -> Callable[[Context, ReadRequests], RequestsReply]:
    """A reader of requests, newest first.

    It raises ``Invalid``: ``not_permitted`` (``all`` needs the permission ``audit``, ``review`` that of its name),
    ``bad_limit``.
    """

    def answer(context: Context, message: ReadRequests) -> RequestsReply:
        login, limit = context.login(message.login_id), limited(message.limit)
        found, going_on = _search(context, history, message, _candidates(context, history, message, login), limit)
        return RequestsReply(tuple(request_view(context, each) for each in found), going_on)

    return answer


def _search(
    context: Context, history: History, message: ReadRequests, candidates: Iterator[_Candidate], limit: int
) -> tuple[list[Request], int | None]:
    """What fits of the candidates, and where to go on."""
    found: list[Request] = []
    looked_at = read_there = folded = last = 0
    for candidate in candidates:
        full = len(found) >= limit or looked_at >= LOOKED_AT or read_there >= READ or folded >= FOLDED
        if full and candidate.time < last:
            return found, last
        last = candidate.time
        looked_at += 1
        read_there += candidate.held is None
        if message.find is not None and not _mentions(context, candidate.asked, message.find.casefold()):
            continue
        folded += candidate.held is None
        request = candidate.held or history.request(context.state, candidate.asked.request)
        if request is not None and message.state in (None, requests.state_at(request, context.now)):
            found.append(request)
    return found, None


def _candidates(context: Context, history: History, message: ReadRequests, login: Login) -> Iterator[_Candidate]:
    """Every request that the scope is about, newest first, within the times that were named."""
    match message.scope:
        case "mine":
            every = _with_older(context, history, message, login.opened.subject)
        case "all":
            if not context.permitted(login, "audit"):
                raise Invalid("not_permitted", "only an auditor sees everybody's requests")
            every = _with_older(context, history, message, None)
        case "approve":
            every = (each for each in _held(context, None) if _could_answer(context, login, each.held))
        case "review":
            if not context.permitted(login, "review"):
                raise Invalid("not_permitted", "reviewing needs the permission 'review', which you do not have")
            every = (each for each in _held(context, None) if _waits_for_review(context, login, each.held))
    before, since = message.before, message.since
    return (each for each in every if (before is None or each.time < before) and (since is None or each.time >= since))


def _held(context: Context, subject: str | None) -> Iterator[_Candidate]:
    """The requests at hand, newest first; of one subject, or of all."""
    state = context.state
    ids = state.requests if subject is None else state.requests_of.get(subject, [])
    for each in reversed(ids):
        request = state.requests[each]
        yield _Candidate(request.time, request.asked, request)


def _with_older(context: Context, history: History, message: ReadRequests, subject: str | None) -> Iterator[_Candidate]:
    """Those at hand together with those that only the log knows."""
    older = _in_the_log(context, history, message, subject)
    return heapq.merge(_held(context, subject), older, key=lambda each: -each.time)


def _in_the_log(context: Context, history: History, message: ReadRequests, subject: str | None) -> Iterator[_Candidate]:
    """Those that are not at hand. All were asked before any that is, broken glass apart (``state/pruning.py``)."""
    kept = next((each.time for each in context.state.requests.values() if each.review_by is None), context.now)
    before = kept + 1 if message.before is None else min(message.before, kept + 1)
    for row in history.asks(subject, before, since=message.since or 0):
        event = read(row)
        if isinstance(event, events.Asked) and event.request not in context.state.requests:
            yield _Candidate(row.entry.time, event, None)


def _mentions(context: Context, asked: events.Asked, said: str) -> bool:
    """Whether a text stands in an ask, or its id begins with it."""
    person = person_of(context.state, asked.login_id, asked.subject)
    texts = (person.name, person.email or "", asked.login, asked.reason, asked.rule, *asked.hosts)
    return asked.request.startswith(said) or any(said in text.casefold() for text in texts)


def _could_answer(context: Context, login: Login, request: Request | None) -> bool:
    """Whether this login's person is asked for a decision that is still open, and gave none."""
    if request is None or requests.state_at(request, context.now) is not RequestState.PENDING:
        return False
    spoken = {decision.said.subject for decision in request.decisions}
    return login.opened.subject not in spoken and bool(decides_as(context, login, request))


def _waits_for_review(context: Context, login: Login, request: Request | None) -> bool:
    return request is not None and request.unreviewed and could_review(context, login, request)
