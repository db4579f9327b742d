"""Measuring in turn: first ours, then the yardstick, and again, so that whatever slows the machine slows both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median


def seconds(action: Callable[[], object]) -> float:
    """How long ``action`` takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def paired(ours: Callable[[], float], yardstick: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """Medians of ours, of the yardstick, and of ours by yardstick in the same round, which outlives a busy moment."""
    pairs = []
    for number in range(rounds):
        first, second = (ours, yardstick) if number % 2 else (yardstick, ours)
        one, two = first(), second()
        pairs.append((one, two) if number % 2 else (two, one))
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def differences(ours: Callable[[], float], yardstick: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """Medians of ours and of the yardstick in seconds, and of their difference, round by round, in milliseconds.

    Ours always comes first: what it leaves behind may be what the yardstick needs.
    """
    pairs = [(ours(), yardstick()) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a - b for a, b in pairs) * 1e3


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of ``values`` do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
