"""Keycloak, as shipped and as docs/providers.md says to set it up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Invalid, Refused
from sshjit_ca.oidc import id_tokens
from tests.keycloak.keycloak import Keycloak, Realm, add_groups, component, fill_in, make_realm
from tests.providers.providers import ORIGIN, Walker, World, pages, world
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT

LINES = ('algorithms = ["RS256"]',)


def browser() -> Walker:
    return Walker(fill=fill_in)


@pytest.fixture(scope="module")
def realm(keycloak: Keycloak) -> Realm:
    made = make_realm(keycloak, "acme")
    add_groups(made, full_path=False)
    return made


@pytest.fixture
def here(realm: Realm, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, realm.issuer, *LINES) as made:
        yield made


def test_as_shipped_it_refuses_the_scope_groups_and_that_is_said(keycloak: Keycloak, tmp_path: Path) -> None:
    shipped = make_realm(keycloak, "shipped")
    with world(tmp_path, shipped.issuer, *LINES) as here:
        for sign_in, code in ((here.web, "scope_refused"), (here.native, "login_failed")):
            with pytest.raises(Refused, match="Invalid scopes: openid email profile groups") as refused:
                sign_in(browser())
            assert refused.value.code == code
            assert "the setting `scopes` leaves it out" in refused.value.hint


def test_its_groups_begin_with_a_slash_until_the_mapper_is_told_otherwise(keycloak: Keycloak, tmp_path: Path) -> None:
    realm = make_realm(keycloak, "paths")
    scope = add_groups(realm, full_path=True)
    with world(tmp_path, realm.issuer, *LINES) as here:
        login = here.web(browser())
        assert (login.groups, login.roles, login.verified) == (("/SRE",), (), ("alice@example.com",))
        (mapper,) = realm.call("GET", f"/client-scopes/{scope}/protocol-mappers/models")
        mapper["config"]["full.path"] = "false"
        realm.call("PUT", f"/client-scopes/{scope}/protocol-mappers/models/{mapper['id']}", mapper)
        for login in (here.web(browser()), here.native(browser())):
            assert (login.groups, login.roles) == (("SRE",), ("sre",))


def test_a_secret_with_a_plus_is_form_encoded(here: World) -> None:
    assert "+" in here.secret
    here.web(browser())
    raw = replace(here.provider, token_endpoint_auth="basic_raw")
    with pytest.raises(Refused) as refused:
        here.web(browser(), party=here.party(provider=raw))
    assert refused.value.code == "client_refused"


def test_redirect_addresses(realm: Realm, here: World) -> None:
    """``http://127.0.0.1/callback`` stands for any port; ``:*`` for none at all; localhost is another name."""
    known = here.known()
    url = (
        f"{known.authorization_endpoint}?client_id={NATIVE_CLIENT}&response_type=code&scope=openid&prompt=none"
        f"&code_challenge={'x' * 43}&code_challenge_method=S256&nonce=n&redirect_uri="
    )
    tried = [f"http://127.0.0.1:{place}" for place in ("5555/callback", "49152/callback", "5555/other")]
    tried += ["http://localhost:5555/callback", "http://[::1]:5555/callback"]

    def taken() -> list[bool]:
        return [isinstance(browser().walk(url + redirect, redirect), str) for redirect in tried]

    assert taken() == [True, True, False, False, False]
    try:
        realm.update_client(NATIVE_CLIENT, redirectUris=["http://127.0.0.1:*/callback"])
        assert taken() == [False] * 5
    finally:
        realm.update_client(NATIVE_CLIENT, redirectUris=["http://127.0.0.1/callback"])


def test_a_fresh_sign_in_asks_and_says_when(here: World) -> None:
    walker = browser()
    here.web(walker)
    asked = walker.asked
    here.web(walker)
    assert walker.asked == asked, "the session signs in by itself"
    for sign_in in (here.web, here.native):
        time.sleep(1.1)  # its times are whole seconds
        began = int(time.time())
        login = sign_in(walker, fresh=True)
        assert walker.asked > asked
        assert login.auth_time is not None
        assert login.auth_time >= began
        asked = walker.asked


def test_without_the_scope_basic_no_sign_in_is_fresh(realm: Realm, here: World) -> None:
    path = f"/clients/{realm.clients[WEB_CLIENT]}/default-client-scopes/{realm.scope_id('basic')}"
    realm.call("DELETE", path)
    try:
        login = here.web(browser(), fresh=True)
        assert (login.auth_time, login.asked_fresh) == (None, True)
    finally:
        realm.call("PUT", path)


