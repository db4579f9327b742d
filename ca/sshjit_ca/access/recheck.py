"""Whether what was asked once may still be had: the question before every certificate, and before returning a grant."""

from __future__ import annotations

from sshjit import policy
from sshjit.policy import Denied, Subject
from sshjit.requests import Request
from sshjit_ca.context import Context, policy_hosts
from sshjit_ca.state import Host, Login


def taken_away(context: Context, login: Login, request: Request, hosts: tuple[Host, ...]) -> Denied | None:
    """Why the policy of now does not allow the login's person what was asked; ``None`` if it does."""
    return taken_from(context, context.policy_subject(login), request, hosts)


def taken_from(context: Context, subject: Subject, request: Request, hosts: tuple[Host, ...]) -> Denied | None:
    """``taken_away``, for who knows the person as policy sees them already. What begins later is judged as of then."""
    asked = request.asked
    return policy.still_allowed(
        context.policy,
        subject,
        policy_hosts(hosts),
        login=asked.login,
        action=asked.action,
        command=asked.command,
        break_glass=asked.break_glass,
        now=context.now if asked.start is None else max(context.now, asked.start),
    )
