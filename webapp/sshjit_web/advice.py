"""What somebody can do about an error: the sentence and the link that a page adds to what the error itself says.

An error's own hint comes first, unless it is a command to type; this is for codes whose next step is a page of ours,
and for those without a hint.
"""

from __future__ import annotations

from dataclasses import dataclass

from sshjit.errors import SshJitError


@dataclass(frozen=True, slots=True)
class Advice:
    """``text`` is a sentence, ``link`` what the link to ``endpoint`` says; both may be empty."""

    text: str
    link: str = ""
    endpoint: str = ""


_SIGN_IN = ("Sign in again", "auth.sign_in")
_WHY = ("See what every rule says", "pages.explain")
_MINE = ("Go to my requests", "pages.mine")
_LOCKS = ("See the locks", "pages.locks")
_BY_CODE = {
    "step_up": Advice("Then ask again: the form keeps what you typed.", *_SIGN_IN),
    "login_needed": Advice("Sign in, and you come back to where you were.", *_SIGN_IN),
    "login_over": Advice("Sign in, and you come back to where you were.", *_SIGN_IN),
    "no_rule": Advice("Whoever keeps the policy can add a rule.", *_WHY),
    "denied_by_rule": Advice("Whoever keeps the policy can say why.", *_WHY),
    "different_rules": Advice("Ask once for each group of hosts.", *_WHY),
    "bad_reason": Advice("Write the reason as the rule wants it.", *_WHY),
    "too_many_hosts": Advice("Ask for fewer hosts at a time.", *_WHY),
    "nobody_can_approve": Advice("Whoever keeps the policy can name another approver.", *_WHY),
    "locked": Advice("Somebody with the permission to unlock can take the lock away."),
    "review_overdue": Advice("Somebody with the permission to review has to look at it first."),
    "too_many": Advice("Wait a while, then try again."),
    "wrong_state": Advice("It changed since you opened the page: look at it as it stands now.", *_MINE),
    "digest_differs": Advice("Open the request again, and answer what it shows then.", *_MINE),
    "grant_over": Advice("The window is over: ask anew.", "Request access", "pages.new"),
    "cannot_extend": Advice("Ask anew when the window is over."),
    "not_approver": Advice("Somebody whose role is still missing has to answer."),
    "own_request": Advice("Somebody else has to do it."),
    "not_permitted": Advice("Whoever keeps the policy gives permissions to roles."),
    "already_locked": Advice("Nothing more is needed.", *_LOCKS),
    "already_reviewed": Advice("Nothing more is needed."),
    "already_decided": Advice("One answer counts; it stands on the request's page.", *_MINE),
    "nothing_to_review": Advice("Only break-glass access that somebody used is reviewed."),
    "too_many_remarks": Advice("Talk about it somewhere else, and leave the decision here."),
    "extension": Advice("Open the grant that it extends.", *_MINE),
    "wrong_grant": Advice("Open the request again, and start from there.", *_MINE),
    "window_too_long": Advice("Say yes for a shorter time."),
    "not_yours": Advice("Only whoever asked can do that.", *_MINE),
    "bad_message": Advice("Open the page again and send the form from there."),
    "unknown_page": Advice("Go on from here.", *_MINE),
    "no_host": Advice("Choose a host, or type its name."),
    "no_text": Advice("Say it in a sentence."),
    "no_reason": Advice("Say why: it is kept in the log."),
    "not_printable": Advice("Leave out line breaks and invisible characters."),
    "too_long": Advice("Make it shorter."),
    "bad_command": Advice("Type the command as one line, as the host's shell is to run it."),
    "bad_duration": Advice("Write it like 30m or 1h30m."),
    "no_address": Advice("Ask from the machine that you connect from."),
    "hardware_key_needed": Advice("Sign in on the command line with your registered hardware key."),
    "unknown_login": Advice("The log shows the ids of sign-ins.", "Open the log", "pages.log"),
    "unknown_certificate": Advice("The log shows the serials.", "Open the log", "pages.log"),
    "unknown_person": Advice("Only somebody who signed in before is known.", "Open the log", "pages.log"),
    "token_refused": Advice("Sign in again; if it stays so, tell the operator what stands here.", *_SIGN_IN),
    "bad_token": Advice("Sign in again; if it stays so, tell the operator what stands here.", *_SIGN_IN),
    "bad_answer": Advice("Start again from the sign-in page.", *_SIGN_IN),
    "sign_in_refused": Advice("Your provider said no: ask whoever keeps your account there.", *_SIGN_IN),
    "wrong_issuer": Advice("Start again, and tell the operator if it happens twice.", *_SIGN_IN),
    "not_signing": Advice("The operator has to put a key to work. What was granted stays granted."),
    "ca_protocol": Advice("Front end and authority are not of one version: tell the operator."),
    "log_rolled_back": Advice("Tell the operator at once: nothing is issued until it is cleared up."),
    "unknown_request": Advice("It may be somebody else's, or mistyped.", *_MINE),
    "unknown_host": Advice("Look at the list of hosts.", "Request access", "pages.new"),
    "bad_form": Advice("Open the page again and send the form from there."),
    "ca_down": Advice("Open sessions and live certificates go on. Try again in a moment."),
}
_BY_FAMILY = {
    "invalid": Advice("Change what you typed, and send it again."),
    "refused": Advice("Whoever keeps the policy can say more.", *_WHY),
    "failed": Advice("Try again in a moment. Open sessions and live certificates go on."),
}


def advice(error: SshJitError) -> Advice:
    """What to do. The sentence is left out where the error has a hint of its own that is not about the terminal."""
    found = _BY_CODE.get(error.code) or _BY_FAMILY[error.family]
    return Advice("", found.link, found.endpoint) if error.hint and not for_terminal(error) else found


def for_terminal(error: SshJitError) -> bool:
    """Whether the hint is a command to type."""
    return error.hint.startswith("ssh-jit")
