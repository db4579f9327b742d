"""One byte string for one value."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import canonical, wire
from tests.unit.sshjit.core_world import numbers, quick, texts

values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@quick
@given(values, st.randoms())
def test_the_order_of_keys_does_not_matter_and_nothing_is_lost(value: Any, chance: random.Random) -> None:
    written = canonical.dumps(value)
    assert canonical.dumps(_shuffled(value, chance)) == written
    assert wire.loads(written) == value
    assert written.isascii()


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value


@quick
@given(values, values)
def test_different_values_have_different_bytes(one: Any, other: Any) -> None:
    same = canonical.dumps(one) == canonical.dumps(other)
    assert same == (repr(_typed(one)) == repr(_typed(other)))


def _typed(value: Any) -> Any:
    """The value with its objects sorted: equal if and only if values and types are (``True`` is not 1)."""
    if isinstance(value, dict):
        return sorted((key, _typed(inner)) for key, inner in value.items())
    return ["list", *map(_typed, value)] if isinstance(value, list) else value


def test_the_spelling_is_the_one_that_others_can_make() -> None:
    value = {"b": [1, None, True], "a": '\u00e9\U0001f600"\\\n\x7f', "": {}}
    text = rb'{"":{},"a":"\u00e9\ud83d\ude00\"\\\n\u007f","b":[1,null,true]}'
    assert canonical.dumps(value) == text
    assert canonical.digest(value) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", {1, 2}])
def test_what_has_no_one_spelling_is_not_written(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical.dumps([value])
