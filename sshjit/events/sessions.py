"""Sessions on hosts, as the hosts report them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit.events.parts import added, detail

Known = Literal["granted", "emergency", "unknown", "elsewhere", "probe", "recovery"]
"""What the log knows of a session's certificate: drawn from a grant for this host and login, by an operator past every
rule, not at all, for another host or login, or for a probe of this host and login. ``recovery``: not at all, and the
host takes it for one past every rule, by the key of its CA (``recovery.pub``) or its key id."""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """A session began by a certificate."""

    session: str
    number: int
    """Of the host's events: each is taken once."""
    started: int
    """When, by the host's clock."""
    serial: int
    certificate: str
    known: Known
    request: str | None
    """The grant, where the log knows that the certificate was drawn from it for this host and login."""
    lost: int
    """Events that the host had to drop before this one."""
    host_id: str = detail()
    name: str = detail()
    login: str = detail()
    source: str = detail()
    grant: str = detail()
    """What the certificate says, believed or not."""
    key_id: str = added(default="", detail=True)
    """The certificate's, as the host tells it."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session is over, with all that it had started."""

    session: str
    number: int
    ended: int
    """When, by the host's clock."""
    serial: int
    request: str | None
    lost: int
    host_id: str = detail()
    name: str = detail()
    login: str = detail()
    why: str = detail()


@dataclass(frozen=True, slots=True)
class SessionReportRefused:
    """A host told of sessions what no host says. It was passed over, so that what comes after it is heard."""

    number: int
    """The number of the newest of the host's events that count as told now."""
    count: int
    """Events that were passed over."""
    problem: str = detail()
    """What is wrong with the first of them."""
    host_id: str = detail()
    name: str = detail()
