"""ID tokens: from a string that anybody could have written to claims that the provider signed.

Everything is checked against ``providers.toml`` and nothing against the token's own word or the provider's metadata:
issuer, audience, algorithm, times, nonce. Claims are read strictly: a wrong type is an error, never "none".
OpenID Connect Core 1.0, section 3.1.3.7; JWT best practices: RFC 8725.
"""

from __future__ import annotations

import base64
import hmac
import math
from dataclasses import dataclass
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

from sshjit import login, names, sshkey, wire
from sshjit.errors import Invalid, Refused
from sshjit.providers import Provider
from sshjit.sshkey import PublicKey
from sshjit_ca.oidc.provider_keys import ProviderKeys

MAX_TOKEN = 64 * 1024
MAX_AGE = 300
"""Seconds that a token may be old when it arrives (``iat``)."""
SKEW = 10
"""Seconds that the provider's clock may run ahead of ours."""
MAX_GROUPS = 1000
_LATEST = 2**53
_HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
RSA_BITS = range(2048, 8192 + 1)
"""Of a provider's key: many sign with 2048 bits; each more costs time at every sign-in that anybody makes up."""
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must be for: the client's id, and the nonce of this sign-in."""

    provider: Provider
    audience: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says of somebody, verified. Times in seconds since the epoch."""

    subject: str
    name: str
    email: str | None
    verified: bool
    """The address is verified, ASCII, and in one of the provider's domains."""
    groups: tuple[str, ...]
    issued: int
    auth_time: int | None
    """When the person signed in; a token can be new when that was long ago. ``None``: the provider does not say it."""
    factors: tuple[str, ...]
    """What of ``amr`` and ``acr`` counts as a second factor with this provider."""
    own: str | None
    """The person's Unix name, by the operator's table or else by the provider's claim. It may be somebody else's."""
    own_listed: bool
    """It is the operator's table that says so."""


@dataclass(frozen=True, slots=True)
class NativeSignIn:
    """What a provider says of somebody who signed in natively, and the key that their token is bound to."""

    claims: Claims
    key: PublicKey


