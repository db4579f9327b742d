"""``ssh-jit request``, ``requests``, ``approve``, ``deny``, ``cancel`` and ``done``."""

from __future__ import annotations

import time
from pathlib import Path

from sshjit import names
from sshjit.errors import Invalid, Refused
from sshjit.messages import Consent, RequestState, RequestView
from sshjit_client import connect, files, sessions, show, sshconfig, waiting
from sshjit_client.api import Api
from sshjit_client.exits import Exit
from sshjit_client.machine import Machine
from sshjit_client.records import Session
from sshjit_client.typed import Typed


def ask(machine: Machine, typed: Typed) -> int:
    """Asks without connecting and shows the request. Pending is success too: it was asked."""
    host = names.host_name(typed.host.lower())
    own = sshconfig.own(typed, files.private_folder(machine.state))
    wanted = connect.wish(typed, host, connect.account(typed, own), certificate=False)
    _, api, reply = connect.ask(machine, wanted)
    if reply.request.state not in (RequestState.PENDING, RequestState.APPROVED):
        raise waiting.over(reply.request)
    machine.terminal.out(show.details(reply.request, _now(api)))
    if reply.existing:
        machine.terminal.say("you had asked for this before; it is the same request")
    return Exit.OK


def listing(machine: Machine) -> int:
    """Two tables: one's own, and those that wait for one's approval."""
    api = _api(machine)
    mine, others = api.requests("mine"), api.requests("approve")
    out, now = machine.terminal.out, _now(api)
    if others:
        out("waiting for your approval\n")
        out(show.requests(others, now, theirs=True))
    if mine:
        out(f"{'' if not others else chr(10)}yours\n")
        out(show.requests(mine, now, theirs=False))
    if not mine and not others:
        machine.terminal.say("there are no requests")
    return Exit.OK


def approve(machine: Machine, wanted: str, comment: str, *, yes: bool) -> int:
    """Shows a request and approves what was shown: by its digest, and by a signature where a step asks for one."""
    session = sessions.needed(machine)
    api = Api(session.url, session.token)
    request = _find(api, wanted)
    comment = names.free_text(comment, "the comment")
    machine.terminal.out(show.details(request, _now(api)))
    if not yes and machine.terminal.typing and not machine.terminal.confirm("\napprove this?"):
        raise Refused("not_approved", "nothing was approved")
    signed = any(step.signed for step in request.steps)
    consent = _sign(machine, session, api, request, comment) if signed else None
    done = api.decide("approve", request, comment, consent)
    if done.state is RequestState.APPROVED:
        machine.terminal.say(f"approved; {show.standing(done, _now(api))}")
    else:
        machine.terminal.say(f"you approved; {waiting.missing(done.steps)}")
    return Exit.OK


def _sign(machine: Machine, session: Session, api: Api, request: RequestView, comment: str) -> Consent:
    """A signature by the login's key over what was shown: the text is made of the very view that was printed."""
    from sshjit import consent, sshkey  # noqa: PLC0415  # a connection does without them
    from sshjit_client import openssh  # noqa: PLC0415

    challenge = api.challenge().challenge
    text = consent.approval_text(request, "approve", comment, challenge, machine.settings().installation, duration=None)
    if sshkey.parse_line(session.public).hardware:
        machine.terminal.say("touch the security key to sign")
    return Consent(challenge, openssh.sign(Path(session.key), consent.APPROVE_NAMESPACE, text))


def deny(machine: Machine, wanted: str, reason: str) -> int:
    """Denies a request."""
    api = _api(machine)
    request = api.decide("deny", _find(api, wanted), names.free_text(reason, "the reason"))
    machine.terminal.say(f"denied: {show.what(request)} for {request.requester.name}")
    return Exit.OK


def cancel(machine: Machine, wanted: str) -> int:
    """Takes a pending request back."""
    api = _api(machine)
    request = api.close("cancel", _find(api, wanted).id)
    machine.terminal.say(f"cancelled: {show.what(request)}")
    return Exit.OK


def done(machine: Machine, wanted: str | None) -> int:
    """Ends open access: the one that is named, or the only one."""
    api = _api(machine)
    live = [request for request in api.requests("mine") if request.state is RequestState.APPROVED]
    if wanted is not None:
        found = [r for r in live if wanted.lower() in r.hosts] or [_match(wanted, live)]
    elif len(live) > 1:
        named = ", ".join(f"{show.short(r.id)} ({show.what(r)})" for r in live)
        raise Invalid("which_request", f"several are open: {named}", hint="ssh-jit done host, or ssh-jit done ID")
    else:
        found = live
    for request in found:
        machine.terminal.say(f"done: {show.what(api.close('end', request.id))}")
    machine.drop_certificates()
    if not found:
        machine.terminal.say("nothing is open")
    return Exit.OK


def _now(api: Api) -> int:
    """The server's clock."""
    return int(time.time()) + api.skew


def _api(machine: Machine) -> Api:
    session = sessions.needed(machine)
    return Api(session.url, session.token)


def _find(api: Api, wanted: str) -> RequestView:
    """A request by its id, or by a prefix that only one of the reachable ones has."""
    known = {request.id: request for scope in ("mine", "approve") for request in api.requests(scope)}
    try:
        return api.request(_match(wanted, list(known.values())).id)
    except Invalid as error:
        if error.code != "unknown_request":
            raise
    return api.request(names.identifier(wanted))


def _match(wanted: str, among: list[RequestView]) -> RequestView:
    found = [request for request in among if request.id == wanted]
    found = found or [r for r in among if r.id.startswith((wanted, f"req-{wanted}"))]
    if len(found) > 1:
        raise Invalid("which_request", f"{len(found)} requests begin with {wanted}", hint="ssh-jit requests")
    if not found or "req-".startswith(wanted):  # every id begins so: it names none, even when there is but one
        raise Invalid("unknown_request", f"there is no request {wanted}", hint="ssh-jit requests")
    return found[0]
