"""Every exit code of ssh-jit, in one table. Once connected, the code is ssh's own."""

from __future__ import annotations

from enum import IntEnum

from sshjit.api.views import RequestState
from sshjit.errors import SshJitError


class Exit(IntEnum):
    """What a script may rely on."""

    OK = 0
    USAGE = 2
    WAITING = 3
    DENIED = 4
    EXPIRED = 5
    NOBODY = 6
    LOGIN = 7
    REACH = 8
    INTERRUPTED = 130
    """Ctrl-C, except while waiting for a decision; as shells count it."""


_BY_CODE = {
    "waiting": Exit.WAITING,
    "not_yet": Exit.WAITING,
    "expired": Exit.EXPIRED,
    "grant_over": Exit.EXPIRED,
    "nobody_can_approve": Exit.NOBODY,
    "login_needed": Exit.LOGIN,
    "login_over": Exit.LOGIN,
    "login_failed": Exit.LOGIN,
    "bad_token": Exit.LOGIN,
    "sign_in_refused": Exit.LOGIN,
    "token_refused": Exit.LOGIN,
    "token_used": Exit.LOGIN,
    "wrong_issuer": Exit.LOGIN,
}
_BY_FAMILY = {"invalid": Exit.USAGE, "refused": Exit.DENIED, "failed": Exit.REACH}

BY_STATE = {
    RequestState.PENDING: Exit.WAITING,
    RequestState.APPROVED: Exit.OK,
    RequestState.DENIED: Exit.DENIED,
    RequestState.CANCELLED: Exit.DENIED,
    RequestState.REVOKED: Exit.DENIED,
    RequestState.EXPIRED: Exit.EXPIRED,
    RequestState.LAPSED: Exit.EXPIRED,
    RequestState.ENDED: Exit.EXPIRED,
}
"""How a command ends that was about a request in this state."""


def of(error: SshJitError) -> Exit:
    """The exit code of an error: by its code, else by whose fault it is."""
    return _BY_CODE.get(error.code, _BY_FAMILY.get(error.family, Exit.REACH))
