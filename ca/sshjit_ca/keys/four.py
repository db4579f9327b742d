"""The four key files of a folder, opened together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Failed
from sshjit_ca.keys import files
from sshjit_ca.keys.signer import PURPOSES, Signer


@dataclass(frozen=True, slots=True)
class Keys:
    """One signer for each purpose."""

    user_ca: Signer
    host_ca: Signer
    bundle: Signer
    log: Signer

    def fingerprints(self) -> tuple[tuple[str, str], ...]:
        """(purpose, fingerprint), in the order of ``PURPOSES``."""
        return tuple((purpose, getattr(self, purpose).public.fingerprint) for purpose in PURPOSES)


def load(folder: Path) -> Keys:
    """The keys in a folder."""
    signers = {purpose: files.load(folder / purpose) for purpose in PURPOSES}
    if len({signer.public.blob for signer in signers.values()}) != len(PURPOSES):
        raise Failed("same_key", "one key serves two purposes", hint="each purpose has a key of its own")
    return Keys(**signers)
