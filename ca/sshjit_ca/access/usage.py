"""What has been granted under rules that have limits: a fact for policy, by the state of this very moment.

Handlers of one batch see what those before them recorded, so two asks of a batch never count the same.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import takewhile

from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.events import Counted
from sshjit.policy import Count, Facts, Used
from sshjit.policy.limits import WEEK
from sshjit.requests import Request
from sshjit_ca.context import Context
from sshjit_ca.state import locks, request_index


def facts(context: Context, subject: str, rules: Collection[str] | None = None) -> Facts:
    """What policy needs to know of now to decide what ``subject`` asks: of all rules with limits, or of these."""
    limited = context.policy.limited if rules is None else context.policy.limited.intersection(rules)
    return Facts(_used(context, limited, subject)) if limited else Facts()


def counted(context: Context, rule: str, subject: str) -> Counted | None:
    """What the limits of a rule counted, for the log; ``None``: it has none."""
    if rule not in context.policy.limited:
        return None
    used = _used(context, {rule}, subject)[rule]
    return Counted(used.person.open, used.person.week, used.rule.open, used.rule.week)


def _used(context: Context, rules: Collection[str], subject: str) -> dict[str, Used]:
    """The grants under each rule. All accounts of a person count as one, as they do for approvals."""
    own, after = locks.accounts_of(context.state, subject), context.now - WEEK
    going_on: dict[str, list[Request]] = {rule: [] for rule in rules}
    for request in request_index.opened(context.state):
        if request.asked.rule in going_on and _is_open(context, request):
            going_on[request.asked.rule].append(request)
    used = {}
    for rule, granted in going_on.items():
        newest = request_index.newest_grants(context.state, rule)
        lately = list(takewhile(lambda request: (request.approved or 0) > after, newest))
        mine = (sum(request.asked.subject in own for request in some) for some in (granted, lately))
        used[rule] = Used(Count(*mine), Count(len(granted), len(lately)))
    return used


def _is_open(context: Context, request: Request) -> bool:
    return request.asked.extends is None and requests.state_at(request, context.now) is RequestState.APPROVED
