"""The log: a page of it, of all entries or of those that somebody looks for."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from sshjit.api.log import LogReply
from sshjit.api.session import LoginView
from sshjit.ca_protocol.log import ReadLog
from sshjit.errors import SshJitError
from sshjit.events import KINDS
from sshjit_web import forms
from sshjit_web.auth import current_login
from sshjit_web.pages import room
from sshjit_web.pages.room import blueprint, query
from sshjit_web.services import services

ENTRIES_SHOWN = 20
FILTERS = ("person", "host", "kind", "since", "until")


@blueprint.get("/log")
def log() -> AnyResponse | str:
    """A page of the log, newest first."""
    login = current_login()
    before = room.number("before")
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
        room.raise_if_signed_out(error)
        if not any(query(name) for name in FILTERS):
            raise
        empty = services().ca.call(ReadLog(login.id, 0, 1), LogReply)
        return room.failed(_page(login, empty, error=error), error)
    return _page(login, reply)


def _page(login: LoginView, reply: LogReply, *, error: SshJitError | None = None) -> str:
    filters = {name: query(name) for name in FILTERS}
    full = len(reply.entries) == ENTRIES_SHOWN
    return room.render(
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
