"""Asking for access, and taking it back: what policy says becomes a request, or a refusal that explains itself."""

from __future__ import annotations

import difflib
import ipaddress
from dataclasses import dataclass
from typing import assert_never

from sshjit import approvals, durations, names, policy, requests
from sshjit.approvals import Step
from sshjit.errors import Failed, Invalid, Refused
from sshjit.events import Asked, Closed, Opened, StepAsked
from sshjit.messages import Ask, AskReply, Cancel, End, RequestReply, RequestState
from sshjit.policy import Allow, Denied, NeedsApproval, StepUp, Terms
from sshjit.requests import Request
from sshjit_ca.access import locks, signing
from sshjit_ca.access.standing import taken_away
from sshjit_ca.access.views import request_view
from sshjit_ca.desk import Desk, policy_hosts
from sshjit_ca.state import Host, Login

HOUR = 3600
MAX_ASKS = 10_000
"""New requests of one person within an hour: more than work needs, and little enough for the log."""
SHORTEST = 1
"""Seconds of the shortest window that can be asked for."""


@dataclass(frozen=True, slots=True)
class _Deal:
    """An ask that policy did not refuse: what was asked, and on which terms it may be had."""

    login_id: str
    wanted: policy.Ask
    hosts: tuple[Host, ...]
    terms: Terms
    steps: tuple[Step, ...]


def ask(desk: Desk, message: Ask) -> AskReply:
    """Decides an ask; with an open window and a native login, draws a certificate at once.

    Raises:
        Refused: policy's codes (``no_rule``, ``denied_by_rule``, …), ``step_up``, ``nobody_can_approve``, ``locked``.
        Invalid: ``unknown_host``, ``no_host``, and what ``sshjit.names`` refuses.

    """
    login = desk.login(message.login_id)
    wanted = _read(message)
    hosts = _hosts(desk, message.hosts)
    locks.refuse_new(desk.state, (host.id for host in hosts))
    notes: tuple[str, ...] = ()
    request = _live(desk, login, hosts, wanted)
    existing = request is not None
    if request is None:
        _refuse_flood(desk, login)
        outcome = policy.evaluate(desk.policy, desk.policy_subject(login), policy_hosts(hosts), wanted, desk.now)
        deal = _Deal(message.login_id, wanted, hosts, *_terms(outcome))
        request, notes = _record(desk, login, deal), _notes(deal)
    state = requests.state_at(request, desk.now)
    certificate = None
    if message.certificate and login.opened.via == "native" and state is RequestState.APPROVED:
        try:
            certificate = signing.draw(desk, login, message.login_id, request)
        except Failed as error:
            # What was granted stays granted: the certificate can be drawn once the CA's key signs again.
            notes = (*notes, f"no certificate could be signed: {error.message}")
        request = desk.request(request.id)
    return AskReply(request_view(desk, request), certificate, existing, notes)


def _refuse_flood(desk: Desk, login: Login) -> None:
    """One person cannot fill the log, by whatever asks in their name."""
    asked = desk.state.requests_of.get(login.opened.subject, [])
    if len(asked) < MAX_ASKS:
        return
    oldest = desk.state.requests.get(asked[-MAX_ASKS])
    if oldest is not None and desk.now - oldest.time < HOUR:
        raise Refused("too_many", f"you asked {MAX_ASKS} times within the hour", hint="wait a while")


def cancel(desk: Desk, message: Cancel) -> RequestReply:
    """The requester takes a request back that nobody has answered."""
    request = _own(desk, message.login_id, message.request)
    requests.require(request, RequestState.PENDING, desk.now)
    return _close(desk, request, RequestState.CANCELLED, "taken back")


def end(desk: Desk, message: End) -> RequestReply:
    """The requester is done: the window closes now, and its certificates are worthless."""
    request = _own(desk, message.login_id, message.request)
    requests.require(request, RequestState.APPROVED, desk.now)
    return _close(desk, request, RequestState.ENDED, "done")


def _close(desk: Desk, request: Request, state: RequestState, why: str) -> RequestReply:
    desk.record(Closed(request.id, state, request.asked.subject, why))
    return RequestReply(request_view(desk, desk.request(request.id)))


def _own(desk: Desk, login_id: str, request_id: str) -> Request:
    """The login's person's own request; somebody else's does not exist for them."""
    login = desk.login(login_id)
    request = desk.state.requests.get(request_id)
    if request is None or request.asked.subject != login.opened.subject:
        raise Invalid("unknown_request", "you have no such request", hint="ssh-jit requests")
    return request


def _read(message: Ask) -> policy.Ask:
    """The ask in policy's terms, each part checked as a name or a text."""
    if message.duration is not None and message.duration < SHORTEST:
        raise Invalid("bad_duration", "a duration is at least a second")
    return policy.Ask(
        login=None if message.login is None else names.login_name(message.login),
        action=message.action,
        command=None if message.command is None else names.command(message.command),
        duration=message.duration,
        reason=names.free_text(message.reason, "the reason"),
        address=names.free_text(message.address, "the address", 64) or None,
    )


