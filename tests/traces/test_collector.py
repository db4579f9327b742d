"""A real front end's spans at the OpenTelemetry Collector, which nobody here wrote."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.lab.paths import free_ports
from sshjit import traces
from tests.support.processes import Processes, Visitor, build
from tests.support.waiting import PATIENCE, wait_until
from tests.traces.install import HOME

TRACE, ASKER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SETTINGS = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  debug: {{verbosity: detailed}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
"""


class Collector:
    """The collector as a process; what it got is in its log."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        (folder / "otelcol.yaml").write_text(SETTINGS.format(port=port))
        self.log = folder / "otelcol.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command: list[str | Path] = [HOME / "otelcol", "--config", f"file:{self._folder}/otelcol.yaml"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        wait_until(lambda: self.text().count("Everything is ready") > 0)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None
        self.log.unlink(missing_ok=True)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, str]]:
    (port,) = free_ports(1)
    made = Collector(tmp_path_factory.mktemp("collector"), port)
    made.start()
    yield made, f"http://127.0.0.1:{port}/v1/traces"
    made.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, collector: tuple[Collector, str]) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("running")) as made:
        made.stop("web")
        settings = made.paths.etc / "web.toml"
        settings.write_text(f'traces = "{collector[1]}"\n{settings.read_text()}')
        made.start("web")
        yield made


def ask(running: Processes, trace: str) -> int:
    headers = {traces.HEADER: traces.parent(trace, ASKER)}
    request = urllib.request.Request(f"{running.url}/log/checkpoint", headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
        return int(answer.status)


def test_the_collector_reads_a_request_and_its_questions_to_the_ca(
    running: Processes, collector: tuple[Collector, str]
) -> None:
    assert ask(running, TRACE) == 200
    wait_until(lambda: TRACE in collector[0].text())
    text = collector[0].text()
    for line in (
        "service.name: Str(ssh-jit-web)",
        f"Parent ID      : {ASKER}",
        "Name           : GET /log/checkpoint",
        "Kind           : Server",
        "Kind           : Client",
        "http.route: Str(/log/checkpoint)",
        "http.response.status_code: Int(200)",
    ):
        assert line in text, line


def test_a_whole_sign_in_shows_it_nobody(running: Processes, collector: tuple[Collector, str]) -> None:
    page = Visitor("alice").sign_in(running, "acme", "/requests/new?reason=my+secret+reason")
    assert "my secret reason" in page.text
    wait_until(lambda: "GET /requests/new" in collector[0].text())
    text = collector[0].text()
    assert "CA LoginWeb" in text
    for word in ("alice", "Alice", "secret", "sub-", "login-", "eyJ"):
        assert word not in text, word


def test_a_collector_that_is_away_and_comes_back(running: Processes, collector: tuple[Collector, str]) -> None:
    collector[0].stop()
    for number in range(20):
        assert ask(running, f"{number + 1:032x}") == 200
    collector[0].start()
    wait_until(lambda: ask(running, f"{7:031x}f") == 200 and f"{7:031x}f" in collector[0].text())
