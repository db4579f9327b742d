"""The JSON API and the public addresses, row by row of ``docs/protocol.md``."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit_web import security
from sshjit_web.app import create_app
from sshjit_web.ca_client import CaClient
from tests.unit.webapp.conftest import KEY, ORIGIN, Browser, World

ASK: dict[str, Any] = {
    "hosts": ["db1"],
    "login": "postgres",
    "action": "shell",
    "command": None,
    "duration": 3600,
    "reason": "CHG-7",
    "certificate": False,
    "labels": [],
    "start": None,
    "break_glass": False,
}


class Caller:
    """A command line with a token."""

    def __init__(self, world: World, name: str) -> None:
        self.client, self.headers = world.anybody(), {"Authorization": f"Bearer {world.token(name, 'api')}"}

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: Any = None) -> TestResponse:
        if body is None:
            return self.client.post(path, headers=self.headers)
        return self.client.post(path, headers=self.headers, json=body)


def error(answer: TestResponse) -> str:
    body = answer.get_json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"family", "code", "message", "hint"}
    code: str = body["error"]["code"]
    return code


def test_the_life_of_a_request(world: World) -> None:
    dana, bob = Caller(world, "dana"), Caller(world, "bob")
    first = dana.post("/api/v1/requests", ASK)
    assert first.status_code == 201
    reply = wire.decode(m.AskReply, first.json)
    again = dana.post("/api/v1/requests", ASK)
    assert (again.status_code, again.get_json()["existing"]) == (200, True)
    path = f"/api/v1/requests/{reply.request.id}"
    assert wire.decode(m.RequestReply, dana.get(path).json) == m.RequestReply(reply.request)
    assert dana.get("/api/v1/requests?scope=mine").get_json()["requests"] == [first.get_json()["request"]]
    assert bob.get("/api/v1/requests?scope=approve&limit=5").get_json()["requests"] == [first.get_json()["request"]]
    decision = {"digest": reply.request.digest, "comment": "go", "consent": None, "duration": None}
    approved = bob.post(f"{path}/approve", decision)
    assert approved.status_code == 200
    assert wire.decode(m.RequestView, approved.json).state is m.RequestState.APPROVED
    late = bob.post(f"{path}/deny", decision)
    assert (late.status_code, error(late)) == (409, "wrong_state")
    ended = dana.post(f"{path}/end")
    assert (ended.status_code, ended.get_json()["state"]) == (200, "ended")
    assert dana.post(f"{path}/cancel", {}).status_code == 409


def test_what_a_login_sees(world: World) -> None:
    alice = Caller(world, "alice")
    assert wire.decode(m.LoginView, alice.get("/api/v1/whoami").json).person.name == "Alice"
    assert wire.decode(m.HostsReply, alice.get("/api/v1/hosts").json).hosts == world.standin.hosts
    assert wire.decode(m.LogReply, alice.get("/api/v1/log?limit=1").json).size == 1


def test_the_ask_carries_the_callers_address_and_login(world: World) -> None:
    Caller(world, "dana").post("/api/v1/requests", ASK)
    said = next(message for message in world.standin.heard if isinstance(message, m.Ask))
    assert said.address == "127.0.0.1"
    assert world.standin.logins[said.login_id].person.name == "Dana"


def test_logging_out_ends_token_and_login(world: World) -> None:
    alice = Caller(world, "alice")
    assert alice.post("/api/v1/logout").status_code == 204
    assert not world.standin.logins
    for answer in (alice.get("/api/v1/whoami"), alice.post("/api/v1/requests", ASK), alice.post("/api/v1/logout")):
        assert (answer.status_code, error(answer)) == (401, "login_needed")


def test_a_login_that_ended_elsewhere_is_over_within_a_second(world: World) -> None:
    alice = Caller(world, "alice")
    assert alice.get("/api/v1/whoami").status_code == 200
    world.standin.logins.clear()
    world.clock.now += 1
    answer = alice.get("/api/v1/whoami")
    assert (answer.status_code, error(answer)) == (401, "login_over")


def test_a_token_dies_with_its_time(world: World) -> None:
    alice = Caller(world, "alice")
    world.clock.now += 28800
    assert error(alice.get("/api/v1/hosts")) == "login_needed"


def test_cookies_and_tokens_do_not_work_at_each_others_door(world: World) -> None:
    browser = world.browser("alice")
    assert browser.get("/api/v1/whoami").status_code == 401
    assert browser.post("/api/v1/requests", json=ASK, headers={"Origin": ORIGIN}).status_code == 401
    cookie = browser.get_cookie(world.cookie, domain="127.0.0.1")
    assert cookie is not None
    answer = world.anybody().get("/api/v1/whoami", headers={"Authorization": f"Bearer {cookie.value}"})
    assert answer.status_code == 401
    stranger = world.anybody()
    stranger.set_cookie(world.cookie, world.token("alice", "api"), domain="127.0.0.1")
    assert stranger.get("/requests").status_code == 303


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**ASK, "extra": 1}, 400, "bad_message"),
        ({**ASK, "login_id": "login-00000001"}, 400, "bad_message"),
        ({key: value for key, value in ASK.items() if key != "reason"}, 400, "bad_message"),
        ({**ASK, "duration": "1h"}, 400, "bad_message"),
        ({**ASK, "duration": 1.5}, 400, "bad_json"),
        ({**ASK, "hosts": ["nowhere"]}, 404, "unknown_host"),
        ([], 400, "bad_message"),
        ({**ASK, "reason": "x" * security.MAX_BODY}, 413, "too_large"),
    ],
)
def test_bodies_are_read_strictly(world: World, body: Any, status: int, code: str) -> None:
    answer = Caller(world, "dana").post("/api/v1/requests", body)
    assert (answer.status_code, error(answer)) == (status, code)


def test_raw_bodies_are_read_strictly(world: World) -> None:
    dana = Caller(world, "dana")
    for data, kind, expected in [
        (b"{", "application/json", 400),
        (b'{"digest": "a", "digest": "b", "comment": ""}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"digest=a", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
    ]:
        headers = {**dana.headers, "Content-Type": kind}
        answer = dana.client.post("/api/v1/requests/req-00000001/approve", data=data, headers=headers)
        assert answer.status_code == expected
        error(answer)
    assert error(dana.post("/api/v1/requests/req-00000001/cancel", {"x": 1})) == "bad_message"


@pytest.mark.parametrize("query", ["scope=some", "limit=-1", "limit=x", "before=1e3", "before=" + "9" * 30, "limit=٣"])
def test_queries_are_read_strictly(world: World, query: str) -> None:
    assert error(Caller(world, "dana").get(f"/api/v1/requests?{query}")) == "bad_parameter"


def test_statuses_of_http_are_json_too(world: World) -> None:
    dana = Caller(world, "dana")
    assert (dana.get("/api/v1/nothing").status_code, error(dana.get("/api/v1/nothing"))) == (404, "unknown_page")
    assert (dana.get("/api/v1/login").status_code, error(dana.get("/api/v1/login"))) == (405, "wrong_method")
    answer = dana.get("/api/v1/requests/req-00000077")
    assert (answer.status_code, error(answer)) == (404, "unknown_request")


def test_the_bundle_is_carried_with_a_tag(world: World) -> None:
    client = world.anybody()
    first = client.get("/bundle")
    assert first.status_code == 200
    assert first.get_json()["sequence"] == 3
    assert json.loads(first.get_json()["bundle"])["bundle"] == 1
    tag = first.headers["ETag"]
    again = client.get("/bundle", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    world.standin.sequence = 4
    world.clock.now += 1
    newer = client.get("/bundle", headers={"If-None-Match": tag})
    assert (newer.status_code, newer.get_json()["sequence"]) == (200, 4)
    checkpoint = client.get("/log/checkpoint")
    assert checkpoint.mimetype == "text/plain"
    assert checkpoint.text == json.loads(newer.get_json()["bundle"])["checkpoint"]


def test_tiles_are_carried_byte_by_byte_and_kept_for_ever(world: World) -> None:
    answer = world.anybody().get("/log/tile/entries/x001/234.p/5")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"\x00\x02{}", "application/octet-stream")
    assert "immutable" in answer.headers["Cache-Control"]
    assert world.anybody().get("/log/tile/0/000").status_code == 404


def test_many_polls_ask_the_authority_once(world: World) -> None:
    for _ in range(20):
        world.anybody().get("/bundle")
    assert sum(isinstance(message, m.ReadBundle) for message in world.standin.heard) == 1


def test_health_and_readiness(world: World) -> None:
    client = world.anybody()
    assert client.get("/healthz").json == {"ok": True}
    assert client.get("/readyz").json == {"ready": True, "problems": []}
    world.standin.problems = ("the clock jumped",)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"ready": False, "problems": ["the clock jumped"]})
    world.server.stop()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").get_json()["problems"] == ["the authority cannot be reached"]


def test_with_the_authority_down_everything_says_so_and_no_session_is_lost(world: World) -> None:
    alice, browser = Caller(world, "alice"), world.browser("alice")
    world.server.stop()
    for path in ("/api/v1/whoami", "/api/v1/hosts", "/bundle", "/log/checkpoint"):
        answer = alice.get(path)
        assert (answer.status_code, error(answer)) == (503, "ca_down")
    page = browser.get("/requests")
    assert page.status_code == 503
    assert "The authority cannot be reached" in page.text
    assert page.headers.getlist("Set-Cookie") == []


def test_headers_on_every_kind_of_answer(world: World) -> None:
    browser = world.browser("alice")
    for path in ("/requests", "/sign-in", "/nothing", "/api/v1/whoami", "/bundle", "/healthz"):
        headers = browser.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers
        assert "no-" in headers["Cache-Control"]
    assert browser.get("/requests").headers["Cache-Control"] == "no-store"


def test_pages_hold_no_inline_script_or_style(world: World) -> None:
    for path in ("/requests", "/requests/new", "/approvals", "/log", "/sign-in", "/nothing"):
        text = world.browser("bob").get(path).text
        assert " style=" not in text
        assert "<style" not in text
        assert text.count("<script") == text.count('<script src="/static/')
        assert " on" not in "".join(part.split(">")[0] for part in text.split("<"))


def test_another_host_name_is_sent_to_the_right_one(world: World) -> None:
    answer = world.anybody().get("/requests?x=1", base_url="http://localhost:8080")
    assert (answer.status_code, answer.location) == (307, f"{ORIGIN}/requests?x=1")
    assert world.anybody().post("/sign-out", base_url="http://evil.example").status_code == 400


def test_t19_no_secret_reaches_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = world.token("alice", "api")
    client = world.anybody()
    client.set_cookie(world.cookie, "a-cookie-secret", domain="127.0.0.1")
    headers = {"Authorization": f"Bearer {token}"}
    client.get("/api/v1/whoami?code=a-code-secret", headers=headers)
    client.get("/auth/acme/callback?code=a-code-secret&state=a-state-secret", headers=headers)
    world.server.stop()
    body = {"provider": "acme", "id_token": "a-token-secret", "key": "k", "salt": "s", "signature": "x"}
    assert client.post("/api/v1/login", json=body).status_code == 503
    assert "GET '/auth/acme/callback' 404" in caplog.text
    assert "POST '/api/v1/login' 503" in caplog.text
    for secret in (token, "a-cookie-secret", "a-code-secret", "a-state-secret", "a-token-secret"):
        assert secret not in caplog.text


def test_over_https_cookies_are_bound_to_the_host(world: World) -> None:
    config = replace(world.config, public_url="https://jit.example.com", unsafe_http=False)
    ca = CaClient(world.folder / "web.sock")
    app = create_app(config, ca, world.store, {}, key=KEY, clock=world.clock)
    app.test_client_class = Browser
    answer = app.test_client().get("/sign-in", base_url="https://jit.example.com")
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-ssh-jit-browser=")
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert part in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    ca.close()
