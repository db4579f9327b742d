"""ID tokens: from a string that anybody could have written to claims that a provider signed.

Everything is checked against ``providers.toml`` and nothing against the token's own word or the provider's metadata:
issuer, audience, algorithm, times, nonce.
OpenID Connect Core 1.0, section 3.1.3.7; JWT best practices: RFC 8725.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

from sshjit import login, names, sshkey, wire
from sshjit.errors import Refused
from sshjit.limits import MAX_ID_TOKEN
from sshjit.providers import Issuer, Provider
from sshjit.sshkey import PublicKey
from sshjit_ca.oidc.claims import Claims, bad, time_of
from sshjit_ca.oidc.provider_keys import ProviderKeys

MAX_AGE = 300
"""Seconds that a token may be old when it arrives (``iat``)."""
SKEW = 10
"""Seconds that the provider's clock may run ahead of ours."""
_HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
RSA_BITS = range(2048, 8192 + 1)
"""Of a provider's key: many sign with 2048 bits; each more costs time at every sign-in that anybody makes up."""
_DIGESTS = {"256": "sha256", "384": "sha384", "512": "sha512"}
"""By the end of an algorithm's name; EdDSA hashes with SHA-512."""
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must be for: the client's id, and the nonce of this sign-in."""

    provider: Provider
    audience: str
    nonce: str


@dataclass(frozen=True, slots=True)
class NativeSignIn:
    """What a provider says of somebody who signed in natively, and the key that their token is bound to."""

    claims: Claims
    key: PublicKey


def verify(token: str, expected: Expected, keys: ProviderKeys, now: int) -> dict[str, Any]:
    """Checks an ID token; what its claims say of somebody is read by ``claims.read``.

    Raises:
        Invalid: ``bad_token`` and the like (``sshjit/token_codes.py``), ``unknown_key``: not a token that we take.
        Refused: ``wrong_audience`` and the like: a proper token, but not for this, or not any more.
        Failed: ``provider_down`` and the like.

    """
    claims = verify_signed(token, expected.provider, keys)
    if header_of(token).get("typ", "JWT").lower().endswith("+jwt"):  # of another kind, and says so (RFC 8725, 3.11)
        raise Refused("wrong_token_type", "the token is no ID token, by its own type")
    _check_purpose(claims, expected)
    _check_times(claims, now)
    return claims


def verify_signed(token: str, provider: Issuer, keys: ProviderKeys) -> dict[str, Any]:
    """The claims of any compact JWS that a provider signed; for whom and for what it is, is still to be checked.

    Raises:
        SshJitError: as ``verify``.

    """
    header, body = _take_apart(token)
    algorithm = header["alg"]
    if algorithm not in provider.algorithms:
        raise Refused(
            "wrong_algorithm",
            f"the token of {provider.title} is signed with {names.show(algorithm)}; "
            f"allowed is {', '.join(provider.algorithms)}",
            hint="the administrator adds it to the setting `algorithms`, if the provider is to sign with it",
        )
    key = keys.find(header.get("kid"))
    if not _signed_by(token, key, algorithm):
        newer = keys.replacement(header.get("kid"), key)
        if newer is None or not _signed_by(token, newer, algorithm):
            raise Refused("bad_signature", "the token's signature is not valid")
    claims = wire.loads(body, limit=MAX_ID_TOKEN, fractions=True)
    if not isinstance(claims, dict):
        raise bad("its claims are not an object")
    return claims


def _signed_by(token: str, key: dict[str, Any], algorithm: str) -> bool:
    if key.get("kty") != _KEY_TYPES[algorithm[:2]] or key.get("alg", algorithm) != algorithm:
        raise Refused("wrong_key_type", "the token's algorithm does not fit the key that it names")
    _require_size(key)
    try:
        jws.deserialize_compact(token, jwk.import_key(key), algorithms=[algorithm])
    except (JoseError, ValueError):
        return False
    return True


def header_of(token: str) -> dict[str, Any]:
    """The header of a compact JWS, strictly read."""
    return _take_apart(token)[0]


