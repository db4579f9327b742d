"""What somebody can do about an error: the sentence and the link that a page adds to the error's own message.

An error's own hint comes first, unless it is a command to type; this is for codes whose next step is a page of ours,
and for those without a hint.
"""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import token_codes
from sshjit.errors import SshJitError


@dataclass(frozen=True, slots=True)
class ErrorHelp:
    """``text`` is a sentence, ``link`` what the link to ``endpoint`` says; both may be empty."""

    text: str
    link: str = ""
    endpoint: str = ""


_SIGN_IN = ("Sign in again", "auth.sign_in")
_EXPLAIN = ("Explain access", "pages.explain")
_HOME = ("Go to my requests", "pages.home")
_LOCKS = ("See the locks", "pages.locks")
_LOG = ("Open the log", "pages.log")
_NEW = ("Request access", "pages.new_request")
_BY_CODE = {
    "step_up": ErrorHelp("Then you see again what you typed, and send it.", *_SIGN_IN),
    "login_needed": ErrorHelp("Sign in to return to this page.", *_SIGN_IN),
    "login_over": ErrorHelp("Sign in to return to this page.", *_SIGN_IN),
    "no_rule": ErrorHelp("A policy administrator can add a rule.", *_EXPLAIN),
    "denied_by_rule": ErrorHelp("A policy administrator can tell you the reason.", *_EXPLAIN),
    "different_rules": ErrorHelp("Send one request for each group of hosts.", *_EXPLAIN),
    "bad_reason": ErrorHelp("Write the reason in the form that the rule requires.", *_EXPLAIN),
    "too_many_hosts": ErrorHelp("Request fewer hosts at a time.", *_EXPLAIN),
    "nobody_can_approve": ErrorHelp("A policy administrator can name another approver.", *_EXPLAIN),
    "bastion_gone": ErrorHelp("The operator has to name another bastion for the host."),
    "bastion_unknown_address": ErrorHelp("The operator has to say by which address hosts see the bastion."),
    "locked": ErrorHelp("Somebody with the permission to unlock can remove the lock."),
    "review_overdue": ErrorHelp("Somebody with the permission to review has to review it first."),
    "too_many": ErrorHelp("Wait a while, then try again."),
    "too_fast": ErrorHelp("Wait a moment, then try again."),
    "denied_lately": ErrorHelp("Read why it was denied, and wait, or ask the approver.", *_HOME),
    "too_many_waiting": ErrorHelp("Cancel requests that you no longer need, or wait for answers.", *_HOME),
    "busy": ErrorHelp("Many people sign in just now. Try again in a moment."),
    "wrong_state": ErrorHelp("The request changed since you opened the page. Open it again.", *_HOME),
    "policy_changed": ErrorHelp("Send a new request: policy or labels changed since the last one.", *_NEW),
    "approval_gone": ErrorHelp("Send a new request: its approvers can no longer approve it.", *_NEW),
    "wrong_network": ErrorHelp("Send the request from a network that the rule names."),
    "role_ends": ErrorHelp("Somebody whose role lasts longer has to approve it."),
    "digest_differs": ErrorHelp("Open the request again and decide on what it shows then.", *_HOME),
    "shown_differs": ErrorHelp("It changed since it was shown. Look at it again.", *_HOME),
    "grant_over": ErrorHelp("The access has ended. Send a new request.", *_NEW),
    "cannot_extend": ErrorHelp("Send a new request when the access has ended."),
    "not_approver": ErrorHelp("Somebody with one of the missing roles has to decide."),
    "own_request": ErrorHelp("Somebody else has to decide."),
    "not_permitted": ErrorHelp("A policy administrator gives permissions to roles."),
    "already_locked": ErrorHelp("There is nothing left to do.", *_LOCKS),
    "already_reviewed": ErrorHelp("There is nothing left to do."),
    "already_decided": ErrorHelp("Your first decision counts; the request's page shows it.", *_HOME),
    "nothing_to_review": ErrorHelp("Only emergency access that was used is reviewed."),
    "too_many_remarks": ErrorHelp("Continue the discussion elsewhere."),
    "extension": ErrorHelp("Open the grant that it extends.", *_HOME),
    "wrong_grant": ErrorHelp("Open the request again and start from there.", *_HOME),
    "window_too_long": ErrorHelp("Approve a shorter time."),
    "not_yours": ErrorHelp("Only the requester can do that.", *_HOME),
    "bad_message": ErrorHelp("Open the page again and send the form from there."),
    "unknown_page": ErrorHelp("Check the address, or start from your requests.", *_HOME),
    "no_host": ErrorHelp("Choose a host, or type its name."),
    "no_text": ErrorHelp("Write a comment."),
    "no_reason": ErrorHelp("Give a reason. It is kept in the log."),
    "not_printable": ErrorHelp("Remove the character that is named. Nobody would see it."),
    "too_long": ErrorHelp("Make it shorter."),
    "bad_command": ErrorHelp("Type the command as one line, as the host's shell is to run it."),
    "bad_duration": ErrorHelp("Write it like 30m or 1h30m."),
    "no_address": ErrorHelp("Request access from the machine that you connect from."),
    "passkey_refused": ErrorHelp("Nothing was approved. Open the request again, and use the passkey on that page."),
    "passkey_counts": ErrorHelp("Nothing has to be done: approvals by it count."),
    "passkey_taken": ErrorHelp(
        "Use another passkey, or remove the one that is registered.", "My passkeys", "pages.passkeys"
    ),
    "hardware_key_needed": ErrorHelp("Sign in on the command line with your registered hardware key."),
    "unknown_login": ErrorHelp("The log shows the ids of sign-ins.", *_LOG),
    "unknown_certificate": ErrorHelp("The log shows the serials of certificates.", *_LOG),
    "unknown_person": ErrorHelp("Only people who have signed in before are known.", *_LOG),
    **dict.fromkeys(
        (*token_codes.INVALID, *token_codes.REFUSED),
        ErrorHelp("Sign in again. If it fails again, send this message to the operator.", *_SIGN_IN),
    ),
    "unknown_key": ErrorHelp("Sign in again. If it fails again, send this message to the operator.", *_SIGN_IN),
    "bad_userinfo": ErrorHelp(
        "Send this message to the operator: the provider answers what we cannot read.", *_SIGN_IN
    ),
    "userinfo_down": ErrorHelp("Send this message to the operator, if it goes on.", *_SIGN_IN),
    "bad_answer": ErrorHelp("Start again from the sign-in page.", *_SIGN_IN),
    "sign_in_refused": ErrorHelp("Your provider refused the sign-in. Ask its administrators.", *_SIGN_IN),
    "wrong_issuer": ErrorHelp("Start again. If it happens twice, tell the operator.", *_SIGN_IN),
    "not_signing": ErrorHelp("The operator has to activate a key. Approved requests stay approved."),
    "outcome_unknown": ErrorHelp("It may have been done. Look before you try again.", *_HOME),
    "ca_protocol": ErrorHelp("The front end and the CA have different versions. Tell the operator."),
    "log_rolled_back": ErrorHelp("Tell the operator at once. Nothing is issued until this is resolved."),
    "unknown_request": ErrorHelp("It may be mistyped, or not visible to you.", *_HOME),
    "unknown_host": ErrorHelp("Look at the list of hosts.", *_NEW),
    "bad_limit": ErrorHelp("Open the page again."),
    "bad_form": ErrorHelp("Open the page again and send the form from there."),
    "ca_down": ErrorHelp("Open sessions and live certificates keep working. Try again in a moment."),
}
_BY_FAMILY = {
    "invalid": ErrorHelp("Correct the form and send it again."),
    "refused": ErrorHelp("A policy administrator can tell you more.", *_EXPLAIN),
    "failed": ErrorHelp("Try again in a moment. Open sessions and live certificates keep working."),
}


def help_for(error: SshJitError) -> ErrorHelp:
    """What to do. The sentence is left out where the error has a hint of its own that is not about the terminal."""
    known = _BY_CODE.get(error.code) or _BY_FAMILY[error.family]
    return ErrorHelp("", known.link, known.endpoint) if error.hint and not for_terminal(error) else known


def for_terminal(error: SshJitError) -> bool:
    """Whether the hint is a command to type."""
    return error.hint.startswith("ssh-jit")
