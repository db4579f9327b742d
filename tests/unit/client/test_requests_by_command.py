"""Requests from the command line: signed where people decide by them, over what was typed and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit import ca_protocol as m
from tests.support.break_glass import REASON
from tests.support.client_server import ALICE, ClientServer
from tests.support.devices import Agent, agent
from tests.support.installation import BOB
from tests.unit.client.conftest import Laptop

DB1 = ("request", "--reason", "CHG-7", "postgres@db1")
ASKED = "POST /api/v1/requests"
SIGNED_REQUEST = ('use_by = "15m"', 'signed_request = true\nuse_by = "15m"')


@pytest.fixture
def alice(laptop: Laptop, server: ClientServer) -> Laptop:
    """Alice's machine, signed in; Bob, who approves, signed in somewhere too."""
    server.sign_in(BOB)
    assert laptop.run("login").returncode == 0
    server.calls.clear()
    return laptop


def without_key(laptop: Laptop) -> None:
    """The key does not sign any more: its file is damaged, as an agent refuses or a security key is unplugged."""
    laptop.state.joinpath("id_ed25519").write_text("gone\n")


def lies(server: ClientServer, **fields: Any) -> None:
    """The front end shows something else in what is to be signed."""

    def alter(path: str, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("challenge") and "request" in value:
            value["request"].update(fields)
        return value

    server.alter = alter


def test_a_request_is_signed_without_a_question(alice: Laptop, server: ClientServer) -> None:
    done = alice.run(*DB1)
    assert done.returncode == 0, done.stderr
    (request,) = server.requests()
    assert server.view(request).signed
    assert "on the command line, signed by the requester's key" in done.stdout
    assert [call for call in server.calls if call.startswith("POST")] == [ASKED, ASKED]


def test_what_is_granted_at_once_is_one_call(alice: Laptop, server: ClientServer) -> None:
    done = alice.run("request", "web1")
    assert done.returncode == 0, done.stderr
    assert server.calls == [ASKED]
    assert "by a command-line sign-in, from" in done.stdout


def test_more_time_and_emergency_access_are_signed_too(alice: Laptop, server: ClientServer) -> None:
    alice.run(*DB1)
    (first,) = server.requests()
    server.decide(first)
    done = alice.run("extend", "db1", "--reason", "CHG-7 takes longer")
    assert done.returncode == 0, done.stderr
    alice.run("break-glass", "--yes", "db1", "--reason", REASON)
    _, more, broken = map(server.view, server.requests())
    assert (more.extends, more.signed, broken.break_glass, broken.signed) == (first, True, True, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("login", "root"),
        ("action", "migrate"),
        ("reason", "CHG-8"),
        ("hosts", ["db1", "vault1"]),
        ("hosts", []),
        ("start", 1_900_000_000),
        ("break_glass", True),
        ("extends", "req-0123456789abcdef"),
        ("requester", {"id": "sub-0123456789abcdef", "provider": "acme", "name": "Eve", "email": None}),
    ],
)
def test_t71_nothing_is_signed_but_what_was_typed(alice: Laptop, server: ClientServer, field: str, value: Any) -> None:
    lies(server, **{field: value})
    done = alice.run(*DB1)
    assert (done.returncode, server.requests()) == (8, [])
    assert f"for something else than you typed ({field}); nothing was signed" in done.stderr
    assert server.calls.count(ASKED) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("login", "root"), ("extends", "req-0123456789abcdef"), ("reason", "another"), ("host_ids", ["vault1"])],
)
def test_t71_nor_is_more_time_for_something_else(alice: Laptop, server: ClientServer, field: str, value: Any) -> None:
    alice.run(*DB1)
    (first,) = server.requests()
    server.decide(first)
    lies(server, **{field: value})
    done = alice.run("extend", "db1", "--reason", "CHG-7 takes longer")
    assert f"for something else than you typed ({field}); nothing was signed" in done.stderr
    assert server.requests() == [first]


COMMAND = ('actions = ["shell", "migrate"]', 'actions = ["shell", "migrate", "command"]')


