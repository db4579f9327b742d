"""What a command signs was printed before: at the moment at which it fetches the challenge, the person can read it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from sshjit import signed_actions, wire
from tests.support.client_server import ClientServer
from tests.support.installation import BOB
from tests.support.signatures import ADMIN_POLICY
from tests.unit.client.conftest import Laptop

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMj+Rs6zR4Zig+fl+nBqO0wB3LiQ97pvAQbhfxk8xGM"
ACTS = {
    "unlock": ("unlock", "LOCK", "--reason", "found"),
    "add_host": (
        *("hosts", "add", "app1", "--address", "192.0.2.9", "--port", "2222", "--alias", "app1.lab"),
        *("--label", "env=prod", "--host-key", "KEY"),
    ),
    "label_host": ("hosts", "label", "web1", "--label", "env=prod"),
    "remove_host": ("hosts", "remove", "web1", "--reason", "gone"),
}
"""Every signed act -> the command for it."""
SHOWN = {
    "unlock": ("Alice (acme) is locked since ", " by Bob (acme): laptop lost", "the lock LOCK is on: person ALICE"),
    "add_host": (
        *("host app1 at 192.0.2.9:2222", "alias app1.lab", "label env=prod"),
        "key SHA256:",
    ),
    "label_host": ("host web1 (web1) at ADDRESS, also web1.lab, env=staging", "its labels from now on: env=prod"),
    "remove_host": ("host web1 (web1) at ADDRESS, also web1.lab, env=staging",),
}


class Watched:
    """A command whose output is read at the moments at which the server answers it."""

    def __init__(self, laptop: Laptop, server: ClientServer, folder: Path) -> None:
        self.laptop = laptop
        self.output = folder / "output"
        self.before: list[str] = []
        """What was printed when each challenge went out."""
        server.alter = self._look

    def run(self, *words: str) -> str:
        """Runs a command that must succeed; returns all that it printed."""
        command = [sys.executable, "-m", "sshjit_client", *words]
        with self.output.open("w") as file:
            done = subprocess.run(
                command, env=self.laptop.env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
            )
        printed = self.output.read_text()
        assert done.returncode == 0, printed
        return printed

    def _look(self, path: str, value: dict[str, Any]) -> dict[str, Any]:
        if path.endswith("/challenge"):
            self.before.append(self.output.read_text())
        return value


@pytest.fixture
def watched(laptop: Laptop, bob: Laptop, server: ClientServer, tmp_path: Path) -> Watched:
    """Bob's machine, who is signed in, as Alice is, and may do everything."""
    server.front.ca.change_policy('unlock = ["lead"]', ADMIN_POLICY[1].partition("\n")[2])
    for one in (laptop, bob):
        assert one.run("login").returncode == 0
    return Watched(bob, server, tmp_path)


ELSEWHERE = {"register_passkey", "accept_passkey"}
"""Acts about keys of one's own, which ``test_passkeys_by_command.py`` looks at."""


def test_there_is_a_command_for_every_signed_act() -> None:
    assert ACTS.keys() == SHOWN.keys() == {wire.type_name(each) for each in get_args(signed_actions.Act)} - ELSEWHERE


@pytest.mark.parametrize("act", ACTS)
def test_t71_an_act_is_shown_before_it_is_signed(
    watched: Watched, server: ClientServer, tmp_path: Path, act: str
) -> None:
    state = server.front.ca.context.state
    key = tmp_path / "host.pub"
    key.write_text(f"{KEY}\n")
    web1 = state.hosts["web1"]
    names = {"ADDRESS": f"{web1.address}:{web1.port}", "KEY": str(key), "ALICE": state.subjects["acme/a-1"]}
    if act == "unlock":
        watched.run("lock", "--person", "acme/alice@example.com", "--reason", "laptop lost")
        (names["LOCK"],) = server.front.ca.context.state.locks

    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(name, value)
        return text

    watched.run(*map(filled, ACTS[act]))
    (before,) = watched.before
    for text in map(filled, SHOWN[act]):
        assert text in before


@pytest.mark.parametrize("words", [("approve", "REQUEST"), ("deny", "REQUEST", "--reason", "freeze")], ids=" ".join)
def test_t71_a_request_is_shown_before_its_answer_is_signed(
    laptop: Laptop, watched: Watched, server: ClientServer, words: tuple[str, ...]
) -> None:
    server.sign_in(BOB)
    assert laptop.run("request", "--reason", "CHG-7 add index", "postgres@db1").returncode == 0
    (request,) = server.requests()
    watched.before.clear()
    watched.run(*(word.replace("REQUEST", request) for word in words))
    (before,) = watched.before
    for text in ("postgres@db1", "Alice", "CHG-7 add index", "1 h", "database"):
        assert text in before
