"""Providers that lie, break or dawdle: a small HTTP server says what each test wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sshjit.errors import Failed, Refused
from sshjit.providers import NativeClient, Provider, WebClient
from sshjit_web import oidc
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support.in_process_ca import KEY, ORIGIN, FrontEnd


@dataclass
class Clock:
    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Liar(ThreadingHTTPServer):
    """Answers with ``metadata`` and ``token``; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.metadata: Any = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }
        self.token: tuple[int, Any] = (200, {"access_token": "a", "token_type": "Bearer", "id_token": "the-token"})
        self.asked: list[tuple[str, str]] = []
        self.pace = 0.0
        """Seconds between two bytes of an answer."""
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()


class _Handler(BaseHTTPRequestHandler):
    server: Liar

    def do_GET(self) -> None:
        self.server.asked.append((self.path, ""))
        self._say(200, self.server.metadata)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path, f"{self.headers['Authorization']} {body}"))
        self._say(*self.server.token)

    def _say(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status == 307:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()
        if not self.server.pace:
            self.wfile.write(data)
            return
        with suppress(OSError):
            for at in range(len(data)):
                self.wfile.write(data[at : at + 1])
                time.sleep(self.server.pace)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is http.server's
        """Says nothing."""


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar()
    yield server
    server.shutdown()
    server.server_close()
    server.thread.join(5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def party(liar: Liar, clock: Clock) -> RelyingParty:
    scopes = ("openid", "email")
    provider = Provider(
        title="Acme",
        issuer=liar.url,
        native=NativeClient("cli", scopes),
        web=WebClient("web", "unused", scopes),
        algorithms=("RS256",),
        unsafe_http=True,
    )
    return RelyingParty("acme", provider, client_secret="s", origin=ORIGIN, key=KEY, clock=clock)


def code(error: pytest.ExceptionInfo[Any]) -> str:
    found: str = error.value.code
    return found


def test_the_code_is_exchanged_with_secret_and_verifier(party: RelyingParty, liar: Liar) -> None:
    assert party.id_token("state", {"code": "the-code"}) == "the-token"
    path, sent = liar.asked[-1]
    assert path == "/token"
    assert sent.startswith("Basic d2ViOnM= ")
    for part in ("grant_type=authorization_code", "code=the-code", "code_verifier=", "redirect_uri="):
        assert part in sent


@pytest.mark.parametrize("fault", ["the CA", "our database"])
def test_a_sign_in_that_failed_is_begun_anew_and_its_address_is_not_tried_again(
    party: RelyingParty, world: FrontEnd, fault: str
) -> None:
    app = create_app(world.config, world.authority, world.store, {"acme": party}, key=KEY, clock=lambda: world.ca.time)
    browser = app.test_client()
    begun = browser.get("/auth/acme/start?next=/requests/new", base_url=world.origin)
    (state,) = parse_qs(urlsplit(begun.location).query)["state"]
    if fault == "the CA":
        world.authority.stop()
    else:
        world.store.engine.dispose()
        Path(str(world.store.engine.url.database)).write_bytes(b"this is no database " * 1000)
    answer = browser.get(f"/auth/acme/callback?state={state}&code=c", base_url=world.origin)
    assert answer.status_code == 503, answer.text
    for again in ('http-equiv="refresh"', "Retrying", "callback", state):
        assert again not in answer.text
    assert "works only once" in answer.text
    after = "/requests/new" if fault == "the CA" else "/requests"
    assert f'href="/sign-in?next={after}">Sign in again</a>' in answer.text


@pytest.mark.parametrize("token", [{}, {"id_token": None}, {"id_token": ""}, {"id_token": 7}, {"id_token": ["x"]}])
def test_t14_no_id_token_is_an_error(party: RelyingParty, liar: Liar, token: dict[str, Any]) -> None:
    liar.token = (200, {"access_token": "a", "token_type": "Bearer", **token})
    with pytest.raises(Failed) as error:
        party.id_token("state", {"code": "c"})
    assert code(error) == "no_id_token"


@pytest.mark.parametrize(
    "answer", [(500, {}), (200, b"<html>"), (200, []), (200, b"x" * 2_000_000), (502, b""), (307, {})]
)
def test_a_broken_token_endpoint_is_a_provider_that_is_down(
    party: RelyingParty, liar: Liar, answer: tuple[int, Any]
) -> None:
    liar.token = answer
    with pytest.raises(Failed) as error:
        party.id_token("state", {"code": "c"})
    assert code(error) in ("provider_down", "no_id_token")
    assert liar.asked[-1][0] == "/token"


def test_a_code_that_the_provider_refuses(party: RelyingParty, liar: Liar) -> None:
    liar.token = (400, {"error": "invalid_grant", "error_description": "<b>no</b>\x1b"})
    with pytest.raises(Refused) as error:
        party.id_token("state", {"code": "c"})
    assert code(error) == "sign_in_refused"
    assert "<b>" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 7},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
)
def test_metadata_that_are_no_use_are_refused(party: RelyingParty, liar: Liar, change: dict[str, Any]) -> None:
    liar.metadata = {**liar.metadata, **change}
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_down"


