"""Approvals from the command line: signed with the login's key where a step asks for it, over what was shown."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.client.conftest import Laptop
from tests.unit.client.standin import Server


def test_an_approval_is_signed_where_a_step_asks_for_it(laptop: Laptop, server: Server) -> None:
    server.signed = True
    laptop.run("request", "db1")
    (request,) = server.requests
    done = laptop.run("approve", request, "--comment", "go ahead")
    assert done.returncode == 0, done.stderr
    assert "(signed)" in done.stdout
    assert server.requests[request].decisions[0].signed


def test_an_approval_is_a_word_where_none_does(laptop: Laptop, server: Server) -> None:
    laptop.run("request", "db1")
    (request,) = server.requests
    assert laptop.run("approve", request).returncode == 0
    assert not server.requests[request].decisions[0].signed
    assert "POST /api/v1/challenge" not in server.calls


def test_t52_what_was_shown_is_what_is_signed(laptop: Laptop, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.signed = True
    laptop.run("request", "db1")
    (request,) = server.requests
    honest, check = server.requests[request], server.check_signature

    def check_the_truth(known: str, body: dict[str, Any], key: str) -> bool:
        server.requests[known] = honest
        return check(known, body, key)

    monkeypatch.setattr(server, "check_signature", check_the_truth)
    server.requests[request] = dataclasses.replace(honest, login="root")
    done = laptop.run("approve", request)
    assert "root@db1" in done.stdout
    assert done.returncode == 4
    assert "the signature does not fit" in done.stderr
    assert server.requests[request].decisions == ()
