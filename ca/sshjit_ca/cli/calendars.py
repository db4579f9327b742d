"""``ssh-jit-ca calendar``: calendars of policies, out of files that other programs write."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sshjit.errors import Invalid
from sshjit_ca.cli.show import count
from sshjit_ca.config import Config
from sshjit_ca.operations.calendar_import import import_calendar

MOST_BYTES = 16 * 1024 * 1024
_YEARS = 2


def add_commands(commands: Any) -> None:
    """Adds ``calendar`` with its subcommand."""
    inner = commands.add_parser("calendar", help="calendars that a policy names").add_subparsers(
        required=True, metavar="COMMAND"
    )
    parser = inner.add_parser("import", help="print the days of an iCalendar file (.ics) as a policy's calendar")
    parser.description = "Print the whole days of an iCalendar file as the TOML file of a policy's calendar."
    parser.set_defaults(run=_import)
    parser.add_argument("file", metavar="FILE.ics", type=Path)
    parser.add_argument("--until", metavar="DATE", help="for what repeats [the end of the year after next]")


def _import(_: Config, options: argparse.Namespace) -> int:
    imported = import_calendar(_read(options.file), _until(options.until))
    sys.stdout.write(imported.text)
    left_out = f"; left out: {count(imported.timed, 'event')} with times of day" if imported.timed else ""
    print(f"{count(imported.days, 'day')}{left_out}", file=sys.stderr)
    return 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Invalid("no_file", f"{path} cannot be read: {error.strerror or error}") from None
    if len(raw) > MOST_BYTES:
        raise Invalid("bad_calendar", f"{path} is larger than {MOST_BYTES} bytes")
    return raw


def _until(text: str | None) -> date:
    if text is None:
        return date(datetime.now(UTC).year + _YEARS, 12, 31)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("bad_time", f"{text!r} is not a date", hint="write it like 2027-12-31") from None
