"""Which request is meant: by an id, by the beginning of one, or by a host."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sshjit import names
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Invalid
from sshjit_client import request_text, sessions
from sshjit_client.api.full import Filter, FullApi, Scope
from sshjit_client.machine import Machine, Session

_WHOLE = 20
"""Characters of a whole id; fewer are the beginning of one."""
_OPEN = Filter(state=RequestState.APPROVED)


def signed_in(machine: Machine) -> tuple[Session, FullApi]:
    """The login, made anew where that may be done, and the server it is at."""
    session = sessions.needed(machine)
    return session, FullApi(session.url, session.token)


def now(api: FullApi) -> int:
    """The server's clock, as far as its last answer told."""
    return int(time.time()) + api.skew


def scopes(session: Session) -> list[Scope]:
    """Where this login may look: the server decides, this only saves it questions that it would refuse."""
    found: list[Scope] = ["mine", "approve"]
    if "review" in session.login.permissions:
        found.append("review")
    if "audit" in session.login.permissions:
        found.append("all")
    return found


def id_of(api: FullApi, session: Session, wanted: str) -> str:
    """The id of the one request that is meant.

    Raises:
        Invalid: ``unknown_request``, ``which_request``, ``bad_id``.

    """
    if len(wanted) >= _WHOLE:
        return names.identifier(wanted)
    found: dict[str, RequestView] = {}
    for scope in scopes(session):
        found.update((each.id, each) for each in api.requests(scope, Filter(find=_whole(wanted))).requests)
    return matching(wanted, found.values()).id


def open_ones(api: FullApi, wanted: str | None, command: str) -> list[RequestView]:
    """The person's own open access that is meant: by a host, an id, or the only one. Empty if nothing is open.

    Raises:
        Invalid: ``unknown_request``, ``which_request``.

    """
    live = [each for each in api.requests("mine", _OPEN).requests if each.extends is None]
    if wanted is not None:
        return _begun(api, [each for each in live if wanted.lower() in each.hosts]) or [matching(wanted, live)]
    live = _begun(api, live)
    if len(live) > 1:
        named = ", ".join(f"{request_text.short(each.id)} ({request_text.what(each)})" for each in live)
        hint = f"ssh-jit {command} host, or ssh-jit {command} ID"
        raise Invalid("which_request", f"several are open: {named}", hint=hint)
    return live


def _begun(api: FullApi, found: list[RequestView]) -> list[RequestView]:
    """Those whose window is open; if there are none, those that begin later. Who is done now keeps tonight's."""
    return [each for each in found if each.start is None or each.start <= now(api)] or found


def matching(wanted: str, among: Iterable[RequestView]) -> RequestView:
    """The only request whose id is ``wanted``, or begins so."""
    whole = _whole(wanted)
    found = [each for each in among if each.id.startswith(whole)]
    if len(found) > 1:
        raise Invalid("which_request", f"{len(found)} requests begin with {wanted}", hint="ssh-jit requests")
    if not found or whole == "req-":  # every id begins so: it names none, even when there is but one
        raise Invalid("unknown_request", f"there is no request {wanted}", hint="ssh-jit requests")
    return found[0]


def _whole(wanted: str) -> str:
    """``7k2m`` is short for ``req-7k2m``."""
    return wanted if wanted.startswith("req-") else "req-" if "req-".startswith(wanted) else f"req-{wanted}"
