"""Spans of requests for a tracing system of the operator's own, by OpenTelemetry: ``traces`` in ``web.toml``.

Loaded where that is set and not else. A request's span has its route, method and status, a child for each question to
the CA, and the trace that the asker named (W3C ``traceparent``). Nothing in it is personal: no address, path, query,
header, name or reason. Spans are made and sent by a thread of their own; where the collector is away they are dropped
and counted. No answer waits for it or changes by it.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from sshjit import ca_protocol, traces
from sshjit.errors import SshJitError
from sshjit_web.ca_client import Authority, Carried
from sshjit_web.gateway import Head

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOG = logging.getLogger(__name__)
WAITING = 2048
"""Requests whose spans wait to be sent; more are dropped."""
AT_ONCE = 256
"""Requests whose spans are sent together."""
EVERY = 1.0
"""Seconds for which more are waited for before some are sent."""
TIMEOUT = 10.0
"""Seconds in which the collector takes them, or never will."""
METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")
WITHOUT_A_VIEW = ("/healthz", "/bundle")
"""Routes that the gateway answers."""
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class CaCall:
    """A question to the CA: its kind, when it began and ended (nanoseconds since the epoch), and the error's code."""

    kind: str
    begin: int
    end: int
    error: str


@dataclass(slots=True)
class Record:
    """What is noted while a view answers."""

    route: str = ""
    calls: list[CaCall] = field(default_factory=list)


RECORD: ContextVar[Record | None] = ContextVar("record", default=None)
"""That of the request which this thread answers."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered. ``parent`` is the asker's span, or empty; times as those of ``CaCall``."""

    trace: str
    parent: str
    method: str
    status: int
    begin: int
    end: int
    record: Record


class TracedAuthority:
    """The CA as the views know it; each question is noted with the request that asks it."""

    def __init__(self, ca: Authority) -> None:
        self._ca = ca

    def call(self, message: ca_protocol.Message, reply: type[R]) -> R:
        """As ``Authority``."""
        with _noted(message):
            return self._ca.call(message, reply)

    def carry(self, message: ca_protocol.Message, reply: type[ca_protocol.Reply], reader: int) -> Carried:
        """As ``Authority``."""
        with _noted(message):
            return self._ca.carry(message, reply, reader)

    @property
    def version(self) -> int:
        """As ``Authority``."""
        return self._ca.version


@contextmanager
def _noted(message: ca_protocol.Message) -> Iterator[None]:
    record = RECORD.get()
    if record is None:
        yield
        return
    begin, error = time.time_ns(), ""
    try:
        yield
    except SshJitError as raised:
        error = raised.code
        raise
    finally:
        record.calls.append(CaCall(type(message).__name__, begin, time.time_ns(), error))


def recorded(inner: WSGIApplication) -> WSGIApplication:
    """Begins a record for each request that a view answers."""

    def application(environ: dict[str, object], start_response: Callable[..., object]) -> object:
        RECORD.set(Record())
        return inner(environ, start_response)  # type: ignore[arg-type]

    return application  # type: ignore[return-value]


def note_routes(app: Flask) -> None:
    """From now on the route of each request is noted, with the names of its parts and not with what stands there."""

    def note() -> None:
        if (record := RECORD.get()) is not None and request.url_rule is not None:
            record.route = request.url_rule.rule

    app.before_request(note)


class Spans:
    """Sends them to the collector at ``endpoint``, from ``start`` on."""

    def __init__(self, endpoint: str) -> None:
        version = importlib.metadata.version("ssh-jit")
        self._resource = Resource.create({"service.name": "ssh-jit-web", "service.version": version})
        self._exporter = OTLPSpanExporter(endpoint, timeout=TIMEOUT)
        self._waiting: queue.Queue[Answered] = queue.Queue(WAITING)
        self.sent = 0
        self.dropped = 0

    def start(self) -> None:
        """Sends what comes, in a thread, until the program ends."""
        threading.Thread(target=self._send_all, name="spans", daemon=True).start()

    def observe(self, head: Head, status: int, seconds: float) -> None:
        """A request was answered: it is sent later, or dropped."""
        record = RECORD.get() or Record(head.path if head.path in WITHOUT_A_VIEW else "")
        RECORD.set(None)
        end = time.time_ns()
        parent = traces.parse_span(head.header(traces.HEADER))
        method = head.method if head.method in METHODS else "_OTHER"
        try:
            self._waiting.put_nowait(
                Answered(head.trace, parent, method, status, end - int(seconds * 1e9), end, record)
            )
        except queue.Full:
            self.dropped += 1

    def _send_all(self) -> None:
        while True:
            batch = [self._waiting.get()]
            until = time.monotonic() + EVERY
            while len(batch) < AT_ONCE and (left := until - time.monotonic()) > 0:
                try:
                    batch.append(self._waiting.get(timeout=left))
                except queue.Empty:
                    break
            try:
                done = self._exporter.export([span for answered in batch for span in self._spans(answered)])
            except Exception:
                LOG.exception("spans were not sent")
                done = SpanExportResult.FAILURE
            if done is SpanExportResult.SUCCESS:
                self.sent += len(batch)
            else:
                self.dropped += len(batch)

    def _spans(self, answered: Answered) -> Iterator[ReadableSpan]:
        trace, record = int(answered.trace, 16), answered.record
        mine = _context(trace, os.urandom(8).hex())
        known: dict[str, str | int] = {
            "http.request.method": answered.method,
            "http.response.status_code": answered.status,
        }
        yield ReadableSpan(
            f"{answered.method} {record.route}".rstrip(),
            context=mine,
            parent=_context(trace, answered.parent, remote=True) if answered.parent else None,
            resource=self._resource,
            attributes={**known, **({"http.route": record.route} if record.route else {})},
            kind=SpanKind.SERVER,
            status=_status(failed=answered.status >= 500),
            start_time=answered.begin,
            end_time=answered.end,
        )
        for call in record.calls:
            yield ReadableSpan(
                f"CA {call.kind}",
                context=_context(trace, os.urandom(8).hex()),
                parent=mine,
                resource=self._resource,
                attributes={"rpc.method": call.kind, **({"error.type": call.error} if call.error else {})},
                kind=SpanKind.CLIENT,
                status=_status(failed=bool(call.error)),
                start_time=call.begin,
                end_time=call.end,
            )


def _context(trace: int, span: str, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace, int(span, 16), remote, TraceFlags(TraceFlags.SAMPLED))


def _status(*, failed: bool) -> Status:
    return Status(StatusCode.ERROR if failed else StatusCode.UNSET)
