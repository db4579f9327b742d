"""The bundle as it travels."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.api.message import Reply


@dataclass(frozen=True, slots=True)
class BundleReply(Reply):
    """The bundle's exact text and its armoured SSHSIG; both ``None`` if ``have`` is the newest."""

    sequence: int
    bundle: str | None
    signature: str | None
