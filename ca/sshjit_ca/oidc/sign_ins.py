"""From the tokens of a sign-in to what the provider says of the person.

Where ``claims_from = "userinfo"``, the CA asks the userinfo endpoint itself, after it accepted the ID token. A stolen
front end must not choose what is answered: the access token is the one that the ID token names by ``at_hash``, the
endpoint is that of the issuer's own metadata, and the answer is about the same ``sub``. The access token is used once,
and neither kept nor logged. OpenID Connect Core 1.0, 5.3.
"""

from __future__ import annotations

import time
from typing import Any

from sshjit import names, wire
from sshjit.ca_protocol.logins import LoginNative, LoginWeb
from sshjit.errors import Failed, Invalid, Refused
from sshjit_ca.oidc import claims as reading
from sshjit_ca.oidc import id_tokens, provider_http
from sshjit_ca.oidc.claims import Claims
from sshjit_ca.oidc.id_tokens import Expected
from sshjit_ca.oidc.provider_http import MAX_DOCUMENT, Unanswered
from sshjit_ca.oidc.provider_keys import ProviderKeys

_OF_THE_TOKEN = frozenset(
    {
        *("iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "sid"),
        *("at_hash", "c_hash", "auth_time", "acr", "amr"),
    }
)
"""Claims about the sign-in itself: the ID token alone says them."""


def claims_of(message: LoginWeb | LoginNative, expected: Expected, keys: ProviderKeys, now: int) -> Claims:
    """Verifies the tokens of a sign-in and reads what they, and the userinfo endpoint, say.

    Raises:
        Invalid: ``bad_token`` and the like, ``unknown_key``, ``no_access_token``, ``bad_userinfo``.
        Refused: ``wrong_audience`` and the like: a proper token, but not for this, or not any more.
        Failed: ``provider_down`` and the like, ``userinfo_down``.

    """
    provider = expected.provider
    claims = id_tokens.verify(message.id_token, expected, keys, now)
    source = "ID token"
    if provider.claims_from == "userinfo":
        answer = _userinfo(message.id_token, message.access_token, claims, expected, keys)
        own = _OF_THE_TOKEN | {provider.subject_claim}
        claims |= {name: value for name, value in answer.items() if name not in own}
        source = "userinfo answer"
    for name, wanted in provider.required_claims.items():
        if claims.get(name) != wanted:
            stated = names.show(str(claims[name])) if name in claims else "nothing"
            problem = f"only accounts whose {name} is {names.show(wanted)} may sign in; {provider.title} says {stated}"
            raise Refused("wrong_account", problem, hint="sign in with the account of your organisation")
    return reading.read(claims, provider, now, source=source)


def _userinfo(
    token: str, access_token: str | None, claims: dict[str, Any], expected: Expected, keys: ProviderKeys
) -> dict[str, Any]:
    title = expected.provider.title
    if not access_token or not names.printable_ascii(access_token, len(access_token)):
        raise Invalid("no_access_token", f"the sign-in brought no access token of {title}", hint="upgrade ssh-jit")
    if not id_tokens.binds(token, access_token, claims):
        raise Refused(
            "token_not_bound",
            f"the ID token of {title} does not name the access token (at_hash)",
            hint="the administrator sets the provider to put groups and e-mail into the ID token, and claims_from too",
        )
    endpoint = keys.published.userinfo_endpoint if keys.published else None
    if endpoint is None:
        raise Failed("userinfo_down", f"the metadata of {title} has no userinfo_endpoint that can be used")
    try:
        with keys.asking():
            document = provider_http.fetch(endpoint, time.monotonic, bearer=access_token)
    except Unanswered as error:
        problem = f"{title} does not tell groups and e-mail (userinfo): {error}"
        raise Failed("userinfo_down", problem, hint="try again later") from None
    answer = _read(document, expected, keys)
    if answer.get("sub") != claims.get("sub"):
        raise Refused("wrong_userinfo", f"the userinfo answer of {title} is about somebody else")
    return answer


def _read(document: provider_http.Document, expected: Expected, keys: ProviderKeys) -> dict[str, Any]:
    """An answer in JSON, or in a token that the provider signed for this client."""
    if document.kind == "application/jwt":
        answer = id_tokens.verify_signed(document.body.decode("ascii", "replace"), expected.provider, keys)
        if answer.get("iss") != expected.provider.issuer or answer.get("aud") not in (
            expected.audience,
            [expected.audience],
        ):
            raise Refused("wrong_userinfo", "the userinfo answer is a token for somebody else")
        return answer
    if document.kind != "application/json":
        raise Invalid("bad_userinfo", f"the userinfo answer is {names.show(document.kind)}, not JSON")
    value = wire.loads(document.body, limit=MAX_DOCUMENT, fractions=True)
    if not isinstance(value, dict):
        raise Invalid("bad_userinfo", "the userinfo answer is not an object")
    return value
