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


def test_an_approval_is_a_word_where_none_does(request_id: str, bob: Laptop, server: ClientServer) -> None:
    assert bob.run("approve", request_id).returncode == 0
    assert not server.view(request_id).decisions[0].signed
    assert "POST /api/v1/challenge" not in server.calls


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
