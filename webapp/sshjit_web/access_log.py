"""The access log: method, path, status, milliseconds. No query (it holds codes and states), no cookie, no body."""

from __future__ import annotations

import logging
import time

from flask import g, request

LOG = logging.getLogger("sshjit_web.access")


def write(status: int) -> None:
    """Logs the current request; the path in ASCII and cut, so that nobody forges lines with it."""
    if LOG.isEnabledFor(logging.INFO):
        took = (time.perf_counter() - g.started) * 1000 if "started" in g else 0.0
        LOG.info("%s %s %s %d %.1f", request.remote_addr, request.method, ascii(request.path[:200]), status, took)
