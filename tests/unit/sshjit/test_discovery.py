"""A provider's discovery document: what is read of it, and what is refused."""

from __future__ import annotations

import pytest

from sshjit.discovery import Discovery, discovery_url, parse_discovery
from sshjit.errors import Invalid

ISSUER = "https://login.example.com/tenant"
DOCUMENT: dict[str, object] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example.com/authorize?tenant=1",
    "token_endpoint": "https://tokens.example.com/token",
    "jwks_uri": "https://login.example.com/keys",
    "id_token_signing_alg_values_supported": ["none"],
}


def test_it_is_read() -> None:
    assert parse_discovery(DOCUMENT, ISSUER, plain_http=False) == Discovery(
        authorization_endpoint="https://login.example.com/authorize?tenant=1",
        token_endpoint="https://tokens.example.com/token",
        jwks_uri="https://login.example.com/keys",
        token_endpoint_auth_methods=("client_secret_basic",),
        sends_iss=False,
    )
    more = {
        "token_endpoint_auth_methods_supported": ["private_key_jwt", 7, "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
    found = parse_discovery({**DOCUMENT, **more}, ISSUER, plain_http=False)
    assert found.token_endpoint_auth_methods == ("private_key_jwt", "client_secret_post")
    assert found.sends_iss
    without_keys = {key: value for key, value in DOCUMENT.items() if key != "jwks_uri"}
    assert parse_discovery(without_keys, ISSUER, plain_http=False).jwks_uri is None


@pytest.mark.parametrize("issuer", ["https://login.example.com", "https://login.example.com/"])
def test_it_is_below_the_issuer(issuer: str) -> None:
    assert discovery_url(issuer) == "https://login.example.com/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"jwks_uri": None}, "its metadata has no jwks_uri"),
        ({"token_endpoint": ["https://login.example.com"]}, "its metadata has no token_endpoint"),
        ({"token_endpoint": "http://login.example.com/token"}, "its token_endpoint: "),
        ({"jwks_uri": "https://user:pass@login.example.com/keys"}, "its jwks_uri: "),
        ({"authorization_endpoint": "javascript:alert(1)"}, "its authorization_endpoint: "),
    ],
)
def test_what_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid) as error:
        parse_discovery({**DOCUMENT, **changed}, ISSUER, plain_http=True)
    assert error.value.code == "bad_discovery"
    assert error.value.message.startswith(message)


def test_plain_http_is_for_loopback_alone_and_only_where_it_is_allowed() -> None:
    local = {key: f"http://127.0.0.1:80/{key}" for key in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    document = {"issuer": "http://127.0.0.1:80", **local}
    assert parse_discovery(document, "http://127.0.0.1:80", plain_http=True).jwks_uri == local["jwks_uri"]
    with pytest.raises(Invalid):
        parse_discovery(document, "http://127.0.0.1:80", plain_http=False)


@pytest.mark.parametrize("stated", [f"{ISSUER}/", "https://evil.example", None, 7])
def test_t14_an_issuer_that_differs_is_said_with_both(stated: object) -> None:
    with pytest.raises(Invalid) as error:
        parse_discovery({**DOCUMENT, "issuer": stated}, ISSUER, plain_http=True)
    assert error.value.code == "other_issuer"
    assert repr(ISSUER) in error.value.message
    assert (repr(stated) if isinstance(stated, str) else "says none") in error.value.message
    assert "slash" in error.value.hint
