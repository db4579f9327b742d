"""The log, searched and paged; and for auditors the state of the notifications about it."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.log import LogReply
from sshjit.api.session import LoginView
from sshjit.ca_protocol.log import ReadLog
from sshjit.errors import Refused, SshJitError
from sshjit.events import KINDS
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.notify import status
from sshjit_web.pages import common
from sshjit_web.pages.common import blueprint, query
from sshjit_web.services import services

ENTRIES_SHOWN = 20
FILTERS = ("person", "host", "kind", "since", "until")


@blueprint.get("/log")
def log() -> AnyResponse | str:
    """A page of the log, newest first."""
    login = current_login()
    before = common.number("before")
    try:
        message = ReadLog(
            login.id,
            before,
            ENTRIES_SHOWN,
            person=query("person") or None,
            host=query("host") or None,
            kind=query("kind") or None,
            since=forms.moment(query("since"), "the first moment"),
            until=forms.moment(query("until"), "the last moment"),
        )
        reply = services().ca.call(message, LogReply)
    except SshJitError as error:
        common.raise_if_signed_out(error)
        if not any(query(name) for name in FILTERS):
            raise
        empty = services().ca.call(ReadLog(login.id, 0, 1), LogReply)
        return common.failed(_page(login, empty, error=error), error)
    return _page(login, reply)


def _page(login: LoginView, reply: LogReply, *, error: SshJitError | None = None) -> str:
    filters = {name: query(name) for name in FILTERS}
    full = len(reply.entries) == ENTRIES_SHOWN
    return common.render(
        "log.html",
        login,
        reply=reply,
        error=error,
        paged="before" in request.args,
        older=reply.entries[-1].index if full and reply.entries[-1].index > 0 else None,
        filters=filters,
        given={name: value for name, value in filters.items() if value},
        kinds=sorted(KINDS),
    )


@blueprint.get("/notifications")
def notifications() -> str:
    """The state of every channel, and what was given up. These rows are the front end's own, so it decides."""
    login = current_login()
    if "audit" not in login.permissions:
        raise Refused("not_permitted", "this page needs the permission audit")
    have = services()
    found = status.overview(have.store.engine)
    return common.render("notifications.html", login, found=found, works=found.lease > have.now())
