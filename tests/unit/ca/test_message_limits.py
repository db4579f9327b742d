"""Every text and every list that a message can hold has a limit, and both readers of frames hold it alike."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, Union

import msgspec
import pytest

from sshjit import ca_protocol as m
from sshjit import limits, wire
from sshjit.errors import Invalid
from sshjit.limits import AtMost
from sshjit_ca.service import frames

LARGEST = 64 * 1024
"""Letters of the longest text: an ID token."""


def example(kind: Any) -> Any:  # noqa: PLR0911 - one return for each kind of field
    """The JSON of some value of a field's type, with something in every list and every part."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return example(arguments[0])
    if kind in (str, int, bool):
        return {str: "a", int: 1, bool: True}[kind]
    if origin is Literal:
        return arguments[0]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return next(iter(kind)).value
    if origin is tuple:
        return [example(part) for part in arguments if part is not Ellipsis]
    if origin in (Union, types.UnionType):
        return example(arguments[0])
    return {name: example(hint) for name, hint in hints(kind).items()}


def hints(cls: type) -> dict[str, Any]:
    kinds = typing.get_type_hints(cls, include_extras=True)
    return {field.name: kinds[field.name] for field in dataclasses.fields(typing.cast("Any", cls))}


def limited(kind: Any, limit: AtMost | None = None) -> Iterator[tuple[tuple[Any, ...], Any, AtMost]]:
    """Where in ``example`` there is a list, an item of it, and its limit; the item of a text is ``None``."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        yield from limited(arguments[0], limits.limit_in(arguments))
    elif kind is str:
        yield (), None, limit or limits.TEXT
    elif origin is tuple:
        if arguments[-1] is Ellipsis:
            yield (), example(arguments[0]), limit or limits.ITEMS
        for at, part in enumerate(arguments):
            if part is not Ellipsis:
                yield from (((at, *path), item, inner) for path, item, inner in limited(part))
    elif origin in (Union, types.UnionType):
        yield from limited(arguments[0], limit)
    elif dataclasses.is_dataclass(kind):
        for name, hint in hints(typing.cast("type", kind)).items():
            yield from (((name, *path), item, inner) for path, item, inner in limited(hint))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The body with something else at one place."""
    changed = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


PLACES = [(cls, path, item, limit) for cls in m.MESSAGES.values() for path, item, limit in limited(cls)]


def as_our_programs_write(cls: Any, body: Any) -> bytes:
    """The frame as the front end writes it, which the fast reader takes."""
    made = msgspec.convert(body, cls)
    return msgspec.json.encode({"v": 1, "id": 7, "type": wire.type_name(cls), "body": made})


def every(_: Any) -> bool:
    return True


@pytest.mark.parametrize(
    ("cls", "path", "item", "limit"), PLACES, ids=lambda part: part.__name__ if isinstance(part, type) else None
)
def test_t77_every_text_and_list_has_a_limit_that_both_readers_hold(
    cls: Any, path: tuple[Any, ...], item: Any, limit: AtMost
) -> None:
    assert limit.most <= LARGEST
    body = example(cls)
    full, over = (
        put(body, path, "a" * number if item is None else [item] * number) for number in (limit.most, limit.most + 1)
    )
    frame = as_our_programs_write(cls, full)
    assert frames._read_usual(frame, every) == frames._read_strictly(frame, every)
    frame = as_our_programs_write(cls, over)
    assert frames._read_usual(frame, every) is None
    for refused in (frames.read(frame, every)[1], frames.read(json.dumps(json.loads(frame)).encode(), every)[1]):
        assert isinstance(refused, Invalid)
        assert refused.code == limit.code
        assert f"at most {limit.most}" in refused.message


def test_t77_there_is_nothing_that_the_walk_misses() -> None:
    """As many texts and lists as there are in an example of each message."""

    def count(value: Any) -> int:
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return sum(map(count, inside)) + isinstance(value, str)

    for cls in m.MESSAGES.values():
        words = sum(map(_words, hints(cls).values()))
        texts = [path for kind, path, item, _ in PLACES if kind is cls and item is None]
        assert len(texts) + words == count(example(cls)), cls.__name__
    assert any(len(path) >= 4 for _, path, _, _ in PLACES)


def _words(kind: Any) -> int:
    """How many words of a closed list there are in a field."""
    if typing.get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return 1
    if dataclasses.is_dataclass(kind):
        return sum(map(_words, hints(typing.cast("type", kind)).values()))
    return sum(map(_words, typing.get_args(kind)))


