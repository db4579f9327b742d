"""The front end's log: lines for people, or JSON (``log = "json"`` in ``web.toml``) with each request's trace id."""

from __future__ import annotations

import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

from sshjit import traces

Style = Literal["text", "json"]
TRACE: ContextVar[str] = ContextVar("trace", default="")
"""The trace id of the request that is being answered."""
_TEXT = "%(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object for each record; what ``extra`` names in ``fields`` is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        more = {"trace": TRACE.get(), **getattr(record, "fields", {})}
        if record.exc_info and record.exc_info[1] is not None:
            more["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return traces.log_line(when, record.levelname.lower(), record.name, record.getMessage(), more)


def to_stderr(style: Style) -> None:
    """From now on everything that is logged goes there, in this style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
