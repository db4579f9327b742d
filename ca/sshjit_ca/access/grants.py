"""From policy's yes to a request in the log, on which terms, and opened at once where no approval is needed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import assert_never

from sshjit import approvals, policy
from sshjit.approvals import Step
from sshjit.errors import Refused
from sshjit.events import Asked, Opened, StepAsked
from sshjit.policy import Allow, Denied, NeedsApproval, StepUp, Terms
from sshjit.requests import Request
from sshjit_ca.access import windows
from sshjit_ca.context import Context
from sshjit_ca.state import Host, Login

HOUR = 3600
MAX_ASKS = 10_000
"""New requests of one person within an hour: more than work needs, and little enough for the log."""


@dataclass(frozen=True, slots=True)
class Deal:
    """An ask that policy did not refuse: what was asked, and on which terms it may be had."""

    login_id: str
    wanted: policy.Ask
    hosts: tuple[Host, ...]
    terms: Terms
    steps: tuple[Step, ...]
    extends: Request | None = None


def agreed(outcome: policy.Outcome) -> tuple[Terms, tuple[Step, ...]]:
    """The terms of a yes, and the approvals that it still needs. Raises ``Refused`` with policy's codes."""
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


def refuse_flood(context: Context, login: Login) -> None:
    """One person cannot fill the log, by whatever asks in their name. Raises ``Refused``: ``too_many``."""
    asked = context.state.requests_of.get(login.opened.subject, [])
    if len(asked) < MAX_ASKS:
        return
    oldest = context.state.requests.get(asked[-MAX_ASKS])
    if oldest is not None and context.now - oldest.time < HOUR:
        raise Refused("too_many", f"you asked {MAX_ASKS} times within the hour", hint="wait a while")


def refuse_hopeless(context: Context, login: Login, deal: Deal) -> None:
    """What could never be had is not asked. Raises ``Refused``: ``nobody_can_approve``, ``no_address``."""
    nobody = None
    if deal.steps:
        requester = context.person(login.opened.subject)
        nobody = approvals.unfillable(
            deal.steps, requester, context.known(), policy.empty_roles(context.policy, context.now)
        )
    if nobody is not None:
        agreed(policy.nobody_can_approve(deal.terms.rule, nobody.role))
    source(deal.terms, deal.wanted.address)


def record(context: Context, login: Login, deal: Deal) -> Request:
    """Writes a new request down that ``refuse_hopeless`` let pass, and opens its window where no approval is needed.

    Raises:
        Refused: as ``opening.window_end``.

    """
    terms, steps, hosts = deal.terms, deal.steps, deal.hosts
    glass = terms.break_glass
    asked = Asked(
        request=context.new_id("req"),
        subject=login.opened.subject,
        login_id=deal.login_id,
        via=login.opened.via,
        rule=terms.rule,
        policy=context.policy.digest,
        duration=terms.duration,
        pending=terms.pending,
        use_by=terms.use_by,
        certificate=terms.certificate,
        start=deal.wanted.start,
        break_glass=glass is not None,
        review_within=None if glass is None else glass.review_within,
        notify=() if glass is None else glass.notify,
        extends=None if deal.extends is None else deal.extends.id,
        hosts=tuple(host.name for host in hosts),
        host_ids=tuple(host.id for host in hosts),
        login=terms.login,
        action=terms.action,
        command=terms.command,
        reason=deal.wanted.reason,
        address=deal.wanted.address or "",
        forwarding=terms.forwarding,
        source=source(terms, deal.wanted.address),
        verify_required=terms.verify_required,
        fresh_login=terms.fresh_login,
        mfa=terms.mfa,
        ends_by=terms.ends_by,
        steps=tuple(StepAsked(step.role, step.count, step.signed) for step in steps),
    )
    ends = None if steps else windows.window_end(context, Request(asked, context.now))
    context.record(asked)
    if ends is not None:
        context.record(Opened(asked.request, "automatic" if glass is None else "break_glass", ends))
    return context.request(asked.request)


def source(terms: Terms, address: str | None) -> tuple[str, ...]:
    """The networks that the certificate works from; ``client``: only the address that asked.

    Raises:
        Refused: ``no_address``.

    """
    if terms.source != ("client",):
        return terms.source
    try:
        return (ipaddress.ip_address((address or "").partition("%")[0]).compressed,)
    except ValueError:
        raise Refused(
            "no_address", f"rule {terms.rule!r} binds certificates to your address, and it is not known"
        ) from None
