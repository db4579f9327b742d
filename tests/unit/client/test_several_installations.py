"""A machine that belongs to two installations: what belongs to one is never used for the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit_client.storage import logins
from tests.support.client_server import NAMES, ClientServer, client_server
from tests.unit.client.conftest import Laptop
from tests.unit.client.ssh_server import ssh_server


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ClientServer]:
    """A second installation that calls itself as the first one does, with one host of the same name."""
    folder = tmp_path / "other"
    folder.mkdir()
    with client_server(folder) as server:
        context = server.front.ca.context
        host_ca, user_ca = server.front.ca.config.key_file("host_ca"), context.keys.public("user_ca").line
        with ssh_server(folder, NAMES, ["deploy@web1", "deploy@web2"], host_ca, user_ca) as port:
            for name in ("web1", "web2"):
                server.host(name, port)
            yield server


@pytest.fixture
def both(laptop: Laptop, other: ClientServer) -> Laptop:
    """Set up for both, and signed in to both."""
    done = laptop.run("setup", other.url, "--root", other.root)
    assert done.returncode == 0, done.stderr
    assert f"set up for test at {other.url}, called test-2 here; sign in with" in done.stderr
    assert "set up for 2 installations; commands without a host go to test\n" in done.stderr
    for name in ("test", "test-2"):
        assert laptop.run("login", "--installation", name).returncode == 0
    return laptop


def test_the_installation_is_chosen_by_the_host(both: Laptop, server: ClientServer, other: ClientServer) -> None:
    server.calls.clear()
    assert both.run("web2", "x").stdout == "deploy: x\n"
    assert server.calls == [], "only the other one has web2"
    assert both.run("web2", "again").stdout == "deploy: again\n"
    other.calls.clear()
    assert both.run("db1", "--non-interactive", "true").returncode != 0
    assert other.calls == []


def test_a_host_of_both_is_never_guessed(both: Laptop, server: ClientServer, other: ClientServer) -> None:
    asked = both.run("web1", "x")
    assert asked.returncode == 2
    text = "ssh-jit: web1 is a host of test and of test-2\nhint: --installation test | test-2\n"
    assert asked.stderr == text
    assert both.run("--installation", "test", "web1", "x").stdout == "deploy: x\n"
    assert both.run("web1", "x").stderr == text, "a certificate that is alive chooses nothing"
    other.calls.clear()
    assert both.run("--installation=test-2", "web1", "x").stdout == "deploy: x\n"
    assert "POST /api/v1/requests" in other.calls
    server.calls.clear()
    assert both.run("web1", "x", SSH_JIT_INSTALLATION="test").stdout == "deploy: x\n"
    assert server.calls == []
    assert both.run("request", "web1").returncode == 2
    assert both.run("request", "--installation", "test", "web1").returncode == 0


def test_a_host_that_no_list_has_is_asked_for_and_said(both: Laptop, server: ClientServer, other: ClientServer) -> None:
    other.host("vault1", 22)
    assert "no rule allows" in both.run("--installation", "test-2", "vault1", "x").stderr
    done = both.run("nowhere", "x")
    assert "no installation is known to have nowhere; asking test, the default one" in done.stderr
    assert "there is no host 'nowhere'" in done.stderr or done.returncode == 2


def test_a_list_that_was_never_fetched_is_fetched_before_it_decides(
    laptop: Laptop, server: ClientServer, other: ClientServer
) -> None:
    """A connection put one name into it, which says nothing of the others."""
    assert laptop.run("web1", "x").returncode == 0
    server.host("web2", 22)
    assert laptop.run("setup", other.url, "--root", other.root).returncode == 0
    assert laptop.run("login", "--installation", "test-2").returncode == 0
    other.calls.clear()
    asked = laptop.run("web2", "x")
    assert (asked.returncode, asked.stdout) == (2, ""), "test-2 has it in its list, and test has it too"
    assert asked.stderr == "ssh-jit: web2 is a host of test and of test-2\nhint: --installation test | test-2\n"
    assert not [call for call in other.calls if call.startswith("POST")]
    server.calls.clear()
    laptop.run("web2", "x")
    assert server.calls == [], "once is enough"


def test_what_one_never_said_is_told_where_nobody_is_signed_in_there(laptop: Laptop, other: ClientServer) -> None:
    assert laptop.run("web1", "x").returncode == 0
    assert laptop.run("setup", other.url, "--root", other.root).returncode == 0
    assert laptop.run("web1", "again").stderr == "", "its access was got before, with these words"
    words = (
        "ssh-jit: using test for {}; test-2 was never asked which hosts it has\n"
        "hint: ssh-jit login --installation test-2 asks it\n"
    )
    assert words.format("web1") in laptop.run("request", "web1").stderr
    unknown = laptop.run("db1", "--no-wait", "true").stderr
    assert words.format("db1") in unknown, "the list of test was fetched meanwhile"


def test_a_host_to_pass_through_is_found_in_whichever_installation_has_it(
    both: Laptop, server: ClientServer, other: ClientServer
) -> None:
    """``web2`` is the second one's; what it answers to a request to pass says that its certificate was asked for."""
    done = both.run("-J", "web2", "db1", "--no-wait", "true")
    assert "web2, to pass through, is a host of test-2" in done.stderr
    assert "your access to 'web2' allows no port forwarding" in done.stderr
    several = both.run("-J", "web1", "web2", "true")
    assert "allows no port forwarding" in several.stderr, "of two, that of the typed host"
    assert [other.view(request).hosts for request in other.requests()] == [("web2",), ("web1",)]
    assert server.requests() == []


