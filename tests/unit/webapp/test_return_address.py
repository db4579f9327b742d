"""Where sign-ins and error pages lead: to pages of ours, never to another site or into another sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sshjit_web import security
from tests.support.in_process_ca import FrontEnd, form_token
from tests.support.installation import ALICE
from tests.support.web_sign_in import World, web_sign_in

EVIL = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "/x/..//evil.example/",
    "javascript:evil.example",
]
START = "/requests"
WORDS = {"verdict": "approve", "act": "end", "provider": "acme"}
"""What stands in addresses that take a few words alone."""


@pytest.fixture
def signing_in(tmp_path: Path) -> Iterator[World]:
    with web_sign_in(tmp_path) as made:
        yield made


def provider_down(world: World) -> None:
    world.providers["acme"].page, world.providers["acme"].everywhere = (503, {}, b""), True


def provider_broken(world: World) -> None:
    world.providers["acme"].page, world.providers["acme"].everywhere = (200, {}, b"<html>"), True


def nothing(world: World) -> None:
    """All is well; the address itself is wrong."""


CASES: list[tuple[str, Callable[[World], None], int]] = [
    ("/auth/acme/start", provider_down, 502),
    ("/auth/acme/start", provider_broken, 502),
    ("/auth/acme/end", provider_down, 502),
    ("/auth/acme/callback", nothing, 400),
    ("/auth/acme/failed", nothing, 400),
    ("/auth/acme/icon", nothing, 404),
    ("/auth/nobody/start", nothing, 404),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1].__name__}")
def test_no_error_page_of_a_sign_in_leads_to_another_site(
    signing_in: World, case: tuple[str, Callable[[World], None], int]
) -> None:
    path, trouble, status = case
    trouble(signing_in)
    for wish in EVIL:
        answer = signing_in.browser().get(
            path, query_string={"state": "x", "why": "x", "next": wish}, follow_redirects=True
        )
        assert answer.status_code == status, answer.text
        assert "evil" not in answer.text
        assert all(re.match("/(?!/)|#", link) for link in re.findall(r'href="([^"]*)"', answer.text))


def test_nor_does_a_sign_out_that_the_ca_could_not_be_told_of(world: FrontEnd) -> None:
    browser = world.browser(ALICE)
    fields = {"form_token": form_token(browser)}
    world.authority.stop()
    query = {"next": "https://evil.example/"}
    answer = browser.post("/sign-out", query_string=query, data=fields, headers={"Origin": world.origin})
    assert answer.status_code == 503
    assert 'href="/requests">Try again</a>' in answer.text


def test_trying_again_leads_to_the_page_for_which_somebody_signs_in(signing_in: World) -> None:
    provider_down(signing_in)
    answer = signing_in.browser().get("/auth/acme/start", query_string={"next": "/requests/new?host=web1"})
    assert 'href="/requests/new?host=web1">Try again</a>' in answer.text


@pytest.mark.parametrize(
    "wish",
    [
        *EVIL,
        None,
        "",
        "requests",
        "/%61uth/acme/callback?state=x&code=y",
        "/auth%2Facme/callback?state=x",
        "/%2e%2e/auth/acme/start",
        "/x/../auth/acme/start",
        "/x/%2E%2E/auth/acme/start",
        "/./auth/acme/start",
        "/.//auth/acme/start",
        "/x//auth/acme/start",
        "/requests/..",
        "/auth",
        "/auth/acme/start",
        "/auth#/requests",
        "/sign-in",
        "/sign-in/",
        "/sign-in?fresh=1",
        "/sign-in#x",
        "/sign-out",
        " /requests",
        "/req uests",
        "/requests\n",
        "/requests?x=\u00e9",
        "/requests?x=" + "y" * 400,
    ],
)
def test_what_is_no_page_of_ours_in_one_spelling_is_the_start_page(world: FrontEnd, wish: str | None) -> None:
    with world.app.test_request_context():
        assert security.local_target(wish) == START


@pytest.mark.parametrize(
    "wish",
    [
        "/",
        "/requests/req-7f3a?x=1",
        "/requests/new?host=web1&command=echo+%25+../x//y&reason=CHG-7%20%26%20more",
        "/explain?more=db1+db2&labels=env%3Dprod&start=2027-01-15T09:30",
        "/history?find=https://tickets.example.com/7&since=2027-01-15",
        "/sign-ins",
        "/continue/aB3-_x",
        "/requests#what",
    ],
)
def test_pages_are_kept_with_all_that_their_addresses_say(world: FrontEnd, wish: str) -> None:
    with world.app.test_request_context():
        assert security.local_target(wish) == wish


def test_every_page_may_be_returned_to_and_no_step_of_a_sign_in(world: FrontEnd) -> None:
    with world.app.test_request_context() as context:
        assert context.url_adapter is not None
        tried = set()
        for rule in world.app.url_map.iter_rules():
            kind = rule.endpoint.partition(".")[0]
            if kind in ("pages", "auth", "provider"):
                values = {name: WORDS.get(name, "req-7f3a") for name in rule.arguments}
                address = context.url_adapter.build(rule.endpoint, values)
                assert security.local_target(address) == (address if kind == "pages" else START), address
                tried.add(kind)
    assert tried == {"pages", "auth", "provider"}
