"""``ssh-jit requests`` and ``show``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from sshjit import wire
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Invalid, Refused, SshJitError
from sshjit_client.api.full import PAGE, Filter, FullApi, Scope
from sshjit_client.commands import resolve_request
from sshjit_client.console import json_output, times
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.requests import request_text
from sshjit_client.requests.request_details import print_request
from sshjit_client.storage.machine import Machine, Session

SHOWN = 20
"""Requests in a list, without ``--limit``."""
_SCOPES: dict[Scope, str] = {
    "mine": "only your requests",
    "approve": "only requests that you can approve",
    "review": "only break-glass access that you can review",
    "all": "everybody's requests; for auditors",
}
_STATES = {each.value: each for each in RequestState} | {
    "waiting": RequestState.PENDING,
    "open": RequestState.APPROVED,
    "over": RequestState.ENDED,
}
"""What ``--state`` takes: the states, and the words of lists for them."""
_ALIVE = (RequestState.PENDING, RequestState.APPROVED)
_TITLES: dict[Scope, str] = {
    "approve": "waiting for your approval",
    "review": "break-glass access to review",
    "mine": "your requests",
    "all": "everybody's requests",
}


def _requests(parser: Parser) -> Act:
    parser.description = "Lists your requests, those you can approve, and break-glass access you can review."
    group = parser.add_mutually_exclusive_group()
    for scope, text in _SCOPES.items():
        group.add_argument(f"--{scope}", dest="scope", action="store_const", const=scope, help=text)
    parser.add_argument(
        "--find", metavar="T", help="search person, host, account, reason and rule, or the beginning of an id"
    )
    parser.add_argument(
        "--state",
        metavar="S",
        choices=list(_STATES),
        help="only requests in this state: waiting, open …",
    )
    group.add_argument("--over", action="store_true", help="yours, also those that are over")
    parser.add_argument("--since", metavar="DATE", help="requested since then: 2026-12-01, or 7d for 7 days ago")
    parser.add_argument("--limit", metavar="N", type=int, default=SHOWN, help=f"the newest N [{SHOWN}]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return requests


def requests(machine: Machine, options: Options) -> int:
    """Prints one list, or those that matter now."""
    if options.limit < 1:
        raise Invalid("usage", "--limit must be at least 1", hint="ssh-jit requests --help")
    session, api = resolve_request.signed_in(machine)
    since = None if options.since is None else times.back(options.since, int(time.time()))
    which = Filter(options.find, _STATES[options.state] if options.state else None, since)
    scope: Scope | None = "mine" if options.over else options.scope
    scopes: list[Scope] = [scope] if scope else _now(session)
    plain = which == Filter() and scope is None and not options.json
    try:
        lists = {scope: _listed(api, scope, which, options.limit, living=plain) for scope in scopes}
    except SshJitError as error:
        if error.code != "not_permitted":
            raise
        hint = "ssh-jit requests shows yours and those that you can decide; ssh-jit whoami, your permissions"
        raise Refused(error.code, error.message, hint=hint) from None
    if options.json:
        lists_of = {"requests" if len(scopes) == 1 else name: _json(api, page.requests) for name, page in lists.items()}
        json_output.print_json(machine.terminal, lists_of)
        return ExitCode.OK
    _print(machine, api, lists)
    if any(page.more for page in lists.values()):
        machine.terminal.hint(f"there are older requests: use --limit {options.limit * 5}, --find or --since")
    return ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Page:
    """A part of a list. ``over``: how many that are over were left out, in words; empty for none."""

    requests: list[RequestView]
    more: bool
    over: str = ""


def _listed(api: FullApi, scope: Scope, which: Filter, limit: int, *, living: bool) -> _Page:
    """A list as it is shown: what waits for an answer by the time that is left, everything else the newest first.

    ``living``: of one's own only what is not over, and how many are.
    """
    if scope == "approve":
        waiting, more = _pages(api, scope, replace(which, order="urgent"), max(limit, PAGE))
        waiting.sort(key=lambda request: (request.pending_until, request.id))
        return _Page(waiting[:limit], more or len(waiting) > limit)
    if scope != "mine" or not living:
        return _Page(*_pages(api, scope, which, limit))
    newest, older = _pages(api, scope, which, PAGE)
    alive = {request.id: request for request in newest if request.state in _ALIVE}
    if older:
        for state in _ALIVE:
            alive.update((request.id, request) for request in _pages(api, scope, Filter(state=state), PAGE)[0])
    over = sum(request.state not in _ALIVE for request in newest)
    ordered = sorted(alive.values(), key=lambda request: (_ALIVE.index(request.state), request.ends or request.asked))
    return _Page(ordered[:limit], len(ordered) > limit, _over_text(over, at_least=older))


def _over_text(over: int, *, at_least: bool) -> str:
    if not over:
        return ""
    many = f"more than {over} are" if at_least else "1 is" if over == 1 else f"{over} are"
    return f"{many} over: ssh-jit requests --over"


def _json(api: FullApi, requests: list[RequestView]) -> list[Any]:
    return [wire.encode(request) | {"page": api.page_of(request.id)} for request in requests]


def _now(session: Session) -> list[Scope]:
    """The lists that matter now; in the first ones other people wait."""
    return [scope for scope in _TITLES if scope != "all" and scope in resolve_request.scopes(session)]


def _pages(api: FullApi, scope: Scope, which: Filter, limit: int) -> tuple[list[RequestView], bool]:
    """The first requests, page by page; and whether there are more."""
    first: list[RequestView] = []
    before: int | None = None
    after = ""
    while True:
        page = min(PAGE, limit - len(first))
        reply = api.requests(scope, replace(which, before=before, after=after, limit=page))
        first += reply.requests
        before, after = reply.next, reply.next_after
        if before is None or len(first) >= limit:
            return first[:limit], before is not None or len(first) > limit  # an older server sends whole seconds


def _print(machine: Machine, api: FullApi, lists: dict[Scope, _Page]) -> None:
    out, now = machine.terminal.out, resolve_request.now(api)
    shown = {scope: page for scope, page in lists.items() if page.requests or page.over}
    if not shown:
        machine.terminal.say("no requests")
    for number, (scope, page) in enumerate(shown.items()):
        out(f"{chr(10) if number else ''}{_TITLES[scope]}\n")
        if page.requests:
            theirs, columns = scope != "mine", table_width()
            out(request_text.requests(page.requests, now, theirs=theirs, columns=columns, page=api.page_of))
        else:
            out("none is pending or open")
        if page.over:
            out(f"\n{page.over}")


def _show(parser: Parser) -> Act:
    parser.description = "Shows everything about a request, and about its requester if you can decide it."
    parser.add_argument("id", metavar="ID", help="the request's id, or its beginning")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return show_one


def show_one(machine: Machine, options: Options) -> int:
    """One request."""
    session, api = resolve_request.signed_in(machine)
    reply = api.shown(resolve_request.id_of(api, session, options.id))
    if options.json:
        json_output.print_json(machine.terminal, wire.encode(reply) | {"page": api.page_of(reply.request.id)})
    else:
        print_request(machine, api, reply)
    return ExitCode.OK


BUILD: dict[str, Build] = {"requests": _requests, "show": _show}
"""Command -> what adds its options."""
