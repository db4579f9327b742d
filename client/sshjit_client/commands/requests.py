"""``ssh-jit request``, ``extend``, ``cancel`` and ``done``: asking without connecting, and giving back."""

from __future__ import annotations

import time

from sshjit import names
from sshjit.api.ask import AskReply
from sshjit.api.details import RequestReply
from sshjit.api.explain import ExplainBody
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit_client import connection, connection_args, files, request_args, request_text, sshconfig, waiting
from sshjit_client.api.basic import BasicApi
from sshjit_client.commands import resolve_request
from sshjit_client.exit_codes import ExitCode
from sshjit_client.helptext import EXPLAIN, REQUEST
from sshjit_client.machine import Machine
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.request_args import RequestArgs
from sshjit_client.request_details import request_details
from sshjit_client.styles import terminal_styles

_REQUEST_FLAGS = frozenset(("--dry-run", "--wait", "--json"))
_EXPLAIN_FLAGS = frozenset(("--break-glass", "--json"))


def request(machine: Machine, words: list[str]) -> int:
    """Asks without connecting and shows the request. Pending is success too: it was asked."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(REQUEST)
        return ExitCode.OK
    args = _with_account(machine, _read(words, _REQUEST_FLAGS))
    if "--dry-run" in args.more:
        return _explained(machine, args.explain_body(None, break_glass=False), as_json="--json" in args.more)
    try:
        _, api, reply = connection.request_access(machine, args.body())
    except Invalid as error:
        if error.code != "unknown_host" or len(args.hosts) == 1:
            raise
        raise Invalid(error.code, error.message, hint=f"{error.hint}; every word after request is a host") from None
    return _asked(machine, api, reply, wait="--wait" in args.more)


def explain(machine: Machine, words: list[str]) -> int:
    """What would become of an ask, for oneself or, with the permission for it, for somebody else."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(EXPLAIN)
        return ExitCode.OK
    args = _read(words, _EXPLAIN_FLAGS, frozenset(("--person",)))
    person = args.more.get("--person")
    if person is None:  # this machine's ssh configuration says nothing about other people
        args = _with_account(machine, args)
    body = args.explain_body(person, break_glass="--break-glass" in args.more)
    return _explained(machine, body, as_json="--json" in args.more)


def _read(words: list[str], flags: frozenset[str], values: frozenset[str] = frozenset()) -> RequestArgs:
    try:
        return request_args.read(words, int(time.time()), flags=flags, values=values)
    except Invalid as error:
        command = "explain" if values else "request"
        raise Invalid(error.code, error.message, hint=error.hint or f"ssh-jit {command} --help") from None


def _with_account(machine: Machine, args: RequestArgs) -> RequestArgs:
    """The account that the person's own ssh configuration names, if it names one and the same for every host."""
    if args.login is not None or not args.hosts:
        return args
    state, found = files.private_folder(machine.state), set()
    for host in args.hosts:
        line = connection_args.read(
            [*args.ssh.options, *(["-F", args.ssh.config] if args.ssh.config else []), "--", host]
        )
        found.add(connection.account(line, sshconfig.own(line, state)))
    return args.for_account(found.pop()) if len(found) == 1 else args


def _explained(machine: Machine, body: ExplainBody, *, as_json: bool) -> int:
    from sshjit_client import explanation  # noqa: PLC0415  # whoever asks does without it

    _, api = resolve_request.signed_in(machine)
    return explanation.show(machine, body, api.explain(body), as_json=as_json)


def _asked(machine: Machine, api: BasicApi, reply: AskReply, *, wait: bool) -> int:
    asked = reply.request
    if asked.state not in (RequestState.PENDING, RequestState.APPROVED):
        raise waiting.over(asked)
    machine.terminal.out(
        request_details(RequestReply(asked), int(time.time()) + api.skew, terminal_styles(machine.environ))
    )
    if reply.existing:
        machine.terminal.say("you had asked for this before; it is the same request")
    if asked.state is RequestState.PENDING and wait:
        waiting.until_decided(api, asked, machine.terminal)
    elif asked.state is RequestState.PENDING:
        machine.terminal.say(waiting.missing(asked.steps))
    elif asked.extends:
        machine.terminal.say(waiting.granted(asked))
    return ExitCode.OK


def _extend(parser: Parser) -> Act:
    parser.description = "Asks for more time in access that is open; connections to it go on meanwhile."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="needed when more than one is open")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why it takes longer")
    parser.add_argument("--wait", action="store_true", help="wait until somebody has decided")
    return extend


def extend(machine: Machine, options: Options) -> int:
    """Asks for more time in a grant; decided like the first ask."""
    _, api = resolve_request.signed_in(machine)
    found = resolve_request.open_ones(api, options.what, "extend")
    if not found:
        raise Invalid("unknown_request", "nothing is open, so there is nothing to extend", hint="ssh-jit request")
    if len(found) > 1:
        named = ", ".join(f"{request_text.short(each.id)} ({request_text.what(each)})" for each in found)
        raise Invalid("which_request", f"several are open there: {named}", hint="ssh-jit extend ID")
    reply = api.extend(found[0].id, names.free_text(options.reason, "the reason"))
    for note in reply.notes:
        machine.terminal.say(note)
    return _asked(machine, api, reply, wait=options.wait)


def _cancel(parser: Parser) -> Act:
    parser.description = "Takes a pending request of yours back."
    parser.add_argument("id", metavar="ID", help="the request, or the beginning of its id")
    return cancel


def cancel(machine: Machine, options: Options) -> int:
    """Takes a pending request back."""
    session, api = resolve_request.signed_in(machine)
    closed = api.close("cancel", resolve_request.id_of(api, session, options.id))
    machine.terminal.say(f"cancelled: {request_text.what(closed)}")
    return ExitCode.OK


def _done(parser: Parser) -> Act:
    parser.description = "Ends access before its time is over."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="needed when more than one is open")
    return done


def done(machine: Machine, options: Options) -> int:
    """Ends open access: the one that is named, or the only one."""
    _, api = resolve_request.signed_in(machine)
    found = resolve_request.open_ones(api, options.what, "done")
    for each in found:
        machine.terminal.say(f"done: {request_text.what(api.close('end', each.id))}")
    machine.drop_certificates()
    if not found:
        machine.terminal.say("nothing is open")
    return ExitCode.OK


BUILD: dict[str, Build] = {"extend": _extend, "cancel": _cancel, "done": _done}
"""How each command reads its words."""
