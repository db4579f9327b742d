"""One thread that hears from the CA when there is a newer bundle, and tells the event loop.

The CA answers as soon as it has one (``ReadBundle.wait``); an older CA answers at once, and is asked twice a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sshjit.errors import SshJitError
from sshjit_web.ca_cache import CaCache

LOG = logging.getLogger(__name__)
PACE = 1.0
"""Seconds from one new bundle to the next: every host fetches each of them."""
PAUSE = 0.5
"""Seconds until the CA is asked again that did not let us wait, or did not answer."""
QUICK = 0.25
"""An answer that took less than these seconds, and says nothing new, did not wait."""


class BundleFollower:
    """Calls ``changed``, in its own thread, after each newer bundle. Ends with the process."""

    def __init__(self, ca_cache: CaCache, changed: Callable[[], object]) -> None:
        self._ca_cache = ca_cache
        self._changed = changed
        self._problem = ""

    def start(self) -> None:
        """Begins."""
        threading.Thread(target=self._follow, name="bundle", daemon=True).start()

    def _follow(self) -> None:
        while True:
            time.sleep(self._step())

    def _step(self) -> float:
        """Asks once; how many seconds to wait until the next time."""
        began = time.monotonic()
        try:
            changed = self._ca_cache.follow()
        except SshJitError as error:
            self._note(error.code)
            return PAUSE
        except Exception:
            LOG.exception("the bundle could not be followed")  # whatever it is: polls then ask for themselves
            return PAUSE
        self._note("")
        if changed:
            self._changed()
            return PACE
        return PAUSE if time.monotonic() - began < QUICK else 0.0

    def _note(self, problem: str) -> None:
        if problem and problem != self._problem:
            LOG.warning("the newest bundle is not known: %s", problem)
        self._problem = problem
