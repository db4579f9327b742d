"""The CA in numbers, for whoever watches it. Nothing in them is personal: no name, no reason, no host, no request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.api.message import Message, Reply


@dataclass(frozen=True, slots=True)
class ReadMetrics(Message, answer="MetricsReply"):
    """Asks for all numbers."""


@dataclass(frozen=True, slots=True)
class SampleView:
    """One value. ``labels`` are the values of the family's labels, in their order."""

    labels: tuple[str, ...]
    value: int
    """Divided by the family's ``scale``; of a histogram, the sum of what was observed."""
    buckets: tuple[int, ...] = ()
    """Of a histogram: what was observed, not added up, below each of the bounds and above them all."""


@dataclass(frozen=True, slots=True)
class FamilyView:
    """A metric, as Prometheus knows it."""

    name: str
    """Without the program's prefix, and without ``_total``."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: tuple[SampleView, ...]
    labels: tuple[str, ...] = ()
    scale: int = 1
    """Values are whole numbers of this part of the unit: 1000000 for microseconds."""
    bounds: tuple[int, ...] = ()
    """Of a histogram, divided by ``scale`` too."""


@dataclass(frozen=True, slots=True)
class MetricsReply(Reply):
    """All of them. Counters begin at the CA's start."""

    families: tuple[FamilyView, ...]
