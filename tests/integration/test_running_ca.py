"""The CA as a process: what it has loaded, who can read its keys, and what signals do to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Failed
from sshjit_ca.cli import policies, show
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.operations import admin_client, doctor
from tests.support.installation import ALICE, Installation
from tests.support.issuer import serving
from tests.support.waiting import PATIENCE, wait_until

MAIN = """
import json, pathlib, signal, sys
out = pathlib.Path(sys.argv.pop())
signal.signal(signal.SIGUSR1, lambda *_: out.write_text(json.dumps(sorted(sys.modules))))
from sshjit_ca.__main__ import main
sys.argv[1:] = ["serve"]
sys.exit(main())
"""
"""The program itself, which also says what it has loaded when it is asked by a signal."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[Installation, subprocess.Popen[str]]]:
    """A CA that runs by itself, over the configuration, keys and database of an installation."""
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time(), boot=time.time())
        ca.stop()
        running = subprocess.Popen(
            [sys.executable, "-c", MAIN, str(tmp_path / "modules.json")],
            env=os.environ | {"SSH_JIT_CA_CONFIG": str(tmp_path / "ca.toml")},
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: answers(ca))
        yield ca, running
        running.terminate()
        running.communicate(timeout=PATIENCE)


def answers(ca: Installation) -> bool:
    with suppress(Failed):
        return admin_client.call(ca.config.admin_socket, m.Health(), m.HealthReply).ready
    return False


def say(ca: Installation, message: m.Message) -> dict[str, object]:
    """Says a message at the web socket and returns the whole answer."""
    frame = {"v": 1, "id": 1, "type": wire.type_name(type(message)), "body": wire.encode(message)}
    text = json.dumps(frame).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(ca.config.web_socket))
        connection.sendall(len(text).to_bytes(4, "big") + text)
        connection.shutdown(socket.SHUT_WR)
        raw = b""
        while part := connection.recv(65536):
            raw += part
    answer: dict[str, object] = json.loads(raw[4:])
    return answer


def test_the_running_ca_has_no_web_framework_loaded(
    process: tuple[Installation, subprocess.Popen[str]], tmp_path: Path
) -> None:
    ca, running = process
    ca.time = time.time()
    assert say(ca, ca.native_message(ALICE))["type"] == "ok"
    running.send_signal(signal.SIGUSR1)
    wait_until(lambda: (tmp_path / "modules.json").exists() and bool((tmp_path / "modules.json").read_text()))
    loaded = {name.partition(".")[0] for name in json.loads((tmp_path / "modules.json").read_text())}
    assert {"sshjit_ca", "sqlalchemy", "joserfc", "cryptography"} <= loaded
    assert loaded.isdisjoint({"flask", "werkzeug", "jinja2", "authlib", "granian", "sshjit_web", "demo", "asyncssh"})


def test_sighup_reads_the_policy_again_and_a_bad_one_leaves_the_good_one(
    process: tuple[Installation, subprocess.Popen[str]],
) -> None:
    ca, running = process

    def digest() -> str:
        return admin_client.call(ca.config.admin_socket, m.ReadPolicy(), m.PolicyReply).digest

    first = digest()
    path = ca.home / "policy.toml"
    path.write_text(ca.policy.replace('grant = "8h"', 'grant = "4h"'))
    running.send_signal(signal.SIGHUP)
    wait_until(lambda: digest() != first)
    second = digest()
    path.write_text("version = 1\n[[allow]]\nname = 7\n")
    running.send_signal(signal.SIGHUP)
    assert next_line(running, "policy.toml:3: ").startswith("ssh-jit-ca: the policy file was not loaded: ")
    assert digest() == second
    health = admin_client.call(ca.config.admin_socket, m.Health(), m.HealthReply)
    assert health.ready
    assert health.problems == ("the policy file cannot be loaded; the one before it stays in force",)
    path.write_text(ca.policy)
    running.send_signal(signal.SIGHUP)
    wait_until(lambda: digest() == first)
    assert admin_client.call(ca.config.admin_socket, m.Health(), m.HealthReply).problems == ()


def next_line(running: subprocess.Popen[str], text: str) -> str:
    """The next line of its log in which something is."""
    assert running.stderr is not None
    while text not in (line := running.stderr.readline()):
        assert line
    return line


@pytest.mark.parametrize("name", ["providers.toml", "ca.toml"])
def test_a_file_that_only_a_start_reads_is_named_when_it_has_changed(
    process: tuple[Installation, subprocess.Popen[str]], name: str
) -> None:
    ca, running = process
    path = ca.home / name
    path.write_text(path.read_text() + "# another line\n")
    running.send_signal(signal.SIGHUP)
    assert f"{path} has changed" in next_line(running, "systemctl restart ssh-jit-ca")
    reply = admin_client.call(ca.config.admin_socket, m.LoadPolicy(dry_run=True), m.PolicyLoadReply)
    assert reply.changed_files == (str(path),)
    assert f"{path} has changed" in policies.loaded(reply)
    status = admin_client.call(ca.config.admin_socket, m.Status(), m.StatusReply)
    assert f"{path} has changed" in show.status(status)
    findings = doctor.examine(ca.config, lambda: ca.context.clock, KeyLocations())
    assert [finding.level for finding in findings if f"{path} has changed" in finding.message] == ["warning"]


def test_sigterm_ends_it_and_takes_the_sockets_away(process: tuple[Installation, subprocess.Popen[str]]) -> None:
    ca, running = process
    running.terminate()
    _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, said
    assert not ca.config.web_socket.exists()
    assert not ca.config.admin_socket.exists()


def test_a_second_ca_takes_over_and_the_first_signs_nothing_more(
    process: tuple[Installation, subprocess.Popen[str]],
) -> None:
    ca, _ = process
    ca.time = ca.boot = time.time()
    ca.start()  # another writer, over the same database
    with pytest.raises(Failed) as fenced:
        admin_client.call(
            ca.config.admin_socket, m.AddHost("web9", (), "127.0.0.1", 22, (("env", "staging"),), ()), m.HostReply
        )
    assert fenced.value.code == "fenced"
    ca.stop()
