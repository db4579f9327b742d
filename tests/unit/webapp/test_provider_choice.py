"""Which provider somebody signs in at: remembered by the browser, found by the domain of an address, or chosen."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from sshjit.providers import load
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support.in_process_ca import KEY, FrontEnd, client_of
from tests.support.issuer import Issuer

TEXT = """
version = 1
[providers.acme]
title = "Acme"
issuer = "{acme}"
email_domains = ["acme.example"]
algorithms = ["RS256"]
unsafe_http = true
native = {{ client_id = "cli", scopes = ["openid"] }}
web = {{ client_id = "web", client_secret_file = "x", scopes = ["openid"] }}
[providers.partner]
title = "Partner"
issuer = "{partner}"
email_domains = ["partner.example", "both.example"]
algorithms = ["RS256"]
unsafe_http = true
native = {{ client_id = "cli", scopes = ["openid"] }}
web = {{ client_id = "web", client_secret_file = "x", scopes = ["openid"] }}
"""


@pytest.fixture
def browser(world: FrontEnd, issuers: dict[str, Issuer]) -> FlaskClient:
    known = load(TEXT.format(**{name: issuer.url for name, issuer in issuers.items()}))
    parties = {
        name: RelyingParty(name, provider, client_secret="s", origin=world.origin, key=KEY, clock=lambda: world.ca.time)
        for name, provider in known.items()
    }
    app = create_app(world.config, world.authority, world.store, parties, key=KEY, clock=lambda: world.ca.time)
    app.test_client_class = client_of(world.origin)
    return app.test_client()


@pytest.mark.parametrize("address", ["dana@partner.example", "Dana@PARTNER.example", " d@both.example "])
def test_an_address_leads_to_the_provider_of_its_domain_and_on_to_the_page(browser: FlaskClient, address: str) -> None:
    answer = browser.get("/sign-in", query_string={"email": address, "next": "/requests/new", "fresh": "1"})
    assert answer.status_code == 200
    assert 'href="/auth/partner/start?next=/requests/new&amp;fresh=1"' in answer.text
    assert "Acme" not in answer.text


@pytest.mark.parametrize(
    "address", ["dana@other.example", "dana", "@", "x@sub.partner.example", "d@p\u00e4rtner.example"]
)
def test_an_address_of_nobody_here_leaves_the_choice(browser: FlaskClient, address: str) -> None:
    page = browser.get("/sign-in", query_string={"email": address, "next": "/requests/new"})
    assert page.status_code == 200
    assert "No provider here is for this address" in page.text
    assert page.text.index("Acme") < page.text.index("Partner")
    assert 'name="next" value="/requests/new"' in page.text


def test_the_provider_of_the_last_time_comes_first(browser: FlaskClient, world: FrontEnd) -> None:
    name = f"{world.cookie}-provider"
    browser.set_cookie(name, "partner", domain="127.0.0.1")
    page = browser.get("/sign-in").text
    assert page.index("Partner") < page.index("Acme")
    assert page.count("last used") == 1
    browser.set_cookie(name, "<b>nobody", domain="127.0.0.1")
    page = browser.get("/sign-in").text
    assert "last used" not in page
    assert "<b>nobody" not in page
