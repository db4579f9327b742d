"""What an operator did when nothing else would do."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.events.parts import added, detail


@dataclass(frozen=True, slots=True)
class EmergencyIssued:
    """The operator drew a user certificate past every rule. The record is durable before the certificate is written."""

    emergency: str
    serial: int
    certificate: str
    """Digest of the whole certificate in wire format."""
    signed: int
    """When it was signed: long before the entry, if the database was down."""
    valid_before: int
    login: str = detail()
    hosts: tuple[str, ...] = detail()
    """Ids of hosts."""
    key: str = detail()
    reason: str = detail()
    bastion: str = added(default="", detail=True)
    """The id of the bastion that this certificate passes through to the one host, and does nothing else; or empty."""
    post_quantum: bool = added(default=False)
    """Whether the post-quantum CA signed it."""


@dataclass(frozen=True, slots=True)
class ClockConfirmed:
    """An operator said that the clock is right, after it jumped."""

    before: int
    """Time of the last entry."""
    drift: int
    """Seconds that the clock had moved against the machine's boot clock."""
    reason: str = detail()


@dataclass(frozen=True, slots=True)
class Restored:
    """An operator went on with an older copy of the log, and so gave up what came after it."""

    epoch: int
    """No serial was ever given out in it."""
    lost: int
    """Entries that are gone, as far as is known."""
    checkpoint: str
    """The newest checkpoint known, a signed note over the log that is given up; empty if none was."""
    reason: str = detail()
    witnesses: tuple[tuple[str, int], ...] = added(default=())
    """What witnesses that signed another or a longer log had signed then: the hash of each one's key (hexadecimal), and
    how many entries."""
