"""Writes down what time has ended or begun: requests that nobody answered, nobody used, or whose window is over.

And, once for each step, that people of further roles may answer a request that has waited for so long. What waits
though it has all that it needs by now is opened (``openings.py``).
Nothing depends on the endings: how a request stands is computed when it is read (``sshjit/requests.py``). They are for
the log's readers, who are told by entries. A tick looks only at requests that are not closed, and records a bounded
number; a stretch of many, as after a long stop, takes several ticks.
"""

from __future__ import annotations

from itertools import takewhile

from sshjit import requests
from sshjit.api.views import RequestState
from sshjit.events import Closed, Escalated
from sshjit.requests import Request
from sshjit_ca.access.approvals import missing
from sshjit_ca.access.openings import open_what_is_enough
from sshjit_ca.context import Context
from sshjit_ca.state import State

MOST = 200
"""Requests that one tick closes, and that it opens at most."""
_OVER = frozenset({RequestState.EXPIRED, RequestState.LAPSED, RequestState.ENDED})


class Sweeper:
    """Knows which requests time can still end."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._newest: str | None = None
        self._open: dict[str, None] = {}

    def sweep(self, context: Context) -> int:
        """Records what is over by now, and opens what waits for nothing; how many, ``MOST`` if there may be more.

        The clock must be believed.
        """
        self._look_for_new(context.state)
        over: list[Closed] = []
        opened = 0
        for request_id in list(self._open):
            request = context.state.requests.get(request_id)
            if request is None or request.state not in requests.MOVES:
                del self._open[request_id]
                continue
            standing = requests.state_at(request, context.now)
            if standing not in _OVER:
                if opened < MOST and open_what_is_enough(context, request):
                    opened += 1
                else:
                    _escalate(context, request)
                continue
            del self._open[request_id]
            if request.asked.extends is None or standing is RequestState.EXPIRED:  # else the grant itself says so
                over.append(Closed(request_id, standing, None, ""))
                if len(over) == MOST:
                    break
        for closed in over:
            context.record(closed)
        return max(len(over), opened)

    def _look_for_new(self, state: State) -> None:
        """Takes note of requests that came since; of all, when the log was read again."""
        if state is not self._state:
            self._state, self._newest, self._open = state, None, {}
        new = list(takewhile(lambda each: each != self._newest, reversed(state.requests)))
        self._open |= dict.fromkeys(reversed(new))
        self._newest = new[0] if new else self._newest


def _escalate(context: Context, request: Request) -> None:
    """Writes down, once for each step, that people of further roles may answer a request that still waits for them."""
    asked = request.asked
    if request.state is not RequestState.PENDING or not any(step.instead for step in asked.steps):
        return
    roles = {step.instead for step in asked.steps if step.instead}
    ripe = [each for each in requests.escalating(request, roles, context.now) if each not in request.escalated]
    lacks = missing(context, request) if ripe else ()
    due = {number: asked.steps[number] for number in ripe if lacks[number]}
    if due:
        channels = dict.fromkeys(channel for step in due.values() for channel in step.tell)
        told = tuple(dict.fromkeys(step.instead for step in due.values()))
        context.record(Escalated(asked.request, told, tuple(channels), tuple(due)))
