"""Waiting for what must happen: one patience for all tests, and none of them measures a time.

A machine with two cores and three folders of tests at once is slow now and then, and that is no defect. So a test waits
long for what comes, says what did not come, and decides by the order of things, not by seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds until a test gives up on what should have happened; what works never needs them."""
PAUSE = 0.02
"""Seconds between two looks."""


def wait_until(there: Callable[[], object], what: Callable[[], object] | str = "it did not happen") -> None:
    """Waits until ``there()`` is true; fails with ``what`` if it does not come to be."""
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(PAUSE)
