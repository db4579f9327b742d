"""One line for people for each entry of the log; the lines themselves stand in ``lines/``, by topic."""

from __future__ import annotations

from sshjit.api.log import EntryView
from sshjit.entries import Entry
from sshjit.events import Event
from sshjit_ca.log import fast_reader
from sshjit_ca.log.lines import access, authority, hosts
from sshjit_ca.state import State

LINES = {**access.LINES, **authority.LINES, **hosts.LINES}
"""What tells an event in a line, by its class."""


def entry_view(state: State, entry: Entry) -> EntryView:
    """An entry as pages and terminals show it."""
    event = fast_reader.read(entry)
    return EntryView(
        index=entry.index,
        time=entry.time,
        kind=entry.kind,
        summary="the detail was erased" if event is None else summary(state, event),
        fact=entry.fact.decode("ascii"),
        detail=None if entry.detail is None else entry.detail.decode("ascii"),
    )


def summary(state: State, event: Event) -> str:
    """What happened, in one line; names come from the state that the log folded into."""
    return LINES[type(event)](state, event)
