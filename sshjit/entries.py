"""Log entries as bytes: the fact, which is a leaf of the tree, and the detail, which the fact commits to.

::

    fact    {"body": {…}, "detail": "<hash>", "index": 12, "kind": "ask", "time": 1700000000, "v": 1}
    detail  {…}                                      hash = SHA-256(salt || detail)

Both are canonical JSON. A leaf never exceeds 65,535 bytes, so that it fits into a C2SP tlog-tiles entry bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sshjit import canonical, events, wire
from sshjit.errors import Invalid
from sshjit.events import Event

VERSION = 1
"""The form of facts. It never changes: what is new are fields and kinds (``docs/protocol.md``, "How formats grow")."""
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


Encode = Callable[[Event], tuple[str, str]]
"""Fact and detail of an event as canonical JSON."""


def write(event: Event, index: int, time: int, salt: bytes, encode: Encode = events.encode) -> Entry:
    """The entry that records ``event`` at ``index``. ``encode`` does what ``events.encode`` does, perhaps faster.

    Raises:
        Invalid: ``bad_salt``, ``too_large``.

    """
    if len(salt) != SALT_BYTES:
        raise Invalid("bad_salt", f"the salt of an entry has {SALT_BYTES} bytes")
    spelt, details = encode(event)
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
        Invalid: ``bad_entry``, when fact, detail and the entry's own columns do not belong together; ``newer_log``,
            when they do, and a newer version wrote something that is not known here.

    """
    body, committed = _read_fact(entry)
    if entry.detail is None or entry.salt is None:
        if entry.detail is not None or entry.salt is not None:
            raise Invalid("bad_entry", f"entry {entry.index}: half of its detail is missing")
        return None
    if len(entry.salt) != SALT_BYTES or commitment(entry.salt, entry.detail) != committed:
        raise Invalid("bad_entry", f"entry {entry.index}: the detail does not match the hash in its fact")
    details = wire.loads(entry.detail, limit=MAX_DETAIL)
    if not isinstance(details, dict):
        raise Invalid("bad_entry", f"entry {entry.index}: the detail is not an object")
    with _newer(entry.index):
        return events.join(entry.kind, body, details)


def read_erased(entry: Entry) -> Event:
    """What is left of an event whose detail was erased. Raises as ``read`` does."""
    body, _ = _read_fact(entry)
    with _newer(entry.index):
        return events.blank(entry.kind, body)


@contextmanager
def _newer(index: int) -> Iterator[None]:
    """Says of which entry it is that it was written by a newer version, and what to do."""
    try:
        yield
    except Invalid as error:
        if error.code != "newer_log":
            raise
        raise newer(index, error.message) from None


def newer(index: int, problem: str) -> Invalid:
    """The error that names an entry whose parts belong together, and of which something is not known here."""
    said = f"entry {index} was written by a newer version of ssh-jit: {problem}"
    return Invalid("newer_log", said, hint="upgrade ssh-jit-ca to the version that wrote it, or a newer one")


def _read_fact(entry: Entry) -> tuple[dict[str, Any], str]:
    """The body of the fact, and the commitment to its detail. Written again it must be the same bytes."""
    value = wire.loads(entry.fact, limit=MAX_FACT)
    body, committed = (value.get("body"), value.get("detail")) if isinstance(value, dict) else (None, None)
    form = value.get("v") if isinstance(value, dict) else None
    if type(form) is int and form > VERSION and canonical.dumps(value) == entry.fact:
        raise newer(entry.index, f"facts of the form {form} are not known here")
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
