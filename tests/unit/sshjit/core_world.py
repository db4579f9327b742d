"""What the tests of the core share: OpenSSH's vectors, made-up instances of any message, broken bytes."""

from __future__ import annotations

import base64
import dataclasses
import subprocess
import types
import typing
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sshjit.errors import Invalid

P = ParamSpec("P")
T = TypeVar("T")
VECTORS = Path(__file__).resolve().parents[2] / "vectors"
KEYS = ("ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-3072", "sk-ed25519", "sk-ecdsa-256")
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Enough to find what is easy to find; a deadline would only measure how busy the machine is."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def vector(name: str) -> str:
    """The line of ``tests/vectors/NAME.pub``."""
    return (VECTORS / f"{name}.pub").read_text()


def blob(name: str) -> bytes:
    """The bytes of a vector."""
    return base64.b64decode(vector(name).split()[1])


def keygen(*arguments: str | Path) -> str:
    """What ``ssh-keygen`` prints; it must succeed."""
    command = ["env", "TZ=UTC", "LC_ALL=C", "ssh-keygen", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def attempt(act: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | Invalid:
    """What ``act`` returns, or the ``Invalid`` that it raises. Any other exception goes on and fails the test."""
    try:
        return act(*arguments, **named)
    except Invalid as error:
        return error


def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a dataclass, or of the type of one of its fields."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in _LEAVES:
        return _LEAVES[kind]
    if dataclasses.is_dataclass(kind):
        hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
        make = typing.cast("Callable[..., Any]", kind)
        return st.builds(make, **{field.name: instances(hints[field.name]) for field in fields})
    if origin is tuple:
        several = arguments[-1] is Ellipsis
        return (
            st.lists(instances(arguments[0]), max_size=2).map(tuple)
            if several
            else st.tuples(*map(instances, arguments))
        )
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, StrEnum)):
        return st.sampled_from(arguments or list(kind))
    assert origin in (Union, types.UnionType), kind
    return st.one_of(*map(instances, arguments))


_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: numbers,
    bool: st.booleans(),
    types.NoneType: st.none(),
}


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """``whole`` with some bytes changed, inserted, deleted, doubled or cut off."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(found)))
        match draw(st.sampled_from(["flip", "set", "insert", "delete", "double", "cut"])):
            case "flip" if at < len(found):
                found[at] ^= 1 << draw(st.integers(0, 7))
            case "set":
                found[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                found[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "delete":
                del found[at : at + draw(st.integers(1, 8))]
            case "double":
                found[at:at] = found[at : at + draw(st.integers(1, 64))]
            case _:
                del found[at:]
    return bytes(found)
