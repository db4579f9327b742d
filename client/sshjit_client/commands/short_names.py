"""Finding what is meant by an id, or by the beginning of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from sshjit import short_ids
from sshjit.errors import Invalid


class _Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Named)


def the_one(known: Sequence[T], text: str, noun: str, *, hint: str) -> T:
    """The only one that ``text`` names. ``noun`` is what they are, and what their ids begin with: ``lock``.

    Raises:
        Invalid: ``unknown_`` and the noun: there is none, or several begin so.

    """
    ids = short_ids.meant(text, [each.id for each in known], f"{noun}-")
    matches = [each for each in known if each.id in ids]
    if len(matches) != 1:
        problem = f"{len(matches)} {noun}s begin with {text}" if matches else f"there is no {noun} {text}"
        raise Invalid(f"unknown_{noun}", problem, hint=hint)
    return matches[0]
