"""Reading entries quickly: the same answers as ``sshjit.entries.read``, in an eighth of the time.

A million entries are read when the log is verified. msgspec decodes bodies and details into typed records, and what
those encode to must be the very bytes that were read: then they are in their one spelling, with the right fields and
types. Whatever is otherwise (a letter outside ASCII is enough) goes the strict way, which decides.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing
from typing import Any

import msgspec

from sshjit import entries, events
from sshjit.entries import Entry
from sshjit.events import Event

_encode = msgspec.json.Encoder(order="sorted").encode
_HEAD = b'{"body":'
_TAIL = b',"detail":"'


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """How entries of one kind are read."""

    body: Any
    detail: Any
    event: Any


def read(entry: Entry) -> Event | None:
    """As ``sshjit.entries.read``: the event, ``None`` if its detail was erased.

    Raises:
        Invalid: ``bad_entry`` and others, as there.

    """
    fact, detail, salt = entry.fact, entry.detail, entry.salt
    if detail is not None and salt is not None and sound(entry.index, entry.time, entry.kind, fact, detail, salt):
        return event(entry.kind, fact, detail)
    return entries.read(entry)


def sound(index: int, time: int, kind: str, fact: bytes, detail: bytes, salt: bytes) -> bool:  # noqa: PLR0917 - a row
    """Whether the parts of an entry belong together and are in their one spelling.

    ``False`` is no verdict: ``sshjit.entries.read`` gives it.
    """
    known = _KINDS.get(kind)
    committed = hashlib.sha256(salt + detail).hexdigest()
    tail = f',"detail":"{committed}","index":{index},"kind":"{kind}","time":{time},"v":{entries.VERSION}}}'.encode()
    if known is None or len(salt) != entries.SALT_BYTES or not (fact.endswith(tail) and fact.startswith(_HEAD)):
        return False
    body = fact[len(_HEAD) : -len(tail)]
    if not body.isascii():  # msgspec writes letters as they are, canonical JSON does not
        return False
    try:
        return bool(_encode(known.body(body)) == body and _encode(known.detail(detail)) == detail)
    except (msgspec.DecodeError, ValueError):
        return False


def event(kind: str, fact: bytes, detail: bytes | None) -> Event:
    """The event of an entry that is ``sound``.

    Raises:
        msgspec.DecodeError, ValueError, LookupError, TypeError: it cannot have been, or has no detail.

    """
    if detail is None:
        raise TypeError("the detail was erased")
    body = fact[len(_HEAD) : fact.rindex(_TAIL)]
    whole = body[:-1] + b"," + detail[1:]
    if b"{}" in (body, detail):
        whole = detail if body == b"{}" else body
    return typing.cast("Event", _KINDS[kind].event(whole))


def _record(name: str, fields: dict[str, Any]) -> Any:
    """A strict reader of a record with these fields."""
    record = msgspec.defstruct(name, list(fields.items()), forbid_unknown_fields=True)
    return msgspec.json.Decoder(record).decode


def _kind(kind: Any) -> _Kind:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    inside = {field.name: hints[field.name] for field in fields if "detail" in field.metadata}
    outside = {field.name: hints[field.name] for field in fields if "detail" not in field.metadata}
    return _Kind(_record("Body", outside), _record("Detail", inside), msgspec.json.Decoder(kind).decode)


_KINDS = {name: _kind(kind) for name, kind in events.KINDS.items()}
