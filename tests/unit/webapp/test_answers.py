"""The CA's answers are read by msgspec, and by the rules of ``wire.decode_answer``: both take and refuse the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Failed, Invalid
from sshjit_web.ca_client import read_answer
from tests.support.frozen_protocol import ANSWERS, Said

OTHER: tuple[Any, ...] = ("text", 7, True, None, [], {}, 1.0, -(2**63))
"""One value of each kind of JSON."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside ``value``, itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(body: Any) -> Iterator[Any]:
    """``body``, and what becomes of it by one change at one place: another value, an unknown field, a missing one."""
    text = json.dumps(body)
    yield body
    for path in places(body):
        for value in OTHER:
            copied = [json.loads(text)]
            target: Any = copied
            for key in (0, *path)[:-1]:
                target = target[key]
            target[(0, *path)[-1]] = value
            yield copied[0]
        copied = json.loads(text)
        target = copied
        for key in path:
            target = target[key]
        if isinstance(target, dict):
            fields = dict(target)
            target["a_field_of_a_newer_ca"] = [{"x": 1}]
            yield copied
            for name in fields:
                target.clear()
                target.update({key: value for key, value in fields.items() if key != name})
                yield copied


def by_wire(reply: Any, body: Any) -> Any:
    try:
        return wire.decode_answer(reply, body)
    except Invalid:
        return None


def by_msgspec(reply: Any, text: bytes) -> Any:
    try:
        return read_answer(reply, text)
    except Failed:
        return None


FULL = [said for said in ANSWERS if said.heading[2] == "full"]


@pytest.mark.parametrize("said", FULL, ids=lambda said: "-".join(said.heading).replace("/", "_"))
def test_both_readers_take_and_refuse_the_same(said: Said) -> None:
    reply = m.REPLIES[m.MESSAGES[said.heading[0]]]
    taken = refused = 0
    for body in changed(said.value["body"]):
        ours, theirs = by_msgspec(reply, json.dumps(body).encode()), by_wire(reply, body)
        assert ours == theirs, body
        taken, refused = taken + (ours is not None), refused + (ours is None)
    assert taken > 1
    assert refused > 1


def test_no_answer_has_a_field_that_json_does_not_hold() -> None:
    """Msgspec would take it from JSON."""
    replies: set[Any] = set(m.REPLIES.values())
    for reply in replies:
        assert not [field.name for field in dataclasses.fields(reply) if "local" in field.metadata]
