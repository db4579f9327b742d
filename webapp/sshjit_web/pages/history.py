"""All requests, one's own and for auditors everybody's, with search and paging."""

from __future__ import annotations

from typing import Literal

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.details import RequestsReply
from sshjit.api.session import LoginView
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import ReadRequests
from sshjit.errors import Invalid, SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import REQUESTS_SHOWN, blueprint, query
from sshjit_web.services import services

NOTHING = RequestsReply(())


@blueprint.get("/history")
def history() -> AnyResponse | str:
    """A page of the history, newest first."""
    login = current_login()
    everybody = "audit" in login.permissions and query("whose") != "mine"
    try:
        reply = services().ca.call(_message(login, "all" if everybody else "mine"), RequestsReply)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        return common.failed(_page(login, NOTHING, everybody=everybody, error=error), error)
    return _page(login, reply, everybody=everybody)


def _message(login: LoginView, scope: Literal["mine", "all"]) -> ReadRequests:
    state = query("state")
    if state and state not in list(RequestState):
        raise Invalid("bad_form_field", "there is no such state", hint="choose one from the list")
    return ReadRequests(
        login.id,
        scope,
        REQUESTS_SHOWN,
        common.number("before"),
        find=query("find") or None,
        state=RequestState(state) if state else None,
        since=forms.moment(query("since"), "the day"),
        after=query("after"),
    )


def _page(login: LoginView, reply: RequestsReply, *, everybody: bool, error: SshJitError | None = None) -> str:
    filters = {name: query(name) for name in ("find", "state", "since", "whose")}
    return common.render(
        "history.html",
        login,
        listed=reply.requests,
        older=common.older(reply),
        everybody=everybody,
        filters=filters,
        given={name: value for name, value in filters.items() if value},
        states=list(RequestState),
        error=error,
        paged="before" in request.args,
    )
