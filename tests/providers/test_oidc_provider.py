"""npm's oidc-provider: as shipped it tells groups and e-mail at userinfo alone; and as it puts them into ID tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit.errors import Refused
from tests.providers.providers import ORIGIN, Walker, World, world


@pytest.fixture
def shipped(shipped_url: str, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, shipped_url, 'algorithms = ["RS256"]', 'claims_from = "userinfo"') as made:
        yield made


def test_as_shipped_its_access_tokens_are_bound_to_nothing_and_that_is_said(shipped: World) -> None:
    """It writes no ``at_hash`` into the ID tokens of the code flow."""
    for sign_in in (shipped.web, shipped.native):
        with pytest.raises(Refused, match="at_hash") as error:
            sign_in(Walker())
        assert "into the ID token" in error.value.hint


def test_without_userinfo_the_person_is_told_what_is_missing(shipped_url: str, tmp_path: Path) -> None:
    with world(tmp_path, shipped_url, 'algorithms = ["RS256"]') as other:
        login = other.web(Walker())
    assert login.remarks == ("the ID token of Acme has no claim 'groups'",)


def test_a_fresh_sign_in_asks_and_says_when(in_token: World) -> None:
    walker = Walker()
    in_token.web(walker)
    asked = walker.asked
    in_token.web(walker)
    assert walker.asked == asked, "the provider's session signs in by itself"
    for sign_in in (in_token.web, in_token.native):
        time.sleep(1.1)  # its times are whole seconds, and it makes one token a second
        began = time.time()
        login = sign_in(walker, fresh=True)
        assert login.auth_time is not None
        assert login.auth_time >= int(began)
        assert walker.asked > asked
        asked = walker.asked


def test_a_wrong_secret_is_our_client_and_not_the_persons_code(in_token: World) -> None:
    for secret in ("wrong", in_token.secret[:-1]):
        with pytest.raises(Refused) as error:
            in_token.web(Walker(), party=in_token.party(secret=secret))
        assert error.value.code == "client_refused"


def test_other_redirects_get_no_answer(in_token: World) -> None:
    """Loopback on any port, written as registered: 127.0.0.1."""
    known = in_token.known()
    url = f"{known.authorization_endpoint}?client_id={known.client_id}&response_type=code&scope=openid&nonce=n"
    for redirect in ("http://localhost:5555/callback", "http://127.0.0.1:5555/other", "https://evil.example/callback"):
        page = Walker().walk(
            f"{url}&code_challenge={'x' * 43}&code_challenge_method=S256&redirect_uri={redirect}", ORIGIN
        )
        assert not isinstance(page, str)
        assert page.status == 400
