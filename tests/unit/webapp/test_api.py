"""The JSON API and the public addresses, row by row of ``docs/protocol.md``."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit_ca.keys import succession
from sshjit_ca.witness.submission import Head
from sshjit_ca.witness.witnesses import Witnesses
from sshjit_web import security
from sshjit_web.app import create_app
from tests.support.in_process_ca import KEY, ORIGIN, CommandLine, FrontEnd, client_of
from tests.support.installation import ALICE, BOB, DANA
from tests.support.witness import TestWitness, serving

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


def error(answer: TestResponse) -> str:
    body = answer.get_json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"family", "code", "message", "hint"}
    code: str = body["error"]["code"]
    return code


def test_the_life_of_a_request(world: FrontEnd) -> None:
    dana, bob = CommandLine(world, DANA), CommandLine(world, BOB)
    first = dana.post("requests", ASK)
    assert first.status_code == 201
    reply = wire.decode(m.AskReply, first.json)
    again = dana.post("requests", ASK)
    assert (again.status_code, again.get_json()["existing"]) == (200, True)
    path = f"requests/{reply.request.id}"
    assert wire.decode(m.RequestReply, dana.get(path).json) == m.RequestReply(reply.request)
    assert dana.get("requests?scope=mine").get_json()["requests"] == [first.get_json()["request"]]
    assert bob.get("requests?scope=approve&limit=5").get_json()["requests"] == [first.get_json()["request"]]
    decision = {"digest": reply.request.digest, "comment": "go", "consent": None, "duration": None}
    approved = bob.post(f"{path}/approve", decision)
    assert approved.status_code == 200
    assert wire.decode(m.RequestView, approved.json).state is m.RequestState.APPROVED
    late = bob.post(f"{path}/deny", decision)
    assert (late.status_code, error(late)) == (409, "wrong_state")
    ended = dana.post(f"{path}/end")
    assert (ended.status_code, ended.get_json()["state"]) == (200, "ended")
    assert dana.post(f"{path}/cancel", {}).status_code == 409


def test_what_a_login_sees(world: FrontEnd) -> None:
    alice = CommandLine(world, ALICE)
    hosts = world.ca.say(m.ReadHosts(alice.login), m.HostsReply).hosts
    assert [host.name for host in hosts] == ["db1", "web1", "web2"]
    assert wire.decode(m.LoginView, alice.get("whoami").json).person.name == "Alice"
    assert wire.decode(m.HostsReply, alice.get("hosts").json).hosts == hosts
    assert wire.decode(m.LogReply, alice.get("log?limit=1").json).size == len(world.ca.kinds())


def test_the_ask_carries_the_callers_address_and_login(world: FrontEnd) -> None:
    dana = CommandLine(world, DANA)
    dana.post("requests", ASK)
    said = next(message for message in world.authority.messages if isinstance(message, m.Ask))
    assert said.address == "127.0.0.1"
    assert said.login_id == dana.login


def test_logging_out_ends_token_and_login(world: FrontEnd) -> None:
    alice = CommandLine(world, ALICE)
    assert alice.post("logout").status_code == 204
    assert world.ca.kinds()[-1] == "logout"
    for answer in (alice.get("whoami"), alice.post("requests", ASK), alice.post("logout")):
        assert (answer.status_code, error(answer)) == (401, "login_needed")


def test_a_login_that_ended_elsewhere_is_over_within_a_second(world: FrontEnd) -> None:
    alice = CommandLine(world, ALICE)
    assert alice.get("whoami").status_code == 200
    world.ca.say(m.Logout(alice.login), m.Done)
    world.ca.later(1)
    answer = alice.get("whoami")
    assert (answer.status_code, error(answer)) == (401, "login_over")


def test_a_token_dies_with_its_time(world: FrontEnd) -> None:
    alice = CommandLine(world, ALICE)
    world.ca.later(world.ca.logins[alice.login].expires - world.ca.time)
    assert error(alice.get("hosts")) == "login_needed"


def test_cookies_and_tokens_do_not_work_at_each_others_door(world: FrontEnd) -> None:
    browser = world.browser(ALICE)
    assert browser.get("/api/v1/whoami").status_code == 401
    assert browser.post("/api/v1/requests", json=ASK, headers={"Origin": ORIGIN}).status_code == 401
    cookie = browser.get_cookie(world.cookie, domain="127.0.0.1")
    assert cookie is not None
    answer = world.stranger().get("/api/v1/whoami", headers={"Authorization": f"Bearer {cookie.value}"})
    assert answer.status_code == 401
    stranger = world.stranger()
    stranger.set_cookie(world.cookie, CommandLine(world, ALICE).token, domain="127.0.0.1")
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
def test_bodies_are_read_strictly(world: FrontEnd, body: Any, status: int, code: str) -> None:
    answer = CommandLine(world, DANA).post("requests", body)
    assert (answer.status_code, error(answer)) == (status, code)


def test_raw_bodies_are_read_strictly(world: FrontEnd) -> None:
    dana = CommandLine(world, DANA)
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
    assert error(dana.post("requests/req-00000001/cancel", {"x": 1})) == "bad_message"


@pytest.mark.parametrize("query", ["scope=some", "limit=-1", "limit=x", "before=1e3", "before=" + "9" * 30, "limit=٣"])
def test_queries_are_read_strictly(world: FrontEnd, query: str) -> None:
    assert error(CommandLine(world, DANA).get(f"requests?{query}")) == "bad_parameter"


def test_a_body_is_read_to_a_limit_also_where_it_means_nothing(world: FrontEnd) -> None:
    """Spaces where no body is wanted, and a form: nothing but the limit itself would refuse them."""
    alice = CommandLine(world, ALICE)
    answer = alice.client.post("/api/v1/challenge", data=b" " * (security.MAX_BODY + 1), headers=alice.headers)
    assert (answer.status_code, error(answer)) == (413, "too_large")
    assert alice.client.post("/api/v1/challenge", data=b" " * 1000, headers=alice.headers).status_code == 201
    form = {"form_token": "x", "reason": "x" * security.MAX_BODY}
    assert world.browser(ALICE).post("/requests/new", data=form).status_code == 413


def test_statuses_of_http_are_json_too(world: FrontEnd) -> None:
    dana = CommandLine(world, DANA)
    assert (dana.get("nothing").status_code, error(dana.get("nothing"))) == (404, "unknown_page")
    assert (dana.get("login").status_code, error(dana.get("login"))) == (405, "wrong_method")
    answer = dana.get("requests/req-00000077")
    assert (answer.status_code, error(answer)) == (404, "unknown_request")


def test_the_bundle_is_carried_with_a_tag(world: FrontEnd) -> None:
    client = world.stranger()
    first = client.get("/bundle")
    assert first.status_code == 200
    sequence = first.get_json()["sequence"]
    assert json.loads(first.get_json()["bundle"])["bundle"] == 1
    tag = first.headers["ETag"]
    again = client.get("/bundle", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    CommandLine(world, BOB).post("locks", {"kind": "host", "target": "web2", "reason": "rootkit found"})
    world.ca.later(1)
    newer = client.get("/bundle", headers={"If-None-Match": tag})
    assert (newer.status_code, newer.get_json()["sequence"] > sequence) == (200, True)
    checkpoint = client.get("/log/checkpoint")
    assert checkpoint.mimetype == "text/plain"
    assert checkpoint.text == world.ca.context.journal.checkpoint


def test_the_checkpoint_is_over_what_is_durable_and_not_of_the_last_bundle(world: FrontEnd) -> None:
    """A witness sees a certificate's entry within the second, not with the next quarter of an hour's bundle."""
    client = world.stranger()
    carried = json.loads(client.get("/bundle").get_json()["bundle"])["checkpoint"]
    world.ca.ask(world.ca.native(ALICE), "web1")
    checkpoint = client.get("/log/checkpoint").text
    assert int(checkpoint.split("\n")[1]) == world.ca.context.state.size > int(carried.split("\n")[1])
    assert client.get(f"/log/tile/entries/000.p/{world.ca.context.state.size}").status_code == 200


def test_what_witnesses_signed_is_carried_without_a_sign_in(world: FrontEnd) -> None:
    assert world.stranger().get("/log/cosigned").status_code == 404
    ca = world.ca
    with serving(TestWitness(succession.raw(ca.context.keys.public("log")))) as witness:
        ca.context.witnesses = Witnesses.of(ca.config.home, [witness.address])
        head = Head.of(ca.context.journal)
        assert head is not None
        ca.context.witnesses.ask(head, ca.store, lambda: 0.0)
    answer = world.stranger().get("/log/cosigned")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert answer.text.startswith(ca.context.journal.checkpoint)
    assert witness.name in answer.text


def test_tiles_are_carried_byte_by_byte_and_kept_for_ever(world: FrontEnd) -> None:
    size = len(world.ca.kinds())
    assert size < 256
    hashes = world.stranger().get(f"/log/tile/0/000.p/{size}")
    assert (hashes.status_code, len(hashes.data), hashes.mimetype) == (200, 32 * size, "application/octet-stream")
    assert "immutable" in hashes.headers["Cache-Control"]
    entries = world.stranger().get(f"/log/tile/entries/000.p/{size}")
    length = int.from_bytes(entries.data[:2], "big")
    assert sha256(b"\x00" + entries.data[2 : 2 + length]).digest() == hashes.data[:32]
    assert world.stranger().get("/log/tile/0/000").status_code == 404


def test_many_polls_ask_the_authority_once(world: FrontEnd) -> None:
    for _ in range(20):
        world.stranger().get("/bundle")
    assert sum(isinstance(message, m.ReadBundle) for message in world.authority.messages) == 1


def test_health_and_readiness(world: FrontEnd) -> None:
    client = world.stranger()
    assert client.get("/healthz").json == {"ok": True}
    parts = ("front_end_database", "ca", "database", "clock", "disk", "policy", "provider_keys", "sockets")
    well = dict.fromkeys(parts, "ok")
    for keys in world.ca.context.published.values():
        keys.refresh()
    assert client.get("/readyz").json == {"ready": True, "problems": [], "checks": well}
    world.ca.time += 60
    answer = client.get("/readyz")
    assert [name for name, how in answer.get_json()["checks"].items() if how != "ok"] == ["clock"]
    (problem,) = answer.get_json()["problems"]
    assert (answer.status_code, answer.get_json()["ready"]) == (503, False)
    assert "clock" in problem
    world.authority.stop()
    assert client.get("/healthz").status_code == 200
    told = client.get("/readyz").get_json()
    assert told["problems"] == ["can't reach the CA"]
    assert told["checks"] == {"front_end_database": "ok", "ca": "can't reach the CA"}


def test_with_the_authority_down_everything_says_so_and_no_session_is_lost(world: FrontEnd) -> None:
    alice, browser = CommandLine(world, ALICE), world.browser(ALICE)
    world.authority.stop()
    for path in ("/api/v1/whoami", "/api/v1/hosts", "/bundle", "/log/checkpoint"):
        answer = alice.client.get(path, headers=alice.headers)
        assert (answer.status_code, error(answer)) == (503, "ca_down")
    page = browser.get("/requests")
    assert page.status_code == 503
    assert "Can&#39;t reach the CA" in page.text
    assert "Open sessions and live certificates keep working" in page.text
    assert '<meta http-equiv="refresh" content="10">' in page.text
    assert "Sign in</a>" not in page.text
    assert page.headers.getlist("Set-Cookie") == []


def test_headers_on_every_kind_of_answer(world: FrontEnd) -> None:
    browser = world.browser(ALICE)
    for path in ("/requests", "/sign-in", "/nothing", "/api/v1/whoami", "/bundle", "/healthz"):
        headers = browser.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers
        assert "no-" in headers["Cache-Control"]
    assert browser.get("/requests").headers["Cache-Control"] == "no-store"


def test_pages_hold_no_inline_script_or_style(world: FrontEnd) -> None:
    for path in ("/requests", "/requests/new", "/approvals", "/log", "/sign-in", "/nothing"):
        text = world.browser(BOB).get(path).text
        assert " style=" not in text
        assert "<style" not in text
        assert text.count("<script") == text.count('<script src="/static/')
        assert " on" not in "".join(part.split(">")[0] for part in text.split("<"))


def test_another_host_name_is_sent_to_the_right_one(world: FrontEnd) -> None:
    answer = world.stranger().get("/requests?x=1", base_url="http://localhost:8080")
    assert (answer.status_code, answer.location) == (307, f"{ORIGIN}/requests?x=1")
    assert world.stranger().post("/sign-out", base_url="http://evil.example").status_code == 400


def test_t19_no_secret_reaches_the_log(world: FrontEnd, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token, client = CommandLine(world, ALICE).token, world.stranger()
    client.set_cookie(world.cookie, "a-cookie-secret", domain="127.0.0.1")
    headers = {"Authorization": f"Bearer {token}"}
    client.get("/api/v1/whoami?code=a-code-secret", headers=headers)
    client.get("/auth/acme/callback?code=a-code-secret&state=a-state-secret", headers=headers)
    world.authority.stop()
    body = {"provider": "acme", "id_token": "a-token-secret", "key": "k", "salt": "s", "signature": "x"}
    assert client.post("/api/v1/login", json=body).status_code == 503
    assert "GET '/auth/acme/callback' 303" in caplog.text
    assert "POST '/api/v1/login' 503" in caplog.text
    for secret in (token, "a-cookie-secret", "a-code-secret", "a-state-secret", "a-token-secret"):
        assert secret not in caplog.text


def test_over_https_cookies_are_bound_to_the_host(world: FrontEnd) -> None:
    config = replace(world.config, public_url="https://jit.example.com", unsafe_http=False)
    app = create_app(config, world.authority, world.store, {}, key=KEY, clock=lambda: world.ca.time)
    app.test_client_class = client_of(ORIGIN)
    answer = app.test_client().get("/sign-in", base_url="https://jit.example.com")
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-ssh-jit-browser=")
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert part in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