def binds(token: str, access_token: str, claims: dict[str, Any]) -> bool:
    """Whether a verified ID token names this access token (``at_hash``; OpenID Connect Core, 3.1.3.6)."""
    stated = claims.get("at_hash")
    algorithm = str(_take_apart(token)[0]["alg"])
    digest = hashlib.new(_DIGESTS.get(algorithm[-3:], "sha512"), access_token.encode("ascii", "replace")).digest()
    half = login.b64url(digest[: len(digest) // 2])
    return isinstance(stated, str) and hmac.compare_digest(stated.encode(), half.encode())


def _require_size(key: dict[str, Any]) -> None:
    """A provider's RSA key is neither weak nor a burden. Raises ``Refused``: ``token_refused``."""
    if key.get("kty") != "RSA":
        return
    modulus, exponent = (int.from_bytes(_number(key, name), "big") for name in ("n", "e"))
    if modulus.bit_length() not in RSA_BITS or exponent.bit_length() > sshkey.RSA_EXPONENT_BITS:
        sizes = f"{RSA_BITS[0]} to {RSA_BITS[-1]} bits and an exponent of at most {sshkey.RSA_EXPONENT_BITS}"
        size = f"{modulus.bit_length()} bits and an exponent of {exponent.bit_length()}"
        raise Refused("bad_provider_key", f"the provider's RSA key has {size}; {sizes} are taken")


def _number(key: dict[str, Any], name: str) -> bytes:
    value = key.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise Refused("bad_provider_key", "the provider's RSA key cannot be read, or is too large")
    try:
        return base64.urlsafe_b64decode(value + "==")
    except ValueError:
        raise Refused("bad_provider_key", "the provider's RSA key cannot be read") from None


_LONGEST_NUMBER = 2048
"""Letters: the modulus of an RSA key of 12,288 bits. What is longer is not even read."""


def _take_apart(token: str) -> tuple[dict[str, Any], bytes]:
    """Header and body of a compact JWS, the header strictly read, before any cryptography."""
    parts = token.split(".") if len(token) <= MAX_ID_TOKEN else []
    if len(parts) != 3 or not all(parts):
        raise bad("it does not consist of three parts")
    header = wire.loads(login.unb64url(parts[0]), limit=2048)
    if not isinstance(header, dict) or not header.keys() <= _HEADERS or "alg" not in header:
        raise bad("its header has an unknown field", code="bad_token_header")
    if not all(isinstance(value, str) for value in header.values()):
        raise bad("its header has a field that is not text", code="bad_token_header")
    return header, login.unb64url(parts[1])


def _check_purpose(claims: dict[str, Any], expected: Expected) -> None:
    audience = claims.get("aud")
    issuer = claims.get("iss")
    if issuer != expected.provider.issuer:
        stated = names.show(issuer, 300) if isinstance(issuer, str) else "nobody"
        told = f"the issuer is set to {names.show(expected.provider.issuer, 300)}"
        raise Refused("wrong_token_issuer", f"the token is by another issuer: by {stated}, and {told}")
    party = claims.get("azp")
    if audience not in (expected.audience, [expected.audience]) or party not in (None, audience, expected.audience):
        raise Refused("wrong_audience", "the token is for another client")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise Refused("wrong_nonce", "the token belongs to another sign-in")


def _check_times(claims: dict[str, Any], now: int) -> None:
    issued, expires = time_of(claims, "iat"), time_of(claims, "exp")
    if expires <= now:
        raise Refused("token_expired", "the token has expired", hint="sign in again")
    if not now - MAX_AGE <= issued <= now + SKEW:
        raise Refused("token_not_new", "the token was not issued just now", hint="sign in again; check the clocks")
    if claims.get("nbf") is not None and time_of(claims, "nbf") > now + SKEW:
        raise Refused("token_not_yet", "the token is not valid yet")
    if claims.get("auth_time") is not None and time_of(claims, "auth_time") > now + SKEW:
        raise Refused("token_not_yet", "the token's sign-in time is in the future")
