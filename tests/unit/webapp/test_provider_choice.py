"""Which provider somebody signs in at: remembered by the browser, found by the domain of an address, or chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from sshjit.errors import Invalid
from sshjit.providers import load
from sshjit_web import config
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support.in_process_ca import KEY, FrontEnd, client_of
from tests.support.issuer import Issuer

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TEXT = """
version = 1
[providers.acme]
title = "Acme"
issuer = "{acme}"
email_domains = ["acme.example"]
icon = "acme.svg"
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
        name: RelyingParty(
            name,
            provider,
            client_secret="s",
            origin=world.origin,
            key=KEY,
            clock=lambda: world.ca.time,
            icon=SVG if name == "acme" else None,
        )
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


def test_a_provider_is_shown_with_its_title_and_icon(browser: FlaskClient) -> None:
    page = browser.get("/sign-in").text
    assert '<img src="/auth/acme/icon" alt="" width="20" height="20"> Continue with <strong>Acme</strong>' in page
    assert page.count("<img") == 2, "the other one has none; the first is ours"
    icon = browser.get("/auth/acme/icon")
    assert (icon.status_code, icon.mimetype, icon.data) == (200, "image/svg+xml", SVG)
    assert icon.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in icon.headers["Content-Security-Policy"], "no script in it runs"
    assert browser.get("/auth/partner/icon").status_code == 404


def test_an_icon_is_a_small_file_that_others_cannot_change(issuers: dict[str, Issuer], tmp_path: Path) -> None:
    known = load(TEXT.format(**{name: issuer.url for name, issuer in issuers.items()}))
    file = tmp_path / "acme.svg"
    with pytest.raises(Invalid, match="cannot read"):
        config.icons(known, tmp_path)
    file.write_bytes(SVG)
    assert config.icons(known, tmp_path) == {"acme": SVG}
    file.write_bytes(b"x" * (config.MAX_ICON + 1))
    with pytest.raises(Invalid, match="more than 65536 bytes"):
        config.icons(known, tmp_path)
    file.write_bytes(SVG)
    file.chmod(0o666)
    with pytest.raises(Invalid, match="can be written by others"):
        config.icons(known, tmp_path)
    with pytest.raises(Invalid, match="png or"):
        load(TEXT.format(acme="http://127.0.0.1:1", partner="http://127.0.0.1:2").replace("acme.svg", "acme.html"))
