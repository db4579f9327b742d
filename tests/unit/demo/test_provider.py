"""What a client may expect of the development provider."""

from __future__ import annotations

import base64
import hashlib
import time
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from demo.provider import config
from demo.provider.config import read
from tests.unit.demo.relying_party import NATIVE, WEB, RelyingParty


def claims_of(client: RelyingParty, id_token: str) -> dict[str, object]:
    """The claims, by the keys of the JWKS alone and RS256 alone."""
    keys = KeySet.import_key_set(client.send("GET", "/jwks").json)  # type: ignore[arg-type]
    token = jwt.decode(id_token, keys, algorithms=["RS256"])
    assert token.header["kid"] in {key.kid for key in keys.keys}
    return token.claims


def test_discovery_describes_what_is_there(native: RelyingParty) -> None:
    document = native.send("GET", "/.well-known/openid-configuration").json
    assert document["issuer"] == native.issuer
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
        target = document[name].removeprefix(native.issuer)
        assert native.send("GET", target).status != 404


def test_jwks_holds_no_private_part(native: RelyingParty) -> None:
    (key,) = native.send("GET", "/jwks").json["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


@pytest.mark.parametrize("kind", ["native", "web"])
def test_a_sign_in_gives_an_id_token_for_the_client_that_asked(kind: str, request: pytest.FixtureRequest) -> None:
    client: RelyingParty = request.getfixturevalue(kind)
    before = int(time.time())
    answer = client.click("alice")
    assert answer.status == 303
    assert answer.headers["location"].startswith(client.redirect_uri + "?")
    assert answer.location["state"] == client.wish()["state"]
    assert answer.location["iss"] == client.issuer
    tokens = client.exchange(answer.location["code"])
    assert tokens.headers["cache-control"] == "no-store"
    claims = claims_of(client, tokens.json["id_token"])
    assert claims.pop("iat") == pytest.approx(before, abs=3)
    assert claims.pop("exp") == pytest.approx(before + 240, abs=3)
    assert claims.pop("auth_time") == pytest.approx(before, abs=3)
    half = hashlib.sha256(tokens.json["access_token"].encode()).digest()[:16]
    assert claims.pop("at_hash") == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert claims == {
        "iss": client.issuer,
        "aud": NATIVE if kind == "native" else WEB,
        "sub": "acme-1",
        "nonce": "n-0S6_WzA2Mj",
        "amr": ["pwd", "mfa"],
        "name": "Alice",
        "preferred_username": "alice",
        "email": "alice@example.com",
        "email_verified": True,
        "groups": ["SRE"],
    }
    assert "refresh_token" not in tokens.json


def test_claims_follow_the_scope(native: RelyingParty) -> None:
    code = native.click("carol", scope="openid email unheard-of").location["code"]
    tokens = native.exchange(code).json
    claims = claims_of(native, tokens["id_token"])
    assert claims["email_verified"] is False
    assert "groups" not in claims
    assert "name" not in claims
    assert tokens["scope"] == "openid email"


def test_userinfo_needs_its_token(native: RelyingParty) -> None:
    tokens = native.sign_in("alice")
    good = native.send("GET", "/userinfo", headers={"Authorization": "Bearer " + tokens["access_token"]})
    assert good.json["sub"] == "acme-1"
    assert good.json["groups"] == ["SRE"]
    for wrong in ("Bearer " + tokens["id_token"], "Bearer", "Basic YTpi", ""):
        bad = native.send("GET", "/userinfo", headers={"Authorization": wrong})
        assert bad.status == 401
        assert bad.headers["www-authenticate"].lower().startswith("bearer")


def test_who_is_signed_in_is_not_asked_again(native: RelyingParty) -> None:
    native.click("alice")
    answer = native.authorize(prompt="none")
    assert answer.status == 302
    assert claims_of(native, native.exchange(answer.location["code"]).json["id_token"])["sub"] == "acme-1"


@pytest.mark.parametrize("prompt", ["login", "select_account", "consent"])
def test_a_prompt_shows_the_page_again(native: RelyingParty, prompt: str) -> None:
    native.click("alice")
    assert "Development provider" in native.authorize(prompt=prompt).body
    answer = native.click("carol", prompt=prompt)
    assert claims_of(native, native.exchange(answer.location["code"]).json["id_token"])["sub"] == "acme-3"


def test_prompt_none_without_a_sign_in_is_an_error_for_the_client(native: RelyingParty) -> None:
    answer = native.authorize(prompt="none")
    assert answer.status == 302
    assert answer.location["error"] == "login_required"
    assert answer.location["iss"] == native.issuer
    assert answer.location["state"] == native.wish()["state"]


def test_max_age_asks_again(native: RelyingParty) -> None:
    native.click("alice")
    assert native.authorize(max_age="3600").status == 302
    time.sleep(1.1)
    assert native.authorize(max_age="0").status == 200


def test_cancel_goes_back_as_access_denied(native: RelyingParty) -> None:
    answer = native.click("")
    assert answer.status == 303
    assert answer.location["error"] == "access_denied"
    assert answer.location["iss"] == native.issuer


def test_signing_out_asks_for_a_name_again(native: RelyingParty) -> None:
    native.click("alice")
    home = native.send("GET", "/")
    assert "alice@example.com" in home.body
    token = home.body.split('name="form_token" value="')[1].split('"')[0]
    assert native.send("POST", "/sign-out", {"form_token": "0" * 64}).status == 303
    assert native.authorize().status == 302
    assert native.send("POST", "/sign-out", {"form_token": token}).status == 303
    assert native.authorize().status == 200


def test_the_example_is_a_configuration() -> None:
    example = read(Path(config.__file__).with_name("example.toml"))
    assert example.issuer == "http://127.0.0.1:4001"
    assert [client.public for client in example.clients.values()] == [False, True]
    assert example.people["carol"].about("openid") == {"sub": "acme-3", "department": "Research"}
