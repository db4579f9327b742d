"""``ssh-jit request``, ``explain``, ``extend``, ``cancel`` and ``done``."""

from __future__ import annotations

import time

from sshjit import wire
from sshjit.api.ask import AskBody, AskReply
from sshjit.api.bodies import ExtendBody
from sshjit.api.details import RequestReply
from sshjit.api.explain import ExplainBody
from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit_client.api.basic import BasicApi
from sshjit_client.commands import kept_certificates, resolve_request
from sshjit_client.connecting import connection
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.console.helptext import EXPLAIN, REQUEST
from sshjit_client.identity import installation, signed_request
from sshjit_client.option_parser import Act, Build, Options, Parser
from sshjit_client.requests import earlier_request, reason_prompt, request_args, request_text, run_options, waiting
from sshjit_client.requests.request_args import RequestArgs
from sshjit_client.requests.request_details import print_request
from sshjit_client.ssh import connection_args, sshconfig
from sshjit_client.storage.machine import Machine

_REQUEST_FLAGS = frozenset(
    ("--dry-run", "--wait", "--no-wait", "--json", run_options.QUIET, run_options.NON_INTERACTIVE)
)
_EXPLAIN_FLAGS = frozenset(("--break-glass", "--json"))


def request(machine: Machine, words: list[str]) -> int:
    """Requests access without connecting, and shows the request. A pending request is a success too."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(REQUEST)
        return ExitCode.OK
    args = _read(words, _REQUEST_FLAGS)
    machine = run_options.prepare(machine, {*args.more, *args.ssh.flags})
    machine = installation.for_args(machine, args.ssh, next(iter(args.hosts), ""))
    args = _with_account(args)
    if "--dry-run" in args.more:
        return _explain(machine, args.explain_body(None, break_glass=False), as_json="--json" in args.more)
    body = args.body()
    try:
        _, api, reply = connection.request_access(machine, body)
    except Invalid as error:
        if error.code != "unknown_host" or len(args.hosts) == 1:
            raise
        raise Invalid(error.code, error.message, hint=f"{error.hint}; every word after request is a host") from None
    return _report(machine, api, reply, body, wait="--wait" in args.more, as_json="--json" in args.more)


def explain(machine: Machine, words: list[str]) -> int:
    """Explains what would happen to a request: one's own or, with the permission, somebody else's."""
    if words and words[0] in ("-h", "--help"):
        machine.terminal.out(EXPLAIN)
        return ExitCode.OK
    args = _read(words, _EXPLAIN_FLAGS, frozenset(("--person",)))
    machine = installation.for_args(machine, args.ssh, next(iter(args.hosts), ""))
    person = args.more.get("--person")
    if person is None:  # this machine's ssh configuration says nothing about other people
        args = _with_account(args)
    body = args.explain_body(person, break_glass="--break-glass" in args.more)
    return _explain(machine, body, as_json="--json" in args.more)


def _read(words: list[str], flags: frozenset[str], values: frozenset[str] = frozenset()) -> RequestArgs:
    try:
        return request_args.read(words, int(time.time()), flags=flags, values=values)
    except Invalid as error:
        command = "explain" if values else "request"
        raise Invalid(error.code, error.message, hint=error.hint or f"ssh-jit {command} --help") from None


def _with_account(args: RequestArgs) -> RequestArgs:
    """Adds the account of the person's own ssh configuration, if it names the same one for every host."""
    if args.login is not None or not args.hosts:
        return args
    accounts = set()
    for host in args.hosts:
        line = connection_args.read(
            [*args.ssh.options, *(["-F", args.ssh.config] if args.ssh.config else []), "--", host]
        )
        accounts.add(connection.account(sshconfig.own(line)))
    return args.for_account(accounts.pop()) if len(accounts) == 1 else args


def _explain(machine: Machine, body: ExplainBody, *, as_json: bool) -> int:
    from sshjit_client.requests import explanation  # noqa: PLC0415  # a request does not need it

    _, api = resolve_request.signed_in(machine)
    return explanation.print_explanation(machine, body, api.explain(body), as_json=as_json)


