"""Waiting for a decision."""

from __future__ import annotations

import pytest

from sshjit.api.ask import AskBody
from sshjit.api.views import RequestView, StepView
from sshjit.errors import Refused
from sshjit_client import exit_codes, files, waiting
from sshjit_client.api.basic import BasicApi
from sshjit_client.machine import Session
from sshjit_client.terminal import Terminal
from tests.unit.client.conftest import Laptop
from tests.unit.client.standin import Server

Asked = tuple[BasicApi, RequestView]


@pytest.fixture
def asked(laptop: Laptop, server: Server) -> Asked:
    laptop.run("login")
    session = files.load(laptop.state / "session.json", Session)
    assert session
    api = BasicApi(session.url, session.token)
    return api, api.ask(AskBody(("db1",), "postgres", "shell", None, None, "", certificate=True)).request


def must_not_sleep(seconds: float) -> None:
    pytest.fail("there was nothing to wait for")


def test_t42_a_decision_made_before_the_wait_is_seen_at_once(asked: Asked, server: Server) -> None:
    api, request = asked
    server.decide(request.id, "approve", {"digest": request.digest, "comment": ""})
    decided = waiting.until_decided(api, request, Terminal(), sleep=must_not_sleep)
    assert decided.state.value == "approved"


@pytest.mark.parametrize(("how", "code"), [("deny", 4), ("cancel", 4), ("end", 5)])
def test_each_end_has_its_exit_code(asked: Asked, server: Server, how: str, code: int) -> None:
    api, request = asked
    if how == "deny":
        server.decide(request.id, how, {"digest": request.digest, "comment": ""})
    else:
        server.close(request.id, how)
    with pytest.raises(Refused) as error:
        waiting.until_decided(api, request, Terminal(), sleep=must_not_sleep)
    assert exit_codes.of(error.value) == code


def test_without_a_terminal_one_line_when_something_changes(
    asked: Asked, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    api, request = asked
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 5:
            server.decide(request.id, "approve", {"digest": request.digest, "comment": ""})

    waiting.until_decided(api, request, Terminal(), sleep=sleep)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" (until")[0] for line in lines] == [
        "ssh-jit: postgres@db1, 1 h: waiting for Bob (sre-lead)",
        "ssh-jit: approved by Bob",
    ]


def step(role: str, missing: int, *candidates: str) -> StepView:
    return StepView(role, max(missing, 1), signed=False, missing=missing, candidates=candidates)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step("sre-lead", 1, "Bob")], "waiting for Bob (sre-lead)"),
        ([step("sre-lead", 1, "Bob", "Eve")], "waiting for Bob or Eve (sre-lead)"),
        ([step("sre-lead", 1)], "waiting for somebody in sre-lead"),
        ([step("dba", 2, "A", "B", "C")], "waiting for 2 of A, B and C (dba)"),
        ([step("dba", 2)], "waiting for 2 of dba"),
        ([step("dba", 0), step("x", 1), step("y", 1, "Z")], "waiting for somebody in x and Z (y)"),
        ([], "waiting"),
    ],
)
def test_who_can_approve_is_said(steps: list[StepView], said: str) -> None:
    assert waiting.missing(tuple(steps)) == said
