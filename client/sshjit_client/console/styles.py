"""How this run prints to its standard output. There is no colour in a pipe, or if ``NO_COLOR`` is set."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping

from sshjit.styles import Styles


def terminal_styles(environ: Mapping[str, str]) -> Styles:
    """The colours and columns of the standard output."""
    person = sys.stdout.isatty() and environ.get("TERM", "") != "dumb"
    return Styles(person and not environ.get("NO_COLOR"), shutil.get_terminal_size((100, 24)).columns)


def table_width() -> int:
    """The columns that a table may take; 0 for as many as it likes, as in a pipe."""
    return shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
