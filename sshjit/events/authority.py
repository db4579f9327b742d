"""The CA itself: who writes the log, under which policy, and what hosts and laptops were told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A writer took over the log. ``epoch`` is the upper part of the serials that follow."""

    epoch: int
    installation: str
    keys: tuple[tuple[str, str], ...]
    """(purpose, fingerprint)."""


@dataclass(frozen=True, slots=True)
class PolicyLoaded:
    """From here on this policy decides."""

    digest: str
    rules: int


@dataclass(frozen=True, slots=True)
class BundleSigned:
    """Hosts and laptops are told something new."""

    sequence: int
    digest: str
    expires: int


@dataclass(frozen=True, slots=True)
class Forgot:
    """Details of entries before ``before`` were erased, where nothing alive needed them."""

    before: int
    erased: int
