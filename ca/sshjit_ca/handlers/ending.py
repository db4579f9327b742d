"""The requester's own endings: taking a request back, and being done before the window closes."""

from __future__ import annotations

from sshjit import requests
from sshjit.api.details import RequestReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Cancel, End
from sshjit.errors import Invalid
from sshjit.events import Closed
from sshjit.requests import Request
from sshjit_ca.access.extensions import close_all
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context


def cancel(context: Context, message: Cancel) -> RequestReply:
    """The requester takes a request back that nobody has answered."""
    request = own(context, message.login_id, message.request)
    requests.require(request, RequestState.PENDING, context.now)
    return _close(context, request, RequestState.CANCELLED, "taken back")


def end(context: Context, message: End) -> RequestReply:
    """The requester is done: the window closes now, and its certificates are worthless. So are its extensions.

    Raises:
        Invalid: ``unknown_request``, ``wrong_state``, ``extension``.

    """
    request = own(context, message.login_id, message.request)
    requests.require(request, RequestState.APPROVED, context.now)
    if request.asked.extends is not None:
        only = f"request {request.id} only extends {request.asked.extends}"
        raise Invalid("extension", only, hint=f"ssh-jit done {request.asked.extends}")
    close_all(context, request, RequestState.ENDED, request.asked.subject, "what it extends is done")
    return _close(context, request, RequestState.ENDED, "done")


def own(context: Context, login_id: str, request_id: str) -> Request:
    """The login's person's own request; somebody else's does not exist for them. Raises: ``unknown_request``."""
    login = context.login(login_id)
    request = context.state.requests.get(request_id)
    if request is None or request.asked.subject != login.opened.subject:
        raise Invalid("unknown_request", "you have no such request", hint="ssh-jit requests")
    return request


def _close(context: Context, request: Request, state: RequestState, why: str) -> RequestReply:
    context.record(Closed(request.id, state, request.asked.subject, why))
    return RequestReply(request_view(context, context.request(request.id)))