def test_acr_and_amr(keycloak: Keycloak, tmp_path: Path) -> None:
    """``acr`` tells a password from a cookie; ``amr`` needs the mapper *and* a reference value at the step."""
    realm = make_realm(keycloak, "factors")
    add_groups(realm, full_path=False)
    with world(tmp_path, realm.issuer, *LINES) as here:
        walker = browser()
        assert here.web(walker).said_factors == ("acr 1",)
        assert here.web(walker).said_factors == ("acr 0",)
        in_token = {"id.token.claim": "true"}
        mapper = {"name": "amr", "protocol": "openid-connect", "protocolMapper": "oidc-amr-mapper", "config": in_token}
        realm.call("POST", f"/clients/{realm.clients[WEB_CLIENT]}/protocol-mappers/models", mapper)
        assert here.web(browser()).said_factors == ("acr 1",), "the mapper alone writes an empty list"
        step = realm.execution("auth-username-password-form")["id"]
        config = {"default.reference.value": "pwd", "default.reference.maxAge": "3600"}
        realm.call("POST", f"/authentication/executions/{step}/config", {"alias": "password", "config": config})
        assert here.web(browser()).said_factors == ("amr pwd", "acr 1")


def test_t15_its_keys_change_while_people_are_signed_in(realm: Realm, here: World) -> None:
    """A new key of higher priority, and the old one passive: as docs of Keycloak say to rotate."""
    party = here.party()
    first, late, too_late = (
        here.web(browser(), party=party),
        here.web_message(browser(), party=party),
        here.web_message(browser(), party=party),
    )
    parent = realm.keycloak.call("GET", f"/{realm.name}")["id"]
    kind = "org.keycloak.keys.KeyProvider"
    old = next(key for key in realm.call("GET", f"/components?type={kind}") if key["providerId"] == "rsa-generated")
    realm.call("POST", "/components", component("new", "rsa-generated", kind, parent, {"priority": "200"}))
    second = here.web(browser(), party=party)
    third = here.ca.say(late, m.LoginReply).login
    old["config"] |= {"active": ["false"], "enabled": ["false"]}
    realm.call("PUT", f"/components/{old['id']}", old)
    here.ca.context.published["acme"].published = None
    with pytest.raises(Invalid) as gone:
        here.ca.say(too_late, m.LoginReply)
    assert gone.value.code == "unknown_key"
    assert all(here.alive(login) for login in (first, second, third, here.web(browser(), party=party)))


def test_logout_tokens_end_the_session_everywhere_and_a_disabled_user_alone_sends_none(
    keycloak: Keycloak, tmp_path: Path
) -> None:
    """Both clients need the logout URL: of a session that only laptops use, the pages' client is not told."""
    realm = make_realm(keycloak, "leaving")
    add_groups(realm, full_path=False)
    walker, other, laptop = browser(), browser(), browser()
    with world(tmp_path, realm.issuer, *LINES) as here, pages(here) as authority:
        logins = [here.web(walker), here.native(walker), here.web(other), here.native(laptop)]

        def sent() -> list[m.ProviderLogout]:
            return [message for message in authority.messages if isinstance(message, m.ProviderLogout)]

        def alive() -> list[bool]:
            here.tick()
            return [here.alive(login) for login in logins]

        url = here.party().end_session_url()
        assert url is not None
        assert isinstance(walker.walk(url, f"{ORIGIN}/sign-in"), str)
        assert [types(message) for message in sent()] == ["logout+jwt", "logout+jwt"]
        assert alive() == [False, False, True, True]
        user = realm.call("GET", f"/users/{realm.user}")
        realm.call("PUT", f"/users/{realm.user}", {**user, "enabled": False})
        assert (len(sent()), alive()) == (2, [False, False, True, True]), "Keycloak tells nobody of that"
        realm.call("POST", f"/users/{realm.user}/logout")
        assert alive() == [False] * 4
        for message in sent():
            with pytest.raises(Refused) as used:
                here.ca.say(message, m.Done)
            assert used.value.code == "token_used"


def types(message: m.ProviderLogout) -> object:
    return id_tokens.header_of(message.logout_token).get("typ")
