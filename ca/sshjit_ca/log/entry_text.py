"""Fact and detail of an event as canonical JSON, by msgspec: what ``sshjit.events.encode`` comes to, in half the time.

Every certificate is an entry, so that this is much of what the CA does beside signing. msgspec writes letters beyond
ASCII, and the one control character above them (DEL), as they are; events that hold one go the core's way.
"""

from __future__ import annotations

import dataclasses
import operator
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from sshjit import events
from sshjit.events import Event

_encode = msgspec.json.Encoder(order="sorted").encode
_Write = Callable[[Event], bytes]


def encode(event: Event) -> tuple[str, str]:
    """The fields of fact and detail as canonical JSON."""
    write_fact, write_detail = _writers(typing.cast("Any", type(event)))
    fact, detail = write_fact(event), write_detail(event)
    if fact.isascii() and detail.isascii() and b"\x7f" not in fact + detail:
        return fact.decode("ascii"), detail.decode("ascii")
    return events.encode(event)


@cache
def _writers(kind: type[Event]) -> tuple[_Write, _Write]:
    fields = dataclasses.fields(kind)
    inside = sorted(field.name for field in fields if "detail" in field.metadata)
    outside = sorted(field.name for field in fields if "detail" not in field.metadata)
    return _writer(outside), _writer(inside)


def _writer(names: list[str]) -> _Write:
    """The function that writes these fields of an event, in this order."""
    if len(names) < 2:
        return lambda event: _encode({name: getattr(event, name) for name in names})
    values = operator.attrgetter(*names)
    return lambda event: _encode(dict(zip(names, values(event), strict=True)))
