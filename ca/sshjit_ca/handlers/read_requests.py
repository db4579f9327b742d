"""Requests as people read them: one of them for ever, with what was asked of it since, and looking for them by page.

A search returns the newest first, also of those that only the log knows, with bounded work for each question: it looks
at ``LOOKED_AT`` requests at most and folds ``FOLDED`` of them from the log; ``next`` says where to go on. A
position is a time and the last request before it; for askers that know times alone a page goes on to the end of the
second at which it is full. Nothing falls between two.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sshjit import events, passkeys, requests
from sshjit.api.details import ExtensionView, RequestReply, RequestsReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import ReadRequest, ReadRequests
from sshjit.errors import Invalid
from sshjit.requests import Request
from sshjit_ca.access import queue
from sshjit_ca.access.approvals import Decider, approver_roles, could_review, signature_needed
from sshjit_ca.access.passkeys import counting, strength
from sshjit_ca.access.views import request_view
from sshjit_ca.access.visibility import Visibility, requester_info, visibility
from sshjit_ca.context import Context
from sshjit_ca.log.history import read
from sshjit_ca.log.pages import page_limit
from sshjit_ca.state import Login, request_index
from sshjit_ca.state.pruning import ended_at
from sshjit_ca.state.request_index import extensions as extensions_of

MOST_EXTENSIONS = 50
"""Extensions that are shown: the last ones."""
_EXTENSION_ASKS = 2000
"""Asks of the same person in the grant's time that are looked through."""
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


def read_request(context: Context, message: ReadRequest) -> RequestReply:
    """One request, for ever; whoever may not see it is told that there is none.

    Raises:
        Refused: ``login_over``.
        Invalid: ``unknown_request``.

    """
    login = context.login(message.login_id)
    request = context.history.request(context.state, message.request)
    seen = None if request is None else visibility(context, login, request)
    if request is None or seen is None:
        raise Invalid("unknown_request", "there is no request of this id that you can see", hint="ssh-jit requests")
    view, extensions = request_view(context, request), _extension_views(context, request)
    if seen is Visibility.OWN:
        return RequestReply(view, extensions=extensions)
    who = requester_info(context, request, before=seen is Visibility.WHOLE)
    roles = () if view.blocked else approver_roles(context, login, request)
    decides = bool(roles) and view.state is RequestState.PENDING
    needed = signature_needed(context, login, request) if decides else passkeys.UNSIGNED
    by_passkey = any(strength(each) >= max(needed, passkeys.PASSKEY) for each in counting(context, login))
    return RequestReply(view, who, roles, extensions, needed > passkeys.UNSIGNED, decides and by_passkey)


def read_requests(context: Context, message: ReadRequests) -> RequestsReply:
    """Requests, newest first, or the queue with what expires first in front.

    Raises:
        Invalid: ``not_permitted`` (``all`` needs the permission ``audit``, ``review`` that of its name), ``bad_limit``.

    """
    login, limit = context.login(message.login_id), page_limit(message.limit)
    if message.scope == "approve" and message.order == "urgent":
        return queue.most_urgent(context, login, message, limit)
    found, last = _search(context, message, _candidates(context, message, login), limit)
    views = tuple(request_view(context, each) for each in found)
    if last is None:
        return RequestsReply(views)
    return RequestsReply(views, last.time, "" if message.after is None else last.asked.request)


def _extension_views(context: Context, grant: Request) -> tuple[ExtensionView, ...]:
    """Every ask for more time in a grant, oldest first.

    A grant that is at hand has all of them at hand, for the state forgets requests from the oldest on; those of a grant
    that is forgotten are read from the log. (Break-glass access, which may stay while what is newer goes, cannot be
    extended.)
    """
    held = grant.id in context.state.requests
    found = extensions_of(context.state, grant) if held else _remembered(context, grant)
    return tuple(_extension_view(context, each) for each in found[-MOST_EXTENSIONS:])


def _remembered(context: Context, grant: Request) -> list[Request]:
    over = ended_at(grant)
    before = (context.now if over is None else over) + 1
    rows = islice(context.history.asks(grant.asked.subject, before, since=grant.time), _EXTENSION_ASKS)
    asked = ((row, read(row)) for row in rows)
    ids = [row.request for row, ask in asked if isinstance(ask, events.Asked) and ask.extends == grant.id]
    found = (context.history.request(context.state, each) for each in reversed(ids) if each is not None)
    return [each for each in found if each is not None]


def _extension_view(context: Context, request: Request) -> ExtensionView:
    view = request_view(context, request)
    return ExtensionView(
        id=view.id,
        state=view.state,
        how=view.how,
        person=view.requester,
        duration=view.duration,
        reason=view.reason,
        asked=view.asked,
        pending_until=view.pending_until,
        ends=view.ends,
        decisions=view.decisions,
        closing=view.closing,
        signed=view.signed,
    )


