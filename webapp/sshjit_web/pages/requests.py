"""One's own requests, and the page of one request: for its requester and for those who decide."""

from __future__ import annotations

from typing import Literal

from flask import Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit import durations
from sshjit.api.ask import AskReply
from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.session import LoginView
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Cancel, Comment, End, Extend, ReadRequests
from sshjit.errors import SshJitError
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import common
from sshjit_web.pages.common import REQUESTS_SHOWN, blueprint
from sshjit_web.services import services

PAST_SHOWN = 10
"""Requests that are over, below those that are not."""


@blueprint.get("/")
def root() -> AnyResponse:
    """The start page is the list of one's own requests."""
    return redirect(url_for("pages.home"), code=303)


@blueprint.get("/requests")
def home() -> str:
    """One's own requests: what is live, what waits, what was lately. The history has everything."""
    login = current_login()
    live, waiting = _mine(login, RequestState.APPROVED), _mine(login, RequestState.PENDING)
    standing = {one.id for one in (*live.requests, *waiting.requests)}
    past = [one for one in _mine(login).requests if one.id not in standing]
    return common.render(
        "home.html",
        login,
        live=[one for one in live.requests if one.extends is None],
        waiting=waiting.requests,
        past=past[:PAST_SHOWN],
        more_live=live.next is not None,
        more_waiting=waiting.next is not None,
    )


def _mine(login: LoginView, state: RequestState | None = None) -> RequestsReply:
    return services().ca.call(
        ReadRequests(login.id, "mine", REQUESTS_SHOWN, None, state=state, after=""), RequestsReply
    )


@blueprint.get("/requests/<request_id>")
def show_request(request_id: str) -> str:
    """One request, with everything that an approver must see."""
    login = current_login()
    return request_page(login, common.read(login, request_id))


@blueprint.get("/requests/<request_id>/state")
def state(request_id: str) -> Response:
    """What the page's script compares, to notice changes."""
    return jsonify(version=version(common.read(current_login(), request_id)))


@blueprint.post("/requests/<request_id>/<any(cancel, end):act>")
def finish(request_id: str, act: Literal["cancel", "end"]) -> AnyResponse:
    """Cancels one's own request, or ends one's own access."""
    login = current_login()
    kind = Cancel if act == "cancel" else End
    services().ca.call(kind(login.id, request_id), RequestReply)
    services().banners.drop(login)
    return common.to_request(request_id)


@blueprint.post("/requests/<request_id>/extend")
def extend(request_id: str) -> AnyResponse | str:
    """Requests more time for an active grant; that is a request of its own, and its page is shown."""
    login = current_login()
    try:
        reason = forms.required(common.text("reason"), "the reason", "say why you need more time")
        message = Extend(login.id, request_id, reason, request.remote_addr or "")
        reply = services().ca.call(message, AskReply)
    except SshJitError as error:
        return again(login, request_id, error)
    return common.to_request(reply.request.id)


@blueprint.post("/requests/<request_id>/comment")
def comment(request_id: str) -> AnyResponse | str:
    """Adds a comment to a request."""
    login = current_login()
    try:
        said = forms.required(common.text("text"), "the comment", "write a comment")
        services().ca.call(Comment(login.id, request_id, said), RequestReply)
    except SshJitError as error:
        return again(login, request_id, error)
    return common.to_request(request_id)


def again(login: LoginView, request_id: str, error: SshJitError) -> AnyResponse:
    """The request's page once more, with what went wrong on top; what is typed stands in the form still."""
    common.raise_if_signed_out(error)
    if error.code == "unknown_request":
        raise error
    try:
        reply = common.read(login, request_id)
    except SshJitError as gone:  # who may lock sees it only as long as there is something to end
        raise error if gone.code == "unknown_request" else gone from None
    return common.failed(request_page(login, reply, error=error), error)


def request_page(
    login: LoginView,
    reply: RequestReply,
    *,
    notes: tuple[str, ...] = (),
    existing: bool = False,
    error: SshJitError | None = None,
) -> str:
    """The page of a request as it is now. ``existing``: it was requested a second time, and is the first request."""
    view = reply.request
    own = view.requester.id == login.person.id
    return common.render(
        "request.html",
        login,
        view=view,
        about=reply.about,
        because=reply.because,
        notes=notes,
        existing=existing,
        error=error,
        typed={name: common.text(name) for name in ("comment", "denial", "reason", "text")},
        labels=common.hosts_of(login, view),
        own=own,
        deciding=could_decide(login, reply),
        unsigned=could_decide_here(login, reply),
        signature_needed=reply.signature_needed,
        passkey_counts=reply.passkey_counts,
        speaking=own or bool(reply.because) or (view.review_by is not None and "review" in login.permissions),
        reviewing=not own and "review" in login.permissions and view.break_glass and view.review is None,
        revoking=not own and "lock" in login.permissions and view.state is RequestState.APPROVED,
        shorter=[text for text in forms.DURATIONS if durations.parse(text) < view.duration],
        extensions=reply.extensions,
        version=version(reply),
    )


def version(reply: RequestReply) -> str:
    """Differs when something of the request, or of what extends it, changed that a reader would want to see."""
    view = reply.request
    said = len(view.decisions) + len(view.comments) + (view.review is not None)
    more = "".join(f"-{each.state.value}-{len(each.decisions)}" for each in reply.extensions)
    return f"{view.state.value}-{said}-{view.certificates}-{view.ends or 0}{more}{'-blocked' if view.blocked else ''}"


def could_decide(login: LoginView, reply: RequestReply) -> bool:
    """Whether to show the buttons: pending, asked for an answer, and not given yet."""
    view = reply.request
    spoken = {decision.person.id for decision in view.decisions}
    asked = bool(reply.because) and login.person.id != view.requester.id
    return view.state is RequestState.PENDING and asked and login.person.id not in spoken


def could_decide_here(login: LoginView, reply: RequestReply) -> bool:
    """Whether the CA would take a yes without a signature, and it would count for anything."""
    mine = (
        step for step in reply.request.steps if step.missing and not {step.role, step.instead}.isdisjoint(reply.because)
    )
    counts = any(not step.signed for step in mine)
    return could_decide(login, reply) and counts and not reply.signature_needed
