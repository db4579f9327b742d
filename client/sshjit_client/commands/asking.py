"""``ssh-jit request``, ``extend``, ``cancel`` and ``done``: asking without connecting, and giving back."""

from __future__ import annotations

import time

from sshjit import names
from sshjit.api.ask import AskReply
from sshjit.api.details import RequestReply
from sshjit.api.explain import ExplainBody
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit_client import connect, files, show, sshconfig, typed, waiting, wishes
from sshjit_client.api import Api
from sshjit_client.card import card
from sshjit_client.commands import picking
from sshjit_client.exits import Exit
from sshjit_client.helptext import EXPLAIN, REQUEST
from sshjit_client.machine import Machine
from sshjit_client.painting import Paint
from sshjit_client.parsing import Act, Build, Options, Parser
from sshjit_client.wishes import Wish

_REQUEST_FLAGS = frozenset(("--dry-run", "--wait", "--json"))
_EXPLAIN_FLAGS = frozenset(("--break-glass", "--json"))


def request(machine: Machine, words: list[str]) -> int:
    """Asks without connecting and shows the request. Pending is success too: it was asked."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(REQUEST)
        return Exit.OK
    wish = _read(words, _REQUEST_FLAGS)
    wanted = _with_account(machine, wish)
    if "--dry-run" in wish.more:
        return _explained(machine, wanted.explain(None, break_glass=False), as_json="--json" in wish.more)
    try:
        _, api, reply = connect.ask(machine, wanted.ask())
    except Invalid as error:
        if error.code != "unknown_host" or len(wish.hosts) == 1:
            raise
        raise Invalid(error.code, error.message, hint=f"{error.hint}; every word after request is a host") from None
    return _asked(machine, api, reply, wait="--wait" in wish.more)


def explain(machine: Machine, words: list[str]) -> int:
    """What would become of an ask, for oneself or, with the permission for it, for somebody else."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(EXPLAIN)
        return Exit.OK
    wish = _read(words, _EXPLAIN_FLAGS, frozenset(("--person",)))
    person = wish.more.get("--person")
    wanted = wish if person else _with_account(machine, wish)  # what this machine is set up for is nobody else's
    body = wanted.explain(person, break_glass="--break-glass" in wish.more)
    return _explained(machine, body, as_json="--json" in wish.more)


def _read(words: list[str], flags: frozenset[str], values: frozenset[str] = frozenset()) -> Wish:
    try:
        return wishes.read(words, int(time.time()), flags=flags, values=values)
    except Invalid as error:
        command = "explain" if values else "request"
        raise Invalid(error.code, error.message, hint=error.hint or f"ssh-jit {command} --help") from None


def _with_account(machine: Machine, wish: Wish) -> Wish:
    """The account that the person's own ssh configuration names, if it names one and the same for every host."""
    if wish.login is not None or not wish.hosts:
        return wish
    state, found = files.private_folder(machine.state), set()
    for host in wish.hosts:
        line = typed.read([*wish.line.options, *(["-F", wish.line.config] if wish.line.config else []), "--", host])
        found.add(connect.account(line, sshconfig.own(line, state)))
    return wish.of(found.pop()) if len(found) == 1 else wish


def _explained(machine: Machine, body: ExplainBody, *, as_json: bool) -> int:
    from sshjit_client import explaining  # noqa: PLC0415  # whoever asks does without it

    _, acts = picking.signed_in(machine)
    return explaining.show(machine, body, acts.explain(body), as_json=as_json)


def _asked(machine: Machine, api: Api, reply: AskReply, *, wait: bool) -> int:
    asked = reply.request
    if asked.state not in (RequestState.PENDING, RequestState.APPROVED):
        raise waiting.over(asked)
    machine.terminal.out(card(RequestReply(asked), int(time.time()) + api.skew, Paint.here(machine.environ)))
    if reply.existing:
        machine.terminal.say("you had asked for this before; it is the same request")
    if asked.state is RequestState.PENDING and wait:
        waiting.until_decided(api, asked, machine.terminal)
    elif asked.state is RequestState.PENDING:
        machine.terminal.say(waiting.missing(asked.steps))
    elif asked.extends:
        machine.terminal.say(waiting.granted(asked))
    return Exit.OK


def _extend(parser: Parser) -> Act:
    parser.description = "Asks for more time in access that is open; connections to it go on meanwhile."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="needed when more than one is open")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why it takes longer")
    parser.add_argument("--wait", action="store_true", help="wait until somebody has decided")
    return extend


def extend(machine: Machine, options: Options) -> int:
    """Asks for more time in a grant; decided like the first ask."""
    _, acts = picking.signed_in(machine)
    found = picking.open_ones(acts, options.what, "extend")
    if not found:
        raise Invalid("unknown_request", "nothing is open, so there is nothing to extend", hint="ssh-jit request")
    if len(found) > 1:
        named = ", ".join(f"{show.short(each.id)} ({show.what(each)})" for each in found)
        raise Invalid("which_request", f"several are open there: {named}", hint="ssh-jit extend ID")
    reply = acts.extend(found[0].id, names.free_text(options.reason, "the reason"))
    for note in reply.notes:
        machine.terminal.say(note)
    return _asked(machine, acts, reply, wait=options.wait)


def _cancel(parser: Parser) -> Act:
    parser.description = "Takes a pending request of yours back."
    parser.add_argument("id", metavar="ID", help="the request, or the beginning of its id")
    return cancel


def cancel(machine: Machine, options: Options) -> int:
    """Takes a pending request back."""
    session, acts = picking.signed_in(machine)
    closed = acts.close("cancel", picking.id_of(acts, session, options.id))
    machine.terminal.say(f"cancelled: {show.what(closed)}")
    return Exit.OK


def _done(parser: Parser) -> Act:
    parser.description = "Ends access before its time is over."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="needed when more than one is open")
    return done


def done(machine: Machine, options: Options) -> int:
    """Ends open access: the one that is named, or the only one."""
    _, acts = picking.signed_in(machine)
    found = picking.open_ones(acts, options.what, "done")
    for each in found:
        machine.terminal.say(f"done: {show.what(acts.close('end', each.id))}")
    machine.drop_certificates()
    if not found:
        machine.terminal.say("nothing is open")
    return Exit.OK


BUILD: dict[str, Build] = {"extend": _extend, "cancel": _cancel, "done": _done}
"""How each command reads its words."""
