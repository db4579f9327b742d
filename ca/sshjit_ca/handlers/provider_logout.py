"""A provider ends sessions: the logins that came from them die, with what was granted to them.

The token was verified before (``preparations.py``). A front end cannot make one; one that keeps it back has withheld a
sign-out, and done no more.
"""

from __future__ import annotations

from sshjit import requests
from sshjit.api.outcomes import Done
from sshjit.api.views import RequestState
from sshjit.ca_protocol.logins import ProviderLogout
from sshjit.errors import Refused
from sshjit_ca.access.revocation import close_grant, close_login
from sshjit_ca.context import Context
from sshjit_ca.oidc.id_tokens import MAX_AGE, SKEW
from sshjit_ca.oidc.logout_tokens import LogoutToken
from sshjit_ca.state import Login


def end_sessions(context: Context, message: ProviderLogout) -> Done:
    """Ends the logins that the token names, and revokes grants that these asked for.

    Where none of the person's logins is left, all their grants are revoked: whoever was disabled has access to nothing.
    Which tokens were taken is kept in memory alone. One that comes again after a restart ends nothing that the first
    time did not end: only logins whose ID token was made before the logout token, both by the provider's clock.

    Raises:
        Refused: ``token_used``.

    """
    token = context.prepared(LogoutToken)
    if not context.logout_tokens.take(f"{message.provider} {token.id}", context.now, MAX_AGE + 2 * SKEW):
        raise Refused("token_used", "this logout token was already used", hint="the provider sends each once")
    reason = f"{context.providers[message.provider].title} ended the session"
    over = [login for login in context.state.logins.values() if _is_meant(context, login, message.provider, token)]
    for login in over:
        close_login(context, login.opened.login, None, reason)
    for subject in dict.fromkeys(login.opened.subject for login in over):
        _close_grants(context, subject, {login.opened.login for login in over}, reason)
    return Done()


def _is_meant(context: Context, login: Login, provider: str, token: LogoutToken) -> bool:
    """Whether a living login is of the session, or else of the person (2.6 of the standard)."""
    opened = login.opened
    if opened.provider != provider or not login.alive(context.now):
        return False
    if opened.issued is not None and opened.issued > token.issued + SKEW:
        return False
    if token.session is not None and opened.session is not None:
        return opened.session == token.session and token.subject in (None, opened.claim)
    return token.subject == opened.claim


def _close_grants(context: Context, subject: str, over: set[str], reason: str) -> None:
    logins = (login for login in context.state.logins.values() if login.opened.subject == subject)
    gone = not any(login.alive(context.now) for login in logins)
    for request_id in list(context.state.requests_of.get(subject, ())):
        request = context.state.requests[request_id]
        if request.asked.extends is not None or requests.state_at(request, context.now) is not RequestState.APPROVED:
            continue
        if gone or request.asked.login_id in over:
            close_grant(context, request, None, reason)
