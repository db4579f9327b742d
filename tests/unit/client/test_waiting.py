"""Waiting for a decision."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sshjit.api.ask import AskBody
from sshjit.api.views import RequestView, StepView
from sshjit.errors import Refused, SshJitError
from sshjit_client.api.full import FullApi
from sshjit_client.console import exit_codes
from sshjit_client.requests import waiting
from sshjit_client.storage import files
from sshjit_client.storage.machine import Machine, Session
from tests.support.client_server import ClientServer
from tests.support.in_process_ca import BEA
from tests.support.installation import BOB
from tests.support.typed_session import typed_session
from tests.support.waiting import wait_until
from tests.unit.client.conftest import Laptop, here

COMMAND = [sys.executable, "-m", "sshjit_client"]
Pending = tuple[FullApi, RequestView]


@pytest.fixture
def pending(laptop: Laptop, server: ClientServer) -> Pending:
    """A request of Alice's that Bob, who signed in lately, can approve."""
    server.sign_in(BOB)
    laptop.run("login")
    session = files.load(laptop.state / "session.json", Session)
    assert session
    api = FullApi(session.url, session.token)
    body = AskBody(("db1",), "postgres", "shell", None, None, "CHG-7", certificate=True, unsigned=True)
    return api, api.ask(body).request


def nobody() -> Machine:
    """A machine at which nobody sits."""
    return here(Path("/nowhere"))


def must_not_sleep(seconds: float) -> None:
    pytest.fail("there was nothing to wait for")


def test_t42_a_decision_made_before_the_wait_is_seen_at_once(pending: Pending, server: ClientServer) -> None:
    api, request = pending
    server.decide(request.id)
    decided = waiting.until_decided(api, request, nobody(), sleep=must_not_sleep)
    assert decided.state.value == "approved"


@pytest.mark.parametrize(("how", "code"), [("deny", 4), ("cancel", 4), ("end", 5)])
def test_each_end_has_its_exit_code(pending: Pending, server: ClientServer, how: str, code: int) -> None:
    api, request = pending
    if how == "cancel":
        api.close("cancel", request.id)
    else:
        server.decide(request.id, "deny" if how == "deny" else "approve", "no")
    if how == "end":
        api.close("end", request.id)
    with pytest.raises(Refused) as error:
        waiting.until_decided(api, request, nobody(), sleep=must_not_sleep)
    assert exit_codes.of(error.value) == code
    assert error.value.page == f"{server.url}/requests/{request.id}"


def test_what_the_server_refuses_of_a_request_is_told_with_its_address(
    pending: Pending, laptop: Laptop, server: ClientServer
) -> None:
    api, request = pending
    api.close("cancel", request.id)
    done = laptop.run("cancel", request.id)
    assert done.stderr.splitlines()[-1].endswith(f"{server.url}/requests/{request.id}"), done.stderr
    for unknown in (lambda: api.request("req-0000000000000000"), lambda: api.requests("all")):
        with pytest.raises(SshJitError) as error:
            unknown()
        assert error.value.page == "", "there is no page of it"


def test_t73_nobody_waits_for_what_nobody_can_approve_any_more(pending: Pending, server: ClientServer) -> None:
    api, request = pending
    server.front.ca.change_policy('name = "database"', 'name = "databases"')
    with pytest.raises(Refused) as error:
        waiting.until_decided(api, request, nobody(), sleep=must_not_sleep)
    assert (error.value.code, error.value.hint) == ("policy_changed", "the same command requests it again")
    assert error.value.page == f"{server.url}/requests/{request.id}"
    assert 'rule "databases" decides now, not "database"' in error.value.message


def test_without_a_terminal_one_line_when_something_changes(
    pending: Pending, server: ClientServer, capsys: pytest.CaptureFixture[str]
) -> None:
    api, request = pending
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 5:
            server.decide(request.id)

    waiting.until_decided(api, request, nobody(), sleep=sleep)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(", until")[0] for line in lines] == [
        "ssh-jit: postgres@db1, 1 h: waiting for approval by Bob (lead)",
        f"ssh-jit: {server.url}/requests/{request.id}",
        "ssh-jit: approved by Bob",
    ]


