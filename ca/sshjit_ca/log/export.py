"""The log as lines of JSON, with positions and the checkpoint: what another system keeps and can hold us to.

``jsonl`` is everything that verification needs: facts and details word for word, and salts, with the checkpoint last.
``ocsf`` and ``syslog`` are for reading: every line is an event.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from typing import Literal

from sshjit import entries
from sshjit.errors import Failed
from sshjit.events import Event
from sshjit_ca import state as states
from sshjit_ca.log import fast_reader, ocsf
from sshjit_ca.log.summaries import entry_view
from sshjit_ca.machine import syslog
from sshjit_ca.state import State
from sshjit_ca.storage.store import Head, Row, Store

Format = Literal["jsonl", "ocsf", "syslog"]


def jsonl(store: Store, first: int) -> Iterator[str]:
    """Every entry from ``first`` on, and the checkpoint over them."""
    head = require_head(store)
    for row in store.rows(first, head.size):
        yield plain(row)
    yield _dumps({"size": head.size, "checkpoint": head.checkpoint})


def as_ocsf(store: Store, first: int) -> Iterator[str]:
    """The entries as OCSF events. All entries are read, so that events can name people."""
    reader = Reader("ocsf")
    for row in store.rows(0, require_head(store).size):
        text = reader.line(row)
        if row.entry.index >= first:
            yield text


def require_head(store: Store) -> Head:
    """The log's head. Raises ``Failed``: ``no_log``."""
    head = store.head()
    if head is None:
        raise Failed("no_log", "there is no log yet", hint="ssh-jit-ca init")
    return head


class Reader:
    """Makes lines of entries, one after the other from ``first_needed`` on."""

    def __init__(self, form: Format) -> None:
        self._state = State()
        lines: dict[str, Callable[[Row], str]] = {"jsonl": plain, "ocsf": self._ocsf, "syslog": self._syslog}
        self.line = lines[form]
        """The line of the next entry."""
        self.needs_all = form != "jsonl"
        """Whether entries must be read from the log's first one on, so that lines can name people."""
        self._host = socket.gethostname() or "-"

    def message(self, row: Row) -> syslog.Message:
        """An entry as a message of syslog: its number, kind and request as structured data, and a sentence."""
        event, summary = self._fold(row)
        severity = syslog.ALERT if ocsf.alarming(event) else syslog.INFO
        data = {"entry": str(row.entry.index), "kind": row.entry.kind}
        data |= {key: value for key, value in (("request", row.request), ("subject", row.subject)) if value}
        serial = getattr(event, "serial", None)
        data |= {} if serial is None else {"serial": str(serial)}
        return syslog.Message(severity, row.entry.time, self._host, row.entry.kind[:32], data, summary)

    def _fold(self, row: Row) -> tuple[Event | None, str]:
        event = fast_reader.read(row.entry)
        states.apply(self._state, event or entries.read_erased(row.entry), row.entry.index, row.entry.time)
        return event, entry_view(self._state, row.entry).summary

    def _ocsf(self, row: Row) -> str:
        event, summary = self._fold(row)
        return _dumps(ocsf.event_of(row.entry, event, self._state, summary))

    def _syslog(self, row: Row) -> str:
        return self.message(row).write().decode()


def plain(row: Row) -> str:
    """Everything of an entry that verification needs."""
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
