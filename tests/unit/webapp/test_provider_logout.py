"""The address that providers call: a logout token goes to the CA, and nothing but one ends anything."""

from __future__ import annotations

from collections.abc import Mapping

from flask.testing import FlaskClient

from sshjit.providers import load
from sshjit_ca.oidc.logout_tokens import EVENT
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support.in_process_ca import KEY, FrontEnd, client_of
from tests.support.issuer import WEB_CLIENT


def token(world: FrontEnd, **changed: object) -> str:
    issuer, now = world.ca.issuers["acme"], int(world.ca.time)
    claims = {"iss": issuer.url, "aud": WEB_CLIENT, "iat": now, "jti": "one", "sub": "nobody", "events": {EVENT: {}}}
    return issuer.sign({**claims, **changed})


def client(world: FrontEnd) -> FlaskClient:
    known = load((world.ca.home / "providers.toml").read_text())
    parties = {
        name: RelyingParty(name, provider, client_secret="s", origin=world.origin, key=KEY, clock=lambda: world.ca.time)
        for name, provider in known.items()
    }
    app = create_app(world.config, world.authority, world.store, parties, key=KEY, clock=lambda: world.ca.time)
    app.test_client_class = client_of(world.origin)
    return app.test_client()


def post(world: FrontEnd, data: Mapping[str, object], provider: str = "acme") -> int:
    answer = client(world).post(f"/auth/{provider}/logout", data=data)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.data == b""
    return answer.status_code


def test_a_token_of_the_provider_is_taken_without_a_cookie_or_a_form_token(world: FrontEnd) -> None:
    good = token(world)
    assert post(world, {"logout_token": good}) == 200
    assert post(world, {"logout_token": good}) == 400, "once"


def test_what_is_none_is_refused_without_a_page(world: FrontEnd) -> None:
    for data in ({}, {"logout_token": "x"}, {"logout_token": [token(world), token(world)]}, {"token": token(world)}):
        assert post(world, data) == 400
    assert post(world, {"logout_token": token(world, aud="other")}) == 400
    assert post(world, {"logout_token": token(world)}, "partner") == 400


def test_an_unknown_provider_has_no_such_address(world: FrontEnd) -> None:
    assert client(world).post("/auth/nowhere/logout", data={}).status_code == 404


def test_while_the_ca_is_away_the_provider_is_told_to_come_again(world: FrontEnd) -> None:
    sent = token(world)
    world.authority.stop()
    assert post(world, {"logout_token": sent}) == 503
