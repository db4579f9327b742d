"""What was asked of a grant: every ask for more time, as whoever reads the grant sees it.

A grant that is at hand has all of them at hand, for the state forgets requests from the oldest on; those of a grant
that is forgotten are read from the log. (Broken glass, which may stay while what is newer goes, cannot be extended.)
"""

from __future__ import annotations

from itertools import islice

from sshjit import events
from sshjit.api.details import ExtensionView
from sshjit.requests import Request
from sshjit_ca.access.extensions import extensions
from sshjit_ca.access.views import request_view
from sshjit_ca.context import Context
from sshjit_ca.log.history import History, read
from sshjit_ca.state.pruning import ended_at

MOST = 50
"""Extensions that are shown: the last ones."""
_ASKS = 2000
"""Asks of the same person in the grant's time that are looked through."""


def of(context: Context, history: History, grant: Request) -> tuple[ExtensionView, ...]:
    """Every ask for more time in a grant, oldest first."""
    held = grant.id in context.state.requests
    found = extensions(context.state, grant) if held else _remembered(context, history, grant)
    return tuple(_view(context, each) for each in found[-MOST:])


def _remembered(context: Context, history: History, grant: Request) -> list[Request]:
    over = ended_at(grant)
    before = (context.now if over is None else over) + 1
    rows = islice(history.asks(grant.asked.subject, before, since=grant.time), _ASKS)
    asked = ((row, read(row)) for row in rows)
    ids = [row.request for row, ask in asked if isinstance(ask, events.Asked) and ask.extends == grant.id]
    found = (history.request(context.state, each) for each in reversed(ids) if each is not None)
    return [each for each in found if each is not None]


def _view(context: Context, request: Request) -> ExtensionView:
    view = request_view(context, request)
    return ExtensionView(
        id=view.id,
        state=view.state,
        how=view.how,
        person=view.requester,
        duration=view.duration,
        reason=view.reason,
        asked=view.asked,
        pending_until=view.pending_until,
        ends=view.ends,
        decisions=view.decisions,
        closing=view.closing,
    )
