"""The CA itself: who writes the log, under which policy, and what hosts and laptops were told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.events.parts import added, detail


@dataclass(frozen=True, slots=True)
class Started:
    """A writer took over the log. ``epoch`` is the upper part of the serials that follow."""

    epoch: int
    installation: str
    keys: tuple[tuple[str, str], ...]
    """(purpose, fingerprint)."""
    release: str = added(default="")
    """Of the program that wrote on from here."""


@dataclass(frozen=True, slots=True)
class SentenceDecided:
    """What was found of a ``[[never]]`` of a policy when it was put in force."""

    name: str
    answer: Literal["proved", "broken", "undecided", "over"]
    """``over``: its ``within`` had passed, so nobody looked."""
    until: int
    """Up to when that was looked at (seconds since the epoch); ``over``: when its time had ended."""


@dataclass(frozen=True, slots=True)
class PolicyLoaded:
    """From here on this policy decides."""

    digest: str
    rules: int
    accepted: tuple[str, ...] = added(default=())
    """What must never be by the policy before or by this one, and is: the operator accepted it, by these names."""
    decided: tuple[SentenceDecided, ...] | None = added(default=None)
    """What was proved of it then, for the hosts of then; ``None``: nobody looked."""


@dataclass(frozen=True, slots=True)
class RotaTaken:
    """From here on this text says who is on call, for as long as the policy lets it."""

    rota: str
    digest: str
    """SHA-256 (hex) of the text."""
    issued: int
    by: str
    """The fingerprint of the key that signed it; ``sha256``: its digest was given out in advance."""
    text: str = detail()


@dataclass(frozen=True, slots=True)
class ProviderBound:
    """Somebody signed in by a provider for the first time: from here on its id means this issuer and this claim."""

    provider: str
    issuer: str
    subject_claim: str


@dataclass(frozen=True, slots=True)
class BundleSigned:
    """Hosts and laptops are told something new."""

    sequence: int
    digest: str
    """SHA-256 (hex) of the document in format 1."""
    expires: int
    later: tuple[str, ...] = added(default=())
    """The digests of the same bundle in the later formats, from format 2 on."""


@dataclass(frozen=True, slots=True)
class Forgot:
    """Details of entries before ``before`` were erased, where nothing alive needed them."""

    before: int
    erased: int
    entries: tuple[tuple[int, int], ...] | None = added(default=None, detail=True)
    """Ranges (first, end) of the entries whose details this erased: of those in a range, the ones whose kind may be
    erased at all (``ca/sshjit_ca/log/erasure.py``). ``None``: release 0.1.0 did not say which."""
