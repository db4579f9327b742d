"""Signing out both ways: from our page to the provider, and from the provider to our page and the laptops."""

from __future__ import annotations

import pytest
from requests import Response

from sshjit import ca_protocol as m
from sshjit.errors import Refused
from tests.providers.providers import ORIGIN, Walker, World, pages

NOWHERE = "nowhere:"
"""No address begins so: a walk goes on through our own pages."""


def open_page(walker: Walker, path: str) -> str:
    page = walker.walk(f"{ORIGIN}{path}", NOWHERE)
    assert not isinstance(page, str)
    assert page.status == 200, page.text
    return page.text


def sign_out(walker: Walker) -> Response:
    token = open_page(walker, "/requests").split('name="form_token" value="')[1].split('"')[0]
    return walker.session.post(
        f"{ORIGIN}/sign-out", data={"form_token": token}, headers={"Origin": ORIGIN}, allow_redirects=False, timeout=30
    )


def signed_in(walker: Walker) -> bool:
    answer = walker.session.get(f"{ORIGIN}/api/v1/whoami", allow_redirects=False, timeout=30)
    return answer.status_code == 200


def test_from_our_page_to_the_provider_and_back(either: World) -> None:
    with pages(either):
        walker = Walker()
        open_page(walker, "/auth/acme/start?next=/requests")
        out = sign_out(walker)
        assert out.headers["Location"] == "/sign-in?left=acme"
        assert 'href="/auth/acme/end"' in open_page(walker, "/sign-in?left=acme")
        asked = walker.asked
        back = walker.walk(f"{ORIGIN}/auth/acme/end", f"{ORIGIN}/sign-in")
        assert isinstance(back, str), "the provider sends the person back to our page"
        assert walker.asked > asked, "it asks, since it gets no ID token"
        asked = walker.asked
        open_page(walker, "/auth/acme/start?next=/requests")
        assert walker.asked > asked, "its own session is over"


def test_from_the_provider_to_the_sessions_and_laptops_of_this_session_and_no_other(in_token: World) -> None:
    """oidc-provider posts a logout token for each client, each with a ``sid`` of its own: both have the address."""
    here, elsewhere = Walker(), Walker()
    with pages(in_token) as authority:
        for walker in (here, elsewhere):
            open_page(walker, "/auth/acme/start?next=/requests")
        laptop, other = in_token.native(here), in_token.native(elsewhere)
        url = in_token.party().end_session_url()
        assert url is not None
        assert isinstance(here.walk(url, f"{ORIGIN}/sign-in"), str)
        sent = [message for message in authority.messages if isinstance(message, m.ProviderLogout)]
        assert len(sent) == 2
        page = here.walk(f"{ORIGIN}/requests", f"{ORIGIN}/sign-in")
        assert isinstance(page, str), "this browser is signed out of our pages"
        assert "/requests" in open_page(elsewhere, "/requests")
        with pytest.raises(Refused) as over:
            in_token.ca.say(m.ReadLogin(laptop.id), m.LoginReply)
        assert over.value.code == "login_over"
        assert in_token.alive(other)
        for message in sent:
            with pytest.raises(Refused) as used:
                in_token.ca.say(message, m.Done)
            assert used.value.code == "token_used"
