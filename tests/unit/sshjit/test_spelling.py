"""Text straight from dataclasses is the text that an encoder makes of ``wire.encode``, for everything that is sent."""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal, Union

import pytest

from sshjit import ca_protocol, canonical, events, json_text, wire

TEXTS = ("", "plain", 'quote " and \\', "line\nbreak\t\x00\x7f", "\u00e9\u4e2d\U0001f600\u2028", "</script>")
NUMBERS = (0, 1, -1, 2**62, 1_700_000_000)
CLASSES = sorted(
    {
        *events.KINDS.values(),
        *ca_protocol.MESSAGES.values(),
        *typing.get_args(ca_protocol.Reply),
        ca_protocol.ErrorReply,
    },
    key=lambda cls: cls.__name__,
)


def value(kind: Any, numbers: Iterator[int]) -> Any:  # noqa: PLR0911 - one return for each kind of field
    """Some value of a type; another one at each call."""
    origin, arguments, number = typing.get_origin(kind), typing.get_args(kind), next(numbers)
    if kind is str:
        return TEXTS[number % len(TEXTS)]
    if kind is bool:
        return number % 2 == 0
    if kind is int:
        return NUMBERS[number % len(NUMBERS)]
    if origin is Literal:
        return arguments[number % len(arguments)]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return list(kind)[number % len(kind)]
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(value(arguments[0], numbers) for _ in range(number % 3))
    if origin is tuple:
        return tuple(value(part, numbers) for part in arguments)
    if origin in (Union, types.UnionType):
        some = [each for each in arguments if each is not types.NoneType]
        return None if number % 3 == 0 else value(some[number % len(some)], numbers)
    hints = typing.get_type_hints(kind)
    return kind(**{field.name: value(hints[field.name], numbers) for field in dataclasses.fields(kind) if field.init})


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_what_travels_is_spelt_as_the_encoder_spells_it(cls: Any) -> None:
    for start in range(12):
        made = value(cls, itertools.count(start))
        text = json.dumps(wire.encode(made), separators=(",", ":"), ensure_ascii=False)
        assert json_text.dumps(made) == text


@pytest.mark.parametrize("kind", events.KINDS)
def test_fact_and_detail_are_spelt_as_canonical_json(kind: str) -> None:
    for start in range(12):
        event = value(events.KINDS[kind], itertools.count(start))
        assert events.encode(event) == tuple(canonical.dumps(part).decode("ascii") for part in events.split(event))