def test_t71_another_command_than_the_typed_one_is_not_signed(alice: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy(*COMMAND)
    words = ("request", "--action", "command", "--reason", "CHG-7", "postgres@db1", "pg_dump app")
    lies(server, command="rm -rf /srv")
    done = alice.run(*words)
    assert (done.returncode, server.requests()) == (8, []), done.stderr
    assert "for something else than you typed (action); nothing was signed" in done.stderr
    server.alter = None
    done = alice.run(*words)
    assert done.returncode == 0, done.stderr
    (request,) = map(server.view, server.requests())
    assert (request.command, request.signed) == ("pg_dump app", True)


def test_hosts_that_labels_choose_are_as_many_as_there_are_and_printed(alice: Laptop, server: ClientServer) -> None:
    server.front.ca.add_host("db2", env="prod", role="db")
    done = alice.run("request", "--reason", "CHG-7", "--label", "role=db")
    assert done.returncode == 0, done.stderr
    assert "ssh-jit: this request is for postgres on db1, db2\n" in done.stderr
    (request,) = map(server.view, server.requests())
    assert (request.hosts, request.signed) == (("db1", "db2"), True)


def test_t71_a_longer_time_than_typed_is_not_signed(alice: Laptop, server: ClientServer) -> None:
    lies(server, duration=3600)
    done = alice.run(*DB1, "--for", "10m")
    assert "for something else than you typed (duration)" in done.stderr
    assert server.requests() == []


def test_t71_what_the_server_calls_a_host_is_printed_and_counts_only_if_the_ca_calls_it_so(
    alice: Laptop, server: ClientServer
) -> None:
    done = alice.run("request", "--reason", "CHG-7", "db1.lab")
    assert "ssh-jit: this request is for postgres on db1\n" in done.stderr
    assert len(server.requests()) == 1
    alice.run("cancel", server.requests()[0])
    lies(server, hosts=["vault1"], host_ids=["vault1"])
    done = alice.run("request", "--reason", "CHG-7", "db1.lab")
    assert "this request is for postgres on vault1" in done.stderr
    assert done.returncode == 4
    assert len(server.requests()) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"hosts": ("vault1",)}, ("postgres@db1",)),
        ({"login": "backup"}, ("db1",)),
        ({"start": None}, ("--start", "+2h", "postgres@db1")),
    ],
    ids=["hosts", "login", "start"],
)
def test_t71_a_request_that_was_exchanged_on_its_way_to_the_ca_is_not_signed(
    alice: Laptop,
    server: ClientServer,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    """The CA's own answer to another request than the one that was typed: every word of it is true."""
    server.front.ca.change_policy('hosts = { env = "prod", role = "db" }', 'hosts = { env = "prod" }')
    server.front.ca.change_policy('logins = ["postgres"]', 'logins = ["postgres", "backup"]')
    call = server.front.authority.call

    def exchanged(message: m.Message, reply: type[Any]) -> Any:
        return call(replace(message, **asked) if isinstance(message, m.Ask) else message, reply)

    monkeypatch.setattr(server.front.authority, "call", exchanged)
    done = alice.run("request", "--reason", "CHG-7", *words)
    assert (done.returncode, server.requests()) == (4, []), done.stderr


def test_a_server_that_wants_one_signature_after_the_other_gets_one(alice: Laptop, server: ClientServer) -> None:
    def alter(path: str, value: dict[str, Any]) -> dict[str, Any]:
        return {**value, "challenge": value["challenge"] or "A" * 32} if "existing" in value else value

    server.alter = alter
    done = alice.run(*DB1)
    assert (done.returncode, server.calls.count(ASKED)) == (8, 2)
    assert "a second signature for the same request" in done.stderr


def test_a_key_that_cannot_sign_lets_the_request_go_marked(alice: Laptop, server: ClientServer) -> None:
    without_key(alice)
    done = alice.run(*DB1)
    assert done.returncode == 0, done.stderr
    assert "your key can't sign this request: ssh-keygen failed" in done.stderr
    assert 'the request is sent without a signature, and is marked "not signed"' in done.stderr
    assert "by a command-line sign-in, not signed, from" in done.stdout
    (request,) = server.requests()
    assert server.view(request).not_signed
    assert "not signed; pending" in alice.run("requests").stdout
    assert "not signed; pending" in alice.run("status").stdout


def test_a_request_that_the_server_did_not_let_sign_is_told(alice: Laptop, server: ClientServer) -> None:
    """One that somebody made in Alice's name, or on the pages, or whose challenge the front end kept to itself."""
    asked = m.Ask(server.sign_in(ALICE), ("db1",), "postgres", "shell", None, None, "CHG-7", False, "")  # noqa: FBT003
    made = server.say(asked, m.AskReply).request
    done = alice.run(*DB1)
    assert f'ssh-jit: {made.id} is marked "not signed": the server did not ask your key' in done.stderr
    assert f"hint: to sign it: ssh-jit cancel {made.id[:12]}, then ask again" in done.stderr
    assert alice.run("cancel", made.id).returncode == 0
    assert "marked" not in alice.run(*DB1).stderr
    assert server.view(server.requests()[-1]).signed


def test_unless_the_rule_wants_a_signature(alice: Laptop, server: ClientServer) -> None:
    server.front.ca.change_policy(*SIGNED_REQUEST)
    without_key(alice)
    done = alice.run(*DB1)
    assert (done.returncode, server.requests()) == (4, [])
    assert "needs a request that is signed by your key" in done.stderr
    assert "a request by ssh-jit, signed with the key" in alice.run("explain", "--reason", "CHG-7", "db1").stdout


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[Agent]:
    """An agent of Alice's."""
    with agent(tmp_path / "agent.sock") as running:
        yield running


@pytest.mark.parametrize("constrained", [False, True])
def test_t49_an_agent_signs_unless_its_key_is_for_destinations_alone(
    laptop: Laptop, server: ClientServer, keyring: Agent, tmp_path: Path, *, constrained: bool
) -> None:
    """ssh-agent refuses signatures over anything but a connection to keys that are bound to destinations."""
    server.sign_in(BOB)
    key, known = tmp_path / "key", tmp_path / "known"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    known.write_text(f"web1 {key.with_suffix('.pub').read_text()}")
    assert laptop.run("login", "--key", str(key)).returncode == 0
    env = {"SSH_AUTH_SOCK": str(keyring.socket)}
    bound = ["-h", "web1", "-H", str(known)] if constrained else []
    subprocess.run(["ssh-add", "-q", *bound, key], check=True, env={**laptop.env, **env}, capture_output=True)
    key.write_text("gone\n")
    done = laptop.run(*DB1, SSH_AUTH_SOCK=str(keyring.socket))
    assert done.returncode == 0, done.stderr
    (request,) = server.requests()
    assert server.view(request).signed is not constrained
    assert ('marked "not signed"' in done.stderr) is constrained
