"""One id runs from the command line over the front end and the CA to the log's entry, and so to sshd's line."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sshjit import ca_protocol as m
from sshjit import entries, traces
from sshjit.errors import Invalid
from sshjit.events import Issued
from sshjit_ca.question import Question
from sshjit_ca.routes import ROUTES
from sshjit_ca.service import frames
from sshjit_ca.service import structured_log as of_the_ca
from sshjit_web import structured_log
from sshjit_web.ca_client import CaClient
from tests.support.ca_sockets import serving_sockets
from tests.support.in_process_ca import FrontEnd
from tests.support.installation import ALICE

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@contextmanager
def logged(name: str, formatter: logging.Formatter) -> Iterator[list[str]]:
    """What a logger writes, line by line."""
    lines: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record))

    logger, keeper = logging.getLogger(name), Keeper()
    level = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(level)


def test_a_trace_runs_from_the_header_to_the_certificates_entry(world: FrontEnd) -> None:
    """Over the CA's real socket; the entry's serial is the one that sshd writes into its line."""
    alice = world.ca.native(ALICE)
    request = world.ca.ask(alice, "web1").request
    said = logged("sshjit_ca.service.structured_log", of_the_ca.JsonLines())
    with serving_sockets(world.ca, frozenset({os.getuid()})), said as lines:
        world.ca.authority.tell = of_the_ca.written
        client = CaClient(world.ca.config.web_socket)
        token = structured_log.TRACE.set(TRACE)
        try:
            drawn = client.call(m.SignUser(alice, request.id), m.CertificateReply).certificate
        finally:
            structured_log.TRACE.reset(token)
            client.close()
    event = entries.read(list(world.ca.store.rows())[-1].entry)
    assert isinstance(event, Issued)
    assert (event.serial, event.trace) == (drawn.serial, TRACE)
    (line,) = (said for text in lines if (said := json.loads(text))["message"] == "sign_user")
    assert (line["trace"], line["socket"], line["entries"]) == (TRACE, "web", 1)
    assert line["first_entry"] == drawn.serial & (2**40 - 1), "so the line names the serial that sshd names"


def test_the_front_end_takes_the_trace_of_a_request_and_logs_it(world: FrontEnd) -> None:
    with logged("sshjit_web.access", structured_log.JsonLines()) as lines:
        world.stranger().get("/api/v1/whoami", headers={"traceparent": PARENT, "Ssh-Jit-Version": "2"})
    said = json.loads(lines[-1])
    assert (said["trace"], said["path"], said["status"]) == (TRACE, "/api/v1/whoami", 401)
    assert said["logger"] == "sshjit_web.access"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        f"00-{TRACE}-0000000000000000-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        PARENT.upper(),
        f"{PARENT}\n{{}}",
        f"00-{TRACE}",
    ],
)
def test_a_header_that_is_not_well_formed_is_none(header: str | None) -> None:
    """W3C Trace Context, 3.2.2."""
    assert traces.parse(header) == ""


def test_a_header_is_read_as_it_is_written() -> None:
    assert traces.parse(PARENT) == TRACE
    assert traces.parse(traces.parent(TRACE, "b7ad6b7169203331")) == TRACE
    assert traces.parse(f"01-{TRACE}-b7ad6b7169203331-01-what-comes-later") == TRACE


@pytest.mark.parametrize(("given", "known"), [("", False), (PARENT, True), ("nonsense", False)])
def test_a_command_has_one_trace_or_the_one_that_it_was_given(given: str, known: bool) -> None:  # noqa: FBT001
    code = "from sshjit_client.network import trace; print(trace.parent()); print(trace.parent())"
    done = subprocess.run([sys.executable, "-c", code], env={"TRACEPARENT": given}, capture_output=True, check=True)
    first, second = done.stdout.decode().split()
    assert first == second
    assert (traces.parse(first) == TRACE) is known
    assert traces.parse(first)


def test_a_frame_without_a_trace_is_as_it_was_and_with_a_wrong_one_is_refused() -> None:
    body = b'{"v":1,"id":7,"type":"sign_user","body":{"login_id":"a","request":"b"},"version":2%s}'
    asked = m.SignUser("a", "b")
    origin, message = frames.read(body % b"", lambda _: True)
    assert (origin.trace, message) == ("", asked)
    origin, message = frames.read(body % b',"trace":"%s"' % TRACE.encode(), lambda _: True)
    assert (origin.trace, message) == (TRACE, asked)
    for wrong in (b'"x"', b"7", b'"%s"' % TRACE.upper().encode(), b'"%s\\n"' % TRACE.encode()):
        with pytest.raises(Invalid):
            frames.read(body % b',"trace":%s' % wrong, lambda _: True)


def test_what_only_reads_says_nothing(world: FrontEnd) -> None:
    said: list[tuple[list[tuple[Question, int]], int]] = []
    world.ca.authority.tell = lambda asked, size: said.append((list(asked), size))
    assert m.Health in ROUTES
    with logged("sshjit_ca.service.structured_log", of_the_ca.JsonLines()) as lines:
        world.ca.say(m.Health(), m.HealthReply)
        of_the_ca.written(*said[-1])
    assert lines == []


def test_nothing_in_a_line_ends_it() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "a\nb \u2028 \x1b[1m", (), None)
    for formatter in (structured_log.JsonLines(), of_the_ca.JsonLines()):
        text = formatter.format(record)
        assert text.isascii()
        assert text.isprintable()
        assert json.loads(text)["message"] == "a\nb \u2028 \x1b[1m"
