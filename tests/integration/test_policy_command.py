"""``ssh-jit-ca policy`` on a running CA: the texts of what decided, by digest."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ca_process import CaProcess, run_command
from tests.support.installation import ALICE, POLICY, Installation
from tests.support.issuer import serving
from tests.support.waiting import wait_until


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Installation]:
    with serving() as acme, serving() as partner:
        installation = Installation(tmp_path, {"acme": acme, "partner": partner}, time=1.0)
        installation.stop()
        yield installation


def test_the_operator_reads_every_policy_that_decided(ca: Installation) -> None:
    config, path = ca.home / "ca.toml", ca.home / "policy.toml"
    first, second = POLICY, POLICY.replace('grant = "8h"', 'grant = "4h"')
    one, two = (hashlib.sha256(text.encode()).hexdigest() for text in (first, second))
    running_ca = CaProcess.start(config, ca.config.admin_socket)
    try:
        wait_until(running_ca.ready)
        assert run_command(config, "policy", "show") == first
        path.write_text(second)
        running_ca.process.send_signal(signal.SIGHUP)
        wait_until(lambda: (health := running_ca.health()) is not None and health.policy == two)
        assert run_command(config, "policy", "show") == second
        assert run_command(config, "policy", "show", one[:8]) == first
        assert json.loads(run_command(config, "policy", "show", "--json", one)) == {"text": first, "digest": one}
        listed = run_command(config, "policy", "list").splitlines()
        assert [line.split()[0] for line in listed] == ["DIGEST", two[:16], one[:16]]
        assert "in force" in listed[1]
        assert json.loads(run_command(config, "policy", "list", "--json"))["policies"][1]["replaced_by"] == two
        said = run_command(config, "policy", "show", "0000000000", code=2)
        assert "no policy 0000000000 was ever in force here" in said
        assert "ssh-jit-ca policy list" in said
    finally:
        running_ca.end()


def test_a_load_and_sighup_say_which_grants_they_close(tmp_path: Path) -> None:
    with serving() as acme, serving() as partner:
        ca = Installation(tmp_path, {"acme": acme, "partner": partner}, time=time.time() - 30)
        ca.add_host("web1", env="staging")
        grant = ca.ask(ca.native(ALICE), "web1").request.id
        ca.stop()
    config, path = ca.home / "ca.toml", ca.home / "policy.toml"
    stricter = POLICY.replace("approvals = []", 'approvals = [{ from = "lead", count = 1 }]')
    running_ca = CaProcess.start(config, ca.config.admin_socket)
    try:
        wait_until(running_ca.ready)
        path.write_text(stricter)
        dry = run_command(config, "policy", "load", "--dry-run")
        assert "can be loaded; nothing was changed\n1 open grant would give no further certificate:" in dry
        assert f"{grant}  deploy@web1  " in dry
        assert '\n    a-1 <alice@example.com>: rule "staging" now needs approval by 1 of lead\n' in dry
        assert run_command(config, "policy", "show") == POLICY
        labels = run_command(config, "host", "label", "web1", "env=prod", "--dry-run")
        assert "nothing was changed\n1 open grant would give no further certificate:" in labels
        assert "no rule allows logging in to web1 as deploy" in labels
        running_ca.process.send_signal(signal.SIGHUP)
        line = f"{grant} of alice@example.com, deploy@web1 by rule staging until "
        wait_until(lambda: line in running_ca.log.read_text())
        assert "gives no further certificate: " in running_ca.log.read_text()
        assert run_command(config, "policy", "show") == stricter
        path.write_text(POLICY)
        assert "is in force\nit closes no open grant" in run_command(config, "policy", "load")
        path.write_text(stricter)
        said = json.loads(run_command(config, "policy", "load", "--json"))
        assert [(each["request"], each["code"]) for each in said["closes"]] == [(grant, "policy_changed")]
        assert "is in force already" in run_command(config, "policy", "load")
        path.write_text("version = 7")
        assert "policy.toml:1: version" in run_command(config, "policy", "load", code=2)
        assert run_command(config, "policy", "show") == stricter
    finally:
        running_ca.end()
