"""Requests that the CA does not hold any more, read from the log: they are shown for ever.

The state keeps a request for 30 days after its end. Older ones are folded from their own entries, when somebody asks. A
grant and what extends it are folded together, because the one's window depends on the other's approval.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from sshjit import entries, events
from sshjit.requests import Request
from sshjit_ca import state as states
from sshjit_ca.log import fast_reader, pages
from sshjit_ca.state import State
from sshjit_ca.state.access import counted
from sshjit_ca.storage.schema import BUT_CERTIFICATES
from sshjit_ca.storage.schema import entries as table
from sshjit_ca.storage.store import Row, Store

_REMEMBERED = 2048
_PAGE = 1000
_LATER = 2000
"""Asks of the same person after a grant's that are looked through for those that extend it."""


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
        folded = self._fold(request_id)
        for each in sorted(folded.keys() | {request_id}, key=lambda name: name == request_id):
            self._found[each] = folded.get(each)
        while len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        return folded.get(request_id)

    def with_request(self, state: State, row: Row) -> State:
        """The state as it would be if it still held the request that an entry is about."""
        if row.request is None or row.request in state.requests:
            return state
        request = self.request(state, row.request)
        return state if request is None else replace(state, requests={request.id: request})

    def asks(self, subject: str | None, before: int, *, since: int = 0, page: int = 200) -> Iterator[Row]:
        """The entries of asks before the time ``before``, newest first; of one subject, or of all."""
        first, end = pages.first_at(self._store, since), pages.end_at(self._store, before)
        query = sa.select(table).where(table.c.kind == "ask", table.c.number >= first)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        while rows := self._store.select(query.where(table.c.number < end), newest_first=True, limit=page):
            yield from rows
            end = rows[-1].entry.index

    def forget(self) -> None:
        """After details were erased: what was read before may hold them still."""
        self._found.clear()

    def _fold(self, request_id: str) -> dict[str, Request]:
        """The request and those whose windows hang together with its own."""
        family = self._family(request_id)
        events_by_row = [(row, read(row)) for row in self._rows(sa.select(table).where(_of(family)))]
        events_by_row += [(row, read(row)) for row in self._certificates(family, events_by_row)]
        state = State()
        for row, event in sorted(events_by_row, key=lambda each: each[0].entry.index):
            if isinstance(event, events.Asked) or row.request in state.requests:
                states.fold(state, event, row.entry.time)
        return {name: counted(state, request) for name, request in state.requests.items()}

    def _family(self, request_id: str) -> list[str]:
        """The grant that the request is or extends, and every request that extends it."""
        asked = self._asked(request_id)
        if asked is not None and asked.extends is not None:
            request_id = asked.extends
        of = list(self._rows(sa.select(table).where(_of([request_id]))))
        if not of or of[0].subject is None:
            return [request_id]
        over = next((row.entry.index for row in of if row.entry.kind == "close"), None)
        query = sa.select(table).where(
            table.c.subject == of[0].subject, table.c.kind == "ask", table.c.number > of[0].entry.index
        )
        if over is not None:
            query = query.where(table.c.number < over)
        needle = f'"extends":"{request_id}"'.encode()
        later = self._store.select(query, newest_first=False, limit=_LATER)
        return [request_id, *(row.request for row in later if needle in row.entry.fact and row.request is not None)]

    def _asked(self, request_id: str) -> events.Asked | None:
        first = sa.select(table).where(_of([request_id]), table.c.kind == "ask")
        for row in self._store.select(first, newest_first=False, limit=1):
            event = read(row)
            return event if isinstance(event, events.Asked) else None
        return None

    def _certificates(self, family: list[str], events_by_row: list[tuple[Row, events.Event]]) -> Iterator[Row]:
        """What was drawn from requests whose other entries are known: between the ask and the end of the window."""
        ends = [event.ends for _, event in events_by_row if isinstance(event, events.Opened)]
        if not ends:
            return iter(())
        first, end = events_by_row[0][0], pages.end_at(self._store, max(ends) + 1)
        whose = sa.and_(table.c.subject == first.subject, table.c.number > first.entry.index, table.c.number < end)
        found = self._rows(sa.select(table).where(whose, table.c.request.in_(family)))
        return (row for row in found if row.entry.kind == "certificate")

    def _rows(self, query: sa.Select[Any]) -> Iterator[Row]:
        """Every entry that a query finds, in order."""
        first = -1
        while rows := self._store.select(query.where(table.c.number > first), newest_first=False, limit=_PAGE):
            yield from rows
            first = rows[-1].entry.index


def _of(family: list[str]) -> sa.ColumnElement[bool]:
    """The entries of some requests, but for the certificates drawn from them."""
    return sa.and_(table.c.request.in_(family), BUT_CERTIFICATES)


def read(row: Row) -> events.Event:
    """The event of an entry; of one whose detail was erased, what is left of it."""
    return fast_reader.read(row.entry) or entries.read_erased(row.entry)
