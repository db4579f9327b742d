"""The requests that extend a grant: which there are, and that none outlives the grant."""

from __future__ import annotations

from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.events import Closed
from sshjit.requests import Request
from sshjit_ca.context import Context
from sshjit_ca.state import State


def extensions(state: State, grant: Request) -> list[Request]:
    """Every request to extend a grant, oldest first."""
    own = state.requests_of.get(grant.asked.subject, ())
    return [each for each in map(state.requests.__getitem__, own) if each.asked.extends == grant.id]


def close_all(context: Context, grant: Request, state: RequestState, by: str | None, reason: str) -> None:
    """Closes the extensions of a grant that is about to reach ``state``; one that nobody answered is taken back."""
    for each in extensions(context.state, grant):
        standing = requests.state_at(each, context.now)
        if standing is RequestState.PENDING:
            context.record(Closed(each.id, RequestState.CANCELLED, by, reason))
        elif standing is RequestState.APPROVED:
            context.record(Closed(each.id, state, by, reason))
