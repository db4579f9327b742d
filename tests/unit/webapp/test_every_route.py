"""Walks over every route: who may call it, that no other site's form changes anything, and what headers it answers.

Routes that come later are walked over too: what is not named in a table here is a page or a form for whoever is signed
in, by its blueprint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sshjit_web.gateway import CSP
from tests.support import in_process_ca
from tests.support.in_process_ca import CommandLine, FrontEnd, form_token
from tests.support.installation import ALICE, CAROL
from tests.support.issuer import Issuer

OPEN_PAGES = {"pages.continue_there", "pages.continued"}
"""Pages that bring back what was typed, for which one signs in on the way."""
OPEN_CALLS = {"api.login", "api.login_workload"}
ALONE = {"pages.notifications"}
"""Pages that need a permission."""
KEPT = {"static", "auth.icon", "public.tile"}
"""What may be kept by browsers and proxies; else every answer says that it must not, or must be asked for again."""


class Route(NamedTuple):
    """A method and a path, its parameters filled in with what nobody has."""

    endpoint: str
    method: str
    path: str

    @property
    def part(self) -> str:
        """The blueprint."""
        return self.endpoint.partition(".")[0]


def routes(app: Flask) -> list[Route]:
    """All that the front end serves through Flask."""
    return [
        Route(rule.endpoint, method, path)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        for path in _filled(str(rule))
    ]


def _filled(rule: str) -> Iterator[str]:
    choice = re.search(r"<any\(([^)]*)\):\w+>", rule)
    for word in choice[1].split(", ") if choice else [""]:
        path = rule.replace(choice[0], word) if choice else rule
        path = path.replace("<provider>", "acme").replace("<path:name>", "0/000").replace("<path:filename>", "app.css")
        yield re.sub(r"<[^>]+>", "req-nobodys", path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, issuers: dict[str, Issuer]) -> Iterator[FrontEnd]:
    with in_process_ca.front_end(tmp_path_factory.mktemp("walk"), issuers, in_process_ca.policy()) as made:
        yield made


def test_the_walk_has_every_part(world: FrontEnd) -> None:
    parts = {route.part for route in routes(world.app)}
    assert parts == {"static", "public", "api", "host_api", "auth", "provider", "pages"}
    assert len(routes(world.app)) > 70


def test_nobody_who_is_not_signed_in_sees_a_page_or_changes_anything(world: FrontEnd) -> None:
    before = changes(world)
    for route in routes(world.app):
        answer = call(world, route)
        if route.part == "pages" and route.endpoint not in OPEN_PAGES:
            if route.method == "GET":
                assert answer.status_code in (303, 401, 404), route
                assert answer.status_code != 303 or answer.location.startswith(("/sign-in", "/requests")), route
            else:
                assert (answer.status_code, "bad_form" in answer.text or "signed out" in answer.text) == (403, True), (
                    route
                )
        if route.part == "api" and route.endpoint not in OPEN_CALLS:
            assert answer.status_code in ((401,) if route.method == "GET" else (400, 401, 415)), route
            assert "error" in answer.get_json(), route
        if route.part == "host_api":
            assert answer.status_code in (400, 415), route
    assert changes(world) == before, "the log is as it was"


def test_a_cookie_signs_in_to_no_call_and_a_token_to_no_page(world: FrontEnd) -> None:
    browser, line = world.browser(ALICE), CommandLine(world, ALICE)
    for route in routes(world.app):
        if route.part == "api" and route.endpoint not in OPEN_CALLS:
            answer = opened(browser, route)
            assert answer.status_code in ((401,) if route.method == "GET" else (400, 401, 415)), route
        if route.part == "pages" and route.endpoint not in OPEN_PAGES:
            answer = opened(world.stranger(), route, headers=line.headers, base_url=world.origin)
            assert answer.status_code in (303, 401, 403, 404), route


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {"Origin": "{ours}"}),
        ({"form_token": "0" * 64}, {"Origin": "{ours}"}),
        ({"form_token": "{token}"}, {"Origin": "https://evil.example"}),
        ({"form_token": "{token}"}, {"Origin": "null"}),
        ({"form_token": "{token}"}, {"Sec-Fetch-Site": "cross-site"}),
        ({"form_token": "{token}"}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
def test_no_form_of_another_site_is_taken(world: FrontEnd, fields: dict[str, str], headers: dict[str, str]) -> None:
    """Without the token of the browser's own cookie, or from elsewhere, every change is refused."""
    browser = world.browser(ALICE)
    token = form_token(browser)
    sent = {key: value.replace("{token}", token) for key, value in fields.items()}
    heads = {key: value.replace("{ours}", world.origin) for key, value in headers.items()}
    walked = 0
    before = changes(world)
    for route in routes(world.app):
        if route.method != "GET" and route.part in {"pages", "auth"}:
            answer = opened(browser, route, data=sent, headers=heads, base_url=world.origin)
            assert answer.status_code == 403, route
            walked += 1
    assert walked > 10
    assert changes(world) == before
    assert browser.get("/requests").status_code == 200, "nor is the person signed out"


def test_who_has_no_permission_sees_no_page_that_needs_one(world: FrontEnd) -> None:
    for route in routes(world.app):
        if route.endpoint in ALONE:
            assert world.get(CAROL, route.path).status_code == 403, route


def test_every_answer_has_the_headers_that_protect_it(world: FrontEnd) -> None:
    browser = world.browser(ALICE)
    for route in routes(world.app):
        for answer in (call(world, route), opened(browser, route, base_url=world.origin)):
            headers = answer.headers
            assert headers["Content-Security-Policy"] == CSP, route
            assert headers["X-Content-Type-Options"] == "nosniff", route
            assert headers["X-Frame-Options"] == "DENY", route
            assert headers["Referrer-Policy"] == "same-origin", route
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin", route
            kept = route.endpoint in KEPT and answer.status_code == 200
            wanted = {"no-store", "no-cache"} if not kept else {headers["Cache-Control"]}
            assert headers["Cache-Control"] in wanted, route
            assert answer.status_code < 500, route
    assert "unsafe" not in CSP
    assert "http" not in CSP


def test_no_answer_for_programs_is_a_page(world: FrontEnd) -> None:
    for route in routes(world.app):
        if route.part in {"api", "host_api", "public"}:
            answer = call(world, route)
            assert answer.mimetype != "text/html", route


def changes(world: FrontEnd) -> list[str]:
    """What the log has, but for bundles: the first who asks has one signed."""
    return [kind for kind in world.ca.kinds() if kind != "bundle"]


def opened(client: FlaskClient, route: Route, **more: Any) -> TestResponse:
    """The whole answer."""
    answer = client.open(route.path, method=route.method, **more)
    answer.get_data()
    answer.close()
    return answer


def call(world: FrontEnd, route: Route) -> TestResponse:
    """As somebody whom nobody knows."""
    return opened(world.stranger(), route, base_url=world.origin)


def test_the_page_says_its_scripts_and_styles_by_their_content() -> None:
    """Nothing inline, and nothing of others, in any template."""
    templates = Path(in_process_ca.__file__).parents[2] / "webapp/sshjit_web/templates"
    for path in templates.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"\son\w+\s*=", text), path
        assert not re.search(r"<style|\sstyle\s*=|javascript:", text), path
        assert all(re.search(r"\ssrc=", tag) for tag in re.findall(r"<script[^>]*>", text)), path
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), path
