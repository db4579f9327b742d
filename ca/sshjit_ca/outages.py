"""While the log cannot be written: what is still answered, and what is said to whoever wanted something done.

Nothing that waits for the database is answered here. Hosts and laptops get the newest bundle that is in the log, as
long as it counts. Whoever wanted to take access away must not believe that it happened.
"""

from __future__ import annotations

import logging

from sshjit import ca_protocol as m
from sshjit.errors import Failed
from sshjit_ca.access import bundle_answers
from sshjit_ca.context import Context
from sshjit_ca.public_errors import NotDone
from sshjit_ca.question import Question
from sshjit_ca.routes import ROUTES

_log = logging.getLogger(__name__)
_NOT_DONE: dict[type[m.Message], str] = {
    m.Lock: "the lock is NOT in force",
    m.Unlock: "nothing was unlocked",
    m.Revoke: "NOTHING was revoked",
    m.Logout: "the sign-in was NOT ended",
    m.EndLogins: "NO sign-in was ended",
    m.ProviderLogout: "the provider's sessions were NOT ended",
    m.End: "the access was NOT ended",
    m.RemoveHost: "the host was NOT removed",
    m.RemoveHardwareKey: "the hardware key was NOT removed",
    m.RemovePasskey: "the passkey was NOT removed",
    m.DeactivateKey: "the key was NOT deactivated",
    m.RetireKey: "the key was NOT retired",
    m.ConfirmClock: "the clock was NOT confirmed",
}
_UNKNOWN = "outcome_unknown"


def answer(context: Context, question: Question, error: Failed) -> m.Reply | Failed:
    """The answer to a question whose batch did not become durable, or cannot."""
    match question.message:
        case m.ReadBundle() as message:
            return bundle_answers.in_log(context, message) or error
        case m.Health() | m.ReadMetrics() | m.Status() as message:
            try:
                context.begin(question)
                return ROUTES[type(message)].handler(context, message)
            except Exception:  # noqa: BLE001 - there is nobody who would catch it, and the CA goes on
                _log.exception("the state of the CA cannot be told: a bug")
                return error
        case _:
            return _refusal(question, error)


def untried(error: Failed) -> Failed:
    """What is told of a lost batch to those who wanted nothing written, or came after it: theirs was not written."""
    if error.code != _UNKNOWN:
        return error
    what, _, _ = error.message.rpartition("; ")  # without that it may have been done
    text = f"{what or error.message}; nothing is signed until the log was read again"
    return Failed("not_signing", text, hint="try again in a moment")


def _refusal(question: Question, error: Failed) -> Failed:
    """The error, in words that leave no doubt about what the asker wanted done; people get other hints on the way."""
    if isinstance(question.message, m.READS):
        error = untried(error)
    what, hint = _NOT_DONE.get(type(question.message), ""), error.hint
    if error.code == _UNKNOWN:
        hint = "ssh-jit-ca log show says whether it was, once the database answers"
    if not what or error.code == _UNKNOWN:
        return Failed(error.code, error.message, hint=hint)
    return NotDone(what, Failed(error.code, error.message, hint=hint))
