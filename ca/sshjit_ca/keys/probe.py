"""Whether the CA's keys can sign just now: each makes one signature that is worth nothing to anybody.

The text that is signed is an SSHSIG preimage in a namespace that no verifier of ours or of OpenSSH's asks for; it is
no certificate, no bundle, no checkpoint. A key is opened as a start of the CA would open it, apart from the one that
signs for the CA, so that a device that sleeps holds up nobody but who asked. All are tried at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from sshjit.errors import Failed, SshJitError
from sshjit_ca.keys import sshsig
from sshjit_ca.keys.references import device
from sshjit_ca.keys.signer import Signer
from sshjit_ca.keys.tokens import TokenKey, within

NAMESPACE = "trial@ssh-jit"
"""The SSHSIG namespace of these signatures. Nobody may ever verify by it."""
TEXT = b"can this key sign?"
PATIENCE = 12.0
"""Seconds that one key has, to be opened and to sign; agents and tokens have shorter limits of their own."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How it went with one key. ``problem`` is empty if it signed."""

    problem: str = ""
    hint: str = ""


class ProbeResults(dict[str, ProbeResult]):
    """Fingerprint -> how it went when the key was tried."""


class KeySource(Protocol):
    """What opens keys anew: a ``KeyStore``."""

    def expected(self, fingerprint: str, reference: str) -> Signer:
        """The key that the log knows by a reference, opened anew and not kept."""


def sign_once(signer: Signer) -> None:
    """Lets a key sign once.

    Raises:
        Failed: why it cannot.

    """
    armoured = sshsig.sign(signer, NAMESPACE, TEXT)
    try:
        sshsig.verify(armoured, signer.public, NAMESPACE, TEXT)
    except SshJitError:
        raise Failed(
            "not_signing",
            f"the device did not return a signature by {signer.public.fingerprint}",
            hint="is the device broken, or was the key replaced?",
        ) from None


def probe_all(source: KeySource, keys: Iterable[tuple[str, str]]) -> ProbeResults:
    """Tries keys, given as fingerprint and reference; takes as long as the slowest one, ``PATIENCE`` at most."""
    wanted = dict(keys)
    if not wanted:
        return ProbeResults()
    with ThreadPoolExecutor(len(wanted), "trial") as pool:
        return ProbeResults(zip(wanted, pool.map(lambda pair: _try(source, *pair), wanted.items()), strict=True))


def _try(source: KeySource, fingerprint: str, reference: str) -> ProbeResult:
    try:
        within(PATIENCE, lambda: probe_key(source, fingerprint, reference))
    except TimeoutError:
        return ProbeResult(
            f"{device(reference)} did not answer within {PATIENCE:.0f} s", "is the device connected and awake?"
        )
    except SshJitError as error:
        return ProbeResult(error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a library that breaks is what was to be found out
        return ProbeResult(f"{device(reference)}: {type(error).__name__}: {error}")
    return ProbeResult()


def probe_key(source: KeySource, fingerprint: str, reference: str) -> None:
    """Opens the key that the log knows by a reference, beside the one that signs, and lets it sign once.

    Raises:
        SshJitError: why it cannot.

    """
    signer = source.expected(fingerprint, reference)
    try:
        sign_once(signer)
    finally:
        if isinstance(signer, TokenKey):
            signer.close()
