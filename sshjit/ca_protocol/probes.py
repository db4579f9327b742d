"""What the operator's command says to the CA to see whether hosts enforce (admin socket alone)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sshjit import wire
from sshjit.api.hosts import HostView
from sshjit.api.message import Message, Reply
from sshjit.api.outcomes import Done
from sshjit.limits import AtMost, Id, KeyLine, Name

MOST_PROBED = 64
"""Hosts of one message."""


@dataclass(frozen=True, slots=True)
class SignProbes(Message, answer="ProbesReply"):
    """Certificates of a minute that can only run ``true``, to see whether these hosts enforce."""

    hosts: Annotated[tuple[Name, ...], AtMost(MOST_PROBED, "too_many_hosts")]
    """Names or aliases."""
    key: KeyLine
    """The public key as one OpenSSH line; its private half never leaves the operator's process."""


@dataclass(frozen=True, slots=True)
class ProbeWay:
    """How a probe passes through the bastion before a host."""

    host: HostView
    """The bastion."""
    certificate: str
    """As one OpenSSH line, for the bastion's ``jump_login``: it opens the way to the one host and does nothing else."""


@dataclass(frozen=True, slots=True)
class ProbeView:
    """A host that is to be probed, and what it must show and take."""

    host: HostView
    host_keys: tuple[str, ...]
    """Those that it joined with, as OpenSSH lines."""
    host_certificates: bool
    """Whether it shows certificates for them."""
    only_certificates: bool
    """Whether it says that certificates alone open its accounts."""
    login: str
    """The account; empty: the CA knows none."""
    certificate: str
    """For this account; empty, if there is none."""
    expired: str
    """The same, and over; empty, if there is no account."""
    way: ProbeWay | None = wire.added(2, default=None)
    """The bastion before it; ``None``: it is reached directly."""


@dataclass(frozen=True, slots=True)
class ProbesReply(Reply):
    """Certificates to be let in by, and to be refused by."""

    probes: tuple[ProbeView, ...]
    host_ca: tuple[str, ...]
    """The keys whose host certificates count now, as OpenSSH lines."""
    elsewhere: str
    """For a host that there is not; empty, if there are no accounts."""
    paused: tuple[tuple[str, int], ...]
    """Hosts that were probed a moment ago, and in how many seconds they may be again: nothing is signed for them."""
    locked: tuple[str, ...]
    """Hosts that are locked: nothing is signed for them."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a host was found. ``problems``: codes of ``ca/sshjit_ca/access/probe_findings.py``."""

    name: Name
    id: Name
    verdict: Literal["ok", "bad", "unreachable"]
    problems: Annotated[tuple[Id, ...], AtMost(16)]


@dataclass(frozen=True, slots=True)
class ReportProbes(Message, answer=Done):
    """How hosts were found: for the log, and for lists of hosts."""

    results: Annotated[tuple[ProbeResult, ...], AtMost(MOST_PROBED, "too_many_hosts")]
