"""The native flow: what the browser may bring back, from where, and how often."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from sshjit import login
from sshjit.api.session import LoginView
from sshjit.api.views import PersonView, RequestState
from sshjit.bundle import Provider
from sshjit.errors import Failed, Invalid, Refused
from sshjit.limits import MAX_ID_TOKEN
from sshjit_client.commands.account import sign_in_details
from sshjit_client.console import exit_codes
from sshjit_client.identity import browser, provider_endpoints, sign_in
from sshjit_client.identity.browser import Loopback
from sshjit_client.identity.oidc import Attempt
from sshjit_client.storage.machine import Machine
from tests.support.client_server import ClientServer
from tests.support.issuer import Issuer
from tests.support.issuer import listening as listening_issuer
from tests.support.waiting import PATIENCE
from tests.unit.client.conftest import Laptop
from tests.unit.client.installation_keys import InstallationKeys

PROVIDER = Provider("acme", "Acme", "https://id.example", "cli", "https://id.example/a?x=1", None, ("openid", "email"))


def attempt(redirect: str = "http://127.0.0.1:1/callback") -> Attempt:
    return Attempt.begin(PROVIDER, redirect, b"blob", bytes(range(80)))


def test_the_address_carries_pkce_state_and_the_keys_nonce() -> None:
    made = attempt()
    parts = urlsplit(made.address())
    query = parse_qs(parts.query)
    assert (parts.netloc, parts.path, query["x"]) == ("id.example", "/a", ["1"])
    assert query["nonce"] == [login.nonce(b"blob", bytes(range(16)))]
    assert query["state"] == [made.state]
    assert query["code_challenge_method"] == ["S256"]
    assert made.verifier not in made.address()
    assert 43 <= len(made.verifier) <= 128
    assert query["scope"] == ["openid email"]


def test_a_fresh_sign_in_asks_the_provider_to_look_now_and_to_say_when() -> None:
    usual = parse_qs(urlsplit(attempt().address()).query)
    fresh = Attempt.begin(PROVIDER, "http://127.0.0.1:1/callback", b"blob", bytes(range(80)), fresh=True)
    assert parse_qs(urlsplit(fresh.address()).query) == usual | {"prompt": ["login"], "max_age": ["60"]}
    assert {"prompt", "max_age"}.isdisjoint(usual)


def answered(made: Attempt, **changes: str) -> str:
    return urlencode({"code": "c", "state": made.state, **changes})


def test_t18_only_the_answer_to_this_attempt_counts() -> None:
    made = attempt()
    assert made.code(answered(made)) == "c"
    for other in ("", "code=c", answered(made, state="x"), f"{answered(made)}&code=d", f"{answered(made)}&state=y"):
        with pytest.raises(Invalid):
            made.code(other)


def test_t16_the_issuer_is_checked_where_it_is_sent() -> None:
    made = attempt()
    assert made.code(answered(made, iss="https://id.example")) == "c"
    with pytest.raises(Refused, match="another provider"):
        made.code(answered(made, iss="https://id.example/"))


def test_a_refusal_of_the_provider_is_told() -> None:
    made = attempt()
    with pytest.raises(Refused, match="Acme did not sign you in: no such user"):
        made.code(answered(made, error="access_denied", error_description="no such user"))


def test_scopes_and_clients_that_the_provider_refuses_are_named() -> None:
    """Keycloak 26, on the scope ``groups`` and on a client that is not public."""
    made = attempt()
    for error, text in (("invalid_scope", "(openid email): Invalid scopes"), ("invalid_client", "client id or secret")):
        with pytest.raises(Refused) as refused:
            made.code(answered(made, error=error, error_description="Invalid scopes: openid email"))
        assert text in refused.value.message
        assert "administrator" in refused.value.hint


class Answering(Issuer):
    """A token endpoint that answers what a test says, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.reply: tuple[int, dict[str, object]] = (200, {"id_token": "t", "access_token": "a"})
        self.sent: dict[str, list[str]] = {}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path != "/token":
            return super().answer(method, path, body)
        self.sent = parse_qs(body.decode())
        return self.reply[0], {}, json.dumps(self.reply[1]).encode()

    def attempt(self, **changes: object) -> Attempt:
        known = replace(PROVIDER, issuer=self.url, token_endpoint=f"{self.url}/token", **changes)  # type: ignore[arg-type]
        return Attempt.begin(known, "http://127.0.0.1:1/callback", b"blob", bytes(range(80)))


