"""Sign-in at real providers, judged by the real authority, served by the real server."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from tests.support.processes import Processes, Visitor, alert, build


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("running")) as made:
        yield made


def answer_of(running: Processes, visitor: Visitor, provider: str = "acme") -> str:
    """Signs in up to the provider's answer; returns the callback that the browser would open now."""
    _, ask = visitor.step(f"{running.url}/auth/{provider}/start")
    status, location = visitor.step(ask)
    if status == 200:
        page = visitor.open(ask)
        visitor.submit(page, page.forms[0], person=visitor.person)
        _, ask = visitor.step(f"{running.url}/auth/{provider}/start")
        status, location = visitor.step(ask)
    assert status in (302, 303), status
    return location


def changed(callback: str, **parts: str | None) -> str:
    query = {**dict(parse_qsl(urlsplit(callback).query)), **parts}
    return callback.partition("?")[0] + "?" + urlencode({k: v for k, v in query.items() if v is not None})


def test_everybody_signs_in_at_their_own_provider(running: Processes) -> None:
    for person, provider in (("alice", "acme"), ("dana", "partner")):
        page = Visitor(person).sign_in(running, provider, "/requests/new")
        assert page.url == f"{running.url}/requests/new"
        assert person.capitalize() in page.text
        assert "web1" in page.text


def test_the_request_carries_pkce_nonce_and_its_own_redirect(running: Processes) -> None:
    _, ask = Visitor("alice").step(f"{running.url}/auth/acme/start")
    query = parse_qs(urlsplit(ask).query)
    assert query["redirect_uri"] == [f"{running.url}/auth/acme/callback"]
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["nonce"][0]) == len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) < 150, "it stands in an address"
    assert "prompt" not in query


def test_a_fresh_sign_in_asks_the_provider_to_look_now(running: Processes) -> None:
    visitor = Visitor("alice")
    page = visitor.open(f"{running.url}/sign-in?fresh=1")
    assert "fresh=1" in page.text
    for address, wanted in (
        ("start?fresh=1", (["login"], ["60"])),
        ("start", (None, None)),
        ("start?fresh=0", (None, None)),
    ):
        _, ask = visitor.step(f"{running.url}/auth/acme/{address}")
        query = parse_qs(urlsplit(ask).query)
        assert (query.get("prompt"), query.get("max_age")) == wanted


def test_t18_a_state_of_another_browser_is_refused_and_stays_usable_for_its_own(running: Processes) -> None:
    alice, thief = Visitor("alice"), Visitor("carol")
    callback = answer_of(running, alice)
    thief.open(f"{running.url}/sign-in")
    page = thief.open(callback)
    assert (page.status, alert(page)) == (400, "sign_in_over")
    assert thief.cookie(f"ssh-jit-{running.ports.web}") is None
    assert alice.open(callback).status == 200


def test_t18_a_state_counts_once_and_only_at_its_provider(running: Processes) -> None:
    alice = Visitor("alice")
    callback = answer_of(running, alice)
    elsewhere = alice.open(callback.replace("/auth/acme/", "/auth/partner/"))
    assert alert(elsewhere) == "sign_in_over"
    assert alice.open(callback).status == 200
    assert alert(alice.open(callback)) == "sign_in_over"
    assert alert(alice.open(changed(callback, state="x" * 43))) == "sign_in_over"
    assert alert(alice.open(changed(callback, state=None))) == "sign_in_over"


def test_t18_parallel_tabs_work_and_abandoned_ones_leave_no_cookies(running: Processes) -> None:
    alice = Visitor("alice")
    alice.open(f"{running.url}/sign-in")
    callbacks = [answer_of(running, alice) for _ in range(3)]
    for _ in range(40):
        alice.step(f"{running.url}/auth/acme/start")
    size = sum(len(cookie.name) + len(cookie.value or "") for cookie in alice.jar() if "ssh-jit" in cookie.name)
    assert size < 250
    for callback in reversed(callbacks):
        assert alice.open(callback).url == f"{running.url}/requests"


def test_t16_another_issuer_is_refused(running: Processes) -> None:
    alice = Visitor("alice")
    callback = answer_of(running, alice)
    assert dict(parse_qsl(urlsplit(callback).query))["iss"] == running.ports.issuer("acme")
    assert alert(alice.open(changed(callback, iss=running.ports.issuer("partner")))) == "wrong_issuer"
    assert alert(alice.open(changed(answer_of(running, alice), iss=None))) == "wrong_issuer"
    assert alert(alice.open(answer_of(running, alice) + "&iss=https%3A%2F%2Fevil.example")) == "bad_answer"
    assert alert(alice.open(f"{answer_of(running, alice)}&x={'x' * 8000}")) == "bad_answer"


def test_a_code_of_somebody_else_does_not_fit(running: Processes) -> None:
    """Code injection: PKCE ties the code to the sign-in that asked for it."""
    alice, carol = Visitor("alice"), Visitor("carol")
    stolen = dict(parse_qsl(urlsplit(answer_of(running, alice)).query))["code"]
    page = carol.open(changed(answer_of(running, carol), code=stolen))
    assert (page.status, alert(page)) == (403, "sign_in_refused")


def test_saying_no_at_the_provider_is_said_clearly(running: Processes) -> None:
    alice = Visitor("alice")
    callback = answer_of(running, alice)
    page = alice.open(changed(callback, code=None, error="access_denied"))
    assert (page.status, alert(page)) == (403, "sign_in_refused")
    assert "Acme did not sign you in" in page.text
    page = alice.open(changed(answer_of(running, alice), code=None, error="<script>\x1b"))
    assert "<script>\\" not in page.text


