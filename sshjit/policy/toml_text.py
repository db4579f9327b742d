"""The TOML of a policy, or of a file that is about one, with its mistakes in the form of all other problems."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from sshjit.policy.problems import PolicyError, Problem

_PLACE = re.compile(r"(.*) \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)", re.DOTALL)


def document(text: str, file: str) -> dict[str, Any]:
    """The parsed TOML of a policy, or of a file that is about one; a syntax error is a ``PolicyError`` too."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise PolicyError([Problem(file, 1, "", "is nested too deeply")]) from None
    except ValueError as error:
        place = _PLACE.fullmatch(str(error))
        last = text.count("\n") + (not text.endswith("\n"))
        line = int(place[2]) if place and place[2] else last
        message = place[1] if place else str(error)
        column = f" in column {place[3]}" if place and place[3] else ""
        raise PolicyError([Problem(file, line, "", f"{message[:1].lower()}{message[1:]}{column}")]) from None
