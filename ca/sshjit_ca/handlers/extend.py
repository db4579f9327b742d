"""More time in a grant: asked anew, decided anew, on the same grant."""

from __future__ import annotations

from dataclasses import replace

from sshjit import durations, names, policy, requests
from sshjit.api.ask import AskReply
from sshjit.api.views import RequestState
from sshjit.ca_protocol.requests import Extend
from sshjit.errors import Refused
from sshjit.policy import Terms
from sshjit.requests import Request
from sshjit_ca.access import grants
from sshjit_ca.access.extensions import extensions
from sshjit_ca.access.grants import Deal
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context, policy_hosts
from sshjit_ca.handlers.ending import own
from sshjit_ca.state import Login, locks


def extend(context: Context, message: Extend) -> AskReply:
    """Asks for more time, by the rule that would allow the same ask now; a pending ask for more is returned as it is.

    Raises:
        Refused: ``cannot_extend``, ``grant_over``, ``locked``, ``step_up``, and policy's codes.
        Invalid: ``unknown_request``, ``wrong_state``, ``not_yet``, ``extension``.

    """
    login = context.login(message.login_id)
    grant = own(context, message.login_id, message.request)
    requests.require_open(grant, context.now)
    waiting = [
        one for one in extensions(context.state, grant) if requests.state_at(one, context.now) is RequestState.PENDING
    ]
    if waiting:
        return AskReply(request_view(context, waiting[-1]), None, existing=True, notes=())
    locks.refuse_new(context.state, grant.asked.host_ids)
    grants.refuse_flood(context, login)
    deal = _deal(context, login, message, grant)
    grants.refuse_hopeless(context, login, deal)
    request = grants.record(context, login, deal)
    note = f"rule {deal.terms.rule!r} extends by {durations.show(deal.terms.duration)}"
    return AskReply(request_view(context, request), None, existing=False, notes=(note,))


def _deal(context: Context, login: Login, message: Extend, grant: Request) -> Deal:
    asked, hosts = grant.asked, context.hosts_of(grant)
    wanted = policy.Ask(
        login=asked.login,
        action=asked.action,
        command=asked.command if asked.action not in context.policy.actions else None,
        reason=names.free_text(message.reason, "the reason"),
        address=names.free_text(message.address, "the address", 64) or None,
        break_glass=asked.break_glass,
    )
    subject = context.policy_subject(login)
    terms, steps = grants.agreed(policy.evaluate(context.policy, subject, policy_hosts(hosts), wanted, context.now))
    by = _by(grant, terms)
    ends = grant.ends or context.now
    longer = ends + by if terms.ends_by is None else min(ends + by, terms.ends_by)
    if longer <= ends:
        raise Refused("cannot_extend", f"rule {terms.rule!r} closes before, or when, your window does")
    # Nobody's yes may come when there is nothing left to extend.
    pending = min(terms.pending, ends - context.now)
    return Deal(message.login_id, wanted, hosts, replace(terms, duration=by, pending=pending), steps, grant)


def _by(grant: Request, terms: Terms) -> int:
    """By how many seconds the rule extends the grant once more."""
    if terms.extend is None:
        raise Refused("cannot_extend", f"rule {terms.rule!r} extends nothing", hint="ask again when it is over")
    if grant.extended >= terms.extend.count:
        times = "once" if terms.extend.count == 1 else f"{terms.extend.count} times"
        text = f"rule {terms.rule!r} extends {times}, and that was done"
        raise Refused("cannot_extend", text, hint="ask again when it is over")
    return terms.extend.by
