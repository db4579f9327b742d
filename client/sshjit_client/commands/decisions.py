"""``ssh-jit approve``, ``deny``, ``comment`` and ``review``."""

from __future__ import annotations

from typing import Literal

from sshjit import durations, names
from sshjit.api.views import RequestState, RequestView
from sshjit.errors import Refused
from sshjit_client.api.full import FullApi
from sshjit_client.commands import permissions, resolve_request
from sshjit_client.commands.signatures import Signer
from sshjit_client.console import json_output
from sshjit_client.console.exit_codes import ExitCode
from sshjit_client.option_parser import Act, Build, Options, Parser, exactly_one
from sshjit_client.requests import reason_prompt, request_text, waiting
from sshjit_client.requests.request_details import print_request
from sshjit_client.storage.machine import Machine


def _approve(parser: Parser) -> Act:
    parser.description = "Shows a request and approves exactly what it shows."
    _named(parser)
    parser.add_argument("--for", metavar="30m", dest="duration", help="approve no more time than this")
    parser.add_argument("--comment", metavar="TEXT", default="", help="a comment; the requester sees it")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return approve


def approve(machine: Machine, options: Options) -> int:
    """Shows a request and approves what it showed: by its digest, and by a signature if the key can make one."""
    session, api = resolve_request.signed_in(machine)
    at_most = durations.parse(options.duration) if options.duration else None
    comment = names.free_text(options.comment, "the comment")
    reply = api.shown(resolve_request.id_of(api, session, options.id))
    request = reply.request
    if not options.json:
        print_request(machine, api, reply)
    if request.blocked:
        raise Refused(
            "policy_changed",
            f"nobody can approve it any more: {request.blocked}",
            hint="the requester has to ask again",
        )
    permissions.require_decision(api, reply)
    length = "" if at_most is None else f" for {durations.show(at_most)} at most"
    if not options.yes and machine.terminal.typing and not machine.terminal.confirm(f"\napprove this{length}?"):
        raise Refused("not_approved", "nothing was approved")
    signature = Signer(machine, session, api).answer(request, "approve", comment, at_most)
    done = api.approve(request, comment, signature, at_most)
    _print_json(machine, api, done, options)
    if done.state is RequestState.APPROVED:
        state = request_text.state_text(done, resolve_request.now(api)).removeprefix("approved, ")
        machine.terminal.say(f"approved{length}; {state}")
    else:
        machine.terminal.say(f"you approved{length}; {waiting.missing(done.steps)}")
    return ExitCode.OK


def _deny(parser: Parser) -> Act:
    parser.description = "Shows a request and denies it."
    _named(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why; the requester sees it")
    return deny


def deny(machine: Machine, options: Options) -> int:
    """Shows a request and denies what it showed, with a signature if the key can make one."""
    session, api = resolve_request.signed_in(machine)
    reply = api.shown(resolve_request.id_of(api, session, options.id))
    if not options.json:
        print_request(machine, api, reply)
    permissions.require_decision(api, reply)
    reason = options.reason = reason_prompt.given(machine.terminal, options.reason, "Why? The requester sees it")
    signature = Signer(machine, session, api).answer(reply.request, "deny", reason)
    request = api.deny(reply.request, reason, signature)
    _print_json(machine, api, request, options)
    machine.terminal.say(f"denied: {_whose(request)}")
    return ExitCode.OK


def _comment(parser: Parser) -> Act:
    parser.description = "Adds a comment to a request. It decides nothing; the requester sees it at once."
    _named(parser)
    parser.add_argument("text", metavar="TEXT", nargs="+")
    return comment


def comment(machine: Machine, options: Options) -> int:
    """Adds a comment to a request."""
    session, api = resolve_request.signed_in(machine)
    text = names.free_text(" ".join(options.text), "the comment")
    request = api.comment(resolve_request.id_of(api, session, options.id), text)
    _print_json(machine, api, request, options)
    machine.terminal.say(f"commented on {_whose(request)}")
    return ExitCode.OK


def _review(parser: Parser) -> Act:
    parser.description = "Shows a break-glass access of somebody else and records whether it was justified."
    _named(parser)
    exactly_one(parser, justified="it was justified", unjustified="it was not; say why")
    parser.add_argument("--comment", metavar="TEXT", default="", help="what you found")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    return review


def review(machine: Machine, options: Options) -> int:
    """Shows a break-glass access, and reviews what it showed."""
    session, api = resolve_request.signed_in(machine)
    verdict: Literal["justified", "unjustified"] = "justified" if options.justified else "unjustified"
    text = names.free_text(options.comment, "the comment")
    reply = api.shown(resolve_request.id_of(api, session, options.id))
    if not options.json:
        print_request(machine, api, reply)
    permissions.require(api, "review", "reviewing")
    if not options.yes and machine.terminal.typing and not machine.terminal.confirm(f"\nwas this {verdict}?"):
        raise Refused("not_reviewed", "nothing was reviewed")
    request = api.review(reply.request.id, verdict, text)
    _print_json(machine, api, request, options)
    machine.terminal.say(f"reviewed as {verdict}: {_whose(request)}")
    return ExitCode.OK


def _whose(request: RequestView) -> str:
    return f"{request_text.what(request)} for {request.requester.name}"


def _print_json(machine: Machine, api: FullApi, request: RequestView, options: Options) -> None:
    if options.json:
        json_output.print_request(machine.terminal, request, api.page_of(request.id))


def _named(parser: Parser) -> None:
    parser.add_argument("id", metavar="ID", help="the request's id, or its beginning")
    parser.add_argument("--json", action="store_true", help="print JSON")


BUILD: dict[str, Build] = {"approve": _approve, "deny": _deny, "comment": _comment, "review": _review}
"""Command -> what adds its options."""