def test_a_secret_that_is_none_is_sent_and_the_access_token_is_kept_where_the_ca_needs_it() -> None:
    """Google's desktop clients have a "client secret" that every copy of the program holds."""
    with listening_issuer(Answering()) as issuer:
        assert issuer.attempt().redeem("c") == ("t", None)
        assert "client_secret" not in issuer.sent
        assert issuer.attempt(client_secret="public", userinfo=True).redeem("c") == ("t", "a")
        assert issuer.sent["client_secret"] == ["public"]
        issuer.reply = (401, {"error": "unauthorized_client", "error_description": "Invalid client"})
        with pytest.raises(Refused, match="Acme refused our client id or secret: Invalid client"):
            issuer.attempt().redeem("c")


def test_one_limit_for_tokens_that_says_what_is_too_large() -> None:
    with listening_issuer(Answering()) as issuer:
        issuer.reply = (200, {"id_token": "t" * MAX_ID_TOKEN})
        assert len(issuer.attempt().redeem("c").id_token) == MAX_ID_TOKEN
        issuer.reply = (200, {"id_token": "t" * (MAX_ID_TOKEN + 1)})
        with pytest.raises(Failed, match=f"has {MAX_ID_TOKEN + 1} characters") as error:
            issuer.attempt().redeem("c")
        assert "groups" in error.value.hint


def test_what_an_administrator_must_mend_is_not_called_an_outage() -> None:
    other = "the issuer is set to 'https://id.example', and its metadata says 'https://id.example/'"
    made = Attempt.begin(replace(PROVIDER, problem=other), "http://127.0.0.1:1/callback", b"blob", bytes(80))
    with pytest.raises(Failed, match=r"Acme cannot be used: the issuer is") as error:
        made.redeem("c")
    assert "minute" not in f"{error.value}{error.value.hint}"


def test_whoami_says_what_is_missing_and_what_the_provider_said_of_factors() -> None:
    """Keycloak 26, as shipped: no groups, and acr "1" after a password."""
    person = PersonView("sub-1", "acme", "Alice", "alice@example.com")
    login_view = LoginView(
        "login-1", "native", person, (), 1, 2, None, (), (), (), None, None, mfa=False, hardware_key=False,
        said_factors=("acr 1",), remarks=("the ID token of Acme has no claim 'groups'",),
    )  # fmt: skip
    shown = sign_in_details(login_view)
    assert "the ID token of Acme has no claim 'groups'" in shown
    assert "no (the provider said acr 1)" in shown
    sure = sign_in_details(replace(login_view, mfa=True, said_factors=("amr otp",), remarks=()))
    assert "yes (the provider said amr otp)" in sure
    assert "missing" not in sure


def test_whoami_says_the_subject_as_the_provider_does_and_groups_as_policy_spells_them() -> None:
    person = PersonView("sub-1", "acme", "Alice", "alice@example.com")
    login = LoginView(
        "login-1", "native", person, (), 1, 2, None, (), ("SRE", "SRE Leads"), (), None, None, mfa=False,
        hardware_key=False, subject="a-1",
    )  # fmt: skip
    lines = [line.split(maxsplit=1) for line in sign_in_details(login).splitlines()]
    assert ["groups", "acme/group:SRE, acme/group:SRE Leads"] in lines
    assert ["subject", "a-1"] in lines
    assert not [line for line in sign_in_details(replace(login, subject="")).splitlines() if line.startswith("subject")]
    job = replace(login, workload=True, claims=("ref=refs/heads/main",), unbound=True)
    lines = [line.split(maxsplit=1) for line in sign_in_details(job).splitlines()]
    assert ["claim", "ref=refs/heads/main"] in lines
    assert any(line[0] == "token" and line[1].startswith("named no key (unbound)") for line in lines)


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def test_ports_that_the_provider_allows_are_tried_in_turn() -> None:
    ports = free_ports(2)
    with closing(Loopback(ports)) as first:
        assert first.redirect == f"http://127.0.0.1:{ports[0]}/callback"
        with closing(Loopback(ports)) as second:
            assert second.port == ports[1]
            with pytest.raises(Failed, match=f"{ports[0]}, {ports[1]}") as error:
                Loopback(ports)
            assert error.value.code == "ports_taken"
            assert sign_in._redirect_hint(second).endswith(f"it must allow {second.redirect}")


