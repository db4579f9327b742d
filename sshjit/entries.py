"""Log entries as bytes: the fact, which is a leaf of the tree, and the detail, which the fact commits to.

::

    fact    {"body": {…}, "detail": "<hash>", "index": 12, "kind": "ask", "time": 1700000000, "v": 1}
    detail  {…}                                      hash = SHA-256(salt || detail)

Both are canonical JSON. A leaf never exceeds 65,535 bytes, so that it fits into a C2SP tlog-tiles entry bundle.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sshjit import canonical, events, wire
from sshjit.errors import Invalid
from sshjit.events import Event

VERSION = 1
SALT_BYTES = 16
MAX_FACT = 65_535
MAX_DETAIL = 512 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is stored. ``detail`` and ``salt`` are ``None`` once they were erased."""

    index: int
    time: int
    kind: str
    fact: bytes
    detail: bytes | None
    salt: bytes | None


def write(event: Event, index: int, time: int, salt: bytes) -> Entry:
    """The entry that records ``event`` at ``index``."""
    if len(salt) != SALT_BYTES:
        raise Invalid("bad_salt", f"the salt of an entry has {SALT_BYTES} bytes")
    spelt, details = events.encode(event)
    kind, detail = events.kind_of(event), details.encode("ascii")
    fact = (  # as ``_fact`` spells it
        f'{{"body":{spelt},"detail":"{commitment(salt, detail)}","index":{index},"kind":"{kind}","time":{time},'
        f'"v":{VERSION}}}'
    ).encode("ascii")
    if len(fact) > MAX_FACT or len(detail) > MAX_DETAIL:
        raise Invalid("too_large", f"the entry is too large for the log ({len(fact)} and {len(detail)} bytes)")
    return Entry(index, time, kind, fact, detail, salt)


def commitment(salt: bytes, detail: bytes) -> str:
    """How a fact commits to its detail."""
    return hashlib.sha256(salt + detail).hexdigest()


def read(entry: Entry) -> Event | None:
    """The event that an entry records; ``None`` if its detail was erased.

    Raises:
        Invalid: ``bad_entry``, when fact, detail and the entry's own columns do not belong together.

    """
    body, committed = _read_fact(entry)
    if entry.detail is None or entry.salt is None:
        if entry.detail is not None or entry.salt is not None:
            raise Invalid("bad_entry", f"entry {entry.index}: half of its detail is missing")
        return None
    if len(entry.salt) != SALT_BYTES or commitment(entry.salt, entry.detail) != committed:
        raise Invalid("bad_entry", f"entry {entry.index}: the detail is not the one that the fact commits to")
    details = wire.loads(entry.detail, limit=MAX_DETAIL)
    if not isinstance(details, dict):
        raise Invalid("bad_entry", f"entry {entry.index}: the detail is not an object")
    return events.join(entry.kind, body, details)


def read_erased(entry: Entry) -> Event:
    """What is left of an event whose detail was erased. Raises as ``read`` does."""
    return events.blank(entry.kind, _read_fact(entry)[0])


def _read_fact(entry: Entry) -> tuple[dict[str, Any], str]:
    """The body of the fact, and the commitment to its detail. Written again it must be the same bytes."""
    value = wire.loads(entry.fact, limit=MAX_FACT)
    body, committed = (value.get("body"), value.get("detail")) if isinstance(value, dict) else (None, None)
    if not isinstance(body, dict) or not isinstance(committed, str):
        raise Invalid("bad_entry", f"entry {entry.index}: the fact has other fields than it should")
    if _fact(body, committed, entry.index, entry.kind, entry.time) != entry.fact:
        raise Invalid(
            "bad_entry", f"entry {entry.index}: the fact says another place, time or kind, or says it otherwise"
        )
    return body, committed


def _fact(body: dict[str, Any], committed: str, index: int, kind: str, time: int) -> bytes:
    """The one spelling of a fact."""
    return canonical.dumps(
        {"body": body, "detail": committed, "index": index, "kind": kind, "time": time, "v": VERSION}
    )
