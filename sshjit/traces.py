"""The id that a command has on its whole way: from ``ssh-jit`` over the front end and the CA to the log's entry.

It is the trace id of W3C Trace Context, in the header ``traceparent``: so a tracing system of the operator's own, and
the variable ``TRACEPARENT`` that CI systems set, name the same thing. It is for finding lines that belong together, and
nothing is decided by it: anybody may send any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

HEADER = "traceparent"
BYTES = 16
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.{0,200})?")
_TRACE = re.compile(r"[0-9a-f]{32}")
LONGEST = 300
"""Letters of the header that are looked at."""


def parse(header: str | None) -> str:
    """The trace id of a header ``traceparent``; empty if there is none, or it is not well formed."""
    match = _PARENT.fullmatch((header or "")[:LONGEST].strip())
    return match[1] if match else ""


def parse_span(header: str | None) -> str:
    """The id of the span that asks, in the same header; empty as with ``parse``."""
    match = _PARENT.fullmatch((header or "")[:LONGEST].strip())
    return match[2] if match else ""


def is_trace(text: str) -> bool:
    """Whether this is a trace id."""
    return _TRACE.fullmatch(text) is not None


def parent(trace: str, span: str) -> str:
    """The header; ``span`` is 16 hexadecimal digits."""
    return f"00-{trace}-{span}-00"


def log_line(time: str, level: str, logger: str, text: str, more: Mapping[str, object]) -> str:
    """A line of a structured log: one JSON object, in ASCII, so that nothing in it ends the line."""
    known = {"time": time, "level": level, "logger": logger, "message": text}
    return json.dumps({**known, **{key: value for key, value in more.items() if value not in ("", None)}})
