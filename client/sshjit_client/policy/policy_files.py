"""Reads the files of ``ssh-jit policy``, and the times in them.

Everything that is wrong in a file is a ``PolicyError`` with file, line, key and, where there is one, a suggestion.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sshjit import names
from sshjit.errors import Invalid
from sshjit.policy import Policy, load
from sshjit.policy.calendars import with_files
from sshjit.policy.load import VERSION
from sshjit.policy.problems import Report
from sshjit.policy.reader import Table
from sshjit.policy.toml_text import document
from sshjit.tomllines import key_lines

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?(Z|[+-][0-9:]{5,6}| \S+)?")
TIME_HINT = 'write it like "2026-03-04 12:00 Europe/Berlin" or 2026-03-04T12:00:00+01:00'
_MOST_BYTES = 4 * 1024 * 1024
"""A longer file is not a policy."""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        Invalid: ``no_file``, ``bad_file``.

    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise Invalid("bad_file", f"{path} is larger than {_MOST_BYTES} bytes")
        return raw.decode("utf-8")
    except OSError as error:
        raise Invalid("no_file", f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise Invalid("bad_file", f"{path} is not UTF-8 text") from None


def read_policy(path: Path) -> Policy:
    """The policy in a file, with the calendar files beside it that it names."""
    text = with_files(read_text(path), lambda name: read_text(path.with_name(name)), file=str(path))
    return load(text, file=str(path))


def read_table(path: Path, fields: Mapping[str, bool]) -> Table:
    """The top table of a file about a policy: an inventory, or tests. Its version is checked."""
    text = read_text(path)
    top = Table(document(text, str(path)), (), Report(str(path), key_lines(text)), fields)
    version = top.get("version", int)
    if version is not None and version != VERSION:
        top.wrong(("version",), f"must be {VERSION}, is {version}")
    return top


def parse_time(value: object) -> int:
    """A time with its zone, in seconds since the epoch: TOML's own with an offset, or a text with a zone's name.

    Raises ``Invalid`` with the code ``bad_time``, also for a time without a zone: it would be another one elsewhere.
    """
    if isinstance(value, str):
        return _parsed(value, local=False)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return int(value.timestamp())
    what = "has no zone" if isinstance(value, datetime) else "is not a time"
    raise Invalid("bad_time", f"{names.show(str(value))} {what}", hint=TIME_HINT)


def parse_local_time(text: str) -> int:
    """As ``parse_time``, for the command line: a time without a zone is in this machine's, and ``now`` is now."""
    return int(time.time()) if text == "now" else _parsed(text, local=True)


def _parsed(text: str, *, local: bool) -> int:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise Invalid("bad_time", f"{names.show(text)} is not a time", hint=TIME_HINT)
    day, clock, zone = match.groups()
    if zone is None and not local:
        raise Invalid("bad_time", f"{names.show(text)} has no zone", hint=TIME_HINT)
    try:
        if zone is not None and zone.startswith(" "):
            plain = datetime.fromisoformat(f"{day} {clock or '00:00'}")
            return int(plain.replace(tzinfo=UTC if zone == " UTC" else ZoneInfo(zone.strip())).timestamp())
        return int(datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone or ''}").timestamp())
    except (ValueError, OSError, LookupError):  # no such day, hour or zone
        raise Invalid("bad_time", f"{names.show(text)} is not a valid time", hint=TIME_HINT) from None
