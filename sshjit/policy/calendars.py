"""Calendars: named lists of dates, in the policy itself or in a TOML file that it names.

The text of such a file is put into the policy's text (``with_files``) before anything else is done with it. So the
digest of a policy covers its calendars, whoever gets the text needs no file, and a past policy has the dates of then.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from sshjit import names
from sshjit.policy import fields
from sshjit.policy.problems import Path, PolicyError, Problem, Report
from sshjit.policy.reader import LAST_YEAR, NAME, TOO_FAR, Table, kind
from sshjit.policy.schedule import DAYS
from sshjit.policy.toml_text import document
from sshjit.tomllines import key_lines

MOST_DATES = 4000
"""Dates of one calendar."""
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\.toml")
_FILE_HINT = 'write it like holidays = { file = "holidays.toml" }'
_DATES_HINT = "write a list like [2026-12-25, { from = 2026-12-27, until = 2026-12-30 }]"


def read_calendars(top: Table) -> dict[str, frozenset[date]]:
    """``[calendars]``: the dates that each name stands for."""
    calendars = {}
    files = {name: _file(top, path, value) for name, path, value in top.entries("files")}
    named: set[str | None] = set()
    for name, path, value in top.entries("calendars"):
        if name in DAYS or not NAME.fullmatch(name):
            why = "is the name of a day" if name in DAYS else "is not a calendar's name"
            top.report.add(path, why, "use lower-case letters, digits, '-' and '_'")
        if not isinstance(value, dict):
            calendars[name] = _dates(top.report, path, value)
            continue
        table = Table(value, path, top.report, fields.CALENDAR)
        file = table.text("file")
        named.add(file)
        if file is not None and file not in files:
            table.wrong(("file",), f"{names.show(file)} is not here", "load the policy from its folder")
        calendars[name] = files.get(file or "", frozenset())
    for name in files.keys() - named:
        top.report.add(("files", name), "no calendar names this file")
    return calendars


def _file(top: Table, path: Path, value: object) -> frozenset[date]:
    """The dates of a file, as ``with_files`` has put them here."""
    table = Table(value, path, top.report, fields.CALENDAR_FILE)
    return _dates(top.report, (*path, "dates"), table.any("dates")) if table.sound else frozenset()


def _dates(report: Report, path: Path, value: object) -> frozenset[date]:
    """A list of dates and of spans of dates."""
    if not isinstance(value, list):
        report.add(path, f"must be a list of dates, is {kind(value)}", _DATES_HINT)
        return frozenset()
    days: set[date] = set()
    for number, item in enumerate(value):
        if isinstance(item, dict):
            span = Table(item, (*path, number), report, fields.DATES)
            first, last = span.date("from"), span.date("until")
            if first is None or last is None:
                continue
            if not 0 <= (last - first).days < MOST_DATES:
                span.wrong(("until",), f"must not be before {first}, nor more than {MOST_DATES} days after it")
                continue
            days.update(first + timedelta(days=more) for more in range((last - first).days + 1))
        elif isinstance(item, date) and not isinstance(item, datetime):
            if item.year > LAST_YEAR:
                report.add((*path, number), TOO_FAR)
            days.add(item)
        else:
            report.add((*path, number), f"must be a date, is {kind(item)}", _DATES_HINT)
    if not value:
        report.add(path, "must not be empty: no day is in it")
    if len(days) > MOST_DATES:
        report.add(path, f"has {len(days)} dates; a calendar has {MOST_DATES} at most")
    return frozenset(days)


def with_files(text: str, read: Callable[[str], str], *, file: str = "policy.toml") -> str:
    """The text of a policy with that of the calendar files that it names and does not have yet.

    ``read`` gets the name of a file beside the policy. What is wrong with ``text`` itself is ``load``'s to say.

    Raises:
        PolicyError: what is wrong with a file that is named, by its own lines.

    """
    try:
        values = document(text, file)
    except PolicyError:
        return text
    calendars, here = values.get("calendars"), values.get("files", {})
    listed = calendars.values() if isinstance(calendars, dict) else ()
    named = [each.get("file") for each in listed if isinstance(each, dict)]
    for name in dict.fromkeys(each for each in named if isinstance(each, str)):
        if not isinstance(here, dict) or name in here:
            continue
        if not _FILE.fullmatch(name):
            line = key_lines(text).get(("calendars",), 1)
            message = f"{names.show(name)} is not the name of a TOML file beside the policy"
            raise PolicyError([Problem(file, line, "calendars", message, _FILE_HINT)])
        text = f'{text}{"" if text.endswith(chr(10)) else chr(10)}\n[files."{name}"]\n{check_file(name, read(name))}'
    return text


def check_file(name: str, text: str) -> str:
    """The text of a calendar file, which says nothing but its dates: put into a policy, it must not say more there."""
    report = Report(name, key_lines(text))
    values = document(text, name)
    table = Table(values, (), report, fields.CALENDAR_FILE)
    if table.sound:
        _dates(report, ("dates",), table.any("dates"))
    if table.sound and document(f"[x]\n{text}", name) != {"x": values}:
        table.wrong(("dates",), "must be one list", _DATES_HINT)
    if report.problems:
        raise PolicyError(report.problems)
    return text
