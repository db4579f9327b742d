"""What Prometheus reads of a front end: its own requests, and what the CA counts (``docs/monitoring.md``).

It listens at an address of its own, ``metrics`` in ``web.toml``, and nowhere unless that is set. A front end has one
worker process, so what is counted here is all of it; of several front ends each is asked by itself, and says the same
of the CA. Labels are words of a fixed set, never what somebody sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from sshjit import ca_protocol as m
from sshjit.errors import Failed, SshJitError
from sshjit_web.ca_client import Authority
from sshjit_web.gateway import Head
from sshjit_web.notify import status

PREFIX = "ssh_jit_ca_"
NOTIFY = "ssh_jit_web_notify_"
_TIMES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_KINDS = ("api", "bundle", "host", "log", "auth", "static", "healthz", "readyz")
_METHODS = ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS")
_log = logging.getLogger(__name__)


class SpanCounts(Protocol):
    """What is counted of spans (``spans.py``)."""

    @property
    def sent(self) -> int:
        """Requests whose spans the collector has."""

    @property
    def dropped(self) -> int:
        """Requests whose spans it never gets."""


class Metrics:
    """The metrics of this process."""

    def __init__(
        self, ca: Authority, waiting: Callable[[], int] = lambda: 0, *, notifications: Engine | None = None
    ) -> None:
        """``waiting`` says how many requests wait for a thread, or have one; in ``notifications`` is what is owed."""
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "ssh_jit_web_request_seconds",
            "Requests, from their headers to their answer.",
            ("kind", "method", "status"),
            registry=self.registry,
            buckets=_TIMES,
        )
        text = "Requests that wait for a thread, or have one."
        unfinished = Gauge("ssh_jit_web_requests_unfinished", text, registry=self.registry)
        unfinished.set_function(waiting)
        self.registry.register(CaMetrics(ca))
        if notifications is not None:
            self.registry.register(NotifierMetrics(notifications))

    def observe(self, head: Head, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(kind_of(head.path), method_of(head.method), str(status)).observe(seconds)

    def add_spans(self, spans: SpanCounts) -> None:
        """Tells how many requests' spans were sent and dropped."""
        self.registry.register(_SpanMetrics(spans))

    def listen(self, address: str, port: int) -> None:
        """Answers Prometheus, in threads, until the process ends.

        Raises:
            Failed: ``port_taken``.

        """
        try:
            start_http_server(port, address, self.registry)
        except OSError as error:
            text = f"cannot listen on {address} port {port} for metrics: {error.strerror or error}"
            raise Failed("port_taken", text) from None


def kind_of(path: str) -> str:
    """What a path is for: the first part of it, if that is known, and else ``page``."""
    first = path[1:].partition("/")[0]
    return first if first in _KINDS else "page"


def method_of(method: str) -> str:
    """The method, if it is one that we know."""
    return method if method in _METHODS else "other"


class _SpanMetrics(Collector):
    def __init__(self, spans: SpanCounts) -> None:
        self._spans = spans

    def collect(self) -> Iterable[Metric]:
        text = "Requests whose spans the collector has, or never gets."
        counted = CounterMetricFamily("ssh_jit_web_spans", text, labels=["outcome"])
        counted.add_metric(["sent"], self._spans.sent)
        counted.add_metric(["dropped"], self._spans.dropped)
        yield counted


class CaMetrics(Collector):
    """What the CA says of itself, asked each time that somebody reads."""

    def __init__(self, ca: Authority) -> None:
        self._ca = ca

    def describe(self) -> Iterable[Metric]:
        """Nothing is said before it is asked for: the CA may be away."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """All that the CA counts; only ``up`` while it is away, or of a release that does not count."""
        try:
            families = self._ca.call(m.ReadMetrics(), m.MetricsReply).families
        except SshJitError as error:
            _log.debug("no numbers of the CA: %s", error.message)
            families = None
        yield GaugeMetricFamily(f"{PREFIX}up", "Whether the CA answered.", value=int(families is not None))
        for family in families or ():
            yield _metric(family)


class NotifierMetrics(Collector):
    """How far the notifier is, by the front ends' database: every front end says the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        """Nothing is said before it is asked for: the database may be away."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """What is owed, and what was given up; nothing while the database is away."""
        now = int(time.time())
        try:
            backlog = status.backlog(self._engine, now)
        except SshJitError as error:
            _log.debug("no numbers of the notifier: %s", error.message)
            return
        yield GaugeMetricFamily(
            f"{NOTIFY}working", "Whether a notifier works, by its lease.", value=int(backlog.lease >= now)
        )
        read = "Entries of the log that the notifier has read."
        yield GaugeMetricFamily(f"{NOTIFY}read_entries", read, value=backlog.position + 1)
        late = "For how long the oldest notification is due that was not delivered."
        yield GaugeMetricFamily(f"{NOTIFY}late_seconds", late, value=backlog.late)
        for name, state, text in (
            ("due", "waiting", "Notifications that are due and not delivered."),
            ("given_up", "dead", "Notifications that were given up in the last month."),
        ):
            family = GaugeMetricFamily(f"{NOTIFY}{name}", text, labels=["channel"])
            for count in backlog.counts:
                if count.state == state:
                    family.add_metric([count.channel], count.number)
            yield family


def _metric(family: m.FamilyView) -> Metric:
    name, labels = f"{PREFIX}{family.name}", list(family.labels)
    if family.kind == "histogram":
        bounds = [str(bound / family.scale) for bound in family.bounds]
        observed = HistogramMetricFamily(name, family.help, labels=labels)
        for sample in family.samples:
            below = zip([*bounds, "+Inf"], accumulate(sample.buckets), strict=True)
            observed.add_metric(list(sample.labels), list(below), sample.value / family.scale)
        return observed
    of_kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = of_kind(name, family.help, labels=labels)
    for sample in family.samples:
        made.add_metric(list(sample.labels), sample.value / family.scale)
    return made
