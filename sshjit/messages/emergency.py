"""What only the operator may say, at the admin door, when things went wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConfirmClock:
    """The clock jumped, an operator has looked at it, and it is right now."""

    reason: str


@dataclass(frozen=True, slots=True)
class ClockReply:
    """The time from which on the CA signs again, and by how many seconds the clock had moved."""

    time: int
    drift: int


@dataclass(frozen=True, slots=True)
class SignEmergency:
    """A certificate past every rule, for minutes, on the operator's word."""

    login: str
    hosts: tuple[str, ...]
    """Names or aliases of enrolled hosts."""
    key: str
    """The public key as an OpenSSH line."""
    reason: str
    lifetime: int
    """Seconds, a quarter of an hour at most."""


@dataclass(frozen=True, slots=True)
class EmergencyReply:
    """The certificate, and under which id it stands in the log."""

    emergency: str
    text: str
    serial: int
    principals: tuple[str, ...]
    valid_before: int
