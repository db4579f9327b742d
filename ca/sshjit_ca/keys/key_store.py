"""Opens private keys by their references and keeps them open.

A key is opened when it must sign. One that cannot be opened now is tried again at its next signature: a device may come
back, and ``machine/circuit_breaker.py`` finds out whether one that hangs is back. What is opened must be the key that
the log knows by this reference.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sshjit.errors import Failed
from sshjit_ca.keys import files, probe, references
from sshjit_ca.keys.agents import Agent, AgentKey
from sshjit_ca.keys.guarded_signer import GuardedSigner
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.references import Reference
from sshjit_ca.keys.signer import Signer
from sshjit_ca.keys.tokens import TokenKey
from sshjit_ca.machine.circuit_breaker import CircuitBreaker


class KeyStore:
    """The opened keys of this process, by fingerprint."""

    def __init__(self, places: KeyLocations) -> None:
        self.places = places
        """Where this process finds agents and secrets."""
        self._agents: dict[Path, Agent] = {}
        self._signers: dict[str, Signer] = {}
        self._lock = threading.Lock()
        self._hanging = CircuitBreaker()

    def signer(self, fingerprint: str, reference: str) -> Signer:
        """The signer for a key that the log knows.

        Raises:
            Failed: ``other_key``, and those of ``open``.

        """
        signer = self._signers.get(fingerprint)
        if signer is not None:  # without the lock: who opens another one may be waiting for a device
            return signer
        with self._lock:
            signer = self._signers.get(fingerprint) or self._watched(fingerprint, reference)
            self._signers[fingerprint] = signer
            return signer

    def _watched(self, fingerprint: str, reference: str) -> Signer:
        """The key, opened, and asked for nothing while its device hangs."""
        if isinstance(references.parse(reference), references.File):
            return self.expected(fingerprint, reference)
        device = references.device(reference)

        def again() -> None:
            probe.probe_key(self, fingerprint, reference)

        opened = self._hanging.ask(device, lambda: self.expected(fingerprint, reference), again)
        return GuardedSigner(opened, device, self._hanging, again)

    def expected(self, fingerprint: str, reference: str) -> Signer:
        """The key that the log knows by a reference, opened anew and not kept.

        Raises:
            Failed: ``other_key``, and those of ``open``.

        """
        signer = self.open(reference)
        if signer.public.fingerprint != fingerprint:
            raise Failed(
                "other_key",
                f"{reference} is {signer.public.fingerprint}, but the log knows {fingerprint} by this reference",
                hint="put the previous key back; ssh-jit-ca keys add takes a new one",
            )
        return signer

    def open(self, reference: str) -> Signer:
        """The key at a reference, whatever key it is.

        Raises:
            Invalid: ``bad_reference``.
            Failed: why it cannot be opened.

        """
        return self._open(references.parse(reference))

    def forget(self, fingerprint: str) -> None:
        """Drops a key whose turn is over."""
        with self._lock:
            self._signers.pop(fingerprint, None)

    def _open(self, reference: Reference) -> Signer:
        match reference:
            case references.File(path, passphrase):
                return files.load(path, None if passphrase is None else self.places.secret(passphrase))
            case references.Agent(fingerprint, socket):
                place = socket or self.places.agent
                if place is None:
                    raise Failed(
                        "not_signing", "no ssh-agent is configured", hint="agent_socket in ca.toml, or SSH_AUTH_SOCK"
                    )
                return AgentKey(self._agents.setdefault(place, Agent(place)), fingerprint)
            case references.Token():
                return TokenKey(reference, self.places)
            case references.Safe():
                text = "the private half of the recovery key is in a safe, and the CA never signs by it"
                raise Failed("recovery_key", text, hint="ssh-jit-ca recovery-sign signs by its file, without the CA")
