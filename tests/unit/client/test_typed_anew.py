"""What somebody types anew for access that is open or requested already is never passed over in silence."""

from __future__ import annotations

import pytest

from tests.support.client_server import ClientServer
from tests.support.installation import BOB
from tests.unit.client.conftest import Laptop

HINT = "hint: to change it: ssh-jit {} {}, then ask again"


@pytest.fixture
def alice(laptop: Laptop, server: ClientServer) -> Laptop:
    """Alice's machine, with a live certificate for web1 that was asked for with a reason."""
    server.sign_in(BOB)
    done = laptop.run("--reason", "CHG-20 new index", "web1", "true")
    assert done.stdout == "deploy: true\n", done.stderr
    server.calls.clear()
    return laptop


def only(server: ClientServer) -> str:
    (request,) = server.requests()
    return request


def test_the_same_line_again_asks_no_server(alice: Laptop, server: ClientServer) -> None:
    for words in (("--reason", "CHG-20 new index"), ()):
        done = alice.run(*words, "web1", "again")
        assert (done.stdout, done.stderr, server.calls) == ("deploy: again\n", "", [])


def test_another_reason_for_a_live_certificate_is_told(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("--reason", "CHG-21 other work", "web1", "true")
    first, hint = done.stderr.splitlines()
    assert first.startswith("ssh-jit: already requested ")
    assert first.endswith(f' ago ({only(server)[:12]}, reason "CHG-20 new index"); your new reason was NOT recorded')
    assert hint == HINT.format("done", only(server)[:12])
    assert "NOT recorded" in alice.run("--quiet", "--reason", "CHG-21 other work", "web1", "true").stderr


def test_another_duration_for_a_live_certificate_is_told(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("--for", "30m", "web1", "true")
    assert done.returncode == 0
    assert "your new duration of 30 min was NOT recorded: it is for 8 h, open until " in done.stderr
    assert alice.run("--for", "30m", "web1", "true").stderr == "", "it was told"


@pytest.mark.parametrize("words", [("--for", "banana"), ("--for", "0s"), ("--start", "noon"), ("--reason", "a\u200bb")])
def test_what_makes_no_sense_is_refused_though_access_is_open(alice: Laptop, words: tuple[str, str]) -> None:
    done = alice.run(*words, "web1", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert alice.run("request", *words, "web1").returncode == 2


def test_with_the_server_away_what_was_typed_anew_is_told_and_open_access_used(
    alice: Laptop, server: ClientServer
) -> None:
    server.away()
    done = alice.run("--reason", "CHG-21", "web1", "true")
    assert (done.stdout, done.returncode) == ("deploy: true\n", 0)
    said = "ssh-jit: can't reach the CA; what you typed anew was NOT recorded; using the access that is open\n"
    assert done.stderr == said


def test_who_does_not_want_to_wait_hears_the_address(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("--no-wait", "--reason", "CHG-7", "db1", "true")
    request = server.requests()[-1]
    assert done.returncode == 3
    said, hint = done.stderr.splitlines()[-2:]
    assert f"waiting for approval by Bob (lead); {request} stays open until " in said
    assert hint.endswith(f"; {server.url}/requests/{request}")
    assert hint.startswith("hint: the same command picks it up")


def test_access_for_later_is_requested_and_not_waited_for(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("done", "web1")
    assert done.returncode == 0, done.stderr
    done = alice.run("--start", "+2h", "web1", "true")
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert server.view(server.requests()[-1]).start is not None


def test_nobody_is_asked_and_no_browser_opened_where_nobody_shall_be(laptop: Laptop) -> None:
    done = laptop.run("--non-interactive", "web1", "true")
    assert (done.returncode, done.stderr) == (7, "ssh-jit: you are not signed in\nhint: ssh-jit login\n")


def test_a_quiet_run_says_nothing_but_errors(laptop: Laptop) -> None:
    done = laptop.run("--quiet", "web1", "true")
    assert (done.stdout, done.stderr) == ("deploy: true\n", "")
    denied = laptop.run("--quiet", "vault1", "true")
    assert denied.stderr.startswith("ssh-jit: no rule allows")


def test_break_glass_is_an_option_of_a_connection_too(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("--break-glass", "--yes", "--reason", "INC-9 it is down", "db1", "true")
    assert done.stdout == "root: true\n", done.stderr
    assert server.view(server.requests()[-1]).break_glass
