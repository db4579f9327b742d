"""How formats grow: what a reader tolerates, what a sender leaves out, and where it stops (``docs/protocol.md``)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from sshjit import signed_actions, versions, wire
from sshjit.errors import Invalid, Refused

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Part:
    """A part that grew."""

    name: str
    colour: str = wire.added(3, default="grey")


@dataclass(frozen=True, slots=True)
class Grown:
    """A request or an answer that grew twice."""

    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    one: Part | None = None
    note: str | None = wire.added(2, default=None)
    only: tuple[str, ...] = wire.added(3, default=(), weakens=True)
    seen: int = wire.local(default=0)


@dataclass(frozen=True, slots=True)
class Around:
    """An answer that did not grow, around parts that did."""

    parts: tuple[Part | None, ...]


FIRST: dict[str, Any] = {"kind": "a", "parts": [{"name": "x"}], "one": None}
WHOLE = Grown("a", (Part("x", "red"),), Part("y"), "hello", ("z",))
DECODERS = [wire.decode, wire.decode_answer]


@pytest.mark.parametrize("decode", DECODERS)
def test_what_is_missing_takes_its_default(decode: Any) -> None:
    assert decode(Grown, FIRST) == Grown("a", (Part("x"),))
    assert decode(Grown, {"kind": "b", "parts": []}) == Grown("b", ())


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("name", ["kind", "parts"])
def test_what_was_always_there_must_be_there(decode: Any, name: str) -> None:
    with pytest.raises(Invalid, match=f"field '{name}' is missing"):
        decode(Grown, {key: value for key, value in FIRST.items() if key != name})


@pytest.mark.parametrize("value", [{**FIRST, "new": 1}, {**FIRST, "parts": [{"name": "x", "new": {}}]}])
def test_what_is_unknown_is_refused_in_a_request_and_ignored_in_an_answer(value: dict[str, Any]) -> None:
    with pytest.raises(wire.Unknown, match="new' is unknown") as caught:
        wire.decode(Grown, value)
    assert caught.value.code == "bad_message"
    assert wire.decode_answer(Grown, value) == Grown("a", (Part("x"),))


@pytest.mark.parametrize("decode", DECODERS)
def test_what_is_known_is_checked_in_both(decode: Any) -> None:
    wrong: dict[str, Any]
    for wrong in ({"note": 1}, {"only": "z"}, {"kind": 1}, {"one": []}, {"parts": [{"name": None}]}):
        with pytest.raises(Invalid):
            decode(Grown, {**FIRST, **wrong})


def test_a_local_field_never_travels() -> None:
    noted = Grown("a", (), seen=7)
    assert "seen" not in wire.encode(noted)
    assert wire.decode_answer(Grown, {**FIRST, "seen": 7}).seen == 0
    with pytest.raises(Invalid, match="is unknown"):
        wire.decode(Grown, {**FIRST, "seen": 7})


def test_what_is_hashed_or_signed_has_later_fields_only_where_they_say_something() -> None:
    assert wire.encode_said(Grown("a", (Part("x"),), seen=7)) == {"kind": "a", "parts": [{"name": "x"}]}
    assert wire.encode_said(WHOLE) == {**wire.encode(WHOLE), "one": {"name": "y"}}
    assert wire.encode_said([Part("x", "red"), Part("y")]) == [{"name": "x", "colour": "red"}, {"name": "y"}]


def test_an_older_reader_gets_what_it_knows() -> None:
    assert wire.encode_for(WHOLE, 3, "the server") == wire.encode(WHOLE)
    plain = Grown("a", (Part("x", "red"),), Part("y"), "hello")
    second = {"kind": "a", "parts": [{"name": "x"}], "one": {"name": "y"}, "note": "hello"}
    assert wire.encode_for(plain, 2, "the server") == second
    del second["note"]
    assert wire.encode_for(plain, 1, "the server") == second
    assert wire.encode_for([plain], 1, "the server") == [second]


def test_what_may_not_be_left_out_stops_the_sender_who_says_what_to_upgrade() -> None:
    with pytest.raises(Refused) as caught:
        wire.encode_for(WHOLE, 2, "the server")
    assert caught.value.code == "too_old"
    assert "the server is too old" in caught.value.message
    assert "'only'" in caught.value.message
    assert caught.value.hint == "upgrade the server to a release that speaks version 3 or newer"


@dataclass(frozen=True, slots=True)
class Unlock:
    """An act of a later version."""

    lock: str
    until: int | None = wire.added(3, default=None, weakens=True)


@dataclass(frozen=True, slots=True)
class FirstUnlock:
    """The same as it was."""

    lock: str


FirstUnlock.__name__ = "Unlock"


def test_what_is_signed_is_the_same_text_on_both_sides_as_long_as_the_new_field_says_nothing() -> None:
    def text(act: Any) -> bytes:
        return signed_actions.act_text(act, "c", "lab")

    assert text(Unlock("lock-1")) == text(FirstUnlock("lock-1"))
    assert text(Unlock("lock-1", 7)) == text(FirstUnlock("lock-1")) + b"until: 7\n"


def test_a_shape_is_filled_by_name_and_what_is_given_comes_first() -> None:
    found = wire.fill(Grown, WHOLE, kind="b", one=None)
    assert found == Grown("b", WHOLE.parts, None, "hello", ("z",))
    assert wire.fill(FirstUnlock, Unlock("lock-1", 7)) == FirstUnlock("lock-1")
    with pytest.raises(TypeError):
        wire.fill(Grown, Part("x"))


def test_whether_a_class_grew_since() -> None:
    assert [wire.grew(Grown, version) for version in (1, 2, 3, 9)] == [True, True, False, False]
    assert [wire.grew(Around, version) for version in (1, 2, 3)] == [True, True, False]
    assert wire.encode_for(Around((None, Part("x", "red"))), 2, "the server") == {"parts": [None, {"name": "x"}]}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (None, 1),
        ("", 1),
        ("2", 2),
        ("17", 17),
        ("0", 1),
        ("-1", 1),
        ("two", 1),
        ("²", 1),
        ("٢", 1),
        ("1" * 7, 1),
        ("2, 3", 1),
    ],
)
def test_a_header_that_says_nothing_is_version_1(text: str | None, version: int) -> None:
    assert versions.parse(text) == version


def test_a_program_that_is_too_old_is_told_what_to_upgrade_and_to_what() -> None:
    versions.require("this ssh-jit", versions.OLDEST)
    with pytest.raises(Refused) as caught:
        versions.require("this ssh-jit", 1, oldest=2)
    assert caught.value.code == "too_old"
    assert caught.value.message == (
        "this ssh-jit is too old: it speaks version 1, and 2 is the oldest that is understood here"
    )
    assert caught.value.hint == "upgrade this ssh-jit to 0.2.0 or newer"


def test_every_version_has_a_release() -> None:
    assert list(versions.RELEASES) == list(range(1, versions.PROTOCOL + 1))
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    release = versions.RELEASES[versions.PROTOCOL]
    assert [int(part) for part in ours.split(".")] >= [int(part) for part in release.split(".")]
