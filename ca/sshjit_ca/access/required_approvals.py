"""Whether a grant still has the approvals that it was opened by, asked before every certificate."""

from __future__ import annotations

from sshjit import approvals
from sshjit.errors import Refused
from sshjit.requests import Request
from sshjit_ca.access.extensions import extensions
from sshjit_ca.access.views import approvers_of, steps_of
from sshjit_ca.context import Context


def require(context: Context, grant: Request) -> None:
    """Every approver may still approve, also of the extension that the grant lives by now.

    Raises:
        Refused: ``approval_gone``.

    """
    if not complete(context, grant):
        raise Refused("approval_gone", "who approved this may not approve it any more", hint="ask again")
    if grant.id not in context.state.extended:
        return
    for each in extensions(context.state, grant):
        if each.since is not None and each.since <= context.now and not complete(context, each):
            what = "who approved that this was extended may not approve it any more"
            raise Refused("approval_gone", what, hint="ask again")


def complete(context: Context, request: Request) -> bool:
    """Whether every approval that the request needs was given, by people who may give it now."""
    steps = steps_of(request)
    if not steps:
        return True
    requester = context.person(request.asked.subject)
    return approvals.complete(steps, requester, approvers_of(context, request), others=context.known())
