"""What the development provider refuses, and where its refusals go."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.unit.demo.conftest import free_port, running
from tests.unit.demo.relying_party import NATIVE, SECRET, WEB_REDIRECT, Answer, RelyingParty, basic

Refused = Callable[[dict[str, object]], str]


def never_redirected(answer: Answer) -> None:
    assert answer.status == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "wrong",
    [
        "http://evil.example/callback",
        "https://127.0.0.1:49152/callback",
        "http://127.0.0.1:49152/callback/../x",
        "http://127.0.0.1:49152/callback?x=1",
        "http://127.0.0.1:49152/callback#x",
        "http://user@127.0.0.1:49152/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1.evil.example:49152/callback",
        "http://localhost:49152/callback",
        "http://127.0.0.2:49152/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:49152\\@evil.example/callback",
        "http://127.0.0.1:49152/callback\r\nSet-Cookie: a=b",
        ' http://127.0.0.1:49152/callback"',
        "javascript:alert(1)",
        "//127.0.0.1/callback",
        WEB_REDIRECT,
        "",
        None,
    ],
)
def test_an_unregistered_redirect_address_is_never_used(native: RelyingParty, wrong: str | None) -> None:
    never_redirected(native.authorize(redirect_uri=wrong))
    never_redirected(native.authorize(redirect_uri=wrong, response_type="token"))
    never_redirected(native.authorize(redirect_uri=wrong, prompt="none"))
    native.click("alice")
    never_redirected(native.authorize(redirect_uri=wrong))


def test_the_web_client_has_exactly_its_address(web: RelyingParty) -> None:
    never_redirected(web.authorize(redirect_uri=WEB_REDIRECT.replace("8080", "8081")))
    never_redirected(web.authorize(redirect_uri=WEB_REDIRECT + "/"))


@pytest.mark.parametrize("name", ["nobody", "", '"', None])
def test_an_unknown_client_is_never_redirected(native: RelyingParty, name: str | None) -> None:
    never_redirected(native.authorize(client_id=name))
    never_redirected(native.authorize(client_id=name, response_type="token"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": '"\\'}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "unheard-of"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "http://evil.example"}, "request_uri_not_supported"),
    ],
)
def test_other_errors_go_back_to_the_client(native: RelyingParty, changes: dict[str, str | None], error: str) -> None:
    answer = native.authorize(**changes)
    assert answer.status == 302, answer
    assert answer.headers["location"].startswith(native.redirect_uri + "?")
    assert answer.location["error"] == error
    assert answer.location["state"] == native.wish()["state"]
    assert answer.location["iss"] == native.issuer


def test_a_parameter_given_twice_is_refused(native: RelyingParty) -> None:
    answer = native.send("GET", "/authorize?" + urlencode(native.wish()) + "&redirect_uri=http://evil.example")
    assert answer.status == 400
    answer = native.send("GET", "/authorize?" + urlencode(native.wish()) + "&client_id=ssh-jit-web")
    assert answer.status == 400


def test_a_code_works_once_and_using_it_again_revokes_its_token(native: RelyingParty) -> None:
    code = native.click("alice").location["code"]
    bearer = {"Authorization": "Bearer " + native.exchange(code).json["access_token"]}
    assert native.send("GET", "/userinfo", headers=bearer).status == 200
    again = native.exchange(code)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    assert native.send("GET", "/userinfo", headers=bearer).status == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "x" * 64}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:49153/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": "guess"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"grant_type": '"\\'}, "unsupported_grant_type"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
        ({"client_secret": "x"}, "invalid_client"),
    ],
)
def test_token_errors(native: RelyingParty, changes: dict[str, str | None], error: str) -> None:
    answer = native.exchange(native.click("alice").location["code"], **changes)
    assert answer.status == (401 if error == "invalid_client" and answer.status == 401 else 400)
    assert answer.json["error"] == error
    assert "id_token" not in answer.json


def test_a_code_belongs_to_its_client(native: RelyingParty, web: RelyingParty) -> None:
    code = web.click("alice").location["code"]
    stolen = native.exchange(code, redirect_uri=WEB_REDIRECT, code_verifier=web.verifier)
    assert stolen.json["error"] == "invalid_grant"
    assert "id_token" in web.exchange(code).json, "a thief's try must not use the code up"


def test_a_confidential_client_must_prove_itself(web: RelyingParty) -> None:
    for secret in ("wrong", "", SECRET + " "):
        web.secret = secret
        answer = web.exchange(web.click("alice", prompt="login").location["code"])
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")
    web.secret = None
    without = web.exchange(web.click("alice", prompt="login").location["code"])
    assert without.json["error"] == "invalid_client"
    posted = web.exchange(web.click("alice", prompt="login").location["code"], client_secret=SECRET)
    assert posted.json["error"] == "invalid_client"


def test_pkce_counts_for_the_confidential_client_too(web: RelyingParty) -> None:
    answer = web.exchange(web.click("alice").location["code"], code_verifier=None)
    assert answer.json["error"] == "invalid_request"
    bare = web.click("alice", prompt="login", code_challenge=None, code_challenge_method=None).location["code"]
    assert web.exchange(bare).json["error"] == "invalid_request", "a verifier without a challenge is a downgrade"


def test_a_code_dies_young(tmp_path: Path) -> None:
    settings: dict[str, object] = {"id": "acme", "title": "Acme", "port": free_port(), "code_lifetime": 1}
    with running(tmp_path / "acme.json", settings) as issuer:
        native = RelyingParty(issuer)
        code = native.click("alice").location["code"]
        time.sleep(1.1)
        assert native.exchange(code).json["error"] == "invalid_grant"


@pytest.mark.parametrize("header", ["Basic ////", "Basic /w==", "Basic", "Basic OjpAOg==", "Bearer x"])
def test_undecodable_credentials_are_an_error_not_a_crash(native: RelyingParty, header: str) -> None:
    answer = native.send("POST", "/token", {"grant_type": "authorization_code"}, {"Authorization": header})
    assert answer.status in {400, 401}
    assert answer.json["error"] in {"invalid_client", "invalid_request"}


def test_token_parameters_in_the_address_are_refused(native: RelyingParty) -> None:
    query = urlencode({"grant_type": "authorization_code", "code": "x", "client_id": NATIVE})
    assert native.send("POST", "/token?" + query, {}).status == 400
    assert native.send("GET", "/token?" + query).status == 405


def test_another_site_cannot_sign_a_browser_in(native: RelyingParty) -> None:
    native.authorize()
    target = "/authorize?" + urlencode(native.wish())
    for form in ({"person": "alice"}, {"person": "alice", "form_token": "0" * 64}, {"form_token": ""}):
        answer = native.send("POST", target, form)
        assert answer.status == 403
        assert "location" not in answer.headers
    other = RelyingParty(native.issuer)
    token = other.authorize().body.split('name="form_token" value="')[1].split('"')[0]
    assert native.send("POST", target, {"person": "alice", "form_token": token}).status == 403
    assert native.authorize(prompt="none").location["error"] == "login_required"


def test_nobody_signs_in_under_a_name_that_is_not_there(native: RelyingParty) -> None:
    assert native.click("mallory").status == 400
    assert native.click("__class__").status == 400


def test_what_a_client_sends_is_shown_inert(native: RelyingParty) -> None:
    page = native.authorize(state='"><script>alert(1)</script>')
    assert "<script" not in page.body
    assert "<script" not in native.authorize(client_id="<script>alert(1)</script>").body
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_another_host_name_is_refused(native: RelyingParty) -> None:
    for name in ("evil.example", "localhost:" + native.issuer.rpartition(":")[2]):
        assert native.send("GET", "/.well-known/openid-configuration", headers={"Host": name}).status == 421


def test_basic_credentials_of_the_native_client_are_no_way_in(native: RelyingParty) -> None:
    code = native.click("alice").location["code"]
    headers = {"Authorization": basic(NATIVE, "anything")}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": native.redirect_uri}
    answer = native.send("POST", "/token", form | {"code_verifier": native.verifier}, headers)
    assert answer.json["error"] == "invalid_client"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "localhost", ""])
def test_it_binds_nothing_but_loopback(refused: Refused, address: str) -> None:
    assert "binds a loopback address only" in refused({"address": address})


@pytest.mark.parametrize(
    "changes",
    [
        {"people": {}},
        {"clients": []},
        {"unheard_of": 1},
        {"port": "80"},
        {"clients": [{"id": "x", "redirect_uris": [], "secret_file": "/nowhere"}]},
        {"people": {"alice": {"sub": 1, "name": "Alice", "email": "alice@example.com"}}},
        {"id": "a/b"},
    ],
)
def test_a_bad_configuration_is_refused(refused: Refused, changes: dict[str, object]) -> None:
    assert refused(changes).startswith("demo.provider: ")


def test_a_silent_connection_does_not_block_the_others(native: RelyingParty) -> None:
    parts = urlsplit(native.issuer)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as silent:
        silent.sendall(b"GET /jwks HT")
        assert native.send("GET", "/jwks").status == 200
