"""JSON as programs of ours take it from each other: what one reader could understand in another way is refused."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from sshjit.errors import Invalid

MAX_DEPTH = 16
"""Objects and lists inside each other; more than any message needs."""


def loads(text: bytes, *, limit: int = 256 * 1024, fractions: bool = False) -> Any:
    """Reads JSON: UTF-8, at most ``limit`` bytes, no duplicate keys, no floats, no NaN, no lone surrogates.

    Whole numbers fit into 64 bits with a sign, so that every database can hold them. With ``fractions``, for what
    others write by their own rules, numbers may be finite floats.

    Raises:
        Invalid: ``bad_json`` with where it broke, or ``too_large``.

    """
    if len(text) > limit:
        raise Invalid("too_large", f"the message has {len(text)} bytes, the limit is {limit}")
    try:
        value = (_FRACTIONS if fractions else _READER).decode(text.decode("utf-8"))
    except RecursionError:
        raise Invalid("bad_json", "the message is nested too deeply") from None
    except ValueError as error:
        raise Invalid("bad_json", f"the message is not JSON as we take it: {error}") from None
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise Invalid("bad_json", "the message is nested too deeply")
    if _SURROGATE.search(text) and _LONE.search(json.dumps(value, ensure_ascii=False)):
        raise Invalid("bad_json", "the message holds half a character")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:40]!r} stands twice")
    return fields


def _no_floats(text: str) -> Any:
    raise ValueError(f"{text[:20]} is not a whole number")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _small_int(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError("a number is too large")
    return number


_READER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_float=_no_floats, parse_constant=_no_floats, parse_int=_small_int
)
_FRACTIONS = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_float=_finite, parse_constant=_no_floats, parse_int=_small_int
)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")
"""JSON can spell half of a UTF-16 pair, which no encoding and no database takes (RFC 8259, section 8.2)."""


def _depth(value: Any) -> int:
    """The deepest nesting, counted level by level so that no input can exhaust the stack."""
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, (dict, list))]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth
