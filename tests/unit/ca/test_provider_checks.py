"""``ssh-jit-ca doctor`` and ``ssh-jit-web check`` try a provider alike, and say in words what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from sshjit import ca_protocol as m
from sshjit import provider_check, providers
from sshjit.provider_check import Finding
from sshjit.providers import Provider
from sshjit_ca.oidc import provider_http
from sshjit_ca.operations import provider_checks
from sshjit_web import check_command
from tests.support.installation import ALICE, BOB, CAROL, Installation, Person
from tests.support.issuer import WEB_CLIENT, Issuer, listening
from tests.support.tls import tls_server

REDIRECT = "https://access.example.com/auth/acme/callback"
SECRET = "0f" * 32
Check = Callable[[Provider, str], list[Finding]]


@dataclass
class Strict(Issuer):
    """Knows its two clients, their redirect addresses, one secret, and some scopes."""

    redirects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset({"openid", "email", "groups"})
    page: tuple[int, dict[str, str], bytes] | None = None
    """What every address answers instead."""
    token_page: tuple[int, dict[str, str], bytes] | None = None
    """What the token endpoint does."""
    posted: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.page is not None:
            return self.page
        parts = urlsplit(path)
        if parts.path == "/token":
            return self.token_page or self._token(dict(parse_qsl(body.decode())))
        if parts.path != "/authorize":
            return super().answer(method, path, body)
        query = dict(parse_qsl(parts.query))
        if query["redirect_uri"] not in self.redirects.get(query["client_id"], ()):
            return 400, {}, b"<html>no such client</html>"
        known = set(query["scope"].split()) <= self.scopes
        error = {"error": "login_required" if known else "invalid_scope", "state": query["state"]}
        assert query["prompt"] == "none"
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(error)}"}, b""

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.posted.append(form["client_secret"])
        if (form["client_id"], form["client_secret"]) != (WEB_CLIENT, SECRET):
            return 401, {}, b'{"error": "invalid_client"}'
        return 400, {}, b'{"error": "invalid_grant"}'


@pytest.fixture
def strict() -> Iterator[Strict]:
    issuer = Strict(metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    with listening(issuer):
        loopback = f"http://127.0.0.1:{provider_check.SOME_PORT}/callback"
        issuer.redirects = {"ssh-jit-web": (REDIRECT,), "ssh-jit-cli": (loopback,)}
        yield issuer


def provider(of: Issuer, **changes: Any) -> Provider:
    text = f"""