def test_a_provider_that_is_down_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        down = replace(PROVIDER, authorization_endpoint=nobody, token_endpoint=nobody)
        made = Attempt.begin(down, "http://127.0.0.1:1/callback", b"blob", bytes(80))
        for ask in (made.look, lambda: made.redeem("c")):
            with pytest.raises(Failed, match=r"Acme: can't reach .*: Connection refused") as error:
                ask()
            assert exit_codes.of(error.value) is exit_codes.ExitCode.REACH


def test_endpoints_that_the_ca_does_not_know_yet_are_said() -> None:
    with pytest.raises(Failed, match="has not reached Acme yet"):
        attempt().redeem("c")


def test_a_ca_that_has_not_reached_the_provider_yet_is_waited_for(stranger: Laptop, server: ClientServer) -> None:
    """As after each of its starts: the bundle that it signs first says nothing of where to sign in."""
    keys = server.front.ca.context.published["acme"]
    known, keys.published = keys.published, None
    assert known is not None
    stranger.set_up(server)
    started = stranger.start("web1", "whoami")
    server.wait_for("GET /bundle", 3)
    assert not [call for call in server.calls if call.startswith("POST /api/v1/login")]
    keys.published = known
    out, err = started.communicate(timeout=PATIENCE)
    assert (started.returncode, out) == (0, "deploy: whoami\n"), err
    waits = "ssh-jit: the CA has just started and has not reached acme yet; waiting for it\n"
    assert err.startswith(f"{waits}ssh-jit: signing in with acme in your browser\n"), err


