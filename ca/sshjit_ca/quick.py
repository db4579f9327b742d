"""Reading entries quickly: the same answers as ``sshjit.entries.read``, in an eighth of the time.

A million entries are read when the log is verified. msgspec decodes fact and detail into typed records, and what those
encode to must be the very bytes that were read; then fact and detail were in their one spelling, with the right fields
and types. Whatever is otherwise (a letter outside ASCII is enough) goes the strict way, which decides.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from sshjit import entries, events
from sshjit.entries import Entry
from sshjit.events import Event

_encode = msgspec.json.Encoder(order="sorted").encode
_Reader = Callable[[bytes, bytes], tuple[Any, Event]]


def read(entry: Entry) -> Event | None:
    """As ``sshjit.entries.read``: the event, ``None`` if its detail was erased.

    Raises:
        Invalid: ``bad_entry`` and others, as there.

    """
    reader = _READERS.get(entry.kind)
    if entry.detail is not None and entry.salt is not None and reader is not None:
        try:
            fact, event = reader(entry.fact, entry.detail)
        except (msgspec.DecodeError, ValueError):
            return entries.read(entry)
        if (
            fact is not None
            and fact.index == entry.index
            and fact.time == entry.time
            and fact.kind == entry.kind
            and fact.v == entries.VERSION
            and len(entry.salt) == entries.SALT_BYTES
            and hashlib.sha256(entry.salt + entry.detail).hexdigest() == fact.detail
        ):
            return event
    return entries.read(entry)


def _reader(kind: Any) -> _Reader:
    """Reads fact and detail of a kind; ``(None, …)`` when they are not what they would be written as."""
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    inside = [field.name for field in fields if "detail" in field.metadata]
    outside = [field.name for field in fields if "detail" not in field.metadata]
    body = _record("Body", {name: hints[name] for name in outside})
    fact = _record("Fact", {"body": body, "detail": str, "index": int, "kind": str, "time": int, "v": int})
    detail = _record("Detail", {name: hints[name] for name in inside})
    read_fact, read_detail = msgspec.json.Decoder(fact).decode, msgspec.json.Decoder(detail).decode
    places = [(name in inside, name) for name in (field.name for field in fields)]

    def take(raw: bytes, more: bytes) -> tuple[Any, Event]:
        found, details = read_fact(raw), read_detail(more)
        if _encode(found) != raw or _encode(details) != more:
            return None, typing.cast("Event", None)
        parts = found.body
        return found, kind(*[getattr(details if hidden else parts, name) for hidden, name in places])

    return take


def _record(name: str, fields: dict[str, Any]) -> Any:
    """A strict record with these fields, in the order in which canonical JSON writes them."""
    return msgspec.defstruct(name, [(each, fields[each]) for each in sorted(fields)], forbid_unknown_fields=True)


@cache
def _all() -> dict[str, _Reader]:
    return {name: _reader(kind) for name, kind in events.KINDS.items()}


_READERS = _all()