@pytest.mark.parametrize("document", [b"[]", b"null", b"{", b'{"issuer": 1}', b"{}", b"x" * 2_000_000])
def test_metadata_that_are_no_metadata_are_refused(party: RelyingParty, liar: Liar, document: bytes) -> None:
    liar.metadata = document
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_down"


def test_an_answer_is_read_to_a_limit(party: RelyingParty, liar: Liar) -> None:
    """What is too long is refused, and not cut: spaces after JSON would make a good answer of it."""
    padding = b" " * oidc.MAX_ANSWER
    good, liar.metadata = liar.metadata, json.dumps(liar.metadata).encode() + padding
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_down"
    liar.metadata = good
    party._ask_again = 0
    token = {"access_token": "a", "token_type": "Bearer", "id_token": "the-token"}
    liar.token = (200, json.dumps(token).encode() + padding)
    with pytest.raises(Failed) as error:
        party.id_token("state", {"code": "c"})
    assert code(error) == "provider_down"
    liar.token = (200, json.dumps(token).encode() + b" " * 1000)
    assert party.id_token("state", {"code": "c"}) == "the-token"


def test_an_answer_that_drips_is_given_up(party: RelyingParty, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "DEADLINE", 0.5)
    liar.pace = 0.1
    began = time.monotonic()
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_down"
    assert time.monotonic() - began < 10, "all of it would take 15 s"


def test_metadata_have_a_lifetime_and_failures_a_pause(party: RelyingParty, liar: Liar, clock: Clock) -> None:
    for _ in range(5):
        party.authorization_url("state")
    assert len(liar.asked) == 1
    clock.now += oidc.METADATA_LIFETIME
    good, liar.metadata = liar.metadata, b"broken"
    for _ in range(5):
        assert party.authorization_url("state").startswith(liar.url)
    assert len(liar.asked) == 2
    clock.now += oidc.METADATA_PAUSE
    liar.metadata = good
    party.authorization_url("state")
    party.authorization_url("state")
    assert len(liar.asked) == 3


def test_t16_an_issuer_that_promises_iss_must_send_it(party: RelyingParty, liar: Liar) -> None:
    liar.metadata = {**liar.metadata, "authorization_response_iss_parameter_supported": True}
    with pytest.raises(Refused) as error:
        party.id_token("state", {"code": "c"})
    assert code(error) == "wrong_issuer"
    assert party.id_token("state", {"code": "c", "iss": liar.url}) == "the-token"


def test_a_provider_that_has_trouble_is_down(party: RelyingParty) -> None:
    with pytest.raises(Failed) as error:
        party.id_token("state", {"error": "temporarily_unavailable"})
    assert code(error) == "provider_down"


def test_secrets_of_a_sign_in_differ_and_need_the_key(party: RelyingParty) -> None:
    assert party.nonce("one") == party.nonce("one")
    assert party.nonce("one") != party.nonce("two")
    url = party.authorization_url("one")
    assert f"nonce={party.nonce('one')}" in url
    assert "code_challenge_method=S256" in url