def _hosts(desk: Desk, asked: tuple[str, ...]) -> tuple[Host, ...]:
    """The enrolled hosts by name or alias, each once, in the order of the ask."""
    if not asked:
        raise Invalid("no_host", "name at least one host")
    found: dict[str, Host] = {}
    for each in asked[:257]:
        name = desk.state.host_names.get(each)
        if name is None:
            near = difflib.get_close_matches(each[:255], desk.state.host_names, 1)
            hint = f"did you mean {near[0]}?" if near else "ssh-jit hosts lists what there is"
            raise Invalid("unknown_host", f"there is no host {names.show(each)}", hint=hint)
        found[name] = desk.state.hosts[name]
    return tuple(found.values())


def _terms(outcome: policy.Outcome) -> tuple[Terms, tuple[Step, ...]]:
    """The terms of a yes, and the approvals that it still needs."""
    match outcome:
        case Allow(terms):
            return terms, ()
        case NeedsApproval(terms, steps):
            return terms, steps
        case StepUp(_, _, text, hint):
            raise Refused("step_up", text, hint=hint)
        case Denied(code, _, text, hint):
            raise Refused(code, text, hint=hint)
    assert_never(outcome)


_STANDING = (RequestState.PENDING, RequestState.APPROVED)


def _live(desk: Desk, login: Login, hosts: tuple[Host, ...], wanted: policy.Ask) -> Request | None:
    """The newest open or pending request for the same thing, if it could still be had.

    The same thing is the same person, hosts, login (any, where none was named), action and command. Reason and
    duration were settled when it was asked; whoever wants others ends this one first.
    """
    ids, known, standing = tuple(host.id for host in hosts), desk.state.requests, _STANDING
    for request_id in reversed(desk.state.requests_of.get(login.opened.subject, ())):
        request = known[request_id]
        asked = request.asked
        if asked.host_ids != ids or asked.action != wanted.action:
            continue  # looked at first, because a busy person has many windows
        if wanted.login not in (None, asked.login) or wanted.command not in (None, asked.command):
            continue
        if requests.state_at(request, desk.now) in standing:
            return request if taken_away(desk, login, request, hosts) is None else None
    return None


def _record(desk: Desk, login: Login, deal: _Deal) -> Request:
    """Writes a new request down, and opens its window at once where no approval is needed."""
    terms, steps, hosts = deal.terms, deal.steps, deal.hosts
    requester = desk.person(login.opened.subject)
    nobody = approvals.unfillable(steps, requester, desk.known(), policy.empty_roles(desk.policy, desk.now))
    if nobody is not None:
        raise Refused(
            "nobody_can_approve",
            f"rule {terms.rule!r} needs an approval by {nobody.role!r}, and nobody but you could give it",
            hint="ask whoever keeps the policy to name another approver",
        )
    asked = Asked(
        request=desk.new_id("req"),
        subject=login.opened.subject,
        login_id=deal.login_id,
        via=login.opened.via,
        rule=terms.rule,
        policy=desk.policy.digest,
        duration=terms.duration,
        pending=terms.pending,
        use_by=terms.use_by,
        certificate=terms.certificate,
        hosts=tuple(host.name for host in hosts),
        host_ids=tuple(host.id for host in hosts),
        login=terms.login,
        action=terms.action,
        command=terms.command,
        reason=deal.wanted.reason,
        address=deal.wanted.address or "",
        forwarding=terms.forwarding,
        source=_source(terms, deal.wanted.address),
        verify_required=terms.verify_required,
        fresh_login=terms.fresh_login,
        mfa=terms.mfa,
        ends_by=terms.ends_by,
        steps=tuple(StepAsked(step.role, step.count, step.signed) for step in steps),
    )
    desk.record(asked)
    if not steps:
        desk.record(Opened(asked.request, "automatic", requests.window_end(asked, desk.now)))
    return desk.request(asked.request)


def _source(terms: Terms, address: str | None) -> tuple[str, ...]:
    """The networks that the certificate works from; ``client``: only the address that asked."""
    if terms.source != ("client",):
        return terms.source
    try:
        return (ipaddress.ip_address((address or "").partition("%")[0]).compressed,)
    except ValueError:
        raise Refused(
            "no_address", f"rule {terms.rule!r} binds certificates to your address, and it is not known"
        ) from None


def _notes(deal: _Deal) -> tuple[str, ...]:
    """What was decided differently from what was asked."""
    terms, notes = deal.terms, []
    if deal.wanted.login is None:
        notes.append(f"you log in as {terms.login}")
    if terms.capped:
        notes.append(f"rule {terms.rule!r} allows {durations.show(terms.duration)}, so that is what you get")
    return tuple(notes)
