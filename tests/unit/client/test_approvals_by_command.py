"""Approvals from the command line: signed with the sign-in's key where a step needs it, over what was shown."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sshjit.api.views import RequestState
from tests.support.client_server import ClientServer
from tests.support.signatures import SIGNED_POLICY
from tests.unit.client.conftest import Laptop


@pytest.fixture
def request_id(laptop: Laptop, server: ClientServer) -> str:
    """Alice's request for the database."""
    laptop.run("request", "--reason", "CHG-7", "db1")
    (request,) = server.requests()
    return request


@pytest.fixture
def signed(server: ClientServer) -> None:
    """Approvals of the database need a signature."""
    server.front.ca.change_policy(*SIGNED_POLICY)


@pytest.mark.usefixtures("signed")
def test_an_approval_is_signed_where_a_step_asks_for_it(request_id: str, bob: Laptop, server: ClientServer) -> None:
    done = bob.run("approve", request_id, "--comment", "go ahead")
    assert done.returncode == 0, done.stderr
    assert ", signed: Bob" in done.stdout
    assert server.view(request_id).decisions[0].signed


def test_an_approval_is_signed_where_none_does(request_id: str, bob: Laptop, server: ClientServer) -> None:
    assert bob.run("approve", request_id).returncode == 0
    assert server.view(request_id).decisions[0].signed


def test_a_denial_is_shown_and_signed(request_id: str, bob: Laptop, server: ClientServer) -> None:
    done = bob.run("deny", request_id, "--reason", "not today")
    assert (done.returncode, "postgres@db1" in done.stdout) == (0, True), done.stderr
    (decision,) = server.view(request_id).decisions
    assert (decision.verdict, decision.signed) == ("deny", True)


def without_key(laptop: Laptop) -> None:
    """The key does not sign any more: its file is damaged, as an agent refuses or a security key is unplugged."""
    laptop.state.joinpath("id_ed25519").write_text("gone\n")


def test_an_approval_goes_unsigned_if_the_key_cannot_sign(request_id: str, bob: Laptop, server: ClientServer) -> None:
    assert bob.run("login").returncode == 0
    without_key(bob)
    done = bob.run("approve", request_id)
    assert done.returncode == 0, done.stderr
    assert "ssh-jit: your key can't sign this approval: ssh-keygen failed" in done.stderr
    assert 'sent without a signature, and is marked "not signed"' in done.stderr
    assert [each.signed for each in server.view(request_id).decisions] == [False]


@pytest.mark.usefixtures("signed")
def test_and_is_refused_where_a_step_asks_for_a_signature(request_id: str, bob: Laptop, server: ClientServer) -> None:
    assert bob.run("login").returncode == 0
    without_key(bob)
    done = bob.run("approve", request_id)
    assert done.returncode == 4
    assert "this approval requires a signature by your key" in done.stderr
    assert server.view(request_id).decisions == ()


@pytest.mark.usefixtures("signed")
def test_t52_what_was_shown_is_what_is_signed(request_id: str, bob: Laptop, server: ClientServer) -> None:
    """A front end that shows another account than the CA knows gets no signature that the CA takes."""

    def show_root(path: str, value: dict[str, Any]) -> dict[str, Any]:
        if path.endswith(request_id):
            value["request"]["login"] = "root"
        return value

    server.alter = show_root
    done = bob.run("approve", request_id)
    assert "root@db1" in done.stdout
    assert done.returncode == 4
    assert "signature" in done.stderr
    request = server.view(request_id)
    assert (request.state, request.decisions) == (RequestState.PENDING, ())
    assert dataclasses.replace(request, login="root").digest == request.digest
