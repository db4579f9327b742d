"""JSON text straight from dataclasses: what ``wire.encode`` and an encoder come to, in a third of the time.

Every certificate is an answer and an entry of the log, so these two spellings are most of what the CA does beside
signing. ``dumps`` spells as messages travel: fields in their order, text as it is. ``canonical`` spells as
``sshjit/canonical.py`` does: fields sorted, ASCII only. Types decide how a field is spelt, and are looked at once for
each class.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Literal, Union

from sshjit import wire

_Spell = Callable[[Any], str]
_BOOL = {True: "true", False: "false"}


@dataclass(frozen=True, slots=True)
class _Style:
    """How text is quoted, in which order fields come, and what spells everything that no type says enough about."""

    quote: _Spell
    order: Callable[[Sequence[str]], Sequence[str]]
    other: _Spell


_WIRE = _Style(
    encode_basestring,
    tuple,
    json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode,
)
_CANONICAL = _Style(
    encode_basestring_ascii,
    sorted,
    json.JSONEncoder(separators=(",", ":"), sort_keys=True, check_circular=False).encode,
)


def dumps(value: Any) -> str:
    """A dataclass as it travels: compact JSON, to be sent as UTF-8."""
    cls: Any = type(value)
    return _whole(cls)(value)


def canonical(cls: type, names: tuple[str, ...]) -> _Spell:
    """The function that spells these fields of a ``cls`` as ``sshjit/canonical.py`` would."""
    return _record(cls, names, _CANONICAL)


@cache
def _whole(cls: type) -> _Spell:
    return _record(cls, _names(cls), _WIRE)


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls) if "local" not in field.metadata)


@cache
def _record(cls: type, names: tuple[str, ...], style: _Style) -> _Spell:
    hints, order = typing.get_type_hints(cls), style.order(names)
    if not order:
        return lambda _: "{}"
    spells = [_spelling(hints[name], style) for name in order]
    whole = "{" + ",".join(f'"{name}":%s' for name in order) + "}"
    if len(order) == 1:
        field, only = operator.attrgetter(order[0]), spells[0]
        return lambda value: whole % only(field(value))
    fields = operator.attrgetter(*order)
    return lambda value: whole % tuple([spell(item) for spell, item in zip(spells, fields(value), strict=True)])


def _spelling(kind: Any, style: _Style) -> _Spell:  # noqa: PLR0911 - one return for each kind of field
    """The function that spells a field of this type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is bool:
        return _BOOL.__getitem__
    if kind is int:
        return int.__repr__
    if kind is str or _is_text(kind) or (origin is Literal and all(type(each) is str for each in arguments)):
        return style.quote
    if dataclasses.is_dataclass(kind):
        cls = typing.cast("type", kind)
        return _record(cls, _names(cls), style)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _list(_spelling(arguments[0], style))
    if origin in (Union, types.UnionType) and len(arguments) == 2 and arguments[1] is types.NoneType:
        some = _spelling(arguments[0], style)
        return lambda value: "null" if value is None else some(value)
    return lambda value: style.other(wire.encode(value))


def _is_text(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _list(inner: _Spell) -> _Spell:
    return lambda value: f"[{','.join([inner(item) for item in value])}]" if value else "[]"