version = 1
[providers.acme]
title = "Acme"
issuer = "{of.url}"
algorithms = ["RS256"]
unsafe_http = true
native = {{ client_id = "ssh-jit-cli", scopes = ["openid", "email"] }}
web = {{ client_id = "ssh-jit-web", client_secret_file = "/dev/null", scopes = ["openid", "groups"] }}
"""

    return replace(providers.load(text)["acme"], **changes)


def by_the_ca(one: Provider, secret: str) -> list[Finding]:
    def fetch(question: provider_check.Question) -> provider_check.Answer:
        return provider_http.ask(question, lambda: 0.0)

    return list(provider_check.check(one, fetch, web_redirect=REDIRECT, secret=secret))


def by_the_front_end(one: Provider, secret: str) -> list[Finding]:
    return list(check_command.check(one, REDIRECT, secret, None))


BOTH = pytest.mark.parametrize("check", [by_the_ca, by_the_front_end])


def wrong(findings: list[Finding]) -> list[str]:
    return [f"{each.level}: {each.text}" for each in findings if each.level != "ok"]


@BOTH
def test_what_is_well_is_said(strict: Strict, check: Check) -> None:
    findings = check(provider(strict), SECRET)
    assert wrong(findings) == []
    assert [each.text for each in findings] == [
        f"metadata of {strict.url}",
        "keys: 'RSA'",
        "web: client id and secret are taken",
        f"web: client id, {REDIRECT} and scopes are taken",
        f"native: client id, http://127.0.0.1:{provider_check.SOME_PORT}/callback and scopes are taken",
    ]


@BOTH
def test_a_secret_that_two_kinds_of_provider_write_differently_is_named(strict: Strict, check: Check) -> None:
    findings = check(provider(strict), "a+b/c==")
    (warning, refused) = wrong(findings)
    assert warning.startswith("warning: web: client id or secret has special characters")
    assert next(each.hint for each in findings if each.level == "warning").startswith("openssl rand -hex 32")
    assert refused == "bad: web: Acme refused our client id or secret"
    assert strict.posted == ["a+b/c=="]


@BOTH
def test_each_client_and_each_redirect_address_is_tried(strict: Strict, check: Check) -> None:
    strict.redirects = {
        "ssh-jit-web": ("https://other.example/callback",),
        "ssh-jit-cli": ("http://127.0.0.1/callback",),
    }
    web, native = wrong(check(provider(strict), SECRET))
    assert web == f"bad: web: it refused the client 'ssh-jit-web' or the redirect address {REDIRECT} (400)"
    assert native.startswith(
        "bad: native: it refused the client 'ssh-jit-cli' or the redirect address http://127.0.0.1:"
    )
    one = provider(strict)
    ports = one.native.__class__("ssh-jit-cli", ("openid",), (8401, 8402))
    strict.redirects = {"ssh-jit-web": (REDIRECT,), "ssh-jit-cli": ("http://127.0.0.1:8402/callback",)}
    (refused,) = wrong(check(provider(strict, native=ports), SECRET))
    assert "http://127.0.0.1:8401/callback" in refused


@BOTH
def test_scopes_that_are_refused_are_named(strict: Strict, check: Check) -> None:
    strict.scopes = frozenset({"openid", "email"})
    assert wrong(check(provider(strict), SECRET)) == ["bad: web: it refused the scopes openid groups"]


@BOTH
def test_keys_that_do_not_fit_are_named(strict: Strict, check: Check) -> None:
    assert wrong(check(provider(strict, algorithms=("ES256", "EdDSA")), SECRET)) == [
        "bad: no key of it fits algorithms = ES256, EdDSA: it has 'RSA'"
    ]
    strict.metadata["jwks_uri"] = f"{strict.url}/nowhere"
    assert wrong(check(provider(strict), SECRET))[0].startswith("bad: its keys cannot be read: ")


@BOTH
def test_a_provider_that_answers_html_or_nothing_or_another_issuer_is_said_as_that(
    strict: Strict, check: Check
) -> None:
    one = provider(strict)
    (slash,) = wrong(check(provider(strict, issuer=f"{strict.url}/"), SECRET))
    assert f"the issuer is set to '{strict.url}/', and its metadata says '{strict.url}'" in slash
    strict.page = (200, {}, b"<html>back soon</html>")
    (html,) = wrong(check(one, SECRET))
    assert html.endswith("answers something that is no JSON object")
    strict.page = (503, {}, b"")
    (down,) = wrong(check(one, SECRET))
    assert down.endswith("/.well-known/openid-configuration answers 503")
    strict.page = (302, {"Location": f"{strict.url}/elsewhere"}, b"")
    (moved,) = wrong(check(one, SECRET))
    assert moved.endswith("answers 302"), "followed nowhere"
    nobody = provider(strict, issuer="http://127.0.0.1:9")
    (away,) = wrong(check(nobody, SECRET))
    assert away.startswith("bad: its metadata cannot be had: ")


@BOTH
def test_a_token_for_a_made_up_code_and_a_broken_token_endpoint(strict: Strict, check: Check) -> None:
    one = provider(strict)
    for status, body, said in (
        (200, b'{"id_token": "x"}', "the provider gave a token for a made-up code"),
        (500, b'{"error": "invalid_grant"}', "its token endpoint answers 500"),
        (200, b'{"error": "unauthorized_client"}', "refused our client id or secret"),
    ):
        strict.token_page = (status, {}, body)
        (found,) = wrong(check(one, SECRET))
        assert said in found


# --------------------------------------------------------------------------------------------------------- the doctor


@pytest.fixture
def acme(strict: Strict, tmp_path: Path) -> Iterator[Installation]:
    home = tmp_path / "home"
    home.mkdir()
    settings = {"acme": 'groups_claim = ["groups", "realm_access.roles"]'}
    ca = Installation(home, {"acme": strict}, settings=settings)
    yield ca
    ca.stop()


def test_the_doctor_tries_the_providers_without_the_secret_and_says_who_has_it(acme: Installation) -> None:
    (acme.home / "providers.toml").write_text(
        (acme.home / "providers.toml").read_text().replace("/dev/null", "front-end.secret")
    )
    findings = list(provider_checks.examine(acme.config, None))
    texts = {each.message: each.level for each in findings}
    assert texts["acme: web: not tried here: the secret of `web` is the front end's; there: ssh-jit-web check"] == "ok"
    assert texts["acme: web: its redirect address was not tried"] == "warning"
    assert any("acme: native: client id, http://127.0.0.1:" in text for text in texts)
    told = list(provider_checks.examine(acme.config, "https://access.example.com/"))
    assert f"acme: web: client id, {REDIRECT} and scopes are taken" in [each.message for each in told]
    (acme.home / "front-end.secret").write_text("wrong\n")
    read = [each.message for each in provider_checks.examine(acme.config, None) if each.level == "bad"]
    assert read == ["acme: web: acme refused our client id or secret"]


def test_a_groups_path_that_no_sign_in_had_is_a_warning(acme: Installation) -> None:
    def warned() -> list[str]:
        reply = acme.say(m.Status(), m.StatusReply, "admin")
        return [each.message for each in provider_checks.missing_groups(acme.config, reply)]

    assert warned() == []
    for person in (ALICE, BOB):
        acme.web(person)
    assert warned() == [], "two people may have no groups"
    acme.web(CAROL)
    assert warned() == ["acme: none of its 3 sign-ins had the claim 'realm_access.roles' (groups_claim)"]
    acme.web(Person("f-6", (), "f@example.com", claims={"realm_access": {"roles": ["SRE"]}}))
    assert warned() == []


def test_an_untrusted_certificate_is_said_by_the_ca(tmp_path: Path) -> None:
    with tls_server(tmp_path) as (port, _):
        (said,) = by_the_ca(provider(Issuer(url=f"https://localhost:{port}")), SECRET)
    assert "its TLS certificate is not trusted" in said.text
    assert "SSL_CERT_FILE" in said.hint
