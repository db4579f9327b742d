"""Requests that the CA does not hold any more, read from the log: they are shown for ever.

The state keeps a request for 30 days after its end. Older ones are folded from their own entries, when somebody asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import sqlalchemy as sa

from sshjit import entries, events
from sshjit.requests import Request
from sshjit_ca import state as states
from sshjit_ca.log import quick
from sshjit_ca.state import State
from sshjit_ca.storage.schema import entries as table
from sshjit_ca.storage.store import Store

_REMEMBERED = 2048


class History:
    """Reads requests from the state, else from the log. Not for two threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: OrderedDict[str, Request | None] = OrderedDict()

    def request(self, state: State, request_id: str) -> Request | None:
        """The request as it stands or stood last; ``None`` if there never was one of this id."""
        held = state.requests.get(request_id)
        if held is not None:
            return held
        if request_id in self._found:
            self._found.move_to_end(request_id)
            return self._found[request_id]
        found = self._fold(request_id)
        self._found[request_id] = found
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        return found

    def older(self, subject: str | None, before: int, limit: int) -> Iterator[str]:
        """The ids of requests asked before the time ``before``, newest first; of one subject, or of all."""
        query = sa.select(table).where(table.c.kind == "ask", table.c.time < before)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        for row in self._store.select(query, newest_first=True, limit=limit):
            if row.request is not None:
                yield row.request

    def forget(self) -> None:
        """After details were erased: what was read before may hold them still."""
        self._found.clear()

    def _fold(self, request_id: str) -> Request | None:
        state, first = State(), -1
        query = sa.select(table).where(table.c.request == request_id)
        while rows := self._store.select(query.where(table.c.number > first), newest_first=False, limit=1000):
            for row in rows:
                event = quick.read(row.entry) or entries.read_erased(row.entry)
                if isinstance(event, events.Asked) or request_id in state.requests:
                    states.fold(state, event, row.entry.time)
            first = rows[-1].entry.index
        return state.requests.get(request_id)
