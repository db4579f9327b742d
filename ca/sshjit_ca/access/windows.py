"""Opening windows: from when to when what is approved now may be used, or by how much a grant becomes longer."""

from __future__ import annotations

from sshjit import policy, requests
from sshjit.api.views import RequestState
from sshjit.errors import Refused
from sshjit.requests import Request
from sshjit_ca.context import Context, policy_hosts


def window_end(context: Context, request: Request) -> int:
    """When a window that is opened now must close: by its length, closing hours, or a timed deny.

    Raises:
        Refused: ``grant_over``: what it extends is not open any more, or could not become longer; ``window_over``: the
            hours in which it could be used are over; ``host_gone``.

    """
    asked = request.asked
    start = grant_end(context, request) if asked.extends is not None else requests.window_start(asked, context.now)
    closes = policy.ends_by(
        context.policy,
        context.policy_subject(context.newest_login(asked.subject)),
        policy_hosts(context.hosts_of(request)),
        login=asked.login,
        action=asked.action,
        break_glass=asked.break_glass,
        now=context.now if asked.extends is not None else start,
    )
    end = requests.window_end(asked, start, requests.at_most(request))
    end = end if closes is None else min(end, closes)
    if end <= start and asked.extends is not None:
        raise Refused("grant_over", f"the window of {asked.extends} cannot become longer now")
    if end <= start:
        raise Refused("window_over", "the hours in which this could be used are over", hint="ask again")
    return end


def grant_end(context: Context, request: Request) -> int:
    """When the grant closes that ``request`` wants to extend. Raises ``Refused``: ``grant_over``."""
    grant = context.state.requests.get(request.asked.extends or "")
    if grant is None or grant.ends is None or requests.state_at(grant, context.now) is not RequestState.APPROVED:
        raise Refused("grant_over", "the access that this extends is over", hint="ask for new access")
    return grant.ends
