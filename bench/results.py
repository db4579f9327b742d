"""One line of the table: what was measured, against what, and whether it keeps its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["x", "%", "ms", "us", "s", "kB", "MB"]


@dataclass(frozen=True, slots=True)
class Result:
    """``value`` is what the budget is about: a ratio, or a time in ``unit``. ``ours`` and ``yardstick`` are shown."""

    name: str
    what: str
    ours: str
    yardstick: str
    value: float
    unit: Unit
    budget: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the budget is kept."""
        return self.value >= self.budget if self.at_least else self.value <= self.budget

    def cells(self) -> tuple[str, ...]:
        """The line as it is shown."""
        limit = "at least" if self.at_least else "at most"
        verdict = "ok" if self.ok else "OVER"
        value, budget = f"{_short(self.value)} {self.unit}", f"{limit} {_short(self.budget)} {self.unit}"
        return self.name, self.what, self.ours, self.yardstick, value, budget, verdict


HEAD = ("line", "what", "ours", "yardstick", "is", "budget", "")


def table(results: Sequence[Result]) -> str:
    """All lines in columns, as Markdown takes them too."""
    return columns([HEAD, *(result.cells() for result in results)])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first one as their heads."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _short(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"


def rate(per_second: float) -> str:
    """``4,321/s``."""
    return f"{per_second:,.0f}/s"


def milliseconds(seconds: float) -> str:
    """``12.3 ms``."""
    return f"{seconds * 1e3:.3g} ms"
