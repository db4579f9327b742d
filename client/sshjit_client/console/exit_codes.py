"""Every exit code of ssh-jit. Once connected, the exit code is ssh's own."""

from __future__ import annotations

from enum import IntEnum

from sshjit import token_codes
from sshjit.api.views import RequestState
from sshjit.errors import SshJitError


class ExitCode(IntEnum):
    """The exit codes; scripts may rely on them."""

    OK = 0
    PROBLEMS = 1
    """``doctor`` has found something."""
    USAGE = 2
    WAITING = 3
    DENIED = 4
    EXPIRED = 5
    NOBODY = 6
    LOGIN = 7
    REACH = 8
    INTERRUPTED = 130
    """Ctrl-C, except while waiting for a decision: 128 + SIGINT, as in a shell."""


_BY_CODE = {
    "waiting": ExitCode.WAITING,
    "not_yet": ExitCode.WAITING,
    "expired": ExitCode.EXPIRED,
    "grant_over": ExitCode.EXPIRED,
    "nobody_can_approve": ExitCode.NOBODY,
    "not_permitted": ExitCode.DENIED,
    "login_needed": ExitCode.LOGIN,
    "login_over": ExitCode.LOGIN,
    "login_failed": ExitCode.LOGIN,
    **dict.fromkeys((*token_codes.INVALID, *token_codes.REFUSED), ExitCode.LOGIN),
    "sign_in_refused": ExitCode.LOGIN,
    "token_used": ExitCode.LOGIN,
    "wrong_issuer": ExitCode.LOGIN,
}
_BY_FAMILY = {"invalid": ExitCode.USAGE, "refused": ExitCode.DENIED, "failed": ExitCode.REACH}

BY_STATE = {
    RequestState.PENDING: ExitCode.WAITING,
    RequestState.APPROVED: ExitCode.OK,
    RequestState.DENIED: ExitCode.DENIED,
    RequestState.CANCELLED: ExitCode.DENIED,
    RequestState.REVOKED: ExitCode.DENIED,
    RequestState.EXPIRED: ExitCode.EXPIRED,
    RequestState.LAPSED: ExitCode.EXPIRED,
    RequestState.ENDED: ExitCode.EXPIRED,
}
"""The exit code of a command about a request in this state."""


def of(error: SshJitError) -> ExitCode:
    """The exit code of an error: by its code, else by its family."""
    return _BY_CODE.get(error.code, _BY_FAMILY.get(error.family, ExitCode.REACH))
