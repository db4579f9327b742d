"""Finding the request that is meant: by an id, by the beginning of one, or by a host."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sshjit import names
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Invalid
from sshjit_client.api.full import Filter, FullApi, Scope
from sshjit_client.identity import sessions
from sshjit_client.requests import request_text
from sshjit_client.storage.machine import Machine, Session

_WHOLE = 20
"""Characters of a whole id; less is the beginning of one."""
_OPEN = Filter(state=RequestState.APPROVED)


def signed_in(machine: Machine) -> tuple[Session, FullApi]:
    """The sign-in, a new one if needed and possible, and its server."""
    session = sessions.needed(machine)
    return session, FullApi(session.url, session.token)


def now(api: FullApi) -> int:
    """The time by the server's clock, as of its last answer."""
    return int(time.time()) + api.skew


def scopes(session: Session) -> list[Scope]:
    """The lists that this sign-in may see. The server decides; this only avoids requests that it would refuse."""
    visible: list[Scope] = ["mine", "approve"]
    if "review" in session.login.permissions:
        visible.append("review")
    if "audit" in session.login.permissions:
        visible.append("all")
    return visible


def id_of(api: FullApi, session: Session, prefix: str) -> str:
    """The id of the request that is meant.

    Raises:
        Invalid: ``unknown_request``, ``which_request``, ``bad_id``.

    """
    if len(prefix) >= _WHOLE:
        return names.identifier(prefix)
    candidates: dict[str, RequestView] = {}
    for scope in scopes(session):
        candidates.update(
            (request.id, request) for request in api.requests(scope, Filter(find=_whole(prefix))).requests
        )
    return matching(prefix, candidates.values()).id


def mine(api: FullApi, *states: RequestState) -> list[RequestView]:
    """One's own requests in these states, those of the first state first, and of each the newest."""
    return [request for state in states for request in api.requests("mine", Filter(state=state)).requests]


def open_access(api: FullApi, prefix: str | None, command: str) -> list[RequestView]:
    """The person's open access that is meant, by a host or an id, or the only one; empty if nothing is open.

    Raises:
        Invalid: ``unknown_request``, ``which_request``.

    """
    live = [request for request in api.requests("mine", _OPEN).requests if request.extends is None]
    if prefix is not None:
        there = _begun(api, [request for request in live if names.lowered(prefix) in request.hosts])
        return there or [_open(api, prefix, live)]
    live = _begun(api, live)
    if len(live) > 1:
        named = ", ".join(f"{request_text.short(request.id)} ({request_text.what(request)})" for request in live)
        hint = f"ssh-jit {command} host, or ssh-jit {command} ID"
        raise Invalid("which_request", f"several are open: {named}", hint=hint)
    return live


def _open(api: FullApi, prefix: str, live: list[RequestView]) -> RequestView:
    """``matching``, for what may be meant for a host; of an id that is over it says so."""
    try:
        return matching(prefix, live)
    except Invalid as error:
        if error.code != "unknown_request":
            raise
    if not prefix.startswith("req-"):
        raise Invalid("unknown_request", f"nothing of yours is open at {names.show(prefix)}", hint="ssh-jit requests")
    closed = matching(prefix, api.requests("mine", Filter(find=_whole(prefix))).requests)
    text = f"{request_text.short(closed.id)} is not open: {request_text.state_text(closed, now(api))}"
    raise Invalid("unknown_request", text, hint=f"ssh-jit show {closed.id}")


def _begun(api: FullApi, requests: list[RequestView]) -> list[RequestView]:
    """Those whose window is open, else those that begin later: to be done now does not end tonight's access."""
    return [request for request in requests if request.start is None or request.start <= now(api)] or requests


def matching(prefix: str, among: Iterable[RequestView]) -> RequestView:
    """The only request whose id is ``prefix``, or begins with it. ``7k2m`` is short for ``req-7k2m``."""
    whole = _whole(prefix)
    matches = [request for request in among if request.id.startswith(whole)]
    if len(matches) > 1:
        raise Invalid("which_request", f"{len(matches)} requests begin with {prefix}", hint="ssh-jit requests")
    if not matches or whole == "req-":  # every id begins so: it names no request, even if there is only one
        raise Invalid("unknown_request", f"there is no request {prefix}", hint="ssh-jit requests")
    return matches[0]


def _whole(prefix: str) -> str:
    """``7k2m`` is short for ``req-7k2m``."""
    return prefix if prefix.startswith("req-") else "req-" if "req-".startswith(prefix) else f"req-{prefix}"
