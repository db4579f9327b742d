"""The CA's log as JSON (``log = "json"`` in ``ca.toml``): each line an object, and one for whatever became durable."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime

from sshjit import traces, wire
from sshjit_ca.question import Question

_log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """One JSON object for each record; what ``extra`` names in ``fields`` is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        more = dict(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            more["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return traces.log_line(when, record.levelname.lower(), record.name, record.getMessage(), more)


def begin() -> None:
    """From now on everything that is logged is JSON."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())


def written(questions: Sequence[tuple[Question, int]], size: int) -> None:
    """Says which entries of a log of this size each question of a batch wrote; ``questions`` have their first one."""
    ends = [*(first for _, first in questions[1:]), size]
    for (question, first), end in zip(questions, ends, strict=True):
        if end <= first:
            continue
        fields = {"trace": question.trace, "socket": question.socket, "first_entry": first, "entries": end - first}
        _log.info("%s", wire.type_name(type(question.message)), extra={"fields": fields})