def test_nobody_waits_for_ever_for_a_provider_nor_for_one_that_an_administrator_must_mend(
    laptop: Laptop, server: ClientServer, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine.here(laptop.env)
    assert provider_endpoints.wait(machine, PROVIDER, patience=0.1) is PROVIDER
    assert "has not reached Acme yet; waiting for it" in capsys.readouterr().err
    broken = replace(PROVIDER, problem="its metadata names another issuer")
    assert provider_endpoints.wait(machine, broken, patience=0.1) is broken
    assert capsys.readouterr().err == "", "nothing was waited for"
    server.front.ca.context.published["acme"].published = None
    for attempt_ in (1, 2):  # and while nobody answers at all
        assert provider_endpoints.wait(machine, PROVIDER, patience=1).token_endpoint is None
        server.away(away=attempt_ == 1)


@pytest.fixture
def listening() -> Iterator[tuple[Loopback, Attempt]]:
    with closing(Loopback()) as loopback:
        made = attempt(loopback.redirect)
        loopback.serve(made.code)
        yield loopback, made


def fetch(url: str, **headers: str) -> int:
    try:
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310  # our own loopback address
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:  # noqa: S310
            assert b"c0de" not in answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_loopback_takes_one_answer_once(listening: tuple[Loopback, Attempt]) -> None:
    loopback, made = listening
    good = f"{loopback.redirect}?{answered(made, code='c0de')}"
    assert fetch(loopback.redirect) == 400
    assert fetch(f"{loopback.redirect}?{answered(made, state='other')}") == 400
    assert fetch(good.replace("/callback", "/other")) == 404
    assert fetch(good, Host="evil.example") == 404
    assert not select.select([loopback.ready], [], [], 0)[0]
    assert fetch(good) == 200
    assert select.select([loopback.ready], [], [], 1)[0]
    assert loopback.result() == "c0de"
    assert fetch(good) == 400


def test_t17_a_pasted_address_belongs_to_this_attempt_and_counts_once(listening: tuple[Loopback, Attempt]) -> None:
    loopback, made = listening
    query = answered(made)
    assert not sign_in.paste(loopback, f"http://127.0.0.1:9/callback?{query}")
    assert not sign_in.paste(loopback, f"https://evil.example/callback?{query}")
    assert not sign_in.paste(loopback, f"{loopback.redirect}?{answered(made, state='x')}")
    assert not sign_in.paste(loopback, "c")
    assert sign_in.paste(loopback, f"  {loopback.redirect}?{query}\n")
    assert not sign_in.paste(loopback, f"{loopback.redirect}?{query}")


def test_the_loopback_is_not_reachable_from_elsewhere(listening: tuple[Loopback, Attempt]) -> None:
    assert listening[0].redirect == f"http://127.0.0.1:{listening[0].port}/callback"
    listed = Path("/proc/net/tcp").read_text().split("\n")
    ours = [line.split()[1] for line in listed if line and line.split()[1].endswith(f":{listening[0].port:04X}")]
    assert f"0100007F:{listening[0].port:04X}" in ours
    assert not any(where.startswith("00000000") for where in ours)


def test_t40_the_browser_is_an_argument_list() -> None:
    address = "https://id.example/?a=1&b=$(id);`x`"
    assert browser.open_command({"BROWSER": "fire fox --new"}, address) == ["fire", "fox", "--new", address]
    assert browser.open_command({"BROWSER": "open '%s' -q"}, address) == ["open", address, "-q"]
    assert browser.open_command({"BROWSER": "", "SSH_CONNECTION": "x"}, address) is None
    assert browser.open_command({"BROWSER": "it's broken"}, address) is None


def test_several_providers_must_be_told_apart(installation: InstallationKeys) -> None:
    believed = installation.bundle()
    (acme,) = believed.providers
    assert sign_in.choose(believed, None) is acme
    two = installation.bundle(
        providers=(acme, PROVIDER.__class__("other", "O", "https://o.example", "c", None, None, ()))
    )
    with pytest.raises(Invalid) as error:
        sign_in.choose(two, None)
    assert error.value.hint == "ssh-jit login --provider acme | other"
    with pytest.raises(Invalid, match="no provider 'x'"):
        sign_in.choose(two, "x")


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, laptop: Laptop, *words: str, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sshjit_client", *words],
            env={**laptop.env, **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.text = ""

    def until(self, pattern: str) -> re.Match[str]:
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.master, 4096).decode()
                except OSError:  # Linux says EIO when the other side is closed
                    assert re.search(pattern, self.text), self.text
        return found

    def type(self, text: str) -> None:
        os.write(self.master, text.encode() + b"\n")

    def close(self) -> int:
        code = self.process.wait(15)
        os.close(self.master)
        return code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Leaves the redirect to the test."""


def test_t17_signing_in_without_a_browser_by_pasting(laptop: Laptop) -> None:
    screen = Screen(laptop, "login", BROWSER="")
    address = screen.until(r"  (http://127\.0\.0\.1:\d+/authorize\?\S+)\r\n").group(1)
    opener = urllib.request.build_opener(_NoRedirect())
    with pytest.raises(urllib.error.HTTPError) as redirected:
        opener.open(address, timeout=PATIENCE)
    last_page = redirected.value.headers["Location"]
    redirected.value.close()
    screen.type("http://127.0.0.1:1/callback?code=x&state=y")
    screen.until("paste the whole address")
    screen.type(last_page)
    screen.until(r"signed in as Alice")
    assert screen.close() == 0


def test_setup_on_a_terminal_shows_the_root_and_asks(stranger: Laptop, server: ClientServer) -> None:
    screen = Screen(stranger, "setup", server.url)
    screen.until(re.escape(server.root))
    screen.until(r"\[y/N\] ")
    screen.type("n")
    screen.until("nothing was set up")
    assert screen.close() != 0
    assert not stranger.config.exists()
    screen = Screen(stranger, "setup", server.url)
    screen.until(r"\[y/N\] ")
    screen.type("y")
    screen.until("set up for test")
    assert screen.close() == 0


def test_approving_on_a_terminal_asks_after_showing(laptop: Laptop, bob: Laptop, server: ClientServer) -> None:
    laptop.run("request", "--action", "migrate", "--reason", "CHG-7", "postgres@db1")
    (request,) = server.requests()
    screen = Screen(bob, "approve", request)
    screen.until(r"database[\s\S]*approve this\? \[y/N\] ")
    screen.type("")
    screen.until("nothing was approved")
    assert screen.close() == 4
    assert server.state(request) is RequestState.PENDING
    screen = Screen(bob, "approve", request, "--yes")
    screen.until("approved")
    assert screen.close() == 0
