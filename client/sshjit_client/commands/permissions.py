"""Whether somebody may do something, looked at before they are asked anything. The server decides; this only spares."""

from __future__ import annotations

from sshjit.api.details import RequestReply
from sshjit.api.session import LoginView
from sshjit.api.views import RequestState
from sshjit.errors import Refused
from sshjit_client.api.full import FullApi


def require(api: FullApi, permission: str, what: str) -> LoginView:
    """The sign-in, which has this permission now. ``what``: what needs it, as the beginning of a sentence.

    Raises:
        Refused: ``not_permitted``.

    """
    login = api.whoami()
    if permission not in login.permissions:
        own = ", ".join(login.permissions) or "none"
        raise Refused(
            "not_permitted",
            f"{what} needs the permission '{permission}', which you do not have (yours: {own})",
            hint="the policy gives permissions to roles; ssh-jit whoami shows yours",
        )
    return login


def require_decision(api: FullApi, reply: RequestReply) -> None:
    """That the reader is one of those who can decide the request.

    Raises:
        Refused: ``not_permitted``.

    """
    request = reply.request
    if request.state is not RequestState.PENDING or reply.because:
        return  # what is decided already, the server says best
    login = api.whoami()
    if any(decision.person.id == login.person.id for decision in request.decisions):
        return
    if request.requester.id == login.person.id:
        why = "it is your own request, and nobody approves their own"
        raise Refused("not_permitted", why, hint="send its address to an approver")
    roles = " or ".join(dict.fromkeys(step.role for step in request.steps if step.missing)) or "none that is open"
    own = ", ".join(login.roles) or "none"
    raise Refused("not_permitted", f"you can't decide this request: it needs the role {roles}; roles held: {own}")
