"""Spans of requests: what a collector gets from a real front end, and what nobody waits for when it is away.

The collector here is a web server on loopback that decodes with OpenTelemetry's own classes; ``make test-traces`` has
one that nobody here wrote.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from demo.lab.paths import free_ports
from sshjit import ca_protocol as m
from sshjit import traces
from sshjit.errors import Invalid, Refused
from sshjit_web import app, spans
from sshjit_web.config import WebConfig
from sshjit_web.gateway import Head
from sshjit_web.spans import RECORD, Record, Spans, TracedAuthority
from tests.support.in_process_ca import FrontEnd
from tests.support.processes import Processes, Visitor, build
from tests.support.waiting import PATIENCE, wait_until

TRACE, ASKER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Collector:
    """What it got."""

    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def of(self, trace: str) -> list[Span]:
        wait_until(lambda: any(span.trace_id.hex() == trace for span in self.spans))
        return [span for span in self.spans if span.trace_id.hex() == trace]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if made.status == 200:
                made.take(body)
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Processes]:
    with build(tmp_path_factory.mktemp("running")) as made:
        made.stop("web")
        (port,) = free_ports(1)
        settings = made.paths.etc / "web.toml"
        lines = f'traces = "{collector.url}"\nmetrics = "127.0.0.1:{port}"\n'
        settings.write_text(lines + settings.read_text())
        (made.paths.etc / "metrics_port").write_text(str(port))
        made.start("web")
        yield made


def asked(running: Processes, path: str, trace: str) -> int:
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{running.url}{path}", headers={traces.HEADER: traces.parent(trace, ASKER), "Ssh-Jit-Version": "2"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def attributes(span: Span) -> dict[str, Any]:
    return {
        pair.key: pair.value.int_value if pair.value.HasField("int_value") else pair.value.string_value
        for pair in span.attributes
    }


def test_a_request_is_a_span_of_the_askers_trace_with_its_questions_to_the_ca(
    running: Processes, collector: Collector
) -> None:
    assert asked(running, "/log/checkpoint", TRACE) == 200
    server, *calls = collector.of(TRACE)
    assert (server.name, server.kind) == ("GET /log/checkpoint", Span.SPAN_KIND_SERVER)
    assert (server.parent_span_id.hex(), collector.services) == (ASKER, {"ssh-jit-web"})
    assert attributes(server) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/log/checkpoint",
    }
    assert server.start_time_unix_nano < server.end_time_unix_nano <= time.time_ns()
    assert calls
    for call in calls:
        assert (call.kind, call.parent_span_id) == (Span.SPAN_KIND_CLIENT, server.span_id)
        assert call.name == f"CA {attributes(call)['rpc.method']}"
        assert server.start_time_unix_nano <= call.start_time_unix_nano <= call.end_time_unix_nano
    assert len({span.span_id for span in (server, *calls)}) == 1 + len(calls)


def test_what_is_asked_without_a_trace_begins_one(running: Processes, collector: Collector) -> None:
    before = len(collector.spans)
    with urllib.request.urlopen(f"{running.url}/sign-in", timeout=PATIENCE) as answer:  # noqa: S310 - our own
        assert answer.status == 200
    wait_until(lambda: any(span.name == "GET /sign-in" for span in collector.spans[before:]))
    span = next(span for span in collector.spans[before:] if span.name == "GET /sign-in")
    assert span.parent_span_id == b""
    assert span.trace_id != bytes(16)


@pytest.mark.parametrize(
    ("path", "name", "status"),
    [
        ("/requests/req-secretsecretsecr", "GET /requests/<request_id>", 303),
        ("/auth/acme/failed?why=secret", "GET /auth/<provider>/failed", 400),
        ("/secret/page?secret=1", "GET", 404),
        ("/healthz?secret", "GET /healthz", 200),
        ("/api/v1/requests?find=secret", "GET /api/v1/requests", 401),
    ],
)
def test_nothing_of_a_span_is_what_somebody_sent(
    running: Processes, collector: Collector, path: str, name: str, status: int
) -> None:
    trace = f"{abs(hash(path)):032x}"
    code = asked(running, path, trace)
    server = collector.of(trace)[0]
    assert server.name == name
    assert attributes(server)["http.response.status_code"] in {status, code}
    assert b"secret" not in b"".join(collector.raw)


def test_a_whole_sign_in_leaves_nothing_personal_and_no_secret_at_the_collector(
    running: Processes, collector: Collector
) -> None:
    alice = Visitor("alice")
    page = alice.sign_in(running, "acme", "/requests/new?reason=my+secret+reason")
    assert "my secret reason" in page.text
    wait_until(lambda: any(span.name == "GET /auth/<provider>/callback" for span in collector.spans))
    wait_until(lambda: any(span.name == "GET /requests/new" for span in collector.spans))
    assert any(span.name == "CA LoginWeb" for span in collector.spans)
    text = b"".join(collector.raw).lower()
    cookies = [str(cookie.value) for cookie in alice.jar() if cookie.name.startswith("ssh-jit")]
    for word in ("alice", "acme", "example", "secret", "127.0.0.1", "eyj", "sub-", "login-", "web1", *cookies):
        assert word.lower().encode() not in text, word
    keys = {key for span in collector.spans for key in attributes(span)}
    assert keys <= {"http.request.method", "http.response.status_code", "http.route", "rpc.method", "error.type"}


def test_a_collector_that_is_away_changes_no_answer_and_is_counted(running: Processes, collector: Collector) -> None:
    port = (running.paths.etc / "metrics_port").read_text()

    def counts() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            lines = [line.split() for line in answer.read().decode().splitlines() if "ssh_jit_web_spans_total{" in line]
        return {line[0].split('"')[1]: float(line[1]) for line in lines}

    assert counts()["sent"] > 0
    collector.status = 400
    try:
        dropped = counts()["dropped"]
        assert asked(running, "/log/checkpoint", TRACE) == 200
        wait_until(lambda: counts()["dropped"] > dropped)
    finally:
        collector.status = 200
    before = len(collector.spans)
    assert asked(running, "/log/checkpoint", TRACE) == 200
    wait_until(lambda: len(collector.spans) > before)


def test_more_than_may_wait_are_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends here: the thread was not started."""
    monkeypatch.setattr(spans, "WAITING", 3)
    made = Spans("http://127.0.0.1:9/v1/traces")
    for _ in range(10):
        made.observe(Head("GET", "/requests", "192.0.2.7", lambda _: None, 0.0, TRACE), 200, 0.1)
    assert (made.sent, made.dropped, made._waiting.qsize()) == (0, 7, 3)


