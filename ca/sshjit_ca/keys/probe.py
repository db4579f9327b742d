"""Whether the CA's keys can sign just now: each makes one signature that is worth nothing to anybody.

The text that is signed is an SSHSIG preimage in a namespace that no verifier of ours or of OpenSSH's asks for; it is
no certificate, no bundle, no checkpoint. A key is opened as a start of the CA would open it, apart from the one that
signs for the CA, so that a device that sleeps holds up nobody but who asked. All are tried at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sshjit.errors import Failed, SshJitError
from sshjit_ca.keys import sshsig
from sshjit_ca.keys.references import device
from sshjit_ca.keys.signer import Signer
from sshjit_ca.keys.tokens import TokenKey, within

if TYPE_CHECKING:
    from sshjit_ca.keys.key_store import KeyStore

NAMESPACE = "trial@ssh-jit"
"""The SSHSIG namespace of these signatures. Nobody may ever verify by it."""
TEXT = b"can this key sign?"
PATIENCE = 12.0
"""Seconds that one key has, to be opened and to sign; agents and tokens have shorter limits of their own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went with one key. ``problem`` is empty if it signed."""

    problem: str = ""
    hint: str = ""


def once(signer: Signer) -> None:
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
            f"what was returned is not a signature by {signer.public.fingerprint}",
            hint="is the device broken, or does another key stand in this one's place?",
        ) from None


def every(holder: KeyStore, keys: Iterable[tuple[str, str]]) -> dict[str, Trial]:
    """Tries keys, given as fingerprint and reference; takes as long as the slowest one, ``PATIENCE`` at most."""
    wanted = dict(keys)
    if not wanted:
        return {}
    with ThreadPoolExecutor(len(wanted), "trial") as pool:
        return dict(zip(wanted, pool.map(lambda pair: _try(holder, *pair), wanted.items()), strict=True))


def _try(holder: KeyStore, fingerprint: str, reference: str) -> Trial:
    try:
        within(PATIENCE, lambda: anew(holder, fingerprint, reference))
    except TimeoutError:
        return Trial(f"{device(reference)} did not answer within {PATIENCE:.0f} s", "is it there, and awake?")
    except SshJitError as error:
        return Trial(error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - a library that breaks is what was to be found out
        return Trial(f"{device(reference)}: {type(error).__name__}: {error}")
    return Trial()


def anew(holder: KeyStore, fingerprint: str, reference: str) -> None:
    """Opens the key that the log knows by a reference, beside the one that signs, and lets it sign once.

    Raises:
        SshJitError: why it cannot.

    """
    signer = holder.expected(fingerprint, reference)
    try:
        once(signer)
    finally:
        if isinstance(signer, TokenKey):
            signer.close()
