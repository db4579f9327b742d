"""Where a rule needs a newer or better sign-in, a command signs in again and goes on; nothing is typed twice."""

from __future__ import annotations

import time

import pytest

from sshjit import ca_protocol as m
from tests.support.client_server import ClientServer
from tests.support.installation import BOB
from tests.unit.client.conftest import Laptop
from tests.unit.client.test_sign_in_at_provider import Screen

RULE = ('name = "staging"', 'name = "staging"\nfresh_login = "10m"')
MFA = ('name = "staging"', 'name = "staging"\nmfa = true')
SAID = "needs a sign-in within the last 10 min; signing in again to go on"


def hour_ago() -> int:
    return int(time.time()) - 3600


@pytest.fixture
def stale(laptop: Laptop, server: ClientServer) -> Laptop:
    """Alice's machine, signed in by what she proved an hour ago, under a rule that wants it anew."""
    server.provider.claims = {"auth_time": hour_ago}
    server.front.ca.change_policy(*RULE)
    assert laptop.run("login").returncode == 0
    return laptop


def fresh(server: ClientServer) -> list[str | None]:
    return [query.get("prompt") for query in server.provider.asked]


def test_a_connection_signs_in_again_and_goes_on(stale: Laptop, server: ClientServer) -> None:
    done = stale.run("web1", "echo", "connected")
    assert (done.returncode, done.stdout) == (0, "deploy: echo connected\n"), done.stderr
    assert SAID in done.stderr
    assert fresh(server) == [None, "login"]
    assert len(server.requests()) == 1


def test_so_does_a_request(stale: Laptop, server: ClientServer) -> None:
    done = stale.run("request", "web1", "--reason", "CHG-7 two words")
    assert done.returncode == 0, done.stderr
    assert fresh(server) == [None, "login"]
    assert server.view(server.requests()[0]).reason == "CHG-7 two words"


def test_and_more_time(laptop: Laptop, server: ClientServer) -> None:
    assert laptop.run("request", "web1").returncode == 0
    server.front.ca.change_policy(*RULE)
    server.provider.claims = {"auth_time": hour_ago}
    assert laptop.run("login").returncode == 0
    done = laptop.run("extend", "web1", "--reason", "not done yet")
    assert done.returncode == 0, done.stderr
    assert fresh(server) == [None, None, "login"]


def test_a_reason_that_was_typed_is_not_asked_for_again(stale: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy('name = "staging"', 'name = "staging"\nreason = { pattern = "CHG-[0-9]+" }')
    screen = Screen(stale, "request", "web1")
    screen.until("Say why")
    screen.type("CHG-7 typed once")
    screen.until("signing in again")
    screen.until("/requests/req-")
    assert screen.close() == 0
    assert server.view(server.requests()[0]).reason == "CHG-7 typed once"


def test_a_second_factor_that_does_not_come_is_said_once_with_what_came(laptop: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy(*MFA)
    server.provider.claims = server.provider.fresh_claims = {"amr": ["pwd"], "acr": "1"}
    done = laptop.run("web1", "true")
    assert done.returncode == 4, done.stderr
    assert "a sign-in with a second factor (the provider said amr pwd, acr 1)" in done.stderr.splitlines()[-2]
    assert fresh(server) == [None, "login"], "asked once, and not for ever"


def test_a_provider_that_never_says_when_is_not_asked_again(laptop: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy(*RULE)
    server.provider.claims = server.provider.fresh_claims = {"auth_time": None}
    assert laptop.run("web1", "true").returncode == 4
    assert laptop.run("web1", "true").returncode == 4
    assert fresh(server) == [None, "login"]


def test_where_nobody_can_sign_in_the_line_to_type_is_said(stale: Laptop, server: ClientServer) -> None:
    for done in (stale.run("web1", "true", BROWSER=""), stale.run("--non-interactive", "web1", "true")):
        assert done.returncode == 4
        assert "ssh-jit login --fresh" in done.stderr
    assert fresh(server) == [None]


def test_a_sign_in_that_grew_old_while_somebody_decided(laptop: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy('use_by = "15m"', 'fresh_login = "10m"\nuse_by = "15m"')
    server.provider.claims = {"auth_time": lambda: int(time.time()) - 597}
    assert laptop.run("login").returncode == 0
    waits = laptop.start("--reason", "CHG-7", "postgres@db1", "echo", "connected")
    server.wait_for("POST /api/v1/requests")
    time.sleep(4)
    server.decide(server.requests()[0])
    out, err = waits.communicate(timeout=60)
    assert (waits.returncode, out) == (0, "postgres: echo connected\n"), err
    assert "signing in again to go on" in err
    assert len(server.requests()) == 1


def test_a_decision_goes_on_where_the_sign_in_was_ended_elsewhere(
    laptop: Laptop, bob: Laptop, server: ClientServer
) -> None:
    assert laptop.run("request", "--reason", "CHG-7", "postgres@db1").returncode == 0
    assert bob.run("login").returncode == 0
    browser = server.sign_in(BOB)
    server.say(m.EndLogins(browser, None), m.LoginsReply)
    (request,) = server.requests()
    done = bob.run("approve", request, "--yes")
    assert done.returncode == 0, done.stderr
    assert server.view(request).decisions[0].signed
