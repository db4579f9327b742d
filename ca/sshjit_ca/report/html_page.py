"""A report as HTML to read and to print, from the templates beside this file.

Of a table with very many rows the first are printed, and the page says how many there are; the CSV has all. Empty
columns are left out. Jinja2 comes with the extra ``report`` and is loaded only when a page is made: a CA
that serves never has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sshjit import durations
from sshjit.errors import Failed
from sshjit.visible import shown
from sshjit_ca.report.builder import Report
from sshjit_ca.report.columns import OPEN, URGENT, Column, Rank, Table
from sshjit_ca.report.evidence import EVIDENCE
from sshjit_ca.report.highlights import highlights, key_numbers
from sshjit_ca.report.period import iso_time, period_text
from sshjit_ca.report.spool import Row, Spool
from sshjit_ca.report.tables import TABLES

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_ROWS = 2000
"""Rows of a table that are printed."""
MOST_ITEMS = 8
"""Names of a list that are printed."""


def render(report: Report) -> Iterator[str]:
    """The page, in pieces of a table row or more.

    Raises:
        Failed: ``no_jinja2``, before the first piece.

    """
    template = environment().get_template("report.html")
    period = period_text(report.period)
    printed = [table for table in TABLES if table.printed]
    sections = [_Section(number, table, report.spool) for number, table in enumerate(printed, start=1)]
    return template.generate(
        report=report,
        title=f"Access report · {report.installation} · {period}",
        period=period,
        key_numbers=key_numbers(report),
        highlights=highlights(report),
        sections=sections,
        links={section.table.key: f"{section.number} {section.table.title}" for section in sections},
        titles={table.key: table.title for table in TABLES},
        frameworks=[(name, list(items)) for name, items in groupby(EVIDENCE, key=lambda item: item.framework)],
    )


def environment() -> Environment:
    """The templates. Every value that they print is made inert, and then escaped.

    Raises:
        Failed: ``no_jinja2``.

    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only for who makes a page
    except ImportError:
        hint = "pip install 'ssh-jit[report]', or --format csv, which needs nothing more"
        raise Failed("no_jinja2", "an HTML report needs the Python package Jinja2", hint=hint) from None
    made = Environment(
        loader=PackageLoader("sshjit_ca.report"),
        autoescape=True,
        finalize=inert,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(most_rows=MOST_ROWS, most_items=MOST_ITEMS)
    made.filters.update(
        thousands=lambda number: f"{number:,}",
        duration=durations.show,
        iso_time=iso_time,
        day=lambda time: f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}",
        hour=lambda time: f"{datetime.fromtimestamp(time, UTC):%H:%M}",
    )
    return made


def inert(value: Any) -> Any:
    """A value as it is printed: in texts, letters that do not show or that turn others round are spelt out.

    What is markup already (the result of a macro) and what is no text stays as it is.
    """
    if type(value) is not str:
        return value
    return shown(value, lambda letter: " ⏎ " if letter == "\n" else f"\\u{ord(letter):04x}")


@dataclass(frozen=True, slots=True)
class _Content:
    """What is printed of a table: columns with their positions in a row, and rows with how they stand out."""

    columns: list[tuple[int, Column]]
    rows: list[tuple[str, Row]]


class _Section:
    """A table of the page."""

    def __init__(self, number: int, table: Table, spool: Spool) -> None:
        self.number, self.table = number, table
        self.count = spool.count(table.key)
        self._spool = spool

    def content(self) -> _Content:
        """Reads the rows."""
        rows = list(self._spool.rows(self.table.key, MOST_ROWS))
        columns = [
            (number, column)
            for number, column in enumerate(self.table.columns)
            if column.printed and any(row[number] not in (None, "", ()) for _, row in rows)
        ]
        return _Content(columns, [(_mark(rank), row) for rank, row in rows])


def _mark(rank: Rank) -> str:
    return "urgent" if rank <= URGENT else "open" if rank == OPEN else ""