def test_a_host_to_pass_through_that_nobody_could_ask_for_is_said(both: Laptop, other: ClientServer) -> None:
    both.run("logout", "--installation", "test-2")
    for path in both.place.parent.parent.rglob("test-2/hosts"):
        path.unlink()
    done = both.run("-J", "web2", "db1", "--no-wait", "true")
    assert "web2 is no host of test; test-2 can't be asked, because you are not signed in there" in done.stderr


def test_plain_ssh_says_which_one_it_takes(both: Laptop) -> None:
    assert "too; plain ssh" not in both.run("config", "--write").stderr
    second = both.run("config", "--write", "--installation", "test-2").stderr
    assert "web1 web1.lab are hosts of test too; plain ssh takes that of the line that comes first" in second
    for name in ("test", "test-2"):
        checked = both.run("config", "--check", "--installation", name).stderr
        assert "once more" not in checked
        assert "first line" not in checked


def test_each_has_a_key_and_a_sign_in_of_its_own(both: Laptop, server: ClientServer, other: ClientServer) -> None:
    one, two = (logins.current(both.env, name, time.time()) for name in ("test", "test-2"))
    assert one is not None
    assert two is not None
    assert (one.url, two.url) == (server.url, other.url)
    assert one.public != two.public
    assert both.run("logout").returncode == 0
    assert both.run("whoami").returncode == 7
    assert both.run("whoami", "--installation", "test-2").returncode == 0
    assert "hint: ssh-jit login --installation test\n" in both.run("whoami").stderr


def test_they_are_listed_chosen_and_removed(both: Laptop, server: ClientServer, other: ClientServer) -> None:
    rows = [line.split() for line in both.run("setup", "--list").stdout.splitlines()]
    assert rows == [
        ["NAME", "SERVER", "SIGNED", "IN"],
        ["test", server.url, "Alice", "default"],
        ["test-2", other.url, "Alice"],
    ]
    assert both.run("setup", "--default", "test-2").returncode == 0
    other.calls.clear()
    both.run("whoami")
    assert other.calls == ["GET /api/v1/whoami"]
    gone = both.run("setup", "--remove", "test-2")
    assert gone.returncode == 0
    assert "sign-in, key, certificates and bundle are removed" in gone.stderr
    assert [login.closed for login in other.front.ca.context.state.logins.values()] == [True]
    assert both.run("web1", "x").stdout == "deploy: x\n", "the one that is left needs no name"
    unknown = both.run("whoami", "--installation", "test-2")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "ssh-jit: this machine is not set up for 'test-2'\nhint: --installation test\n",
    )
    assert both.run("setup", "--remove", "test").returncode == 0
    assert both.run("setup", "--list").returncode == 2


def test_an_installation_has_the_name_that_one_gives_it(stranger: Laptop, server: ClientServer) -> None:
    assert stranger.run("setup", server.url, "--root", server.root, "--name", "../x").returncode == 2
    named = stranger.run("setup", server.url, "--root", server.root, "--name", "work")
    assert f"set up for test at {server.url}, called work here" in named.stderr
    assert stranger.run("web1", "x").stdout == "deploy: x\n"
    again = stranger.run("setup", server.url, "--root", server.root)
    assert "called work here" in again.stderr, "it is the same installation"
    assert stranger.run("whoami").returncode == 0, "setting up again signs nobody out"


def test_an_installation_that_was_made_anew_takes_the_place_of_the_old_one(
    laptop: Laptop, other: ClientServer, server: ClientServer
) -> None:
    """At the same address, with another root that the person was given: nothing of the old one is kept."""
    laptop.run("login")
    path = laptop.config / "installations" / "test.json"
    path.write_text(path.read_text().replace(server.url, other.url))
    done = laptop.run("setup", other.url, "--root", other.root)
    assert done.returncode == 0, done.stderr
    assert "installations; commands" not in done.stderr
    assert laptop.settings.root == other.root
    assert laptop.run("whoami").returncode == 7
    assert laptop.run("web1", "x").stdout == "deploy: x\n"
