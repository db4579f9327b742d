"""A report as CSV: a folder or a zip file with one file for each table, and one that documents every column.

RFC 4180, UTF-8 with a byte order mark (spreadsheets guess wrong without one), times as ISO 8601 in UTC, durations in
seconds, lists with ``|`` between.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from sshjit.errors import Failed, Invalid
from sshjit_ca.machine import durable
from sshjit_ca.report.builder import Report
from sshjit_ca.report.columns import Cell, Column
from sshjit_ca.report.evidence import EVIDENCE
from sshjit_ca.report.period import iso_time, period_text
from sshjit_ca.report.tables import TABLES

LIST = " | "
"""Between the items of a list."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - taken as formulas as well
_KINDS = {
    "text": "text",
    "quote": "text that somebody wrote",
    "code": "text",
    "list": "list, | between",
    "number": "number",
    "time": "time, UTC",
    "duration": "seconds",
    "flag": "yes or no",
    "share": "percent",
}


def write_csv(report: Report, path: Path) -> int:
    """Writes a zip file if ``path`` ends so, else a new folder; how many files that are.

    Raises:
        Invalid: ``exists``, if something is there.
        Failed: ``not_written``.

    """
    try:
        return _zip(report, path) if path.suffix == ".zip" else _folder(report, path)
    except FileExistsError:
        raise Invalid("exists", f"{path} is there already", hint="name another, or take it away") from None
    except OSError as error:
        raise Failed("not_written", f"{path} cannot be written: {error.strerror}") from None


def _folder(report: Report, path: Path) -> int:
    count = 0
    with durable.Folder.open(path.parent) as above, above.new_folder(path.name) as folder:
        for name, rows in _files(report):
            count += 1
            with (
                folder.replacing(f"{name}.csv", new=True) as raw,
                durable.as_text(raw, "utf-8-sig", "backslashreplace", newline="") as file,
            ):
                _rows(file, rows)
    return count


def _zip(report: Report, path: Path) -> int:
    with durable.replacing(path, new=True) as whole, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        count = 0
        for name, rows in _files(report):
            count += 1
            with (
                packed.open(f"{name}.csv", "w", force_zip64=True) as raw,
                io.TextIOWrapper(raw, "utf-8-sig", "backslashreplace", newline="") as file,
            ):
                _rows(file, rows)
    return count


def _rows(file: TextIO, rows: Iterable[Iterable[str]]) -> None:
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)


def _files(report: Report) -> Iterator[tuple[str, Iterator[list[str]]]]:
    yield "report", _about(report)
    yield "columns", _columns()
    yield "evidence", _evidence()
    for table in TABLES:
        yield table.key, _table(report, table.key)


def _table(report: Report, key: str) -> Iterator[list[str]]:
    columns = next(table.columns for table in TABLES if table.key == key)
    yield [column.key for column in columns]
    for _, row in report.spool.rows(key):
        yield [csv_cell(column, value) for column, value in zip(columns, row, strict=True)]


def _about(report: Report) -> Iterator[list[str]]:
    yield ["what", "value"]
    yield ["installation", report.installation]
    yield ["period", period_text(report.period)]
    for what, time in (
        ("from", report.period.first),
        ("until", report.period.until),
        ("made", report.made),
        ("newest_entry", report.entry_time),
    ):
        yield [what, iso_time(time)]
    yield ["log", report.head.origin]
    yield ["log_entries", str(report.head.size)]
    yield ["log_head", report.head.root.hex()]
    yield ["checkpoint", harmless(report.note)]
    yield ["log_verify", "whole" if not report.problems else "NOT WHOLE"]
    for problem in report.problems:
        yield ["log_problem", harmless(problem)]
    yield ["erased_entries", str(report.erased)]


def _columns() -> Iterator[list[str]]:
    yield ["table", "column", "kind", "about"]
    for table in TABLES:
        for column in table.columns:
            yield [table.key, column.key, _KINDS[column.kind], harmless(column.about)]


def _evidence() -> Iterator[list[str]]:
    yield ["framework", "reference", "asks", "tables"]
    for each in EVIDENCE:
        yield [each.framework, each.reference, each.asks, LIST.join(each.tables)]


def csv_cell(column: Column, value: Cell) -> str:
    """A cell as CSV has it. Text that a spreadsheet would take for a formula has an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if column.kind == "time":
            return iso_time(value)
        return str(value)
    return harmless(LIST.join(value) if isinstance(value, tuple) else value)


def harmless(value: str) -> str:
    """Text that no spreadsheet calculates."""
    return f"'{value}" if value.lstrip(" \u00a0").startswith(_FORMULA) or value.startswith(_FORMULA) else value
