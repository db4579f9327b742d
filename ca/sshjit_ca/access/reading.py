"""What may be read, and by whom: requests, for ever, and the policy. The log is ``logreading.py``'s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from sshjit import requests
from sshjit.errors import Invalid
from sshjit.messages import (
    PoliciesReply,
    PolicyReply,
    ReadPolicies,
    ReadPolicy,
    ReadRequest,
    ReadRequests,
    RequestReply,
    RequestsReply,
    RequestState,
)
from sshjit.requests import Request
from sshjit_ca.access.approving import may_decide
from sshjit_ca.access.views import request_view
from sshjit_ca.desk import Desk, Door
from sshjit_ca.log import policies
from sshjit_ca.log.history import History
from sshjit_ca.log.logreading import limited
from sshjit_ca.state import Login
from sshjit_ca.storage.store import Store


def read_request(history: History) -> Callable[[Desk, ReadRequest], RequestReply]:
    """A reader of one request; for whoever may not see it there is none."""

    def read(desk: Desk, message: ReadRequest) -> RequestReply:
        login = desk.login(message.login_id)
        request = history.request(desk.state, message.request)
        if request is None or not _may_see(desk, login, request):
            raise Invalid("unknown_request", "you have no such request to see", hint="ssh-jit requests")
        return RequestReply(request_view(desk, request))

    return read


def read_requests(history: History) -> Callable[[Desk, ReadRequests], RequestsReply]:
    """A reader of requests, newest first.

    It raises ``Invalid``: ``not_permitted``: ``all`` needs the permission ``audit``.
    """

    def read(desk: Desk, message: ReadRequests) -> RequestsReply:
        login, limit = desk.login(message.login_id), limited(message.limit)
        if message.scope == "mine":
            found = _with_older(desk, history, message, login.opened.subject)
        elif message.scope == "approve":
            found = (request for request in _held(desk, None) if _could_answer(desk, login, request))
        elif desk.permitted(login, "audit"):
            found = _with_older(desk, history, message, None)
        else:
            raise Invalid("not_permitted", "only an auditor sees everybody's requests")
        before = message.before
        older = (request for request in found if before is None or request.time < before)
        return RequestsReply(tuple(request_view(desk, each) for each in islice(older, limit)))

    return read


def read_policy(store: Store) -> Callable[[Desk, ReadPolicy, Door], PolicyReply]:
    """A reader of the policy in force, and at the admin door of any other.

    It raises ``Invalid``: ``not_permitted``; else what ``policies.text_of`` raises.
    """

    def read(desk: Desk, message: ReadPolicy, door: Door) -> PolicyReply:
        if message.digest is None or message.digest == desk.policy.digest:
            return PolicyReply(desk.policy_text, desk.policy.digest)
        if door != "admin":
            raise Invalid("not_permitted", "policies of the past are the operator's to read")
        return PolicyReply(*policies.text_of(store, message.digest))

    return read


def read_policies(store: Store) -> Callable[[Desk, ReadPolicies], PoliciesReply]:
    """A reader of the list, the newest first."""
    return lambda _desk, _message: PoliciesReply(tuple(reversed(policies.history(store))))


def _held(desk: Desk, subject: str | None) -> Iterator[Request]:
    """The requests at hand, newest first; of one subject, or of all."""
    state = desk.state
    ids = state.requests if subject is None else state.requests_of.get(subject, [])
    return (state.requests[each] for each in reversed(ids))


def _with_older(desk: Desk, history: History, message: ReadRequests, subject: str | None) -> Iterator[Request]:
    """Those at hand, then those that only the log knows: all of these were asked before any that is at hand."""
    yield from _held(desk, subject)
    oldest = next(iter(desk.state.requests.values()), None)
    bounds = [time for time in (message.before, None if oldest is None else oldest.time + 1) if time is not None]
    for request_id in history.older(subject, min(bounds, default=desk.now + 1), message.limit + 1):
        if request_id not in desk.state.requests and (request := history.request(desk.state, request_id)):
            yield request


def _could_answer(desk: Desk, login: Login, request: Request) -> bool:
    """Whether this login's person is asked for a decision that is still open, and gave none."""
    spoken = {decision.said.subject for decision in request.decisions}
    return (
        requests.state_at(request, desk.now) is RequestState.PENDING
        and login.opened.subject not in spoken
        and may_decide(desk, login, request)
    )


def _may_see(desk: Desk, login: Login, request: Request) -> bool:
    return (
        request.asked.subject == login.opened.subject
        or may_decide(desk, login, request)
        or desk.permitted(login, "audit")
    )
