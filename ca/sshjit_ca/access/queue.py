"""The queue of one approver: which requests wait for this person's answer, what expires first in front.

It is counted as well, so that somebody who sees one page knows how long it is. A request is in it while the person
could answer it and has not; what the CA would refuse anyway is not.
"""

from __future__ import annotations

from sshjit import events, passkeys, requests
from sshjit.api.details import QueuedView, RequestsReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import ReadRequests
from sshjit.requests import Request
from sshjit_ca.access.approvals import Decider, signature_needed
from sshjit_ca.access.recheck import refusal
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context, person_of
from sshjit_ca.state import Login, request_index


def most_urgent(context: Context, login: Login, message: ReadRequests, limit: int) -> RequestsReply:
    """A page of the queue, with how many requests are in it."""
    decider = Decider(context, login)
    words = "" if message.find is None else message.find.casefold()
    waiting = sorted(request_index.unanswered(context.state), key=_position)
    queued = [
        request for request in waiting if is_for(context, decider, request) and _fits(context, request, message, words)
    ]
    behind = (message.before or 0, message.after or "")
    rest = [request for request in queued if message.before is None or _position(request) > behind]
    page, more = rest[:limit], len(rest) > limit
    return RequestsReply(
        requests=tuple(request_view(context, request) for request in page),
        next=page[-1].pending_until if more else None,
        next_after=page[-1].id if more else "",
        queued=tuple(_queued(context, login, decider, request) for request in page),
        total=len(queued),
    )


def is_for(context: Context, decider: Decider, request: Request) -> bool:
    """Whether the decider's person is asked for a decision that is still open, and gave none."""
    if requests.state_at(request, context.now) is not RequestState.PENDING:
        return False
    spoken = {decision.said.subject for decision in request.decisions}
    if decider.subject in spoken or not decider.roles(request):
        return False
    return refusal(context, request) is None


def mentions(context: Context, asked: events.Asked, words: str) -> bool:
    """Whether a text (in small letters) stands in an ask, or its id begins with it."""
    person = person_of(context.state, asked.login_id, asked.subject)
    texts = (person.name, person.email or "", asked.login, asked.reason, asked.rule, *asked.hosts)
    return asked.request.startswith(words) or any(words in text.casefold() for text in texts)


def _fits(context: Context, request: Request, message: ReadRequests, words: str) -> bool:
    if message.since is not None and request.time < message.since:
        return False
    return not words or mentions(context, request.asked, words) or _labelled(context, request, words)


def _labelled(context: Context, request: Request, words: str) -> bool:
    """Whether a host of the request has a label (``env=prod``) in which the text stands."""
    hosts = (context.state.hosts[name] for name in request.asked.hosts if name in context.state.hosts)
    return any(words in f"{key}={value}".casefold() for host in hosts for key, value in host.labels)


def _position(request: Request) -> tuple[int, str]:
    return request.pending_until, request.id


def _queued(context: Context, login: Login, decider: Decider, request: Request) -> QueuedView:
    asked = request.asked
    asking = context.state.logins.get(asked.login_id)
    if asking is None and asked.subject in context.state.newest_login:
        asking = context.newest_login(asked.subject)
    return QueuedView(
        request=request.id,
        because=decider.roles(request),
        signature_needed=signature_needed(context, login, request) > passkeys.UNSIGNED,
        signed_in=None if asking is None else asking.time,
        auth_time=None if asking is None else asking.opened.auth_time,
        mfa=asking is not None and context.accounts.second_factor(asking),
        workload=asking is not None and asking.opened.workload,
    )
