"""Strict JSON: what is not exactly as expected is an error that names the field.

Used for the configuration file and for the bundle; which error class that is, the caller decides.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

T = TypeVar("T")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field occurs twice")
    return fields


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _small_number(text: str) -> int:
    """A number of 64 bits. Python before 3.11 works for hours on one of some million digits."""
    if len(text) > 20 or not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError("a number is too large")
    return number


def loads(data: str) -> dict[str, Any]:
    """Read one JSON object; duplicate fields, ``NaN``, ``Infinity`` and large numbers raise ``ValueError``."""
    try:
        value = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_small_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error type for every way of being malformed
    return value


def only(fields: dict[str, Any], *, required: frozenset[str], optional: frozenset[str] = frozenset()) -> None:
    """Raise ``ValueError`` unless ``fields`` has all the required names and no unknown one."""
    missing = sorted(required - fields.keys())
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    unknown = sorted(fields.keys() - required - optional)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known")


def typed(fields: dict[str, Any], name: str, kind: type[T]) -> T:
    """Return the field, which must be of exactly this type: ``true`` is no number."""
    value = fields[name]
    if type(value) is not kind:
        raise ValueError(f"{name} is not a {_WORDS[kind]}")
    return value


_WORDS: dict[type, str] = {str: "string", int: "whole number", list: "list", dict: "object", bool: "truth value"}


def strings(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return a field that is a list of strings."""
    values = typed(fields, name, list)
    if not all(type(value) is str for value in values):
        raise ValueError(f"{name} is not a list of strings")
    return tuple(values)


def pairs(fields: dict[str, Any], name: str) -> tuple[tuple[str, int], ...]:
    """Return a field that is a list of ``[string, whole number]``."""
    pairs_read = []
    for value in typed(fields, name, list):
        if type(value) is not list or [type(item) for item in value] != [str, int]:
            raise ValueError(f"{name} is not a list of [string, whole number]")
        pairs_read.append((value[0], value[1]))
    return tuple(pairs_read)
