"""Which key has its turn: the log's word on the CA's keys, joined with the opened private halves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from sshjit import canonical, sshkey, wire
from sshjit.ca_protocol.keys import Purpose
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import MLDSA44_ED25519, PublicKey
from sshjit_ca.keys import probe, references
from sshjit_ca.keys.key_store import KeyStore
from sshjit_ca.keys.probe import ProbeResults
from sshjit_ca.keys.signer import PURPOSES, Signer
from sshjit_ca.machine import owner
from sshjit_ca.machine.durable import write_durably
from sshjit_ca.state import CaKey, State
from sshjit_ca.state import keys as folded

_log = logging.getLogger(__name__)
Turns = dict[Purpose, dict[str, str]]
"""Purpose -> fingerprint (``key``) and ``reference`` of the key that signs."""


class ActiveKeys:
    """The keys as they stand now. ``state`` gives what the CA knows at this moment."""

    def __init__(self, key_store: KeyStore, state: Callable[[], State], turns: Path) -> None:
        """``turns`` is the file that says which keys sign while there is no database to ask."""
        self.key_store = key_store
        self._state = state
        self._turns = turns
        self._remembered: Turns = {}

    def active(self, purpose: Purpose, *, post_quantum: bool = False) -> Signer:
        """The key that signs, in the classical dialect or the other one.

        Raises:
            Failed: ``not_signing`` and others, with why it cannot.

        """
        key = self._active(purpose, post_quantum=post_quantum)
        return self.key_store.signer(key.fingerprint, key.reference)

    def public(self, purpose: Purpose) -> PublicKey:
        """The public half of the key that signs; needs no device."""
        return parsed(self._active(purpose).line)

    def trusted(self, purpose: Purpose, *, post_quantum: bool = False) -> tuple[PublicKey, ...]:
        """The keys that hosts and laptops believe: the active one first, then pending and retiring ones."""
        return tuple(parsed(key.line) for key in folded.trusted(self._state(), purpose, post_quantum=post_quantum))

    def revoked(self, *, post_quantum: bool = False) -> tuple[PublicKey, ...]:
        """The CA keys that hosts refuse by name."""
        every = self._state().keys.values()
        return tuple(parsed(key.line) for key in every if key.revoked and key.post_quantum == post_quantum)

    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """(purpose, fingerprint) of the keys that sign, in the order of ``PURPOSES``."""
        return tuple((purpose, self._active(purpose).fingerprint) for purpose in PURPOSES)

    def signing(self) -> tuple[CaKey, ...]:
        """The keys that sign or will, by purpose: a device of theirs that is away is somebody's concern."""
        keys = tuple(self._state().keys.values())
        return tuple(
            key
            for purpose in PURPOSES
            for key in keys
            if key.purpose == purpose
            and key.state in ("active", "pending")
            and not references.is_recovery(key.reference)
        )

    def probe(self) -> ProbeResults:
        """Lets each of them sign once; waits for devices, so it is not for the authority's thread."""
        return probe.probe_all(self.key_store, ((key.fingerprint, key.reference) for key in self.signing()))

    def open(self) -> None:
        """Opens the keys that sign, so that what is wrong is said at the start.

        A device that is away stops only what it signs, so that access can still be ended; without the log's key nothing
        can be written, so that one must be there.

        Raises:
            Failed: why a key cannot be used.

        """
        for purpose in PURPOSES:
            try:
                self.active(purpose)
            except Failed as error:
                if purpose == "log" or error.code != "not_signing":
                    raise
                _log.warning("the key for %s cannot sign: %s", purpose, error.message)

    def turns(self) -> Turns:
        """Which keys sign, and where they live."""
        active = {purpose: self._active(purpose) for purpose in PURPOSES}
        return {purpose: {"key": key.fingerprint, "reference": key.reference} for purpose, key in active.items()}

    def remember(self, turns: Turns) -> None:
        """Keeps outside the database which keys sign, for the hour in which there is none.

        What cannot be kept is only said: the log knows it already.
        """
        if turns == self._remembered:
            return
        try:
            write_durably(self._turns, canonical.dumps(turns) + b"\n")
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._turns, error.strerror)
        self._remembered = turns

    def _active(self, purpose: Purpose, *, post_quantum: bool = False) -> CaKey:
        key = folded.active(self._state(), purpose, post_quantum=post_quantum)
        if key is None and post_quantum:
            hint = f"ssh-jit-ca keys add {purpose} --new mldsa44-ed25519"
            raise Failed("no_key", f"there is no post-quantum key for {purpose}", hint=hint)
        if key is None:
            raise Failed("no_key", f"there is no key for {purpose} yet", hint="ssh-jit-ca init makes the first keys")
        return key


def remembered(turns: Path, key_store: KeyStore, purpose: Purpose) -> Signer:
    """The key that signs for a purpose, by the file that ``Ring.remember`` wrote.

    Raises:
        Failed: ``no_key``, and why the key cannot be used.

    """
    return key_store.signer(*remembered_key(turns, purpose))


def remembered_key(turns: Path, purpose: Purpose) -> tuple[str, str]:
    """Fingerprint and reference of that key.

    Raises:
        Failed: ``no_key``.

    """
    try:
        found = wire.loads(turns.read_bytes())[purpose]
        return str(found["key"]), str(found["reference"])
    except (OSError, Invalid, KeyError, TypeError) as error:
        hint = owner.unreadable_hint(turns, error, _TURNS) if isinstance(error, OSError) else _TURNS
        raise Failed("no_key", f"{turns} does not say which key signs: {error}", hint=hint) from None


_TURNS = "the CA writes it anew when it starts, from its log: bring the database back, and start it"


@lru_cache(maxsize=256)
def parsed(line: str) -> PublicKey:
    """A line of the log; it was checked when it came."""
    return sshkey.parse_line(line, post_quantum=True)


def find_key(state: State, purpose: Purpose, name: str) -> CaKey:
    """The key of a purpose with this fingerprint, or with one that begins so, if there is one alone.

    Raises:
        Invalid: ``unknown_key``.

    """
    begin = name if name.startswith("SHA256:") else f"SHA256:{name}"
    matches = [key for key in folded.of(state, purpose) if key.fingerprint.startswith(begin)]
    if len(matches) != 1:
        how = "no" if not matches else "more than one"
        raise Invalid("unknown_key", f"{how} key of {purpose} is {name[:60]!r}", hint="ssh-jit-ca keys list")
    return matches[0]


def require_purpose(purpose: Purpose, key_type: str) -> None:
    """Refuses a log key that is not Ed25519, and a post-quantum key but for a CA. ``key_type`` may be a ``KeyKind``.

    Raises:
        Invalid: ``bad_key_type``.

    """
    if purpose == "bundle" and key_type.removeprefix("ssh-") == MLDSA44_ED25519.removeprefix("ssh-"):
        raise Invalid(
            "bad_key_type",
            "the bundle's key cannot be a post-quantum one: hosts check its signature by their own ssh-keygen",
            hint="user_ca and host_ca may have one beside the other",
        )
    if purpose == "log" and key_type != sshkey.ED25519:
        raise Invalid("bad_key_type", "the log's key must be Ed25519: checkpoints are C2SP signed notes")
