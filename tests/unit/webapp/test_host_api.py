"""What hosts say, and challenges: carried as they are, refused when they are anything else."""

from __future__ import annotations

from typing import Any

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from tests.support.in_process_ca import CommandLine, FrontEnd
from tests.support.installation import BOB
from tests.support.signatures import host_keys, join, renew, report
from tests.unit.webapp.test_api import error

JOIN = m.JoinHost("web1", ("ssh-ed25519 AAAA",), "mac", ("signature",))


def test_what_a_host_says_reaches_the_ca_unchanged(world: FrontEnd) -> None:
    keys = host_keys(world.ca, "ed25519")
    invitation = world.ca.add_host("web9", env="staging").invitation
    assert invitation is not None
    for path, message, status in (
        ("join", join(world.ca, "web9", invitation.token, keys), 201),
        ("renew", renew(world.ca, "web9", keys), 201),
        ("report", report(world.ca, "web9", keys[0]), 204),
    ):
        answer = world.stranger().post(f"/api/v1/host/{path}", json=wire.encode(message))
        assert answer.status_code == status, answer.text
        assert world.authority.messages[-1] == message
        if status == 201:
            reply = wire.decode(m.HostReply, answer.json)
            assert (reply.host.name, len(reply.certificates)) == ("web9", 1)


def test_what_the_ca_refuses_is_told(world: FrontEnd) -> None:
    message = join(world.ca, "web7", "A" * 43, host_keys(world.ca, "ed25519"))
    answer = world.stranger().post("/api/v1/host/join", json=wire.encode(message))
    assert (answer.status_code, error(answer)) == (403, "join_refused")


@pytest.mark.parametrize("change", [{"login_id": "login-1"}, {"host_keys": "x"}, {"time": 1}])
def test_a_host_says_nothing_else(world: FrontEnd, change: dict[str, Any]) -> None:
    answer = world.stranger().post("/api/v1/host/join", json=wire.encode(JOIN) | change)
    assert (answer.status_code, error(answer)) == (400, "bad_message")


def test_a_challenge_is_for_whoever_is_signed_in(world: FrontEnd) -> None:
    bob = CommandLine(world, BOB)
    first, second = bob.post("challenge"), bob.post("challenge")
    assert first.status_code == 201
    challenges = {wire.decode(m.ChallengeReply, answer.json).challenge for answer in (first, second)}
    assert len(challenges) == 2
    assert world.stranger().post("/api/v1/challenge").status_code == 401