def verify(token: str, expected: Expected, keys: ProviderKeys, now: int) -> Claims:
    """Checks an ID token and reads its claims.

    Raises:
        Invalid: ``bad_token``, ``unknown_key``: not a token that we take.
        Refused: ``token_refused``: a proper token, but not for this, or not any more.
        Failed: ``provider_down``.

    """
    header, body = _take_apart(token)
    algorithm = header["alg"]
    if algorithm not in expected.provider.algorithms:
        raise Refused("token_refused", "the token is signed with an algorithm that is not allowed")
    key = keys.find(header.get("kid"))
    if key.get("kty") != _KEY_TYPES[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        raise Refused("token_refused", "the token's algorithm does not fit the key that it names")
    _require_size(key)
    try:
        jws.deserialize_compact(token, jwk.import_key(key), algorithms=[algorithm])
    except (JoseError, ValueError):
        raise Refused("token_refused", "the token's signature is not valid") from None
    claims = wire.loads(body, limit=MAX_TOKEN, fractions=True)
    if not isinstance(claims, dict):
        raise _bad("its claims are not an object")
    _check_purpose(claims, expected)
    _check_times(claims, now)
    return _read(claims, expected.provider, now)


def _require_size(key: dict[str, Any]) -> None:
    """A provider's RSA key is neither weak nor a burden. Raises ``Refused``: ``token_refused``."""
    if key.get("kty") != "RSA":
        return
    modulus, exponent = (int.from_bytes(_number(key, name), "big") for name in ("n", "e"))
    if modulus.bit_length() not in RSA_BITS or exponent.bit_length() > sshkey.RSA_EXPONENT_BITS:
        sizes = f"{RSA_BITS[0]} to {RSA_BITS[-1]} bits and an exponent of at most {sshkey.RSA_EXPONENT_BITS}"
        size = f"{modulus.bit_length()} bits and an exponent of {exponent.bit_length()}"
        raise Refused("token_refused", f"the provider's RSA key has {size}; {sizes} are taken")


def _number(key: dict[str, Any], name: str) -> bytes:
    value = key.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise Refused("token_refused", "the provider's RSA key cannot be read, or is too large")
    try:
        return base64.urlsafe_b64decode(value + "==")
    except ValueError:
        raise Refused("token_refused", "the provider's RSA key cannot be read") from None


_LONGEST_NUMBER = 2048
"""Letters: the modulus of an RSA key of 12,288 bits. What is longer is not even read."""


def _take_apart(token: str) -> tuple[dict[str, Any], bytes]:
    """Header and body of a compact JWS, the header strictly read, before any cryptography."""
    parts = token.split(".") if len(token) <= MAX_TOKEN else []
    if len(parts) != 3 or not all(parts):
        raise _bad("it does not consist of three parts")
    header = wire.loads(login.unb64url(parts[0]), limit=2048)
    if not isinstance(header, dict) or not header.keys() <= _HEADERS or "alg" not in header:
        raise _bad("its header has an unknown field")
    if not all(isinstance(value, str) for value in header.values()):
        raise _bad("its header has a field that is not text")
    return header, login.unb64url(parts[1])


def _check_purpose(claims: dict[str, Any], expected: Expected) -> None:
    audience = claims.get("aud")
    if claims.get("iss") != expected.provider.issuer:
        raise Refused("token_refused", "the token is by another issuer")
    if audience not in (expected.audience, [expected.audience]) or claims.get("azp", audience) not in (
        audience,
        expected.audience,
    ):
        raise Refused("token_refused", "the token is for another client")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise Refused("token_refused", "the token belongs to another sign-in")


def _check_times(claims: dict[str, Any], now: int) -> None:
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    if expires <= now:
        raise Refused("token_refused", "the token has expired", hint="sign in again")
    if not now - MAX_AGE <= issued <= now + SKEW:
        raise Refused("token_refused", "the token was not issued just now", hint="sign in again; check the clocks")
    if "nbf" in claims and _time(claims, "nbf") > now + SKEW:
        raise Refused("token_refused", "the token is not valid yet")
    if "auth_time" in claims and _time(claims, "auth_time") > now + SKEW:
        raise Refused("token_refused", "the token's sign-in time is in the future")


def _time(claims: dict[str, Any], key: str) -> int:
    """A time in whole seconds: RFC 7519 lets a NumericDate have a fraction, which is taken to our disadvantage."""
    value = claims.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LATEST:
        raise _bad(f"its {key} is not a time")
    return math.ceil(value) if key in ("iat", "nbf") else math.floor(value)


def _read(claims: dict[str, Any], provider: Provider, now: int) -> Claims:
    subject = _text(claims, provider.subject_claim)
    if not subject:
        raise _bad(f"its {provider.subject_claim} is missing")
    email = _text(claims, "email") or None
    confirmed = provider.confirms(email) if email is not None and claims.get("email_verified") is True else None
    issued = _time(claims, "iat")
    listed = provider.own_names.get(f"sub:{subject}")
    if listed is None and confirmed is not None:
        listed = provider.own_names.get(f"email:{confirmed}")
    return Claims(
        subject=subject,
        name=_text(claims, "name") or _text(claims, "preferred_username") or email or subject,
        email=email,
        verified=confirmed is not None,
        groups=_groups(claims, provider.groups_claim),
        issued=min(issued, now),
        auth_time=min(_time(claims, "auth_time"), now) if "auth_time" in claims else None,
        factors=_second_factors(claims, provider),
        own=listed or (_text(claims, provider.own_claim) or None if provider.own_claim else None),
        own_listed=listed is not None,
    )


def _text(claims: dict[str, Any], key: str) -> str:
    value = claims.get(key, "")
    if not isinstance(value, str) or len(value) > 255 or not value.isprintable():
        raise _bad(f"its {names.show(key)} is not a short printable text")
    return value


def _groups(claims: dict[str, Any], key: str) -> tuple[str, ...]:
    """The groups; an overage marker (Entra: ``_claim_names``, ``hasgroups``) is an error, never "no groups"."""
    elsewhere = claims.get("_claim_names", {})
    if (isinstance(elsewhere, dict) and key in elsewhere) or "hasgroups" in claims:
        raise _bad(
            "it has too many groups, so the provider left them out",
            hint="configure the provider to send assigned groups only",
        )
    value = claims.get(key, [])
    groups = [value] if isinstance(value, str) else value
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise _bad(f"its {names.show(key)} is not a list of at most {MAX_GROUPS} groups")
    if not all(isinstance(group, str) and 0 < len(group) <= 255 and group.isprintable() for group in groups):
        raise _bad(f"its {names.show(key)} contains something that is not the name of a group")
    return tuple(sorted(set(groups)))


def _second_factors(claims: dict[str, Any], provider: Provider) -> tuple[str, ...]:
    methods = claims.get("amr", [])
    said = {method for method in methods if isinstance(method, str)} if isinstance(methods, list) else set()
    context = claims.get("acr")
    return tuple(sorted((said | ({context} if isinstance(context, str) else set())) & set(provider.mfa_values)))


def _bad(problem: str, *, hint: str = "") -> Invalid:
    return Invalid("bad_token", f"the ID token cannot be read: {problem}", hint=hint)
