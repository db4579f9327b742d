"""One's own sign-ins: which there are, and ending those that one does not want any more.

Whoever asks sees and ends the sign-ins of the same subject alone, by any living one of them: a sign-in that somebody
stole can end the others, and they it. Neither gives anybody anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from sshjit.ca_protocol.logins import EndLogins, LoginsReply, OwnLogin, ReadLogins
from sshjit.errors import Invalid
from sshjit_ca.access.revocation import close_login
from sshjit_ca.context import Context
from sshjit_ca.state import Login

REASON = "ended from another sign-in of the same person"


def read_logins(context: Context, message: ReadLogins) -> LoginsReply:
    """The person's living sign-ins, the newest first.

    Raises:
        Refused: ``login_over``, ``locked``.

    """
    subject = context.login(message.login_id).opened.subject
    return LoginsReply(tuple(_view(login) for login in _living(context, subject)))


def end_logins(context: Context, message: EndLogins) -> LoginsReply:
    """Ends another sign-in of the person, or all others, and revokes the certificates that these drew.

    Ending one that is over already is no error.

    Raises:
        Refused: ``login_over``, ``locked``.
        Invalid: ``unknown_login``: it is nobody's, or somebody else's.

    """
    subject = context.login(message.login_id).opened.subject
    if message.ended is None:
        ended = [login.opened.login for login in _living(context, subject) if login.opened.login != message.login_id]
    else:
        known = context.state.logins.get(message.ended)
        if known is None or known.opened.subject != subject:
            raise Invalid("unknown_login", "you have no such sign-in")
        ended = [message.ended]
    for login_id in ended:
        close_login(context, login_id, subject, REASON)
    return LoginsReply(tuple(_view(login) for login in _living(context, subject)))


def _living(context: Context, subject: str) -> Iterator[Login]:
    for login in reversed(context.state.logins.values()):
        if login.opened.subject == subject and login.alive(context.now):
            yield login


def _view(login: Login) -> OwnLogin:
    opened = login.opened
    return OwnLogin(
        id=opened.login,
        kind=opened.via,
        provider=opened.provider,
        opened=login.time,
        expires=opened.expires,
        address=opened.address,
        fingerprint=opened.key,
        mfa=opened.mfa,
    )
