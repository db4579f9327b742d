"""What all pages share: the blueprint, how a page is rendered with what every head shows, and turning pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.details import RequestReply, RequestsReply
from sshjit.api.hosts import HostView
from sshjit.api.session import LoginView
from sshjit.api.views import RequestView
from sshjit.ca_protocol.requests import ReadRequest
from sshjit.errors import Invalid, SshJitError
from sshjit_web import errors, security
from sshjit_web.services import services

REQUESTS_SHOWN = 30
"""Requests on a page of a list."""

blueprint = Blueprint("pages", __name__)
blueprint.before_request(security.check_page)


def render(template: str, login: LoginView, **values: Any) -> str:
    """A page for somebody who is signed in."""
    return render_template(template, login=login, banner=services().banners.of(login), **values)


def failed(page: str, error: SshJitError) -> AnyResponse:
    """A page that shows ``error`` in its place, with the status of the error."""
    return make_response(page, errors.status_of(error))


def raise_if_signed_out(error: SshJitError) -> None:
    """Sends people who are no longer signed in to the sign-in, on every page."""
    if errors.status_of(error) == 401:
        raise error


def to_request(request_id: str) -> AnyResponse:
    """Back to the request's own page, after something was done."""
    return redirect(url_for("pages.show_request", request_id=request_id), code=303)


def read(login: LoginView, request_id: str) -> RequestReply:
    """One request with what this person may know of it."""
    return services().ca.call(ReadRequest(login.id, request_id), RequestReply)


def seen(login: LoginView, request_id: str) -> RequestReply:
    """The request whose digest the form carries. Raises ``Invalid``: ``digest_differs``."""
    reply = read(login, request_id)
    if reply.request.digest != request.form.get("digest", ""):
        raise Invalid("digest_differs", "the request changed since you opened it", hint="open it again")
    return reply


def hosts_of(login: LoginView, view: RequestView) -> dict[str, HostView]:
    """The hosts of a request as they are enrolled now, by id; hosts that are gone are missing."""
    return {host.id: host for host in services().ca_cache.hosts(login.id) if host.id in view.host_ids}


def number(name: str) -> int | None:
    """A whole number of the query, or ``None`` when it is not there."""
    text = request.args.get(name, "")
    if text == "":
        return None
    if len(text) > 15 or not (text.isascii() and text.isdecimal()):
        raise Invalid("bad_parameter", f"{name} must be a whole number", hint="go back to the first page")
    return int(text)


def older(reply: RequestsReply) -> dict[str, Any] | None:
    """The query of the next page of requests, or ``None`` where this is the last one."""
    return None if reply.next is None else {"before": reply.next, "after": reply.next_after or None}


def text(name: str) -> str:
    """A field of the form without spaces around it; empty when it is not there."""
    return request.form.get(name, "").strip()


def query(name: str) -> str:
    """A word of the address's query without spaces around it; empty when it is not there."""
    return request.args.get(name, "").strip()
