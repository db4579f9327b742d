"""The one way in which a release stops."""

from __future__ import annotations


class ReleaseError(Exception):
    """Why there is no release. ``hint`` says what to do, and may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
