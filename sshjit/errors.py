"""The errors that ssh-jit shows to people, by whose fault they are.

An error has a stable ``code`` for programs, one sentence for people and, where there is one, a hint that says what to
do. The mapping to HTTP statuses and exit codes belongs to each program, not to this file.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs milliseconds
if TYPE_CHECKING:
    from typing import Self


class SshJitError(Exception):
    """An error that can explain itself.

    ``code`` is stable, lower-case and made of ``[a-z0-9_]``; ``message`` is one sentence without a full stop;
    ``hint`` says what to do next, or is empty. ``page`` is the address of the request that it is about, or empty: the
    client sets it, which knows where the pages are. ``retry_after`` are the seconds after which the same may be sent
    again, 0 where nobody knows.
    """

    family = "failed"

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.page = ""
        self.retry_after = 0

    def at(self, page: str) -> Self:
        """The error with the address of its request, unless it has one."""
        self.page = self.page or page
        return self

    def again_after(self, seconds: int) -> Self:
        """The error with the time after which the same may be sent again."""
        self.retry_after = seconds
        return self

    def __str__(self) -> str:
        """The sentence alone: the code is for programs."""
        return self.message


class Invalid(SshJitError):
    """Whoever asked, asked wrongly: malformed, unknown, too late, or not in this state."""

    family = "invalid"


class Refused(SshJitError):
    """The question was a proper one and the answer is no: policy, a lock, or a login that cannot do this."""

    family = "refused"


class Failed(SshJitError):
    """We could not do it, although it may well be allowed: something of ours is down or broken."""

    family = "failed"


FAMILIES: dict[str, type[SshJitError]] = {kind.family: kind for kind in (Invalid, Refused, Failed)}
"""The families by the name that they carry on the wire."""
