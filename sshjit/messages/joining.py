"""What hosts themselves say, through a front end that could not say it for them. Texts: ``docs/protocol.md``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JoinHost:
    """A new host proves the token and each of its keys, and gets certificates for them."""

    name: str
    host_keys: tuple[str, ...]
    """Public keys, one OpenSSH line each."""
    mac: str
    """HMAC by the token over name and keys, base64url: the token itself stays where it is."""
    signatures: tuple[str, ...]
    """An SSHSIG by each key, in the same order, namespace ``join@ssh-jit``."""


@dataclass(frozen=True, slots=True)
class SignHost:
    """A host renews the certificates of its registered keys."""

    name: str
    host_keys: tuple[str, ...]
    time: int
    """The host's clock; a text is taken for five minutes, and no older one after it."""
    signatures: tuple[str, ...]
    """An SSHSIG by each key, in the same order, namespace ``renew@ssh-jit``."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """A host says how it is."""

    name: str
    host_key: str
    time: int
    bundle: int
    """The sequence of the bundle that it believes."""
    sessions: int
    """Sessions by certificates of ours that are open."""
    ended: tuple[str, ...]
    """Grants whose sessions it has ended since its last report."""
    problems: tuple[str, ...]
    """What its doctor found, a sentence each."""
    signature: str
    """SSHSIG by ``host_key``, namespace ``report@ssh-jit``."""
