"""Ids that people type: whole, by their beginning, or by a beginning without the kind (``7k2m`` for ``lock-7k2m…``)."""

from __future__ import annotations

from collections.abc import Iterable


def meant(text: str, known: Iterable[str], kind: str) -> list[str]:
    """The ids of ``kind`` that a text names: the one that it is, else all that begin so; none by the kind alone."""
    begin = text if text.startswith(kind) else "" if kind.startswith(text) else f"{kind}{text}"
    if begin in {"", kind}:
        return []
    found = [each for each in known if each.startswith(begin)]
    return [begin] if begin in found else found
