"""Tokens of workloads: from what a job sent to who it is and what its issuer says of it.

As with people, everything is checked against ``providers.toml`` and nothing against the token's own word. The audience
names the key, so a front end that sees the token cannot bind another key to it. Each refusal has a code of its own: who
reads it has the log of a job, and no second try.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sshjit import names, workloads
from sshjit.errors import Refused
from sshjit.events import LoginOpened
from sshjit.policy import Subject
from sshjit.sshkey import PublicKey
from sshjit.workloads import AUDIENCE, WorkloadIssuer
from sshjit_ca.oidc import id_tokens
from sshjit_ca.oidc.claims import bad, time_of
from sshjit_ca.oidc.id_tokens import SKEW
from sshjit_ca.oidc.provider_keys import ProviderKeys

MAX_CLAIM = 1024
"""Characters of a claim's text."""
MAX_NAME = 200
"""Characters of what people read of ``sub``."""
_TYPES = frozenset({"jwt", "at+jwt"})
"""Of tokens that are taken (RFC 7519, 5.1; RFC 9068, 2.1). A logout token is another one, and says so."""
_AGAIN = "get a new token, and sign in with it at once"


@dataclass(frozen=True, slots=True)
class Workload:
    """A verified workload. Times in seconds since the epoch."""

    subject: str
    """By what it is known at its issuer (``workloads.identity``)."""
    name: str
    """For people to read."""
    claims: tuple[str, ...]
    """Those that policy may name, as ``name=value``, in order."""
    issued: int
    key: PublicKey
    remarks: tuple[str, ...]
    """What the token left out."""


def verify(token: str, issuer: WorkloadIssuer, keys: ProviderKeys, key: PublicKey, now: int) -> Workload:
    """Checks a workload's token, which must be for ``key``.

    Raises:
        Invalid: ``bad_token``, ``bad_token_header``, ``bad_token_time``, ``unknown_key``.
        Refused: ``bad_signature``, ``wrong_algorithm``, ``wrong_token_type``, ``wrong_token_issuer``,
            ``persons_token``, ``wrong_audience``, ``wrong_key``, ``token_expired``, ``token_not_new``,
            ``token_not_yet``, ``not_admitted``.
        Failed: ``provider_down`` and the like.

    """
    claims = id_tokens.verify_signed(token, issuer, keys)
    if id_tokens.header_of(token).get("typ", "JWT").lower() not in _TYPES:
        raise Refused("wrong_token_type", "the token is not one of a workload, by its own type")
    if "nonce" in claims:
        raise Refused("persons_token", "the token is of a person's sign-in", hint="people sign in with: ssh-jit login")
    if claims.get("iss") != issuer.issuer:
        stated = claims.get("iss")
        by = names.show(stated, 300) if isinstance(stated, str) else "nobody"
        told = f"the issuer is set to {names.show(issuer.issuer, 300)}"
        raise Refused("wrong_token_issuer", f"the token is by another issuer: by {by}, and {told}")
    _check_audience(claims, issuer, key)
    _check_times(claims, issuer, now)
    _check_admitted(claims, issuer)
    return _read(claims, issuer, key, now)


def _check_audience(claims: Mapping[str, Any], issuer: WorkloadIssuer, key: PublicKey) -> None:
    """The one audience is this key's, or the fixed one of an issuer that names no keys."""
    stated = claims.get("aud")
    audience = stated[0] if isinstance(stated, list) and len(stated) == 1 else stated
    wanted = issuer.audience if issuer.unbound and issuer.audience else workloads.audience_of(key.blob)
    if not isinstance(audience, str) or not audience.startswith(AUDIENCE) or issuer.unbound:
        if audience != wanted:
            what = names.show(audience, 300) if isinstance(audience, str) else "several, or nobody"
            problem = f"the token is for {what}, and must be for {names.show(wanted)} alone"
            raise Refused("wrong_audience", problem, hint="the job asks its issuer for a token with that audience")
    elif not hmac.compare_digest(audience.encode(), wanted.encode()):
        raise Refused("wrong_key", "the token is for another key than the one that signs in", hint=_AGAIN)


def _check_times(claims: Mapping[str, Any], issuer: WorkloadIssuer, now: int) -> None:
    issued, expires = time_of(claims, "iat"), time_of(claims, "exp")
    if expires <= now:
        raise Refused("token_expired", "the token has expired", hint=_AGAIN)
    if issued < now - issuer.max_age_seconds:
        problem = f"the token was issued more than {issuer.max_age} ago"
        raise Refused("token_not_new", problem, hint=f"{_AGAIN}; or the administrator sets `max_age` of this issuer")
    early = claims.get("nbf") is not None and time_of(claims, "nbf") > now + SKEW
    if issued > now + SKEW or early:
        raise Refused("token_not_yet", "the token is not valid yet", hint="check the clocks")


def _check_admitted(claims: Mapping[str, Any], issuer: WorkloadIssuer) -> None:
    for name, wanted in issuer.required_claims.items():
        value = _text(name, claim_at(claims, name))
        if value != wanted:
            stated = "nothing" if value is None else names.show(value)
            problem = f"only workloads whose {name} is {names.show(wanted)} may sign in; {issuer.title} says {stated}"
            raise Refused("not_admitted", problem, hint="the administrator says whose workloads sign in here")


def _read(claims: Mapping[str, Any], issuer: WorkloadIssuer, key: PublicKey, now: int) -> Workload:
    stated = {name: _text(name, claim_at(claims, name)) for name in issuer.trusted_claims}
    subject = stated["sub"]
    if subject is None:
        raise bad("its sub is missing")
    held = tuple(f"{name}={value}" for name, value in stated.items() if value is not None)
    missing = (name for name, value in stated.items() if value is None)
    return Workload(
        subject=workloads.identity(subject, held),
        name=subject if len(subject) <= MAX_NAME else f"{subject[: MAX_NAME - 1]}…",
        claims=held,
        issued=min(time_of(claims, "iat"), now),
        key=key,
        remarks=tuple(f"the token of {issuer.title} has no claim {names.show(name)}" for name in missing),
    )


def policy_subject(opened: LoginOpened, issuer: WorkloadIssuer | None) -> Subject:
    """A workload as policy sees it: by the claims that may be named now. They are the same at all its sign-ins."""
    named = () if issuer is None else issuer.trusted_claims
    claims = frozenset(claim for claim in opened.claims if claim.partition("=")[0] in named)
    return Subject(opened.subject, opened.provider, frozenset(), frozenset(), claims=claims)


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, or what is found by taking the name apart at some of its dots; ``None`` if there is none.

    Names of claims have dots themselves: ``kubernetes.io.namespace`` is ``namespace`` in ``kubernetes.io``.
    """
    if path in claims:
        return claims[path]
    for at, letter in enumerate(path):
        inner = claims.get(path[:at]) if letter == "." else None
        if isinstance(inner, Mapping):
            return claim_at(inner, path[at + 1 :])
    return None


def _text(name: str, value: Any) -> str | None:
    """A claim as policy compares it: its text, or a number or a truth value as JSON writes it."""
    if value is None:
        return None
    if isinstance(value, bool) or type(value) is int:
        return json.dumps(value)
    if not isinstance(value, str) or len(value) > MAX_CLAIM or not value.isprintable():
        raise bad(f"its {names.show(name)} is not a short printable text")
    return value
