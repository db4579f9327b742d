"""What an approver, a reviewer, an auditor or who may lock sees of who asks; the requester and all others do not."""

from __future__ import annotations

from sshjit import requests
from sshjit.api.details import PastView, RequesterView
from sshjit.api.views import RequestState
from sshjit.requests import Request
from sshjit_ca.context import Context
from sshjit_ca.state.pruning import REQUEST_KEPT

RECENT = 10
"""Requests of the past that are shown."""


def requester(context: Context, request: Request, *, before: bool) -> RequesterView | None:
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
        roles=tuple(sorted(context.person(asked.subject).roles)),
        signed_in=login.time,
        auth_time=opened.auth_time,
        mfa=opened.mfa,
        hardware_key=context.vouched(login),
        address=opened.address,
        live=live,
        recent=recent if before else None,
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