def test_signing_in_again_makes_a_new_session_and_ends_the_old_one(running: Processes) -> None:
    alice, name = Visitor("alice"), f"ssh-jit-{running.ports.web}"
    alice.sign_in(running, "acme")
    first = alice.cookie(name)
    alice.sign_in(running, "acme")
    second = alice.cookie(name)
    assert first
    assert second
    assert first != second
    next(cookie for cookie in alice.jar() if cookie.name == name).value = first
    assert urlsplit(alice.open(f"{running.url}/requests").url).path == "/sign-in"


def test_a_planted_session_cookie_is_not_taken_over(running: Processes) -> None:
    alice, name = Visitor("alice"), f"ssh-jit-{running.ports.web}"
    alice.sign_in(running, "acme")
    next(cookie for cookie in alice.jar() if cookie.name == name).value = "planted-by-somebody"
    assert urlsplit(alice.open(f"{running.url}/requests").url).path == "/sign-in"
    alice.sign_in(running, "acme")
    assert alice.cookie(name) not in (None, "planted-by-somebody")


def test_signing_out_ends_the_login(running: Processes) -> None:
    alice = Visitor("alice")
    page = alice.sign_in(running, "acme")
    form = next(form for form in page.forms if form.action == "/sign-out")
    assert urlsplit(alice.submit(page, form).url).path == "/sign-in"
    assert urlsplit(alice.open(f"{running.url}/requests").url).path == "/sign-in"


def test_a_refused_sign_in_leads_to_no_address_that_works_once(running: Processes) -> None:
    alice = Visitor("alice")
    page = alice.open(changed(answer_of(running, alice), code=None, error="access_denied"))
    assert "callback" not in page.text
    for step in (
        "/auth/acme/callback?state=x&code=y",
        "/auth/acme/start?next=/requests",
        "/sign-in",
        "/sign-in?fresh=1",
    ):
        assert alice.sign_in(running, "acme", urlencode({"": step})[1:]).url == f"{running.url}/requests"


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "/\tevil", "evil", "/" + "a" * 500]
)
def test_nobody_is_sent_to_another_site_afterwards(running: Processes, target: str) -> None:
    assert Visitor("alice").sign_in(running, "acme", urlencode({"": target})[1:]).url == f"{running.url}/requests"


def test_a_provider_that_is_down_is_named_and_the_other_works(running: Processes) -> None:
    running.stop("web")
    running.stop("partner")
    running.start("web")
    page = Visitor("dana").sign_in(running, "partner")
    assert (page.status, alert(page)) == (502, "provider_down")
    assert "Partner cannot be reached" in page.text
    assert Visitor("alice").sign_in(running, "acme").status == 200
    running.start("partner")
    running.stop("web")
    running.start("web")
    assert Visitor("dana").sign_in(running, "partner").status == 200


def test_a_provider_that_goes_away_in_the_middle_is_named(running: Processes) -> None:
    alice = Visitor("alice")
    callback = answer_of(running, alice)
    running.stop("acme")
    page = alice.open(callback)
    running.start("acme")
    assert (page.status, alert(page)) == (502, "provider_down")


def test_sessions_outlive_a_restart_of_everything(running: Processes) -> None:
    alice = Visitor("alice")
    alice.sign_in(running, "acme")
    assert running.stop("web") == 0
    running.stop("ca")
    running.start("web")
    assert alert(alice.open(f"{running.url}/requests")) == "ca_down"
    running.start("ca")
    assert alice.open(f"{running.url}/requests").url == f"{running.url}/requests"


def test_a_browser_asks_and_another_approves(running: Processes) -> None:
    dana, bob = Visitor("dana"), Visitor("bob")
    page = dana.sign_in(running, "partner", "/requests/new")
    form = next(form for form in page.forms if form.action == "/requests/new")
    asked = dana.submit(
        page, form, host="db1", login="postgres", action="migrate", reason="CHG-7 add index", duration="30m"
    )
    assert "Waiting for approval" in asked.text, asked.text
    assert "/opt/app/bin/migrate" in asked.text
    path = re.search(r'data-address="([^"]+)"', asked.text)
    assert path is not None
    seen = bob.sign_in(running, "acme", path[1])
    decide = next(form for form in seen.forms if form.action.endswith("/approve"))
    confirm = bob.submit(seen, decide, comment="go on")
    assert "Approve this request?" in confirm.text
    yes = next(form for form in confirm.forms if form.action.endswith("/approve"))
    assert "go on" in bob.submit(confirm, yes).text
    assert "ssh-jit --action migrate postgres@db1" in dana.open(f"{running.url}{path[1]}").text


def test_t19_neither_logs_nor_database_hold_what_would_help_a_thief(running: Processes) -> None:
    alice = Visitor("alice")
    callback = answer_of(running, alice)
    said = dict(parse_qsl(urlsplit(callback).query))
    assert alice.open(callback).status == 200
    connection = sqlite3.connect(running.paths.web / "web.db")
    stored = "\n".join(connection.iterdump())
    connection.close()
    printed = running.log("web")
    assert "GET '/auth/acme/callback' 303" in printed
    cookies = [str(cookie.value) for cookie in alice.jar() if cookie.name.startswith("ssh-jit")]
    cookies.remove("acme")  # where this browser signed in last
    assert len(cookies) == 2
    key = (running.paths.web / "session.key").read_text().strip()
    for secret in (said["code"], said["state"], *cookies, key, "eyJ"):
        assert secret not in printed
        assert secret not in stored
