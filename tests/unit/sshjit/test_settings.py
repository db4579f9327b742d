"""Configuration text to dataclasses: every mistake is an error that names file and key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import settings
from sshjit.errors import Invalid
from tests.unit.sshjit.core_world import attempt, quick


@dataclass(frozen=True, slots=True)
class Inner:
    path: str
    depth: int = 3


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    inner: Inner
    users: tuple[str, ...] = ()
    spare: Inner | None = None
    strict: bool = True


GOOD = 'name = "lab"\ninner = { path = "/x" }\n'


def read(text: str) -> Outer:
    return settings.fill(Outer, settings.parse("version = 1\n" + text, "ca.toml"), "ca.toml")


def test_defaults_fill_what_was_left_out() -> None:
    assert read(GOOD) == Outer("lab", Inner("/x"))
    assert read(GOOD + 'users = ["a"]\nstrict = false\n[spare]\npath = "y"\ndepth = 1') == Outer(
        "lab", Inner("/x"), ("a",), Inner("y", 1), strict=False
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (GOOD + "usres = []", "'usres'"),
        (GOOD + "Strict = true", "'Strict'"),
        ('name = "lab"\ninner = { path = "/x", dept = 1 }', "'inner.dept'"),
        ('name = "lab"\ninner = { depth = 1 }', "'inner.path'"),
        ('inner = { path = "/x" }', "'name'"),
        ('name = 1\ninner = { path = "/x" }', "'name'"),
        ('name = "lab"\ninner = "x"', "'inner'"),
        ('name = "lab"\ninner = { path = "/x", depth = 1.0 }', "'inner.depth'"),
        ('name = "lab"\ninner = { path = "/x", depth = true }', "'inner.depth'"),
        ('name = "lab"\ninner = { path = 2026-12-31 }', "'inner.path'"),
        (GOOD + 'users = "root"', "'users'"),
        (GOOD + 'users = ["root", 0]', r"'users\[1\]'"),
        (GOOD + "strict = 1", "'strict'"),
        (GOOD + "spare = []", "'spare'"),
    ],
)
def test_a_mistake_names_file_and_key(text: str, key: str) -> None:
    with pytest.raises(Invalid, match=f"^ca.toml: .*{key}") as caught:
        read(text)
    assert caught.value.code == "bad_config"


def test_a_key_that_is_nearly_right_gets_a_suggestion_and_the_first_mistake_is_always_the_same_one() -> None:
    for _ in range(3):
        with pytest.raises(Invalid, match="'aaa'"):
            read(GOOD + "zzz = 1\nbbb = 1\naaa = 1")
    with pytest.raises(Invalid) as caught:
        read(GOOD + "usres = []")
    assert caught.value.hint == "did you mean 'users'?"


@pytest.mark.parametrize(
    "line", ["", "version = 2", "version = true", "version = 1.0", 'version = "1"', "version = [1]"]
)
def test_only_version_1_is_read(line: str) -> None:
    with pytest.raises(Invalid, match="version = 1"):
        settings.parse(line, "ca.toml")


@pytest.mark.parametrize(
    "text", ["a", "a = ", "a = 1\na = 2", "a = " + "9" * 5000, "a = " + "[" * 5000, "a = '\ud800", "\0"]
)
def test_what_is_not_toml_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        settings.parse("version = 1\n" + text, "ca.toml")
    assert caught.value.code == "bad_config"


pieces = st.sampled_from(
    ["name", "inner", "path", "depth", "users", "=", '"x"', "1", "{", "}", "[", "]", "\n", ",", ".", "true", "é"]
)


@quick
@given(st.lists(pieces, max_size=14).map(" ".join) | st.text(max_size=30))
def test_nothing_but_invalid_comes_out(text: str) -> None:
    found: Any = attempt(read, text)
    assert isinstance(found, (Outer, Invalid))
