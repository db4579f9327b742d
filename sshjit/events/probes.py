"""Probes: what the operator's own program draws to see whether hosts enforce, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.events.parts import added, detail

ProbePurpose = Literal["enters", "expired", "elsewhere", "passes"]
"""What a probe's certificate is to show: that it gets in, or that it is refused because it ran out, or because it is
for another host."""
ProbeVerdict = Literal["ok", "bad", "unreachable"]


@dataclass(frozen=True, slots=True)
class ProbeIssued:
    """A certificate that can only run ``true`` was signed for a probe of the operator."""

    probe: str
    serial: int
    certificate: str
    """Digest of the whole certificate in wire format."""
    purpose: ProbePurpose
    valid_before: int
    principal: str = detail()
    host_id: str = detail()
    """Of the host that it is for; empty for one that is for another host."""
    key: str = detail()
    post_quantum: bool = added(default=False)
    """Whether the post-quantum CA signed it."""


@dataclass(frozen=True, slots=True)
class ProbedHost:
    """How one host was found."""

    host_id: str
    name: str
    verdict: ProbeVerdict
    problems: tuple[str, ...]
    """Codes (``ca/sshjit_ca/access/probe_findings.py``)."""


@dataclass(frozen=True, slots=True)
class HostsProbed:
    """Hosts were probed."""

    hosts: tuple[ProbedHost, ...] = detail()
