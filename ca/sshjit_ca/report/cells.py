"""Cells as text: for people on paper, for programs in CSV."""

from __future__ import annotations

import html
from datetime import UTC, datetime

from sshjit import durations
from sshjit.visible import shown
from sshjit_ca.report.columns import Cell, Column

SEVERAL = 8
"""Names of a list that are printed; CSV has all."""
LIST = " | "
"""Between the items of a list in CSV."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - taken as formulas as well


def paper(column: Column, value: Cell) -> str:
    """A cell as HTML, everything escaped; empty for nothing."""
    if value in {None, "", ()}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return _several(value)
    if isinstance(value, int):
        return _number(column, value)
    if column.kind == "quote":
        return f"<q>{text(value)}</q>"
    return f"<code>{text(value)}</code>" if column.kind == "code" else text(value)


def text(value: str) -> str:
    """Text inert in HTML: markup escaped, letters that do not show or that turn others round spelt out."""
    return html.escape(shown(value, lambda each: " ⏎ " if each == "\n" else f"\\u{ord(each):04x}"))


def _several(values: tuple[str, ...]) -> str:
    more = f' <span class="more">and {len(values) - SEVERAL:,} more</span>' if len(values) > SEVERAL else ""
    return " ".join(f"<span>{text(each)}</span>" for each in values[:SEVERAL]) + more


def _number(column: Column, value: int) -> str:
    match column.kind:
        case "time":
            moment = datetime.fromtimestamp(value, UTC)
            return f"<time>{moment:%Y-%m-%d} <b>{moment:%H:%M}</b></time>"
        case "duration":
            return text(durations.show(value))
        case "share":
            return f"{value} %"
        case _:
            return str(value) if column.key in {"entry", "serial"} else f"{value:,}"


def sheet(column: Column, value: Cell) -> str:
    """A cell as CSV has it. Text that a spreadsheet would take for a formula has an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if column.kind == "time":
            return instant(value)
        return str(value)
    return harmless(LIST.join(value) if isinstance(value, tuple) else value)


def instant(time: int) -> str:
    """A time as ISO 8601, UTC."""
    return f"{datetime.fromtimestamp(time, UTC).replace(tzinfo=None).isoformat()}Z"


def harmless(value: str) -> str:
    """Text that no spreadsheet calculates."""
    return f"'{value}" if value.lstrip(" \u00a0").startswith(_FORMULA) or value.startswith(_FORMULA) else value
