"""Rotas that were fetched: what is new goes into the log, what is wrong is kept for the operator."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sshjit.errors import Invalid
from sshjit.events import RotaTaken
from sshjit_ca.context import Context
from sshjit_ca.sources.rotas import FetchedRota, require_newer

_log = logging.getLogger(__name__)


def take(context: Context, fetched: Mapping[str, FetchedRota | Invalid]) -> int:
    """Records the rotas that say something new; how many. Those that the policy does not know say nothing."""
    taken = 0
    for name, rota in fetched.items():
        if name not in context.policy.rotas:
            continue
        try:
            taken += _take(context, name, rota)
        except Invalid as error:
            if context.rota_problems.get(name) != error.message:
                _log.warning("%s", error.message)
            context.rota_problems[name] = error.message
        else:
            context.rota_problems.pop(name, None)
    return taken


def _take(context: Context, name: str, rota: FetchedRota | Invalid) -> bool:
    """Whether it is another one than is in force. Raises ``Invalid``: ``bad_rota``."""
    if isinstance(rota, Invalid):
        raise rota
    known = context.state.rotas.get(name)
    if known is not None and known.digest == rota.digest:
        return False
    require_newer(name, rota, None if known is None else known.issued, context.now)
    context.record(RotaTaken(name, rota.digest, rota.said.issued, rota.by, rota.text))
    return True
