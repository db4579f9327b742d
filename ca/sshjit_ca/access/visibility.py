"""Who may look at a request, and how much of the person who asks; for everybody else there is none of this id.

Who asked sees what was asked and said. Who decides it, audits, or reviews broken glass sees who asks as well, with what
that person had before. Who may lock sees what they could end, and what was ended so: a grant that is open or revoked,
who holds it, and what else that person has open; nobody's past, and nothing that only waits for an answer. A request
for more time is seen by whoever sees the grant. ``docs/decisions/0034`` says why.
"""

from __future__ import annotations

from enum import Enum

from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.requests import Request
from sshjit_ca.context import Context
from sshjit_ca.handlers.approvals import may_decide
from sshjit_ca.log.history import History
from sshjit_ca.state import Login


class Sight(Enum):
    """How much somebody sees."""

    OWN = "what I asked"
    WHOLE = "who asks, and what they have and had"
    GRANT = "who holds it, and what they have"


def sight(context: Context, history: History, login: Login, request: Request) -> Sight | None:
    """How much the login's person sees of a request; ``None``: not even that it is there."""
    if request.asked.subject == login.opened.subject:
        return Sight.OWN
    extends = request.asked.extends
    grant = request if extends is None else history.request(context.state, extends) or request
    if context.permitted(login, "audit") or any(may_decide(context, login, each) for each in (request, grant)):
        return Sight.WHOLE
    if request.review_by is not None and context.permitted(login, "review"):
        return Sight.WHOLE
    if requests.state_at(grant, context.now) in _FOR_LOCKING and context.permitted(login, "lock"):
        return Sight.GRANT
    return None


_FOR_LOCKING = (RequestState.APPROVED, RequestState.REVOKED)
"""What can be revoked, and what was: who revokes must see that it is done."""
