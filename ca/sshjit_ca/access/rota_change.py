"""Rotas that were fetched: what is new goes into the log, what is wrong is kept for the operator.

Whoever a new text names no more has the role no more, at once: grants that were given for it, or approved by it, are
closed, and hosts end their sessions. Nobody is there who could decide that, as with a policy that an operator loads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sshjit.api.views import RequestState
from sshjit.errors import Invalid
from sshjit.events import RotaTaken
from sshjit_ca.access import policy_change, recheck
from sshjit_ca.access.revocation import close_grant
from sshjit_ca.context import Context
from sshjit_ca.sources.rotas import FetchedRota, require_newer

_log = logging.getLogger(__name__)


def take(context: Context, fetched: Mapping[str, FetchedRota | Invalid]) -> int:
    """Records the rotas that say something new, and closes the grants that only the texts before gave; how many rotas.

    Those that the policy does not know say nothing.
    """
    new: dict[str, FetchedRota] = {}
    for name, rota in fetched.items():
        if name not in context.policy.rotas:
            continue
        try:
            if _is_new(context, name, rota) and isinstance(rota, FetchedRota):
                new[name] = rota
        except Invalid as error:
            if context.rota_problems.get(name) != error.message:
                _log.warning("%s", error.message)
            context.rota_problems[name] = error.message
        else:
            context.rota_problems.pop(name, None)
    if new:
        _put_in_force(context, new)
    return len(new)


def _is_new(context: Context, name: str, rota: FetchedRota | Invalid) -> bool:
    """Whether it is another one than is in force. Raises ``Invalid``: ``bad_rota``."""
    if isinstance(rota, Invalid):
        raise rota
    known = context.state.rotas.get(name)
    if known is not None and known.digest == rota.digest:
        return False
    require_newer(name, rota, None if known is None else known.issued, context.now)
    return True


def _put_in_force(context: Context, new: Mapping[str, FetchedRota]) -> None:
    before = policy_change.going_on(context)
    for name, rota in new.items():
        context.record(RotaTaken(name, rota.digest, rota.said.issued, rota.by, rota.text))
    for request in before:
        refusal = recheck.refusal(context, request) if request.state is RequestState.APPROVED else None
        if refusal is not None:
            why = recheck.reason_of(request, refusal.message)
            close_grant(context, request, None, f"the rota {' or '.join(new)} ends it: {why}")