def _search(
    context: Context, message: ReadRequests, candidates: Iterator[_Candidate], limit: int
) -> tuple[list[Request], _Candidate | None]:
    """What fits of the candidates; and the last one that was looked at, if there are more."""
    matches: list[Request] = []
    last: _Candidate | None = None
    looked_at = read_there = folded = 0
    for candidate in candidates:
        full = len(matches) >= limit or looked_at >= LOOKED_AT or read_there >= READ or folded >= FOLDED
        if full and last is not None and (message.after is not None or candidate.time < last.time):
            return matches, last
        last = candidate
        looked_at += 1
        read_there += candidate.held is None
        if message.find is not None and not queue.mentions(context, candidate.asked, message.find.casefold()):
            continue
        folded += candidate.held is None
        request = candidate.held or context.history.request(context.state, candidate.asked.request)
        if request is not None and message.state in (None, requests.state_at(request, context.now)):
            matches.append(request)
    return matches, None


def _candidates(context: Context, message: ReadRequests, login: Login) -> Iterator[_Candidate]:
    """Every request that the scope is about, newest first, within the times that were named."""
    match message.scope:
        case "mine":
            every = _with_older(context, message, login.opened.subject)
        case "all":
            if not context.permitted(login, "audit"):
                raise Invalid(
                    "not_permitted", "seeing everybody's requests needs the permission 'audit', which you do not have"
                )
            every = _with_older(context, message, None)
        case "approve":
            decider = Decider(context, login)
            waiting = map(_at_hand, reversed(request_index.unanswered(context.state)))
            going_on = _from_there(message, waiting)
            return (one for one in going_on if one.held is not None and queue.is_for(context, decider, one.held))
        case "review":
            if not context.permitted(login, "review"):
                raise Invalid("not_permitted", "reviewing needs the permission 'review', which you do not have")
            broken = [context.state.requests[each] for each in context.state.unreviewed]
            newest = map(_at_hand, sorted(broken, key=lambda request: (-request.time, request.id)))
            going_on = _from_there(message, newest)
            return (one for one in going_on if _waits_for_review(context, login, one.held))
    return _from_there(message, every)


def _from_there(message: ReadRequests, every: Iterator[_Candidate]) -> Iterator[_Candidate]:
    """Those after the place where the page before ended, and not older than was asked for.

    Where the last one of that page does not stand there any more (it was answered meanwhile), its whole second comes
    again: one twice is better than one never.
    """
    same_second: list[_Candidate] = []
    for candidate in every:
        if message.since is not None and candidate.time < message.since:
            break
        if message.after and candidate.time == message.before:
            same_second.append(candidate)
        elif message.before is None or candidate.time < message.before:
            yield from _behind(message.after, same_second)
            same_second = []
            yield candidate
    yield from _behind(message.after, same_second)


def _behind(last: str | None, same_second: list[_Candidate]) -> list[_Candidate]:
    """Those of one second that come after ``last``."""
    ids = [candidate.asked.request for candidate in same_second]
    return same_second[ids.index(last) + 1 :] if last in ids else same_second


def _held(context: Context, subject: str | None) -> Iterator[_Candidate]:
    """The requests at hand, newest first; of one subject, or of all."""
    state = context.state
    ids = state.requests if subject is None else state.requests_of.get(subject, [])
    for each in reversed(ids):
        yield _at_hand(state.requests[each])


def _at_hand(request: Request) -> _Candidate:
    return _Candidate(request.time, request.asked, request)


def _with_older(context: Context, message: ReadRequests, subject: str | None) -> Iterator[_Candidate]:
    """Those at hand together with those that only the log knows."""
    older = _in_the_log(context, message, subject)
    return heapq.merge(_held(context, subject), older, key=lambda each: -each.time)


def _in_the_log(context: Context, message: ReadRequests, subject: str | None) -> Iterator[_Candidate]:
    """Those that are not at hand. All were asked before any that is, broken glass apart (``state/pruning.py``)."""
    kept = next((each.time for each in context.state.requests.values() if each.review_by is None), context.now)
    before = kept + 1 if message.before is None else min(message.before + bool(message.after), kept + 1)
    for row in context.history.asks(subject, before, since=message.since or 0):
        event = read(row)
        if isinstance(event, events.Asked) and event.request not in context.state.requests:
            yield _Candidate(row.entry.time, event, None)


def _waits_for_review(context: Context, login: Login, request: Request | None) -> bool:
    return request is not None and could_review(context, login, request)
