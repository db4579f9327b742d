"""The pages for people: ask for access, one's own requests, the approvers' queue, one request, the log.

Views parse, call the authority and render. Which buttons a page shows is a courtesy; whether somebody may do a thing
is always the authority's answer.
"""

from __future__ import annotations

from typing import Any, Literal

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit.errors import Invalid, SshJitError
from sshjit.messages import (
    Approve,
    AskReply,
    Cancel,
    Deny,
    End,
    HostView,
    LoginView,
    LogReply,
    ReadLog,
    ReadRequest,
    ReadRequests,
    RequestReply,
    RequestsReply,
    RequestState,
    RequestView,
)
from sshjit_web import errors, forms, security
from sshjit_web.api.speech import number
from sshjit_web.auth import current_login
from sshjit_web.services import services

REQUESTS_SHOWN = 30
ENTRIES_SHOWN = 25
HOSTS_SHOWN = 40
EXISTING = "You had asked for this before: it is the same request, with the reason and the time of then."

blueprint = Blueprint("pages", __name__)
blueprint.before_request(security.check_page)


@blueprint.get("/")
def home() -> AnyResponse:
    """The start page is the list of one's own requests."""
    return redirect(url_for("pages.mine"), code=303)


@blueprint.get("/requests")
def mine() -> str:
    """One's own requests: what is live, what waits, what was."""
    login = current_login()
    before = number("before")
    message = ReadRequests(login.id, "mine", REQUESTS_SHOWN, before)
    listed = services().ca.call(message, RequestsReply).requests
    live = [one for one in listed if one.state is RequestState.APPROVED]
    waiting = [one for one in listed if one.state is RequestState.PENDING]
    past = [one for one in listed if one not in live and one not in waiting]
    older = listed[-1].asked if len(listed) == REQUESTS_SHOWN else None
    return _render("mine.html", login, live=live, waiting=waiting, past=past, older=older, before=before)


@blueprint.get("/requests/new")
def new() -> str:
    """The form to ask with; a link may fill it in."""
    return _ask_page(current_login(), forms.read_ask(request.args))


@blueprint.post("/requests/new")
def ask() -> AnyResponse | str:
    """Asks, and shows what became of it."""
    login = current_login()
    form = forms.read_ask(request.form)
    try:
        reply = services().ca.call(form.ask(login.id, request.remote_addr or ""), AskReply)
    except SshJitError as error:
        if errors.status_of(error) == 401:
            raise
        return make_response(_ask_page(login, form, error), errors.status_of(error))
    notes = (*reply.notes, *((EXISTING,) if reply.existing else ()))
    if not notes:
        return redirect(url_for("pages.one", request_id=reply.request.id), code=303)
    return _request_page(login, reply.request, notes=notes)


@blueprint.get("/approvals")
def queue() -> str:
    """What this person could approve now."""
    login = current_login()
    message = ReadRequests(login.id, "approve", REQUESTS_SHOWN, number("before"))
    return _render("queue.html", login, waiting=services().ca.call(message, RequestsReply).requests)


@blueprint.get("/requests/<request_id>")
def one(request_id: str) -> str:
    """One request, with everything that an approver must see."""
    login = current_login()
    return _request_page(login, _read(login, request_id))


@blueprint.get("/requests/<request_id>/state")
def state(request_id: str) -> Response:
    """What the page's script compares, to notice that something happened."""
    view = _read(current_login(), request_id)
    return jsonify(version=version(view))


@blueprint.post("/requests/<request_id>/<any(approve, deny):verdict>")
def decide(request_id: str, verdict: Literal["approve", "deny"]) -> AnyResponse | str:
    """First asks whether that is meant, showing the request once more; then carries the decision to the authority."""
    login = current_login()
    digest, comment = request.form.get("digest", ""), request.form.get("comment", "").strip()
    if request.form.get("confirmed") != "yes":
        view = _read(login, request_id)
        if view.digest != digest:
            raise Invalid("digest_differs", "this is not the request that you saw", hint="open it again")
        return _render("confirm.html", login, view=view, verdict=verdict, comment=comment, labels=_labels(login, view))
    kind = Approve if verdict == "approve" else Deny
    services().ca.call(kind(login.id, request_id, digest, comment, None), RequestReply)
    return redirect(url_for("pages.one", request_id=request_id), code=303)


@blueprint.post("/requests/<request_id>/<any(cancel, end):act>")
def finish(request_id: str, act: Literal["cancel", "end"]) -> AnyResponse:
    """Takes one's own request back, or ends one's own access."""
    login = current_login()
    kind = Cancel if act == "cancel" else End
    services().ca.call(kind(login.id, request_id), RequestReply)
    return redirect(url_for("pages.one", request_id=request_id), code=303)


@blueprint.get("/log")
def log() -> str:
    """A page of the log, newest first."""
    login = current_login()
    before = number("before")
    reply = services().ca.call(ReadLog(login.id, before, ENTRIES_SHOWN), LogReply)
    older = reply.entries[-1].index if reply.entries and reply.entries[-1].index > 0 else None
    return _render("log.html", login, reply=reply, before=before, older=older)


def version(view: RequestView) -> str:
    """Differs when something of the request changed that a reader would want to see."""
    return f"{view.state.value}-{len(view.decisions)}-{view.certificates}-{view.ends or 0}"


def could_decide(login: LoginView, view: RequestView) -> bool:
    """Whether to show the buttons: pending, not one's own, and a role that is still missing."""
    missing = {step.role for step in view.steps if step.missing}
    said = {decision.person.id for decision in view.decisions}
    mine = login.person.id
    return (
        view.state is RequestState.PENDING
        and mine != view.requester.id
        and mine not in said
        and not missing.isdisjoint(login.roles)
    )


def _read(login: LoginView, request_id: str) -> RequestView:
    return services().ca.call(ReadRequest(login.id, request_id), RequestReply).request


def _labels(login: LoginView, view: RequestView) -> dict[str, HostView]:
    """The hosts of a request as they are enrolled now, by id; hosts that are gone are missing."""
    return {host.id: host for host in services().readings.hosts(login.id) if host.id in view.host_ids}


def _request_page(login: LoginView, view: RequestView, *, notes: tuple[str, ...] = ()) -> str:
    return _render(
        "request.html",
        login,
        view=view,
        notes=notes,
        labels=_labels(login, view),
        own=view.requester.id == login.person.id,
        deciding=could_decide(login, view),
        version=version(view),
    )


def _ask_page(login: LoginView, form: forms.AskForm, error: SshJitError | None = None) -> str:
    known = services().readings.hosts(login.id)
    search = request.args.get("q", "").strip().lower()[:100]
    found = [host for host in known if search in _searchable(host)]
    chosen = [host for host in known if host.name in form.hosts and host not in found[:HOSTS_SHOWN]]
    return _render(
        "ask.html",
        login,
        form=form,
        error=error,
        hosts=chosen + found[:HOSTS_SHOWN],
        found=len(found),
        known=len(known),
        search=search,
        actions=services().readings.actions(),
        durations=forms.DURATIONS,
    )


def _searchable(host: HostView) -> str:
    return " ".join([host.name, *host.aliases, *(f"{key}={value}" for key, value in host.labels)]).lower()


def _render(template: str, login: LoginView, **values: Any) -> str:
    return render_template(template, login=login, now=services().now(), **values)
