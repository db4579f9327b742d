"""The pages for people, a file for each thing that they come for.

Views parse, call the authority and render. Which buttons a page shows is a courtesy; whether somebody may do a thing
is always the authority's answer.
"""

from __future__ import annotations

from sshjit_web.pages import (
    asking,
    deciding,
    explaining,
    glass,
    history,
    locking,
    log,
    notifications,
    requests,
    reviewing,
)
from sshjit_web.pages.room import blueprint

__all__ = [
    "asking",
    "blueprint",
    "deciding",
    "explaining",
    "glass",
    "history",
    "locking",
    "log",
    "notifications",
    "requests",
    "reviewing",
]
