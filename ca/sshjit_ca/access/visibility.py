"""Who may look at a request, and how much of the person who asks; for everybody else there is none of this id.

Who asked sees what was asked and said. Who decides it, audits, or reviews broken glass sees who asks as well, with what
that person had before. Who may lock sees what they could end, and what was ended so: a grant that is open or revoked,
who holds it, and what else that person has open; nobody's past, and nothing that only waits for an answer. A request
for more time is seen by whoever sees the grant. ``docs/decisions/0034`` says why.
"""

from __future__ import annotations

from enum import Enum

from sshjit import requests
from sshjit.api.details import PastView, RequesterView
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit.requests import Request
from sshjit_ca.access.approvals import may_decide
from sshjit_ca.context import Context
from sshjit_ca.sources.on_call import turns_now
from sshjit_ca.state import Login
from sshjit_ca.state.pruning import REQUEST_KEPT


class Visibility(Enum):
    """How much somebody sees."""

    OWN = "what I asked"
    WHOLE = "who asks, and what they have and had"
    GRANT = "who holds it, and what they have"


def visibility(context: Context, login: Login, request: Request) -> Visibility | None:
    """How much the login's person sees of a request; ``None``: not even that it is there."""
    if request.asked.subject == login.opened.subject:
        return Visibility.OWN
    extends = request.asked.extends
    grant = request if extends is None else context.history.request(context.state, extends) or request
    if context.permitted(login, "audit") or any(may_decide(context, login, each) for each in (request, grant)):
        return Visibility.WHOLE
    if request.review_by is not None and context.permitted(login, "review"):
        return Visibility.WHOLE
    if requests.state_at(grant, context.now) in _FOR_LOCKING and context.permitted(login, "lock"):
        return Visibility.GRANT
    return None


def visible_request(context: Context, login: Login, request_id: str) -> Request:
    """The request with this id; one that the login's person may not see does not exist for them.

    Raises:
        Invalid: ``unknown_request``.

    """
    request = context.state.requests.get(request_id)
    if request is None or visibility(context, login, request) is None:
        raise Invalid("unknown_request", "there is no request of this id that you can see", hint="ssh-jit requests")
    return request


_FOR_LOCKING = (RequestState.APPROVED, RequestState.REVOKED)
"""What can be revoked, and what was: who revokes must see that it is done."""


RECENT = 10
"""Requests of the past that are shown."""


def requester_info(context: Context, request: Request, *, before: bool) -> RequesterView | None:
    """The sign-in that asked, or what is known of the person by now, and what else this person has.

    ``before``: and what they had.
    """
    asked = request.asked
    login = context.state.logins.get(asked.login_id)
    if login is None and asked.subject in context.state.newest_login:
        login = context.newest_login(asked.subject)
    if login is None:
        return None
    opened = login.opened
    live, recent = _others(context, request)
    return RequesterView(
        provider=opened.provider,
        groups=opened.groups,
        roles=tuple(sorted(context.roles(login) if opened.workload else context.person(asked.subject).roles)),
        signed_in=login.time,
        auth_time=opened.auth_time,
        mfa=context.accounts.second_factor(login),
        hardware_key=context.accounts.vouched(login),
        address=opened.address,
        live=live,
        recent=recent if before else None,
        said_factors=opened.said_factors,
        remarks=opened.remarks,
        on_call=turns_now(context.policy_subject(context.newest_login(asked.subject)), context.now),
        workload=opened.workload,
        claims=opened.claims,
        unbound=opened.unbound,
    )


def _others(context: Context, request: Request) -> tuple[tuple[PastView, ...], tuple[PastView, ...]]:
    """The person's other requests: those that are open, and the last that are over, the newest first."""
    live: list[PastView] = []
    recent: list[PastView] = []
    for each in reversed(context.state.requests_of.get(request.asked.subject, ())):
        other = context.state.requests[each]
        if other.id == request.id or other.asked.extends is not None:
            continue
        standing = requests.state_at(other, context.now)
        if standing is RequestState.APPROVED:
            live.append(_in_a_line(other, standing))
        elif standing is not RequestState.PENDING and len(recent) < RECENT and other.time > context.now - REQUEST_KEPT:
            recent.append(_in_a_line(other, standing))
    return tuple(live[:MOST_LIVE]), tuple(recent)


MOST_LIVE = 100
"""Open grants that are shown."""


def _in_a_line(request: Request, standing: RequestState) -> PastView:
    asked = request.asked
    return PastView(
        id=request.id,
        state=standing,
        how=request.how,
        hosts=asked.hosts,
        login=asked.login,
        action=asked.action,
        reason=asked.reason,
        rule=asked.rule,
        asked=request.time,
        ends=request.ends,
    )