def _report(
    machine: Machine, api: BasicApi, reply: AskReply, body: AskBody | ExtendBody, *, wait: bool, as_json: bool = False
) -> int:
    """Prints what the server answered to a request, and waits for a decision if that was asked for."""
    request = reply.request
    if request.state not in (RequestState.PENDING, RequestState.APPROVED):
        raise waiting.over(api, request)
    if not as_json and not machine.terminal.quiet:
        print_request(machine, api, RequestReply(request))
    if reply.existing:
        earlier_request.report(machine, api, request, body)
    if request.state is RequestState.PENDING and wait:
        request = waiting.until_decided(api, request, machine)
    elif request.state is RequestState.PENDING:
        machine.terminal.say(waiting.status(request, api.skew))
    elif request.extends:
        machine.terminal.say(waiting.granted(request))
    if as_json:
        json_output.print_request(machine.terminal, request, api.page_of(request.id))
    return ExitCode.OK


def _extend(parser: Parser) -> Act:
    parser.description = "Requests more time for open access; its connections stay open."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="which access, if more than one is open")
    parser.add_argument("--reason", metavar="TEXT", help="why you need more time")
    parser.add_argument("--wait", action="store_true", help="wait until somebody has decided")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return extend


def extend(machine: Machine, options: Options) -> int:
    """Requests more time for a grant; it is decided like the first request."""
    session, api = resolve_request.signed_in(machine)
    grants = resolve_request.open_access(api, options.what, "extend")
    if not grants:
        raise Invalid("unknown_request", "nothing is open that could be extended", hint="ssh-jit request")
    if len(grants) > 1:
        named = ", ".join(f"{request_text.short(grant.id)} ({request_text.what(grant)})" for grant in grants)
        raise Invalid("which_request", f"several are open there: {named}", hint="ssh-jit extend ID")
    if grants[0].extend_by is not None:  # else the server says why not, and nobody types a reason in vain
        options.reason = reason_prompt.given(machine.terminal, options.reason, "Why do you need more time?")
    body = ExtendBody(options.reason or "")
    reply = signed_request.extend(machine, session, grants[0], body, lambda body: api.extend(grants[0].id, body))
    for note in reply.notes:
        machine.terminal.say(note)
    return _report(machine, api, reply, body, wait=options.wait, as_json=options.json)


def _cancel(parser: Parser) -> Act:
    parser.description = "Cancels a pending request of yours."
    parser.add_argument("id", metavar="ID", help="the request's id, or its beginning")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return cancel


def cancel(machine: Machine, options: Options) -> int:
    """Cancels a pending request."""
    session, api = resolve_request.signed_in(machine)
    closed = api.close("cancel", resolve_request.id_of(api, session, options.id))
    if options.json:
        json_output.print_request(machine.terminal, closed, api.page_of(closed.id))
    machine.terminal.say(f"cancelled: {request_text.what(closed)}")
    return ExitCode.OK


def _done(parser: Parser) -> Act:
    parser.description = "Ends access before its time is up."
    parser.add_argument("what", metavar="host|ID", nargs="?", help="which access, if more than one is open")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return done


def done(machine: Machine, options: Options) -> int:
    """Ends the named access, or the only one that is open."""
    _, api = resolve_request.signed_in(machine)
    grants = resolve_request.open_access(api, options.what, "done")
    ended = []
    for grant in grants:
        ended.append(api.close("end", grant.id))
        kept_certificates.remove(machine, {grant.id})  # at once: the next one may not be ended
        machine.terminal.say(f"done: {request_text.what(ended[-1])}")
    if options.json:
        json_output.print_json(machine.terminal, {"requests": wire.encode(tuple(ended))})
    if not grants:
        machine.terminal.say("nothing is open")
    return ExitCode.OK


BUILD: dict[str, Build] = {"extend": _extend, "cancel": _cancel, "done": _done}
"""Command -> what adds its options."""
