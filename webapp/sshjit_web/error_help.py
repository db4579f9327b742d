"""What somebody can do about an error: the sentence and the link that a page adds to what the error itself says.

An error's own hint comes first, unless it is a command to type; this is for codes whose next step is a page of ours,
and for those without a hint.
"""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.errors import SshJitError


@dataclass(frozen=True, slots=True)
class ErrorHelp:
    """``text`` is a sentence, ``link`` what the link to ``endpoint`` says; both may be empty."""

    text: str
    link: str = ""
    endpoint: str = ""


_SIGN_IN = ("Sign in again", "auth.sign_in")
_WHY = ("See what every rule says", "pages.explain")
_MINE = ("Go to my requests", "pages.home")
_LOCKS = ("See the locks", "pages.locks")
_BY_CODE = {
    "step_up": ErrorHelp("Then ask again: the form keeps what you typed.", *_SIGN_IN),
    "login_needed": ErrorHelp("Sign in, and you come back to where you were.", *_SIGN_IN),
    "login_over": ErrorHelp("Sign in, and you come back to where you were.", *_SIGN_IN),
    "no_rule": ErrorHelp("Whoever keeps the policy can add a rule.", *_WHY),
    "denied_by_rule": ErrorHelp("Whoever keeps the policy can say why.", *_WHY),
    "different_rules": ErrorHelp("Ask once for each group of hosts.", *_WHY),
    "bad_reason": ErrorHelp("Write the reason as the rule wants it.", *_WHY),
    "too_many_hosts": ErrorHelp("Ask for fewer hosts at a time.", *_WHY),
    "nobody_can_approve": ErrorHelp("Whoever keeps the policy can name another approver.", *_WHY),
    "locked": ErrorHelp("Somebody with the permission to unlock can take the lock away."),
    "review_overdue": ErrorHelp("Somebody with the permission to review has to look at it first."),
    "too_many": ErrorHelp("Wait a while, then try again."),
    "wrong_state": ErrorHelp("It changed since you opened the page: look at it as it stands now.", *_MINE),
    "digest_differs": ErrorHelp("Open the request again, and answer what it shows then.", *_MINE),
    "grant_over": ErrorHelp("The window is over: ask anew.", "Request access", "pages.new_request"),
    "cannot_extend": ErrorHelp("Ask anew when the window is over."),
    "not_approver": ErrorHelp("Somebody whose role is still missing has to answer."),
    "own_request": ErrorHelp("Somebody else has to do it."),
    "not_permitted": ErrorHelp("Whoever keeps the policy gives permissions to roles."),
    "already_locked": ErrorHelp("Nothing more is needed.", *_LOCKS),
    "already_reviewed": ErrorHelp("Nothing more is needed."),
    "already_decided": ErrorHelp("One answer counts; it stands on the request's page.", *_MINE),
    "nothing_to_review": ErrorHelp("Only break-glass access that somebody used is reviewed."),
    "too_many_remarks": ErrorHelp("Talk about it somewhere else, and leave the decision here."),
    "extension": ErrorHelp("Open the grant that it extends.", *_MINE),
    "wrong_grant": ErrorHelp("Open the request again, and start from there.", *_MINE),
    "window_too_long": ErrorHelp("Say yes for a shorter time."),
    "not_yours": ErrorHelp("Only whoever asked can do that.", *_MINE),
    "bad_message": ErrorHelp("Open the page again and send the form from there."),
    "unknown_page": ErrorHelp("Go on from here.", *_MINE),
    "no_host": ErrorHelp("Choose a host, or type its name."),
    "no_text": ErrorHelp("Say it in a sentence."),
    "no_reason": ErrorHelp("Say why: it is kept in the log."),
    "not_printable": ErrorHelp("Leave out line breaks and invisible characters."),
    "too_long": ErrorHelp("Make it shorter."),
    "bad_command": ErrorHelp("Type the command as one line, as the host's shell is to run it."),
    "bad_duration": ErrorHelp("Write it like 30m or 1h30m."),
    "no_address": ErrorHelp("Ask from the machine that you connect from."),
    "hardware_key_needed": ErrorHelp("Sign in on the command line with your registered hardware key."),
    "unknown_login": ErrorHelp("The log shows the ids of sign-ins.", "Open the log", "pages.log"),
    "unknown_certificate": ErrorHelp("The log shows the serials.", "Open the log", "pages.log"),
    "unknown_person": ErrorHelp("Only somebody who signed in before is known.", "Open the log", "pages.log"),
    "token_refused": ErrorHelp("Sign in again; if it stays so, tell the operator what stands here.", *_SIGN_IN),
    "bad_token": ErrorHelp("Sign in again; if it stays so, tell the operator what stands here.", *_SIGN_IN),
    "bad_answer": ErrorHelp("Start again from the sign-in page.", *_SIGN_IN),
    "sign_in_refused": ErrorHelp("Your provider said no: ask whoever keeps your account there.", *_SIGN_IN),
    "wrong_issuer": ErrorHelp("Start again, and tell the operator if it happens twice.", *_SIGN_IN),
    "not_signing": ErrorHelp("The operator has to put a key to work. What was granted stays granted."),
    "ca_protocol": ErrorHelp("Front end and authority are not of one version: tell the operator."),
    "log_rolled_back": ErrorHelp("Tell the operator at once: nothing is issued until it is cleared up."),
    "unknown_request": ErrorHelp("It may be somebody else's, or mistyped.", *_MINE),
    "unknown_host": ErrorHelp("Look at the list of hosts.", "Request access", "pages.new_request"),
    "bad_limit": ErrorHelp("Open the page again, and go on from its first page."),
    "bad_form": ErrorHelp("Open the page again and send the form from there."),
    "ca_down": ErrorHelp("Open sessions and live certificates go on. Try again in a moment."),
}
_BY_FAMILY = {
    "invalid": ErrorHelp("Change what you typed, and send it again."),
    "refused": ErrorHelp("Whoever keeps the policy can say more.", *_WHY),
    "failed": ErrorHelp("Try again in a moment. Open sessions and live certificates go on."),
}


def help_for(error: SshJitError) -> ErrorHelp:
    """What to do. The sentence is left out where the error has a hint of its own that is not about the terminal."""
    found = _BY_CODE.get(error.code) or _BY_FAMILY[error.family]
    return ErrorHelp("", found.link, found.endpoint) if error.hint and not for_terminal(error) else found


def for_terminal(error: SshJitError) -> bool:
    """Whether the hint is a command to type."""
    return error.hint.startswith("ssh-jit")
