"""``ssh-jit requests`` and ``show``."""

from __future__ import annotations

import json
import time

from sshjit import wire
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Invalid
from sshjit_client.api.full import PAGE, Filter, FullApi, Scope
from sshjit_client.commands import resolve_request
from sshjit_client.console import times
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
        choices=[each.value for each in RequestState],
        help="only requests in this state: pending, approved …",
    )
    parser.add_argument("--since", metavar="DATE", help="requested since then: 2026-12-01, or 7d for 7 days ago")
    parser.add_argument("--limit", metavar="N", type=int, default=SHOWN, help=f"the newest N [{SHOWN}]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return requests


def requests(machine: Machine, options: Options) -> int:
    """Prints one list, or the two or three that matter now."""
    if options.limit < 1:
        raise Invalid("usage", "--limit must be at least 1", hint="ssh-jit requests --help")
    session, api = resolve_request.signed_in(machine)
    since = None if options.since is None else times.back(options.since, int(time.time()))
    which = Filter(options.find, RequestState(options.state) if options.state else None, since)
    scopes: list[Scope] = [options.scope] if options.scope else _now(session)
    pages = {scope: _pages(api, scope, which, options.limit) for scope in scopes}
    if options.json:
        lists = {"requests" if options.scope else scope: wire.encode(page) for scope, (page, _) in pages.items()}
        machine.terminal.out(json.dumps(lists, indent=2))
        return ExitCode.OK
    _print(machine, {scope: page for scope, (page, _) in pages.items() if page}, resolve_request.now(api))
    if any(more for _, more in pages.values()):
        machine.terminal.hint(f"there are older requests: use --limit {options.limit * 5}, --find or --since")
    return ExitCode.OK


def _now(session: Session) -> list[Scope]:
    """The lists that matter now; in the first ones other people wait."""
    return [scope for scope in _TITLES if scope != "all" and scope in resolve_request.scopes(session)]


def _pages(api: FullApi, scope: Scope, which: Filter, limit: int) -> tuple[list[RequestView], bool]:
    """The newest requests, page by page; and whether there are more."""
    newest: list[RequestView] = []
    before: int | None = None
    after = ""
    while True:
        page = min(PAGE, limit - len(newest))
        reply = api.requests(scope, Filter(which.find, which.state, which.since, before, after, page))
        newest += reply.requests
        before, after = reply.next, reply.next_after
        if before is None or len(newest) >= limit:
            return newest[:limit], before is not None or len(newest) > limit  # an older server sends whole seconds


def _print(machine: Machine, lists: dict[Scope, list[RequestView]], now: int) -> None:
    if not lists:
        machine.terminal.say("no requests")
    for number, (scope, requests) in enumerate(lists.items()):
        machine.terminal.out(f"{chr(10) if number else ''}{_TITLES[scope]}\n")
        machine.terminal.out(request_text.requests(requests, now, theirs=scope != "mine", columns=table_width()))


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
        machine.terminal.out(json.dumps(wire.encode(reply), indent=2))
    else:
        print_request(machine, api, reply)
    return ExitCode.OK


BUILD: dict[str, Build] = {"requests": _requests, "show": _show}
"""Command -> what adds its options."""
