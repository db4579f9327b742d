"""Prometheus scrapes a running installation; promtool takes the rules; each query of the dashboard has an answer."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.lab.paths import free_ports
from tests.metrics.install import PROGRAMS
from tests.support import processes
from tests.support.processes import Processes, Visitor
from tests.support.waiting import PATIENCE, wait_until
from tests.unit.webapp.test_monitoring import FOLDER, alerts, panels

QUIET = (
    *(f"ssh_jit_ca_{word}" for word in ("witness_", "outside_", "checkpoint_")),
    *(f"ssh_jit_ca_{word}" for word in ("failed", "decisions", "refused", "grants_opened")),
    "ssh_jit_web_notify_",
    'status=~"4..|5.."',
)
"""What has no value where nobody is outside or notified, and nothing failed or was decided, refused or granted."""
_CONFIG = """
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: ssh-jit
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310 - our own address
            said = json.loads(answer.read())
        assert said["status"] == "success", said
        return said["data"]

    def ask(self, expression: str) -> list[Any]:
        found: list[Any] = self.get("query", query=expression)["result"]
        return found

    def up(self) -> bool:
        try:
            return bool(self.ask('count_over_time(ssh_jit_ca_up{job="ssh-jit"}[1m]) > 5'))
        except OSError:
            return False


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Processes, int]]:
    """An installation whose front end tells Prometheus."""
    with processes.build(tmp_path_factory.mktemp("lab")) as made:
        (port,) = free_ports(1)
        config = made.paths.etc / "web.toml"
        config.write_text(config.read_text() + f'metrics = "127.0.0.1:{port}"\n')
        made.stop("web")
        made.start("web")
        yield made, port


@contextmanager
def running(folder: Path, target: int) -> Iterator[Prometheus]:
    (port,) = free_ports(1)
    config = folder / "prometheus.yml"
    config.write_text(_CONFIG.format(rules=FOLDER / "alerts.yml", port=target))
    options = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([PROGRAMS / "prometheus", *options], stdout=log, stderr=log)
        try:
            made = Prometheus(port)
            wait_until(made.up, lambda: (folder / "log").read_text()[-2000:])
            yield made
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_promtool_takes_the_rules() -> None:
    done = subprocess.run(
        [PROGRAMS / "promtool", "check", "rules", FOLDER / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(alerts())} rules found" in done.stdout


def test_prometheus_reads_it_and_answers_the_dashboard(lab: tuple[Processes, int], tmp_path: Path) -> None:
    installation, port = lab
    visitor = Visitor("alice")
    visitor.sign_in(installation, "acme")
    for _ in range(20):
        visitor.visit(f"{installation.url}/requests")
    metrics = subprocess.run(
        [PROGRAMS / "promtool", "check", "metrics"],
        input=urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE).read(),
        capture_output=True,
        check=False,
    )
    assert metrics.returncode == 0, metrics.stdout + metrics.stderr
    with running(tmp_path, port) as prometheus:
        silent = []
        for panel in panels():
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "30s")
                if not prometheus.ask(expression) and not any(name in expression for name in QUIET):
                    silent.append((panel["title"], expression))
        assert silent == []
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()}
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
        firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
        assert firing <= {"SshJitEmergency"}, firing


def test_an_alert_is_pending_when_the_ca_is_away(lab: tuple[Processes, int], tmp_path: Path) -> None:
    installation, port = lab
    with running(tmp_path, port) as prometheus:
        installation.stop("ca")
        wait_until(lambda: prometheus.ask("max without (instance) (ssh_jit_ca_up) == 0"))

        def pending() -> bool:
            rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
            return any(rule["name"] == "SshJitCaDown" and rule["state"] != "inactive" for rule in rules)

        wait_until(pending)
