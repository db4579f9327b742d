"""What an error tells to whom: people, and anybody at /readyz, no host, path, address or command of the operator's."""

from __future__ import annotations

import logging
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from sshjit import ca_protocol as m
from sshjit.errors import Failed, Invalid, SshJitError
from sshjit_ca.operations import admin_client
from sshjit_ca.public_errors import NotDone, public_error
from sshjit_web import migrate
from sshjit_web.app import create_app
from sshjit_web.ca_client import CaClient
from sshjit_web.store import Store, open_engine
from tests.support import postgres
from tests.support.ca_sockets import serving_sockets
from tests.support.in_process_ca import KEY, CommandLine, FrontEnd, client_of
from tests.support.installation import ALICE

SECRETS = re.compile(
    r"/(?:tmp|var|run|home|etc|work)\b|sqlite|psycopg|postgres|\.db\b|\.sock\b|ssh-jit-ca|ca\.toml|root"
)


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as made:
        yield made


def test_a_database_that_is_away_is_named_to_nobody_but_the_log(
    world: FrontEnd, server: postgres.Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(server.bare())
    migrate.upgrade(engine)
    app = create_app(world.config, world.authority, Store(engine), {}, key=KEY, clock=lambda: world.ca.time)
    app.test_client_class = client_of(world.origin)
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(20)
    client = app.test_client()
    client.set_cookie(world.cookie, "t" * 40, domain="127.0.0.1")
    ready, page = client.get("/readyz"), client.get("/requests")
    said = client.get("/api/v1/whoami", headers={"Authorization": f"Bearer {'t' * 40}"})
    for answer in (ready, page, said):
        assert answer.status_code == 503
        assert not SECRETS.search(answer.text), answer.text
    assert ready.get_json()["problems"] == ["the front end's database is away"]
    assert "try again in a minute" in page.text.lower()
    (number,) = re.findall(r"Reference <code>(\w+)</code>", page.text)
    lines = {line for line in caplog.messages if f"[{number}]" in line}
    assert len(lines) == 1
    assert str(server.sockets) in lines.pop(), "the operator finds by the number what it was"
    assert f"[{said.headers['Ssh-Jit-Reference']}]" in caplog.text
    engine.dispose()


def test_what_is_wrong_at_the_ca_is_told_to_the_operator_in_full_and_to_people_in_words(
    world: FrontEnd, caplog: pytest.LogCaptureFixture
) -> None:
    """Through real sockets: the log cannot be written, and the database says why."""
    alice, ca = CommandLine(world, ALICE), world.ca
    with serving_sockets(ca, frozenset({os.geteuid()})), closing(CaClient(ca.config.web_socket)) as client:
        app = create_app(world.config, client, world.store, {}, key=KEY, clock=lambda: ca.time)
        app.test_client_class = client_of(world.origin)
        with closing(sqlite3.connect(ca.config.home / "ca.db", isolation_level=None)) as other:
            other.execute("CREATE TRIGGER broken BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, '/var/x bad'); END")
        body = {"hosts": ["web1"], "login": None, "action": "shell", "command": None, "duration": None}
        asked = {**body, "reason": "CHG-7 x", "certificate": True}
        answer = app.test_client().post("/api/v1/requests", json=asked, headers=alice.headers)
        ready = app.test_client().get("/readyz")
        error = answer.get_json()["error"]
        assert (answer.status_code, error["code"]) == (503, "not_signing")
        assert error["message"] == "the CA cannot sign now; what was approved stays approved"
        for text in (answer.text, ready.text):
            assert not SECRETS.search(text), text
            assert "/var/x bad" not in text
        assert ready.status_code == 503
        with pytest.raises(Failed) as full:
            admin_client.call(ca.config.admin_socket, m.Lock(None, "everything", None, "a drill"), m.LockReply)
        assert "/var/x bad" in full.value.message
        assert full.value.hint == "ssh-jit-ca doctor"
    assert "/var/x bad" in caplog.text, "the CA's own log has it as well"


@pytest.mark.parametrize(
    "error",
    [
        Failed("disk_full", "the disk of /var/lib/ssh-jit-ca is full (0.1 MiB left)", hint="make room"),
        Failed("no_database", "cannot be read: connection to server at db.internal failed", hint="ssh-jit-ca migrate"),
        Failed("not_signing", "the ssh-agent at /run/agent.sock refused", hint="SSH_AUTH_SOCK=/run/agent.sock ssh-add"),
        Failed("never_seen_before", "somebody wrote this at /root", hint="chown root /root"),
        Failed("log_rolled_back", "the log has 7 entries", hint="ssh-jit-ca restore --accept-loss"),
        Invalid("unknown_host", "there is no host web9", hint="ssh-jit-ca host list"),
    ],
)
def test_no_error_of_the_cas_carries_what_is_for_the_operator(error: SshJitError) -> None:
    told = public_error(error)
    assert (told.family, told.code) == (error.family, error.code)
    assert not SECRETS.search(f"{told.message} {told.hint}")
    assert told.message


def test_what_was_not_done_is_said_in_any_case() -> None:
    error = NotDone("the lock is NOT in force", Failed("not_signing", "/var/x: read-only", hint="ssh-jit-ca doctor"))
    assert error.message == "the lock is NOT in force: /var/x: read-only"
    told = public_error(error)
    assert told.message == "the lock is NOT in force: the CA cannot sign now; what was approved stays approved"
    assert told.hint.startswith("try again in a minute")


def test_a_hint_that_is_for_people_stays() -> None:
    error = Invalid("bad_reason", "the reason must be a number", hint="write CHG-7")
    assert public_error(error) is error


def test_a_failure_in_a_page_is_logged_once_with_its_number(world: FrontEnd, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    browser = world.browser(ALICE)
    world.authority.stop()
    page = browser.get("/requests/new")
    (number,) = re.findall(r"Reference <code>(\w+)</code>", page.text)
    assert caplog.text.count(f"[{number}]") == 1