def test_t77_a_list_that_is_too_long_is_refused_before_its_items_are_looked_at() -> None:
    body = {**example(m.Ask), "hosts": [{"not": "a host"}] * 257}
    with pytest.raises(Invalid) as refused:
        wire.decode_bounded(m.Ask, body)
    assert refused.value.code == "too_many_hosts"


def test_t77_sixty_thousand_hosts_cost_little_more_than_reading_the_json() -> None:
    body = {**example(m.Ask), "hosts": ["h"] * 60_000}
    text = json.dumps({"v": 1, "id": 1, "type": "ask", "body": body}, separators=(",", ":")).encode()
    assert len(text) < m.MAX_FRAME

    def took(read: Any) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            read()
            times.append(time.process_time() - began)
        return min(times)

    assert took(lambda: frames.read(text, every)) < 8 * took(lambda: wire.loads(text))


def test_answers_and_entries_have_no_limits() -> None:
    assert len(wire.decode_answer(m.HostsReply, {"hosts": [example(m.HostView)] * 5_000}).hosts) == 5_000


@pytest.mark.parametrize("item", ['"h"', "1", "{}", "[]", '{"a":{"a":{"a":{}}}}'])
def test_t77_a_frame_with_too_many_parts_costs_no_further_look(item: str) -> None:
    """It is answered under its number: it may be one of many people's on its connection."""
    body = json.dumps({**example(m.Ask), "hosts": 7}).replace('"hosts": 7', f'"hosts": [{",".join([item] * 6_000)}]')
    text = f'{{"v":1,"id":7,"type":"ask","body":{body}}}'.encode()
    assert len(text) < m.MAX_FRAME
    assert frames.read(text, every)[0].number == 7
    refused = frames.read(text, every)[1]
    assert isinstance(refused, Invalid)
    assert refused.code == "too_large"
    with pytest.raises(Invalid, match="holds too much"):
        frames.read(text[:-1], every)


def test_t77_what_is_said_of_an_unknown_kind_is_short() -> None:
    """It goes into the answer and into the daemon's log."""
    with pytest.raises(Invalid) as unknown:
        frames.read(b'{"v":1,"id":7,"type":"%s","body":{}}' % (b"x" * 200_000), every)
    assert (unknown.value.code, len(unknown.value.message) < 200) == ("unknown_message", True)


@pytest.mark.parametrize(("number", "version"), [(0, 1), (-1, 1), (2**53, 1), (7, 0), (7, -1)])
def test_t77_nor_is_it_answered_under_a_number_that_is_none(number: int, version: int) -> None:
    many = ",".join(["1"] * 6_000)
    text = f'{{"v":1,"id":{number},"type":"ask","body":[{many}],"version":{version}}}'.encode()
    with pytest.raises(Invalid, match="holds too much"):
        frames.read(text, every)


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_t77_nor_does_one_whose_parts_lie_in_each_other(opened: str) -> None:
    closed = {"[": "]", '{"a":': "}"}[opened]
    text = f'{{"v":1,"id":7,"type":"ask","body":{opened * 5_000}1{closed * 5_000}}}'.encode()
    with pytest.raises(Invalid, match="holds too much"):
        frames.read(text, every)


def test_t77_who_asks_is_looked_for_at_the_beginning_of_a_frame_alone() -> None:
    """It is looked for before it is anybody's turn, so a long frame must not cost more than a short one."""
    frame = b'{"v":1,"id":7,"type":"ask","body":{"login_id":"login-1","reason":"x"}}'
    assert frames.asker(frame) == "login-1"
    late = b'{"v":1,"id":7,"type":"ask","body":{"reason":"%s","login_id":"login-1"}}' % (b"x" * frames.LOOK)
    assert frames.asker(late) == "ask"
    assert frames.asker(b"x" * frames.LOOK + frame) == ""


def test_t77_and_every_message_has_room_for_the_longest_lists() -> None:
    body = put(example(m.Ask), ("hosts",), ["h" * 250] * 256)
    body = put(put(body, ("labels",), [["k" * 30, "v" * 60]] * limits.ITEMS.most), ("reason",), "," * 500)
    assert not isinstance(frames.read(as_our_programs_write(m.Ask, body), every)[1], Invalid)
