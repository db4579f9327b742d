"""Tokens that a provider did sign, with claims and headers that no provider should send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sshjit import login, providers
from sshjit.errors import SshJitError
from sshjit_ca.oidc import claims as reading
from sshjit_ca.oidc import id_tokens, provider_keys
from sshjit_ca.oidc.claims import Claims
from sshjit_ca.oidc.id_tokens import Expected
from tests.fuzz.text_targets import NONCE, NOW, PROVIDERS
from tests.support.issuer import NATIVE_CLIENT, Issuer, serving
from tests.unit.sshjit.core_world import json_values

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = ("iss", "sub", "aud", "azp", "iat", "exp", "nbf", "auth_time", "nonce", "email", "email_verified", "groups",
         "hasgroups", "_claim_names", "amr", "acr", "name", "preferred_username")  # fmt: skip
HEADERS = ("alg", "kid", "typ", "jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "x5t")
near_now = st.integers(NOW - 400, NOW + 400)


@dataclass(frozen=True)
class Provider:
    """A real provider, and what the CA knows of it."""

    issuer: Issuer
    expected: Expected
    keys: provider_keys.ProviderKeys

    def honest(self) -> dict[str, Any]:
        """The claims of a sign-in just now."""
        return {"iss": self.issuer.url, "sub": "a-1", "aud": NATIVE_CLIENT, "iat": NOW, "exp": NOW + 600,
                "nonce": NONCE, "email": "alice@example.com", "email_verified": True, "groups": ["SRE"]}  # fmt: skip

    def verify(self, token: str) -> Claims | None:
        """The claims, or ``None`` for a refusal; anything else that is raised is a defect."""
        try:
            signed = id_tokens.verify(token, self.expected, self.keys, NOW)
            return reading.read(signed, self.expected.provider, NOW)
        except SshJitError:
            return None


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A provider with one key."""
    with serving() as issuer:
        text = PROVIDERS.replace("https://a.example", issuer.url)
        known = providers.load(text.replace('title = "Acme"', 'title = "Acme"\nunsafe_http = true'))["acme"]
        yield Provider(
            issuer, Expected(known, NATIVE_CLIENT, NONCE), provider_keys.ProviderKeys("acme", known, lambda: 0.0)
        )


def test_the_honest_token_is_taken(provider: Provider) -> None:
    assert provider.verify(provider.issuer.sign(provider.honest())) is not None


@MANY
@given(changes=st.dictionaries(st.sampled_from(NAMES), json_values | near_now, min_size=1, max_size=3))
def test_t14_t16_any_claims_are_refused_or_right(provider: Provider, changes: dict[str, Any]) -> None:
    claims = provider.honest() | changes
    found = provider.verify(provider.issuer.sign(claims))
    if found is None:
        return
    assert (claims["iss"], claims["nonce"]) == (provider.issuer.url, NONCE)
    assert claims["aud"] in (NATIVE_CLIENT, [NATIVE_CLIENT])
    assert claims["exp"] > NOW >= found.issued >= NOW - id_tokens.MAX_AGE
    assert found.subject == claims["sub"] != ""
    groups = claims["groups"] or ()
    assert set(found.groups) <= ({groups} if isinstance(groups, str) else {*groups})
    assert not found.verified or (claims["email_verified"] is True and claims["email"].endswith("@example.com"))


@MANY
@given(header=st.dictionaries(st.sampled_from(HEADERS), json_values, max_size=3), data=st.data())
def test_t14_any_header_over_an_honest_signature_is_refused(
    provider: Provider, header: dict[str, Any], data: st.DataObject
) -> None:
    whole = {"alg": "RS256", "kid": provider.issuer.keys[0].kid} | header
    if data.draw(st.booleans()):
        whole["alg"] = data.draw(st.sampled_from(["none", "HS256", "RS512", "PS256", "ES256", "EdDSA", "RS256"]))
    first, second, third = provider.issuer.sign(provider.honest()).split(".")
    made = f"{login.b64url(json.dumps(whole).encode())}.{second}.{third}"
    assert provider.verify(made) is None or made.split(".", maxsplit=1)[0] == first
