"""The log as lines of JSON, with positions and the checkpoint: what another system keeps and can hold us to.

``jsonl`` is everything that verification needs: facts and details word for word, and salts, with the checkpoint last.
``ocsf`` is for reading: every line is an event.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

from sshjit import entries
from sshjit.errors import Failed
from sshjit_ca import state as states
from sshjit_ca.log import fast_reader, ocsf
from sshjit_ca.log.summaries import entry_view
from sshjit_ca.state import State
from sshjit_ca.storage.store import Head, Row, Store


def jsonl(store: Store, first: int) -> Iterator[str]:
    """Every entry from ``first`` on, and the checkpoint over them."""
    head = _head(store)
    yield from _lines(store, head, first, _plain, begin=first)
    yield _dumps({"size": head.size, "checkpoint": head.checkpoint})


def as_ocsf(store: Store, first: int) -> Iterator[str]:
    """The entries as OCSF events. All entries are read, so that events can name people."""
    state = State()

    def line(row: Row) -> str:
        event = fast_reader.read(row.entry)
        states.apply(state, event or entries.read_erased(row.entry), row.entry.index, row.entry.time)
        return _dumps(ocsf.event_of(row.entry, event, state, entry_view(state, row.entry).summary))

    return _lines(store, _head(store), first, line, begin=0)


def _head(store: Store) -> Head:
    head = store.head()
    if head is None:
        raise Failed("no_log", "there is no log yet", hint="ssh-jit-ca init")
    return head


def _lines(store: Store, head: Head, first: int, line: Callable[[Row], str], *, begin: int) -> Iterator[str]:
    for row in store.rows(begin, head.size):
        text = line(row)
        if row.entry.index >= first:
            yield text


def _plain(row: Row) -> str:
    entry = row.entry
    return _dumps(
        {
            "entry": entry.index,
            "time": entry.time,
            "kind": entry.kind,
            "fact": entry.fact.decode("ascii"),
            "detail": None if entry.detail is None else entry.detail.decode("ascii"),
            "salt": None if entry.salt is None else base64.b64encode(entry.salt).decode("ascii"),
        }
    )


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
