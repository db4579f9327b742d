"""``ssh-jit log`` and ``open``: what the log says of the person, and their pages in the browser."""

from __future__ import annotations

import time

from sshjit import wire
from sshjit.api.log import EntryView
from sshjit.errors import Invalid
from sshjit.terminal_text import fitted
from sshjit_client.api.full import FullApi
from sshjit_client.commands import entry_text, resolve_request
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.styles import table_width
from sshjit_client.console.times import at, rough
from sshjit_client.identity import browser
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.storage.machine import Machine

_SHOWN = 30
"""Entries, without ``--limit``."""
_PAGE = 200
"""Entries in one answer, at most."""


def _log(parser: Parser) -> Act:
    parser.description = "Shows what the log says of you, the newest first. It is tamper-evident."
    parser.add_argument("--limit", metavar="N", type=int, default=_SHOWN, help=f"the newest N [{_SHOWN}]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return log


def log(machine: Machine, options: Options) -> int:
    """Prints the person's own entries."""
    if options.limit < 1:
        raise Invalid("usage", "--limit must be at least 1", hint="ssh-jit log --help")
    session, api = resolve_request.signed_in(machine)
    entries, older = _entries(api, session.login.person.id, options.limit)
    if options.json:
        json_output.print_json(machine.terminal, {"entries": [wire.encode(entry) for entry in entries]})
        return ExitCode.OK
    now = int(time.time()) + api.skew
    rows = [[at(entry.time), f"{rough(now - entry.time)} ago", entry_text.local(entry)] for entry in entries]
    machine.terminal.out(fitted([["TIME", "", "ENTRY"], *rows], table_width()))
    if older:
        machine.terminal.hint(f"there are older entries: use --limit {options.limit * 5}")
    return ExitCode.OK


def _entries(api: FullApi, person: str, limit: int) -> tuple[list[EntryView], bool]:
    """The newest entries, page by page; and whether there are more."""
    entries: list[EntryView] = []
    before: int | None = None
    while True:
        reply = api.log(person, before, min(_PAGE, limit - len(entries)))
        entries += reply.entries
        before = reply.next
        if before is None or len(entries) >= limit:
            return entries[:limit], before is not None or len(entries) > limit


def _open(parser: Parser) -> Act:
    parser.description = "Opens your pages in the browser, or those of one request."
    parser.add_argument("id", metavar="ID", nargs="?", help="a request's id, or its beginning")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return open_page


def open_page(machine: Machine, options: Options) -> int:
    """Opens a page; where no browser can be started, its address is all that is printed."""
    address = machine.settings().url
    if options.id is not None:
        session, api = resolve_request.signed_in(machine)
        address = api.page_of(resolve_request.id_of(api, session, options.id))
    words = browser.open_command(machine.environ, address)
    if words is None or browser.start(words) is None:
        machine.terminal.say("no browser can be started here; the address is:")
    if options.json:
        json_output.print_json(machine.terminal, {"page": address})
    else:
        machine.terminal.out(address)
    return ExitCode.OK


BUILD: dict[str, Build] = {"log": _log, "open": _open}
"""Command -> what adds its options."""
