"""What msgspec reads and writes for the CA is what the core's own reader and encoder make of it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal, Union

import msgspec
import pytest
from hypothesis import given, settings

from sshjit import ca_protocol as m
from sshjit import canonical, events, versions, wire
from sshjit.errors import Invalid, Refused
from sshjit_ca.log import entry_text
from sshjit_ca.service import frames
from sshjit_ca.service.frames import Origin
from tests.unit.sshjit.core_world import broken

TEXTS = ("", "plain", 'quote " and \\', "line\nbreak\t\x00\x7f", "\u00e9\u4e2d\U0001f600\u2028", "</script>")
NUMBERS = (0, 1, -1, 2**59, 1_700_000_000)
ANSWERS: list[Any] = sorted(set(m.REPLIES.values()), key=lambda cls: cls.__name__)


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


@pytest.mark.parametrize("cls", ANSWERS, ids=lambda cls: cls.__name__)
def test_an_answer_is_what_the_encoder_makes_of_it(cls: Any) -> None:
    for start in range(12):
        made = value(cls, itertools.count(start))
        body = json.dumps(wire.encode(made), separators=(",", ":"), ensure_ascii=False)
        frame = frames.write(Origin(7, versions.PROTOCOL), made)
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert json.loads(frame[4:]) == {"v": 1, "id": 7, "type": "ok", "body": json.loads(body)}


def test_an_error_is_what_the_encoder_makes_of_it() -> None:
    for text in TEXTS:
        error = Refused("no", text, hint=text)
        said = {"family": "refused", "code": "no", "message": text, "hint": text, "retry_after": 0}
        assert json.loads(frames.write(Origin(7, 2), error)[4:]) == {"v": 1, "id": 7, "type": "error", "body": said}


def question(message: Any, **changed: Any) -> bytes:
    """A frame as the front end writes it."""
    fields = {"v": 1, "id": 7, "type": wire.type_name(type(message)), "body": message, **changed}
    return msgspec.json.encode(fields)


@pytest.mark.parametrize("cls", m.MESSAGES.values(), ids=lambda cls: cls.__name__)
def test_a_question_is_read_alike_in_both_ways(cls: Any) -> None:
    for start in range(12):
        made = value(cls, itertools.count(start))
        for changed in ({}, {"version": 2}):
            frame = question(made, **changed)
            usual, strict = frames._read_usual(frame, every), frames._read_strictly(frame, every)
            assert usual == strict
            assert strict[1] == made


def every(_: Any) -> bool:
    return True


HEALTH, ASK = m.Health(2), m.ReadRequest("login-0123456789", "req-0123456789")


@pytest.mark.parametrize(
    "frame",
    [
        question(ASK).replace(b'"login_id"', b'"login_id":"login-9876543210","login_id"'),
        question(ASK).replace(b'"id":7', b'"id":7,"id":7'),
        question(ASK).replace(b"{", b"{ ", 1),
        question(ASK, more=1),
        question(ASK).replace(b'"body":{', b'"body":{"more":1,'),
        question(m.ReadBundle(2**63)),
        question(m.ReadBundle(2**64)),
        question(ASK, id=0),
        question(ASK, id=2**53),
        question(ASK, v=2),
        question(ASK, version=1),
        question(ASK, version=0),
        question(ASK).replace(b"login-", b"\\u006cogin-"),
        question(ASK).replace(b"login-", b"\\ud800login-"),
        question(ASK).replace(b'"req-0123456789"', b"7"),
        question(ASK).replace(b'"req-0123456789"', b"[" * 5000),
        question(HEALTH, type="ask"),
        question(HEALTH, type="no_such_message"),
        b"",
        b"[]",
        b"\xff",
    ],
    ids=lambda frame: ascii(frame[:70]),
)
def test_t77_what_is_spelt_otherwise_is_left_to_the_strict_reader(frame: bytes) -> None:
    assert frames._read_usual(frame, every) is None


@settings(deadline=None, max_examples=300)
@given(broken(question(m.Revoke("login-1", None, 7, None, 'a "reason"'))))
def test_a_broken_question_is_never_read_in_another_way(frame: bytes) -> None:
    usual = frames._read_usual(frame, every)
    if usual is not None:
        assert frames._read_strictly(frame, every) == usual


def test_what_is_not_taken_at_a_socket_is_not_read() -> None:
    assert frames._read_usual(question(ASK), lambda _: False) is None
    with pytest.raises(Invalid) as caught:
        frames.read(question(ASK), lambda _: False)
    assert caught.value.code == "unknown_message"


def test_the_first_question_says_in_its_body_who_reads_the_answer() -> None:
    for read in (frames._read_usual, frames._read_strictly):
        assert read(question(HEALTH), every) == (Origin(7, 2), HEALTH)
        assert read(question(ASK), every) == (Origin(7, 1), ASK)
        assert read(question(ASK, version=2), every) == (Origin(7, 2), ASK)


@pytest.mark.parametrize("kind", events.KINDS)
def test_fact_and_detail_are_canonical_json(kind: str) -> None:
    for start in range(12):
        event = value(events.KINDS[kind], itertools.count(start))
        text = tuple(canonical.dumps(part).decode("ascii") for part in events.split(event))
        assert events.encode(event) == entry_text.encode(event) == text
