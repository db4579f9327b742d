"""One byte string for one value: the JSON that is hashed, signed and compared.

Keys sorted, no blanks, ASCII only, whole numbers only (a float has more than one spelling). Two values are equal if and
only if their bytes are.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode


def dumps(value: Any) -> bytes:
    """The canonical JSON of dicts with string keys, lists, tuples, strings, whole numbers, booleans and ``None``."""
    return _encode(value).encode("ascii")


def digest(value: Any) -> str:
    """SHA-256, in hex, over the canonical JSON."""
    return hashlib.sha256(dumps(value)).hexdigest()
