"""Providers that lie, break or dawdle: a small HTTP server says what each test wants."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sshjit.errors import Failed, Refused
from sshjit.providers import NativeClient, Provider, TokenEndpointAuth, WebClient
from sshjit_web import oidc, provider_transport
from sshjit_web.app import create_app
from sshjit_web.oidc import RelyingParty
from tests.support.in_process_ca import KEY, ORIGIN, FrontEnd
from tests.support.tls import tls_server


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
        self.moved = False
        """Sends on whoever asks for the metadata."""
        self.pace = 0.0
        """Seconds between two bytes of an answer."""
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()


class _Handler(BaseHTTPRequestHandler):
    server: Liar

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"] or ""))
        moved = self.server.moved and self.path != "/elsewhere"
        self._say(307 if moved else 200, self.server.metadata)

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
    assert party.tokens("state", {"code": "the-code"}).id_token == "the-token"
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
    gone = browser.get(f"/auth/acme/callback?state={state}&code=c", base_url=world.origin)
    assert gone.status_code == 303
    assert urlsplit(gone.location).path == "/auth/acme/failed"
    assert state not in gone.location
    answer = browser.get(gone.location, base_url=world.origin)
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
        party.tokens("state", {"code": "c"})
    assert code(error) == "no_id_token"


@pytest.mark.parametrize(
    "answer", [(500, {}), (200, b"<html>"), (200, []), (200, b"x" * 2_000_000), (502, b""), (307, {})]
)
def test_a_broken_token_endpoint_is_a_provider_that_is_down(
    party: RelyingParty, liar: Liar, answer: tuple[int, Any]
) -> None:
    liar.token = answer
    with pytest.raises(Failed) as error:
        party.tokens("state", {"code": "c"})
    assert code(error) in ("provider_down", "no_id_token", "bad_provider_answer")
    assert liar.asked[-1][0] == "/token"


SPECIAL = "a+b/c=%41 :"


@pytest.mark.parametrize(
    ("auth", "offered", "sent"),
    [
        (None, None, "Basic " + b64encode(b"we%3Ab:a%2Bb%2Fc%3D%2541+%3A").decode()),
        ("basic", ["client_secret_post"], "Basic " + b64encode(b"we%3Ab:a%2Bb%2Fc%3D%2541+%3A").decode()),
        ("basic_raw", None, "Basic " + b64encode(b"we:b:a+b/c=%41 :").decode()),
        (None, ["client_secret_post"], "None "),
        ("post", None, "None "),
    ],
)
def test_a_secret_with_special_characters_is_written_as_the_standard_says(
    party: RelyingParty, liar: Liar, auth: TokenEndpointAuth | None, offered: list[str] | None, sent: str
) -> None:
    """RFC 6749, 2.3.1: both halves form-encoded; Keycloak, Hydra and oidc-provider answer 401 to anything else."""
    web = WebClient("we:b", "unused", ("openid",))
    provider = replace(party._provider, web=web, token_endpoint_auth=auth)
    mine = RelyingParty("acme", provider, client_secret=SPECIAL, origin=ORIGIN, key=KEY, clock=Clock())
    if offered:
        liar.metadata = {**liar.metadata, "token_endpoint_auth_methods_supported": offered}
    assert mine.tokens("state", {"code": "c"}).id_token == "the-token"
    header, _, body = liar.asked[-1][1].rpartition(" ")
    assert f"{header} " == sent if sent == "None " else header == sent
    if sent == "None ":
        assert parse_qs(body)["client_secret"] == [SPECIAL]


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
@pytest.mark.parametrize("secret", ["plain", SPECIAL])
def test_a_refused_client_is_not_a_refused_code(party: RelyingParty, liar: Liar, error: str, secret: str) -> None:
    """Keycloak 26 answers 401 ``unauthorized_client`` to a wrong secret, oidc-provider and Hydra ``invalid_client``."""
    mine = RelyingParty("acme", party._provider, client_secret=secret, origin=ORIGIN, key=KEY, clock=Clock())
    liar.token = (401, {"error": error, "error_description": "Invalid client or Invalid client credentials"})
    with pytest.raises(Refused) as refused:
        mine.tokens("state", {"code": "c"})
    assert code(refused) == "client_refused"
    assert refused.value.message == "Acme refused our client id or secret"
    assert ("openssl rand -hex 32" in refused.value.hint) == (secret == SPECIAL)


def test_signing_out_at_the_provider_leads_back_where_it_takes_that(party: RelyingParty, liar: Liar) -> None:
    """Hydra 2.3 refuses the address without an ID token, which is not kept."""
    assert party.end_session_url() is None
    liar.metadata = {**liar.metadata, "end_session_endpoint": f"{liar.url}/out"}
    provider = party._provider
    for back in (True, False):
        web = replace(provider.web, post_logout_redirect=back)
        mine = RelyingParty(
            "acme", replace(provider, web=web), client_secret="s", origin=ORIGIN, key=KEY, clock=Clock()
        )
        address, _, query = str(mine.end_session_url()).partition("?")
        returns = {"post_logout_redirect_uri": [f"{ORIGIN}/sign-in"]} if back else {}
        assert (address, parse_qs(query)) == (f"{liar.url}/out", {"client_id": ["web"], **returns})


def test_scopes_that_the_provider_refuses_are_named(party: RelyingParty) -> None:
    """Keycloak 26, as shipped, on the scope ``groups``."""
    answer = {"error": "invalid_scope", "error_description": "Invalid scopes: openid email groups"}
    with pytest.raises(Refused) as refused:
        party.tokens("state", answer)
    assert code(refused) == "scope_refused"
    for part in ("(openid email)", "Invalid scopes: openid email groups", "administrator"):
        assert part in f"{refused.value.message} {refused.value.hint}"


def test_a_certificate_that_is_not_trusted_is_said(clock: Clock, tmp_path: Path) -> None:
    with tls_server(tmp_path) as (port, root):
        provider = Provider(
            title="Acme",
            issuer=f"https://localhost:{port}",
            native=NativeClient("cli", ("openid",)),
            web=WebClient("web", "unused", ("openid",)),
            algorithms=("RS256",),
        )
        strange = RelyingParty("acme", provider, client_secret="s", origin=ORIGIN, key=KEY, clock=clock)
        with pytest.raises(Failed) as refused:
            strange.authorization_url("state")
        assert code(refused) == "provider_untrusted"
        assert "certificate of Acme is not trusted" in refused.value.message
        told = RelyingParty(
            "acme", provider, client_secret="s", origin=ORIGIN, key=KEY, clock=clock, tls_roots=str(root)
        )
        with pytest.raises(Failed) as other:
            told.authorization_url("state")
        assert code(other) == "provider_settings", "it is trusted now, and answers no metadata"


def test_the_systems_own_certificate_authorities_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    session = provider_transport.prepare(requests.Session(), None)
    assert session.verify == str(roots)
    assert provider_transport.prepare(requests.Session(), "/mine").verify == "/mine"


def test_passwords_of_a_netrc_are_sent_to_no_provider(
    party: RelyingParty, liar: Liar, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login alice password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    party.authorization_url("state")
    assert liar.asked == [("/.well-known/openid-configuration", "")]


def test_a_proxy_is_used_but_never_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://192.0.2.1:3128")
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    monkeypatch.setenv("no_proxy", "id.example.com")
    assert provider_transport._proxies("https://login.example.com/x")["https"] == "http://192.0.2.1:3128"
    for direct in ("https://id.example.com/x", "http://127.0.0.1:4001/x", "http://localhost:1/", "http://[::1]:1/"):
        assert provider_transport._proxies(direct) == {}


def test_a_code_that_the_provider_refuses(party: RelyingParty, liar: Liar) -> None:
    liar.token = (400, {"error": "invalid_grant", "error_description": "<b>no</b>\x1b"})
    with pytest.raises(Refused) as error:
        party.tokens("state", {"code": "c"})
    assert code(error) == "sign_in_refused"
    assert "<b>" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
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
    assert code(error) == "provider_settings"


@pytest.mark.parametrize("slash", ["/", "//"])
def test_an_issuer_that_differs_by_a_slash_is_no_outage(
    party: RelyingParty, liar: Liar, slash: str, caplog: pytest.LogCaptureFixture
) -> None:
    liar.metadata = {**liar.metadata, "issuer": liar.url + slash}
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_settings"
    for text in (error.value.message, caplog.text):
        assert f"'{liar.url}'" in text
        assert f"'{liar.url}{slash}'" in text
    assert "try again" not in str(error.value.hint)


def test_metadata_that_moved_are_not_followed(party: RelyingParty, liar: Liar) -> None:
    liar.moved = True
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_down"
    assert [path for path, _ in liar.asked] == ["/.well-known/openid-configuration"]


def test_an_access_token_leaves_only_where_the_ca_asks_userinfo(party: RelyingParty, liar: Liar) -> None:
    assert party.tokens("state", {"code": "c"}).access_token is None
    provider = replace(party._provider, claims_from="userinfo")
    mine = RelyingParty("acme", provider, client_secret="s", origin=ORIGIN, key=KEY, clock=Clock())
    assert mine.tokens("state", {"code": "c"}).access_token == "a"
    liar.token = (200, {"access_token": ["a"], "token_type": "Bearer", "id_token": "the-token"})
    assert mine.tokens("state", {"code": "c"}).access_token is None


@pytest.mark.parametrize("document", [b"[]", b"null", b"{", b'{"issuer": 1}', b"{}", b"x" * 2_000_000])
def test_metadata_that_are_no_metadata_are_refused(party: RelyingParty, liar: Liar, document: bytes) -> None:
    liar.metadata = document
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == (
        "provider_settings"
        if document.startswith(b"{}") or b"issuer" in document
        else "provider_down"
        if len(document) > 1000
        else "bad_provider_answer"
    )


def test_an_answer_is_read_to_a_limit(party: RelyingParty, liar: Liar) -> None:
    """What is too long is refused, and not cut: spaces after JSON would make a good answer of it."""
    padding = b" " * provider_transport.MAX_ANSWER
    good, liar.metadata = liar.metadata, json.dumps(liar.metadata).encode() + padding
    with pytest.raises(Failed) as error:
        party.authorization_url("state")
    assert code(error) == "provider_down"
    liar.metadata = good
    party._ask_again = 0
    token = {"access_token": "a", "token_type": "Bearer", "id_token": "the-token"}
    liar.token = (200, json.dumps(token).encode() + padding)
    with pytest.raises(Failed) as error:
        party.tokens("state", {"code": "c"})
    assert code(error) == "provider_down"
    liar.token = (200, json.dumps(token).encode() + b" " * 1000)
    assert party.tokens("state", {"code": "c"}).id_token == "the-token"


def test_an_answer_that_drips_is_given_up(party: RelyingParty, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_transport, "DEADLINE", 0.5)
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
        party.tokens("state", {"code": "c"})
    assert code(error) == "wrong_issuer"
    assert party.tokens("state", {"code": "c", "iss": liar.url}).id_token == "the-token"
    for wrong in ("https://evil.example", f"{liar.url}/", ""):
        with pytest.raises(Refused) as error:
            party.tokens("state", {"code": "c", "iss": wrong})
        assert code(error) == "wrong_issuer"


def test_a_provider_that_has_trouble_is_down(party: RelyingParty) -> None:
    with pytest.raises(Failed) as error:
        party.tokens("state", {"error": "temporarily_unavailable"})
    assert code(error) == "provider_down"


def test_secrets_of_a_sign_in_differ_and_need_the_key(party: RelyingParty) -> None:
    assert party.nonce("one") == party.nonce("one")
    assert party.nonce("one") != party.nonce("two")
    other = RelyingParty("other", party._provider, client_secret="s", origin=ORIGIN, key=KEY, clock=Clock())
    keyed = RelyingParty("acme", party._provider, client_secret="s", origin=ORIGIN, key=b"j" * 64, clock=Clock())
    assert len({party.nonce("one"), other.nonce("one"), keyed.nonce("one")}) == 3
    url = party.authorization_url("one")
    assert f"nonce={party.nonce('one')}" in url
    assert "code_challenge_method=S256" in url


def test_signing_out_at_the_provider_needs_no_id_token(party: RelyingParty, liar: Liar) -> None:
    liar.metadata["end_session_endpoint"] = f"{liar.url}/end?realm=x"
    assert not party.has_end_session, "nobody has asked yet"
    url = party.end_session_url()
    assert url is not None
    query = parse_qs(urlsplit(url).query)
    assert url.startswith(f"{liar.url}/end?realm=x&")
    assert query == {
        "realm": ["x"],
        "client_id": ["web"],
        "post_logout_redirect_uri": [f"{ORIGIN}/sign-in"],
    }
    assert party.has_end_session
