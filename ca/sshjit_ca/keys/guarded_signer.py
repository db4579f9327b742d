"""Keys on devices that may hang: what would wait in vain is refused at once (``machine/circuit_breaker.py``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sshjit.sshkey import PublicKey
from sshjit_ca.keys.signer import Signer
from sshjit_ca.machine.circuit_breaker import CircuitBreaker


@dataclass(frozen=True, slots=True)
class GuardedSigner:
    """A key on a device that may hang."""

    signer: Signer
    device: str
    hanging: CircuitBreaker
    again: Callable[[], None]

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self.signer.public

    def sign(self, data: bytes) -> bytes:
        """As the key itself signs. Raises ``Failed``: what the key raises, and at once while its device hangs."""
        return self.hanging.ask(self.device, lambda: self.signer.sign(data), self.again)
