"""A report as HTML to read and to print: one file that needs nothing else, without scripts, everything escaped.

Of a table with very many rows the first ones are printed, and how many there are is said; CSV has all. Columns in which
nothing stands are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sshjit_ca.report import cells
from sshjit_ca.report.columns import OPEN, URGENT, Column, Rank, Table
from sshjit_ca.report.evidence import EVIDENCE
from sshjit_ca.report.first import numbers, points
from sshjit_ca.report.making import Report
from sshjit_ca.report.period import shown
from sshjit_ca.report.spool import Row
from sshjit_ca.report.style import STYLE
from sshjit_ca.report.tables import BY_KEY, TABLES

PRINTED = 2000
"""Rows of a table that are printed."""
_SHOWN = tuple(table for table in TABLES if table.printed)
_EVIDENCE = "Which table is evidence for what"
_NUMBERS = {table.key: number for number, table in enumerate(_SHOWN, start=1)}


def pieces(report: Report) -> Iterator[str]:
    """The document, in pieces of a table row or more."""
    what = f"Access report · {cells.text(report.installation)} · {shown(report.period)}"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{what}</title>\n<style>{STYLE.replace('FOOT', what)}</style>\n</head>\n<body>\n"
    )
    yield from _cover(report)
    yield "<main>\n"
    for table in _SHOWN:
        yield from _section(report, table)
    yield "</main>\n"
    yield from _evidence()
    yield "</body>\n</html>\n"


def _cover(report: Report) -> Iterator[str]:
    yield (
        f'<header>\n<div class="brand">ssh-jit · {cells.text(report.installation)}</div>\n<h1>Access report</h1>\n'
        f'<p class="period">{shown(report.period)}, times in UTC</p>\n'
    )
    tiles = "".join(f"<div><b>{count}</b><span>{cells.text(what)}</span></div>" for count, what in numbers(report))
    yield f'<div class="numbers">{tiles}</div>\n'
    yield from _standing(report)
    yield "</header>\n"
    yield from _points(report)
    yield '<section><h2>Contents</h2>\n<ol class="contents">\n'
    for table in _SHOWN:
        count = report.spool.count(table.key)
        yield (
            f'<li><a href="#{table.key}"><span class="no">{_NUMBERS[table.key]}</span>{table.title}</a>'
            f"<span>{count:,}</span></li>\n"
        )
    yield f'<li><a href="#evidence"><span class="no">{len(_SHOWN) + 1}</span>{_EVIDENCE}</a></li>\n'
    yield "</ol></section>\n"


def _standing(report: Report) -> Iterator[str]:
    """What the report stands on, and whether that is whole."""
    head = report.head
    if report.problems:
        yield '<div class="stands bad"><p><strong>THE LOG IS NOT WHOLE.</strong> Do not rely on what follows:</p><ul>'
        yield "".join(f"<li>{cells.text(problem)}</li>" for problem in report.problems)
        yield "</ul>"
    else:
        yield (
            '<div class="stands"><p><strong>The log is whole.</strong> Every entry, what they come to, and every kept '
            "policy were checked against the signed head below when this report was made.</p>"
        )
    rows = (
        ("Made", cells.instant(report.made)),
        ("Log", f"{head.origin}, {head.size:,} entries, the newest of {cells.instant(report.entry_time)}"),
        ("Head", head.root.hex()),
    )
    fields = "".join(f"<dt>{name}</dt><dd>{cells.text(value)}</dd>" for name, value in rows)
    note = "\n".join(cells.text(line) for line in report.note.strip().split("\n"))
    yield f"<dl>{fields}<dt>Checkpoint</dt><dd><pre>{note}</pre></dd></dl></div>\n"


def _points(report: Report) -> Iterator[str]:
    found = points(report)
    if not found:
        return
    yield '<section><h2>To look at first</h2>\n<ul class="points">\n'
    for point in found:
        place = f'<a class="of" href="#{point.table}">{_NUMBERS[point.table]} {BY_KEY[point.table].title}</a>'
        yield f'<li class="{"grave" if point.grave else "mild"}">{place}{cells.text(point.text)}</li>\n'
    yield "</ul></section>\n"


def _section(report: Report, table: Table) -> Iterator[str]:
    count = report.spool.count(table.key)
    yield (
        f'<section class="wide" id="{table.key}">\n'
        f'<h2><span class="no">{_NUMBERS[table.key]}</span>{table.title}</h2>\n'
        f'<p class="about">{_marked(table.about)}</p>\n'
    )
    if not count:
        yield f'<p class="none">{table.nothing}</p>\n</section>\n'
        return
    rows = list(report.spool.rows(table.key, PRINTED))
    used = [number for number, column in enumerate(table.columns) if _says(column, number, rows)]
    heads = "".join(f'<th scope="col" class="{_kind(table.columns[n])}">{table.columns[n].head}</th>' for n in used)
    yield f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
    for rank, row in rows:
        yield _row(table, used, rank, row)
    yield "</tbody></table>\n"
    if count > PRINTED:
        yield f'<p class="note">The first {PRINTED:,} of {count:,}. The CSV of this report has all of them.</p>\n'
    yield "</section>\n"


def _says(column: Column, number: int, rows: list[tuple[int, Row]]) -> bool:
    """Whether a column is printed: one that is meant to be, and in which something stands."""
    return column.printed and any(row[number] not in (None, "", ()) for _, row in rows)


def _row(table: Table, used: list[int], rank: Rank, row: Row) -> str:
    found = "".join(f'<td class="{_kind(table.columns[n])}">{cells.paper(table.columns[n], row[n])}</td>' for n in used)
    how = "urgent" if rank <= URGENT else "open" if rank == OPEN else ""
    return f'<tr class="{how}">{found}</tr>\n' if how else f"<tr>{found}</tr>\n"


def _kind(column: Column) -> str:
    return f"{column.kind} c-{column.key}"


def _marked(about: str) -> str:
    """A sentence of ours, with `commands` marked."""
    parts = cells.text(about).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _evidence() -> Iterator[str]:
    yield (
        f'<section id="evidence"><h2><span class="no">{len(_SHOWN) + 1}</span>{_EVIDENCE}</h2>\n'
        '<p class="about">What access reviews ask, in our words, and where this report answers. The texts themselves '
        "decide, and so does whoever audits by them.</p>\n"
    )
    for framework, items in groupby(EVIDENCE, key=lambda each: each.framework):
        yield f"<h3>{framework}</h3>\n<table>\n<thead><tr><th>Reference</th><th>What is asked</th><th>Tables</th></tr>"
        yield "</thead>\n<tbody>\n"
        for each in items:
            links = ", ".join(_link(key) for key in each.tables)
            yield f"<tr><td>{each.reference}</td><td>{cells.text(each.asks)}</td><td>{links}</td></tr>\n"
        yield "</tbody></table>\n"
    yield "</section>\n"


def _link(key: str) -> str:
    if key in _NUMBERS:
        return f'<a href="#{key}">{_NUMBERS[key]} {BY_KEY[key].title}</a>'
    return f"{BY_KEY[key].title} (in the CSV)"
