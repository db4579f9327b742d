"""What may be read, and by whom: requests, the log, the policy, and how the CA is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from sshjit import requests
from sshjit.errors import Failed, Invalid
from sshjit.messages import (
    Health,
    HealthReply,
    LogReply,
    PolicyReply,
    ReadLog,
    ReadPolicy,
    ReadRequest,
    ReadRequests,
    RequestReply,
    RequestsReply,
    RequestState,
    Status,
    StatusReply,
)
from sshjit.requests import Request
from sshjit_ca.approving import may_decide
from sshjit_ca.desk import Desk, Door
from sshjit_ca.journal import raw_public, verified
from sshjit_ca.state import Login
from sshjit_ca.store import Store
from sshjit_ca.summaries import entry_view
from sshjit_ca.views import request_view

MAX_PAGE = 1000


def read_request(desk: Desk, message: ReadRequest) -> RequestReply:
    """One request; for whoever may not see it there is none."""
    login = desk.login(message.login_id)
    request = desk.state.requests.get(message.request)
    if request is None or not _may_see(desk, login, request):
        raise Invalid("unknown_request", "you have no such request to see", hint="ssh-jit requests")
    return RequestReply(request_view(desk, request))


def read_requests(desk: Desk, message: ReadRequests) -> RequestsReply:
    """Requests, newest first.

    Raises:
        Invalid: ``not_permitted``: ``all`` needs the permission ``audit``.

    """
    login = desk.login(message.login_id)
    found: Iterator[Request]
    if message.scope == "mine":
        ids = desk.state.requests_of.get(login.opened.subject, [])
        found = (desk.state.requests[each] for each in reversed(ids))
    elif message.scope == "approve":
        found = (request for request in _newest_first(desk) if _could_answer(desk, login, request))
    elif desk.permitted(login, "audit"):
        found = _newest_first(desk)
    else:
        raise Invalid("not_permitted", "only an auditor sees everybody's requests")
    before = message.before
    older = (request for request in found if before is None or request.time < before)
    return RequestsReply(tuple(request_view(desk, each) for each in islice(older, _limit(message.limit))))


def read_log(store: Store) -> Callable[[Desk, ReadLog, Door], LogReply]:
    """A reader of the log in ``store``: all of it for auditors and the operator, their own entries for others."""

    def read(desk: Desk, message: ReadLog, door: Door) -> LogReply:
        subject = None
        if message.login_id is not None:
            login = desk.login(message.login_id)
            subject = None if desk.permitted(login, "audit") else login.opened.subject
        elif door != "admin":
            raise Invalid("bad_message", "say whose login this is")
        found = store.page(before=message.before, limit=_limit(message.limit), subject=subject)
        entries = tuple(entry_view(desk.state, entry) for entry in found)
        return LogReply(entries, desk.state.size, desk.journal.checkpoint, subject is not None)

    return read


def read_policy(desk: Desk, _: ReadPolicy) -> PolicyReply:
    """The policy in force."""
    return PolicyReply(desk.policy_text, desk.policy.digest)


def health(desk: Desk, _: Health) -> HealthReply:
    """Whether the CA signs now. Asked in a batch that may sign, so the clock was believed already."""
    return HealthReply(ready=True, problems=(), size=desk.state.size, policy=desk.policy.digest, time=desk.now)


def status(desk: Desk, _: Status) -> StatusReply:
    """The operator's view."""
    state, now = desk.state, desk.now
    standing = [requests.state_at(request, now) for request in state.requests.values()]
    head = verified(desk.journal.checkpoint, raw_public(desk.keys.log))
    return StatusReply(
        installation=desk.config.installation,
        ready=True,
        problems=(),
        started=desk.started,
        time=now,
        size=head.size,
        head=head.root.hex(),
        state_digest=state.digest(),
        policy=desk.policy.digest,
        policy_rules=len(desk.policy.allows) + len(desk.policy.denies) + len(desk.policy.break_glass),
        keys=desk.keys.fingerprints(),
        providers=tuple((name, keys.problem) for name, keys in desk.published.items()),
        hosts=len(state.hosts),
        live_logins=sum(login.alive(now) for login in state.logins.values()),
        pending=standing.count(RequestState.PENDING),
        live_grants=standing.count(RequestState.APPROVED),
        live_certificates=sum(
            each.valid_before > now and serial not in state.revoked for serial, each in state.certificates.items()
        ),
    )


def _newest_first(desk: Desk) -> Iterator[Request]:
    return (desk.state.requests[each] for each in reversed(desk.state.requests))


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


def _limit(asked: int) -> int:
    if not 1 <= asked <= MAX_PAGE:
        raise Invalid("bad_limit", f"a page has 1 to {MAX_PAGE} rows")
    return asked


def not_signing(error: Failed, size: int, digest: str, wall: int) -> HealthReply:
    """What ``health`` says while nothing is signed."""
    return HealthReply(ready=False, problems=(error.message,), size=size, policy=digest, time=wall)
