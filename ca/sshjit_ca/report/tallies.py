"""What is counted while the log is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class PersonTally:
    """What one person did in the period."""

    sign_ins: int = 0
    requests: int = 0
    grants: int = 0
    certificates: int = 0
    refused: int = 0
    glass: int = 0
    approvals: int = 0


@dataclass(slots=True)
class HostTally:
    """What one host, by its id, was used for in the period."""

    requests: int = 0
    certificates: int = 0
    people: set[str] = field(default_factory=set)
    last: int | None = None


@dataclass(slots=True)
class RuleTally:
    """What one rule, by its name, decided in the period."""

    requests: int = 0
    grants: int = 0
    certificates: int = 0
    approvals: int = 0


@dataclass(slots=True)
class ApproverTally:
    """What one approver said in the period."""

    approved: int = 0
    denied: int = 0
    signed: int = 0
    quick: int = 0
    requesters: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tallies:
    """Everything that is counted. ``last_use`` goes back to the first entry: (person, rule) -> newest certificate."""

    people: defaultdict[str, PersonTally] = field(default_factory=lambda: defaultdict(PersonTally))
    hosts: defaultdict[str, HostTally] = field(default_factory=lambda: defaultdict(HostTally))
    rules: defaultdict[str, RuleTally] = field(default_factory=lambda: defaultdict(RuleTally))
    approvers: defaultdict[str, ApproverTally] = field(default_factory=lambda: defaultdict(ApproverTally))
    sign_ins: Counter[tuple[str, str]] = field(default_factory=Counter)
    with_mfa: Counter[tuple[str, str]] = field(default_factory=Counter)
    signed_in: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    used: set[tuple[str, str]] = field(default_factory=set)
    """(person, rule) of the certificates of the period."""
    last_use: dict[tuple[str, str], int] = field(default_factory=dict)
    rule_last_use: dict[str, int] = field(default_factory=dict)
