"""The bundle as it travels."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import wire
from sshjit.api.message import Reply


@dataclass(frozen=True, slots=True)
class BundleReply(Reply):
    """The bundle's exact text and its armoured SSHSIG; both ``None`` if ``have`` is the newest."""

    sequence: int
    bundle: str | None
    signature: str | None
    post_quantum: str | None = wire.added(2, default=None)
    """An armoured SSHSIG over the same text by the key that the bundle names as ``post_quantum.root``."""
