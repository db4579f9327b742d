"""What the state consists of."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import events


@dataclass(frozen=True, slots=True)
class Login:
    """A verified sign-in. ``opened`` is what the token said; ``time`` when the CA took it."""

    opened: events.LoginOpened
    time: int
    closed: bool = False

    def alive(self, now: int) -> bool:
        """Whether it can still be used."""
        return not self.closed and now < self.opened.expires


@dataclass(frozen=True, slots=True)
class Certificate:
    """A user certificate that was issued."""

    serial: int
    request: str
    valid_before: int


@dataclass(frozen=True, slots=True)
class Host:
    """An enrolled host."""

    id: str
    name: str
    aliases: tuple[str, ...]
    address: str
    port: int
    labels: tuple[tuple[str, str], ...]
    host_keys: tuple[str, ...]
