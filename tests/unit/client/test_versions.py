"""A laptop beside servers of other ages: what it ignores, what it leaves out, and what it says must be upgraded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sshjit import bundle, versions, wire
from sshjit.errors import Invalid, Refused
from sshjit_client import trusted_bundle
from sshjit_client.api.basic import BasicApi
from tests.support.bundle_cases import NEW_LINE
from tests.support.client_server import ClientServer
from tests.unit.client.conftest import Laptop

ROOT = Path(__file__).resolve().parents[3]


def grown(value: Any) -> Any:
    """Every object with a field more."""
    if isinstance(value, dict):
        return {**{name: grown(item) for name, item in value.items()}, "weather": {"today": "fine"}}
    return [grown(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("words", [("whoami",), ("requests",), ("hosts",), ("status",), ("request", "web1")])
def test_t87_answers_of_a_newer_server_are_understood(
    server: ClientServer, laptop: Laptop, words: tuple[str, ...]
) -> None:
    laptop.set_up(server)
    server.alter = lambda _, value: grown(value)
    login = laptop.run("login")
    assert login.returncode == 0, login.stderr
    done = laptop.run(*words)
    assert done.returncode == 0, done.stderr
    assert "weather" not in done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Question:
    """A body of a later version."""

    reason: str
    ticket: str = wire.added(3, default="", weakens=True)
    mood: str = wire.added(3, default="")


def test_t87_what_an_older_server_does_not_know_is_left_out(server: ClientServer) -> None:
    api = BasicApi(server.url)
    with pytest.raises(Invalid, match="field 'action' is missing"):  # so far it came
        api.send("POST", "explain", Question("CHG-7", mood="sunny"))
    assert server.calls == ["GET /api/v1/version", "POST /api/v1/explain"]
    assert json.loads(server.bodies[-1]) == {"reason": "CHG-7"}
    assert api.version == versions.PROTOCOL


def test_t87_what_may_not_be_left_out_is_not_sent_and_the_server_is_named(server: ClientServer) -> None:
    with pytest.raises(Refused) as too_old:
        BasicApi(server.url).send("POST", "explain", Question("CHG-7", ticket="OPS-1"))
    assert too_old.value.code == "too_old"
    assert too_old.value.message.startswith("the server is too old for this: it does not know 'ticket'")
    assert "upgrade the server" in too_old.value.hint
    assert server.calls == ["GET /api/v1/version"]


def test_t87_a_bundle_of_a_later_ca_says_what_is_left_out_and_what_to_upgrade() -> None:
    fields = json.loads((ROOT / "tests/vectors/bundle-1/bundle.json").read_text())
    later = {**fields, "bundle": 2, "version": 9, "oldest": 9, "release": "9.9.9"}
    later["user_ca"] = [NEW_LINE, *later["user_ca"]]
    found = bundle.read(json.dumps(later, sort_keys=True, separators=(",", ":")), plain_http=True)
    assert trusted_bundle.warnings(found) == [
        "this ssh-jit is too old for the server: upgrade it to 9.9.9 or newer",
        "this ssh-jit does not know keys of the type ssh-made-up@example.com in user_ca; it goes by the rest",
    ]
