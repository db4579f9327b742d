"""What people are told of an error, and what is for the operator alone.

An error of ours (``Failed``) names files, addresses of databases and commands for the machine: all of that goes to the
admin socket and into the CA's log. Whoever asks through a front end hears that the thing failed, by its code, and what
they themselves can do.
"""

from __future__ import annotations

from sshjit.errors import Failed, SshJitError

_LATER = "try again in a minute; if it goes on, tell the operator"
_AT_ONCE = "tell the operator at once; nothing is issued until this is resolved"
_MESSAGES = {
    "busy": "the CA has too much to do; nothing was done",
    "clock": "the CA's clock is not right; nothing is signed until it is",
    "defect": "the CA has a bug: an unexpected error; nothing was signed",
    "disk_full": "the CA's disk is full; nothing is signed, revoking still works",
    "fenced": "another CA is taking over",
    "no_database": "the CA's database is away",
    "not_signing": "the CA cannot sign now; what was approved stays approved",
    "provider_down": "the CA cannot reach the identity provider",
    "database_silent": "the CA's database does not answer; nothing is signed or written",
    "outcome_unknown": "the CA's database broke off while it was written: this may have been done, or not",
    "too_many": "the CA has too many connections",
}
_HINTS = {
    **dict.fromkeys(("log_broken", "log_rolled_back", "policy_altered", "database_broken"), _AT_ONCE),
    "outcome_unknown": "look before you try again",
}
_ALTERED = "the CA's log is not as it was signed"
OPERATORS = ("ssh-jit-ca", "ssh-jit-web", "ca.toml", "web.toml", "providers.toml", "systemctl", "journalctl")
"""What only the operator can do something with."""


class NotDone(Failed):
    """A failure that says first what was not done: people hear that in any case."""

    def __init__(self, what: str, failure: Failed) -> None:
        super().__init__(failure.code, f"{what}: {failure.message}", hint=failure.hint)
        self.what = what
        self.failure = failure


def public_error(error: SshJitError) -> SshJitError:
    """The error as it is told to people."""
    if isinstance(error, Failed):
        public = Failed(error.code, public_message(error), hint=_HINTS.get(error.code, _LATER))
        return public.again_after(error.retry_after)
    for_operator = any(command in error.hint for command in OPERATORS)
    return type(error)(error.code, error.message) if for_operator else error


def public_message(error: Failed) -> str:
    """The sentence alone, of a failure."""
    if isinstance(error, NotDone):
        return f"{error.what}: {public_message(error.failure)}"
    known = _MESSAGES.get(error.code)
    if known is None:
        return _ALTERED if error.code in _HINTS else "the CA cannot do this now"
    return known
