"""Where keys stand in a TOML text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sshjit.tomllines import Path, key_lines

TEXT = '''\
# a comment with = and [brackets]
version = 1
title = """
two "quotes" and ""\\"
x = 2
"""
dotted.a . "b c" = 'x # no'

[table] # why
list = [
    1, # one ]
    [2, 3],
    { a = 1, b = { c = "}" } },
    """
],""",
]
when = 1979-05-27 07:32:00

[[many]]
name = "first"
[many.sub]
x = 1
[[many]]
name = "second"
[[many.inner]]
y = 1
[[many.inner]]
y = 2
["quoted \\u0041".x]
z = ""
'''

EXPECTED = {
    ("version",): 2,
    ("title",): 3,
    ("dotted",): 7,
    ("dotted", "a"): 7,
    ("dotted", "a", "b c"): 7,
    ("table",): 9,
    ("table", "list"): 10,
    ("table", "list", 0): 11,
    ("table", "list", 1): 12,
    ("table", "list", 1, 1): 12,
    ("table", "list", 2): 13,
    ("table", "list", 2, "b", "c"): 13,
    ("table", "list", 3): 14,
    ("table", "when"): 17,
    ("many",): 19,
    ("many", 0): 19,
    ("many", 0, "name"): 20,
    ("many", 0, "sub"): 21,
    ("many", 0, "sub", "x"): 22,
    ("many", 1): 23,
    ("many", 1, "name"): 24,
    ("many", 1, "inner"): 25,
    ("many", 1, "inner", 0): 25,
    ("many", 1, "inner", 0, "y"): 26,
    ("many", 1, "inner", 1): 27,
    ("many", 1, "inner", 1, "y"): 28,
    ("quoted A",): 29,
    ("quoted A", "x", "z"): 30,
}


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of everything in a parsed document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths(item, (*path, number))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_kind_of_key_has_its_line(ending: str) -> None:
    text = TEXT.replace("\n", ending)
    lines = key_lines(text)
    assert set(paths(tomllib.loads(text))) == set(lines)
    assert {path: lines[path] for path in EXPECTED} == EXPECTED


_strings = st.sampled_from(
    [
        '"a"',
        "'b'",
        '""',
        "''",
        '"""multi\nline"""',
        "'''multi\nline # ]'''",
        '"\\"esc\\\\"',
        '"""q""x"""""',
        "'''q''x'''''",
        '"""\\\n   cut"""',
        '""""q"""',
    ]
)
_blank = st.sampled_from(["", " ", "\t"])
_newline = st.sampled_from(["", "\n", " # ], }\n", "\n\n  "])
_scalars = _strings | st.sampled_from(
    ["1", "-0.5", "true", "1979-05-27", "1979-05-27T07:32:00Z", "inf", "0xff", "07:32:00"]
)
_keys = st.sampled_from(["a", "b-c", "1", '"q \\" = ["', "'l # '", '""', "d_e"])


def _arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(_newline, values, _newline).map("".join), max_size=3)
    return st.tuples(items, _newline).map(lambda parts: "[" + ",".join(parts[0]) + parts[1] + "]")


def _inline(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(_keys, _blank, values), max_size=3, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: "{" + ", ".join(f"{key}{blank}={blank}{value}" for key, blank, value in found) + "}")


_values = st.recursive(_scalars, lambda inner: _arrays(inner) | _inline(inner), max_leaves=6)
_dotted = st.lists(_keys, min_size=1, max_size=3).map(".".join)
_statements = st.one_of(
    st.tuples(_blank, _dotted, _blank, st.just("="), _blank, _values, _blank).map("".join),
    _dotted.map("[{}]".format),
    _dotted.map("[[{}]]".format),
    st.just("# comment [x] = 1"),
    _blank,
)


@settings(deadline=None)
@given(st.lists(_statements, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_every_text_that_tomllib_takes_is_followed(statements: list[str], ending: str) -> None:
    taken: list[str] = []
    document: dict[str, Any] = {}
    for statement in statements:  # keep the statements that go together
        try:
            document = tomllib.loads(ending.join([*taken, statement.replace("\n", ending)]))
        except tomllib.TOMLDecodeError:
            continue
        taken.append(statement.replace("\n", ending))
    text = ending.join(taken)
    lines = key_lines(text)
    assert set(lines) == set(paths(document))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@settings(deadline=None)
@example("x = [}")
@given(st.text(alphabet="ab.=[]{}\"'\\#,\n 1", max_size=40))
def test_texts_that_are_not_toml_do_no_harm(text: str) -> None:
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
