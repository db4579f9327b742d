"""The trace id of this command, which its requests carry (``sshjit/traces.py``): one for all of them."""

from __future__ import annotations

import functools
import os

from sshjit import traces


@functools.cache
def parent() -> str:
    """The header's value: the trace that ``TRACEPARENT`` names, as CI systems set it, or one of our own."""
    trace = traces.parse(os.environ.get("TRACEPARENT")) or os.urandom(traces.BYTES).hex()
    return traces.parent(trace, os.urandom(8).hex())
