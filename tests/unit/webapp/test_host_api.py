"""Hosts and signed acts over the API: carried as they are, refused when they are anything else."""

from __future__ import annotations

from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from tests.unit.webapp.conftest import World
from tests.unit.webapp.test_api import Caller, error

JOIN = m.JoinHost("web1", ("ssh-ed25519 AAAA",), "mac", ("signature",))
RENEW = m.SignHost("web1", ("ssh-ed25519 AAAA",), 1, ("signature",))
REPORT = m.HostReport("web1", "ssh-ed25519 AAAA", 1, 1, 0, (), (), "signature")


@pytest.mark.parametrize(
    ("path", "message", "status"), [("join", JOIN, 201), ("renew", RENEW, 201), ("report", REPORT, 204)]
)
def test_what_a_host_says_reaches_the_authority_unchanged(world: World, path: str, message: Any, status: int) -> None:
    answer = world.anybody().post(f"/api/v1/host/{path}", json=wire.encode(message))
    assert answer.status_code == status
    assert world.standin.heard[-1] == message
    if status == 201:
        assert wire.decode(m.HostReply, answer.json).host.name == "web1"


def test_what_the_authority_refuses_is_told(world: World) -> None:
    body = wire.encode(JOIN) | {"name": "web7"}
    answer = world.anybody().post("/api/v1/host/join", json=body)
    assert (answer.status_code, error(answer)) == (403, "join_refused")


@pytest.mark.parametrize("change", [{"login_id": "login-1"}, {"host_keys": "x"}, {"time": 1}])
def test_a_host_says_nothing_else(world: World, change: dict[str, Any]) -> None:
    answer = world.anybody().post("/api/v1/host/join", json=wire.encode(JOIN) | change)
    assert (answer.status_code, error(answer)) == (400, "bad_message")


def test_a_challenge_is_for_whoever_is_signed_in(world: World) -> None:
    bob = Caller(world, "bob")
    answer = bob.post("/api/v1/challenge")
    assert answer.status_code == 201
    assert wire.decode(m.ChallengeReply, answer.json).challenge == "c" * 32
    assert world.anybody().post("/api/v1/challenge").status_code == 401