def test_two_approvals_are_told_in_80_columns_and_the_person_is_called(
    laptop: Laptop, server: ClientServer, tmp_path: Path
) -> None:
    """By the bell, and where there is a desktop by its notification: nothing in it is markup."""
    server.front.ca.change_policy("count = 1", "count = 2")
    for approver in (BOB, BEA):
        server.sign_in(approver)
    laptop.run("login")
    called = desktop(tmp_path)
    env = laptop.env | {"PATH": f"{tmp_path}:{laptop.env['PATH']}", "DISPLAY": ":9"}
    with typed_session([*COMMAND, "--reason", "CHG-7", "db1", "x"], env) as session:
        session.wait_for("left · waiting for approval by 2 of Bea and Bob (lead)")
        (request,) = server.requests()
        server.decide(request, by=BOB)
        session.wait_for("ssh-jit: approved by Bob; waiting for approval by Bea (lead)\n")
        session.wait_for("s left · waiting for Bea (lead) · approved by Bob\n")
        assert not called.exists()
        server.decide(request, by=BEA)
        assert session.end() == 0, session.text
    assert session.shown.count("\a") == 1
    assert "ssh-jit: approved by Bob and Bea\n" in session.text
    wait_until(called.exists)
    assert called.read_text() == "--app-name=ssh-jit\n--\nssh-jit\npostgres@db1, 1 h: approved\n"


@pytest.mark.parametrize(("more", "bells"), [("", 1), ("TERM=dumb DISPLAY=:9", 0), ("DISPLAY=:9 -q", 0)])
def test_nobody_is_called_who_does_not_want_it_or_has_no_desktop(
    laptop: Laptop, server: ClientServer, tmp_path: Path, more: str, bells: int
) -> None:
    server.sign_in(BOB)
    laptop.run("login")
    called = desktop(tmp_path)
    set_there, quiet, _ = more.partition("-q")
    env = (
        laptop.env | {"PATH": f"{tmp_path}:{laptop.env['PATH']}"} | dict(pair.split("=") for pair in set_there.split())
    )
    words = [*COMMAND, *(["--quiet"] if quiet else []), "--reason", "CHG-7", "db1", "x"]
    with typed_session(words, env, term=env.get("TERM", "xterm")) as session:
        server.wait_for("GET /api/v1/requests/req-", 2)
        server.decide(server.requests()[0])
        assert session.end() == 0, session.text
    assert session.shown.count("\a") == bells
    if told := "dumb" in more:
        wait_until(called.exists)
    assert called.exists() == told


def desktop(folder: Path) -> Path:
    """A ``notify-send`` in this folder; the file that has its words once it was called."""
    called, script = folder / "called", folder / "notify-send"
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {called}.new && mv {called}.new {called}\n")
    script.chmod(0o755)
    return called


def step(role: str, missing: int, *candidates: str) -> StepView:
    return StepView(role, max(missing, 1), signed=False, missing=missing, candidates=candidates)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step("sre-lead", 1, "Bob")], "waiting for approval by Bob (sre-lead)"),
        ([step("sre-lead", 1, "Bob", "Eve")], "waiting for approval by Bob or Eve (sre-lead)"),
        ([step("sre-lead", 1)], "waiting for approval by somebody in sre-lead"),
        ([step("dba", 2, "A", "B", "C")], "waiting for approval by 2 of A, B and C (dba)"),
        ([step("dba", 2)], "waiting for approval by 2 of dba"),
        ([step("dba", 0), step("x", 1), step("y", 1, "Z")], "waiting for approval by somebody in x and Z (y)"),
        ([], "waiting for approval"),
    ],
)
def test_who_can_approve_is_said(steps: list[StepView], said: str) -> None:
    assert waiting.missing(tuple(steps)) == said