def test_an_error_of_the_ca_is_its_code_alone(world: FrontEnd) -> None:
    authority = TracedAuthority(world.authority)
    RECORD.set(record := Record())
    with pytest.raises(Refused):
        authority.call(m.ReadLogin("login-secret"), m.LoginReply)
    (call,) = record.calls
    assert (call.kind, call.error) == ("ReadLogin", "login_over")
    RECORD.set(None)
    authority.call(m.Health(), m.HealthReply)
    assert len(record.calls) == 1, "what no request asks is nobody's"
    assert authority.version == world.authority.version


def test_without_the_extra_the_setting_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sshjit_web.spans", None)
    with pytest.raises(Invalid) as error:
        app._traced(None)  # type: ignore[arg-type]
    assert (error.value.code, "ssh-jit[traces]" in error.value.hint) == ("no_traces", True)


@pytest.mark.parametrize("url", ["http://collector.example/v1/traces", "ftp://x", "https://user:pw@x.example/"])
def test_a_collector_is_reached_by_tls_or_on_this_machine(world: FrontEnd, url: str) -> None:
    fields = {name: getattr(world.config, name) for name in WebConfig.__dataclass_fields__}
    with pytest.raises(Invalid):
        WebConfig(**{**fields, "traces": url})
    assert WebConfig(**{**fields, "traces": "https://collector.example/v1/traces"}).traces


def test_a_front_end_without_the_setting_loads_nothing_of_it() -> None:
    program = "import sys, json, sshjit_web.serve, sshjit_web.worker; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path("/"))
    loaded = json.loads(done.stdout)
    assert "sshjit_web.gateway" in loaded
    assert not [name for name in loaded if name.startswith(("opentelemetry", "google", "sshjit_web.spans"))]
