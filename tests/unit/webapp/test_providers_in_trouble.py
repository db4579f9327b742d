"""A provider is down or slow, changes its keys, answers HTML, has another time: it is named, and the other goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from sshjit_web import provider_transport
from tests.support.installation import ALICE, DANA
from tests.support.web_sign_in import World, code_of, web_sign_in

HTML = (200, {"Content-Type": "text/html"}, b"<html>back soon</html>")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with web_sign_in(tmp_path) as made:
        yield made


def down(world: World) -> None:
    world.providers["acme"].page, world.providers["acme"].everywhere = (503, {}, b""), True


def html_at_the_token_endpoint(world: World) -> None:
    world.providers["acme"].page = HTML


def html_everywhere(world: World) -> None:
    world.providers["acme"].page, world.providers["acme"].everywhere = HTML, True


def slow(world: World) -> None:
    world.providers["acme"].pause = 1.0


def late(world: World) -> None:
    """Its clock is 90 s behind: nothing of what it says is from the future or too old."""
    now = int(world.front.ca.time)
    world.providers["acme"].claims = {"iat": now - 90, "exp": now - 90 + 600, "auth_time": now - 95}


def early(world: World) -> None:
    now = int(world.front.ca.time)
    world.providers["acme"].claims = {"iat": now + 90, "exp": now + 690, "auth_time": now + 85}


def other_keys(world: World) -> None:
    """It signs with a key that it has not published."""
    issuer = world.providers["acme"]
    stranger = RSAKey.generate_key(2048, {"kid": "new"})
    issuer.sign = _signing_with(stranger, issuer.sign)  # type: ignore[method-assign]


def _signing_with(other: RSAKey, signs: Callable[..., str]) -> Callable[..., str]:
    return lambda claims: signs(claims, None, other)


Case = tuple[Callable[[World], None], int, str, str]
TROUBLES: list[Case] = [
    (down, 502, "provider_down", "acme cannot be reached for sign-in"),
    (slow, 502, "provider_down", "acme cannot be reached for sign-in"),
    (html_at_the_token_endpoint, 502, "bad_provider_answer", "acme answers with something that is not OpenID Connect"),
    (html_everywhere, 502, "bad_provider_answer", "acme answers with something that is not OpenID Connect"),
    (early, 403, "token_not_new", "the token was not issued just now"),
    (other_keys, 400, "unknown_key", "acme has not published the key that signed this token"),
]


@pytest.mark.parametrize("known", [True, False], ids=["known before", "unknown"])
@pytest.mark.parametrize("case", TROUBLES, ids=[each[0].__name__ for each in TROUBLES])
def test_each_trouble_has_a_name_and_the_other_provider_goes_on(
    world: World, case: Case, *, known: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trouble, status, code, said = case
    if trouble is slow:
        monkeypatch.setattr(provider_transport, "TIMEOUT", (0.2, 0.2))
    if known:
        world.signed_in(ALICE)
    browser = world.browser()
    with caplog.at_level(logging.DEBUG):
        if not known:
            trouble(world)
        page = browser.get("/auth/acme/start")
        if page.status_code == 303:
            back = world.answered(page.location, ALICE)
            if known:
                trouble(world)
            page = browser.get(back, follow_redirects=True)
    assert (page.status_code, code_of(page)) == (status, code), page.text
    assert said[1:] in page.text
    assert "Traceback" not in page.text + caplog.text
    assert world.who(world.signed_in(DANA, provider="partner")) == "Dana"


def test_a_clock_that_is_behind_by_90_s_is_no_trouble(world: World) -> None:
    late(world)
    assert world.who(world.signed_in(ALICE)) == "Alice"


def test_a_provider_that_changes_its_keys_is_followed(world: World) -> None:
    world.signed_in(ALICE)
    world.providers["acme"].keys[:] = [RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})]
    assert world.who(world.signed_in(ALICE)) == "Alice"


def test_a_provider_that_comes_back_is_used_again(world: World) -> None:
    down(world)
    assert world.browser().get("/auth/acme/start").status_code == 502
    world.providers["acme"].page = None
    world.front.ca.later(31)
    assert world.who(world.signed_in(ALICE)) == "Alice"
