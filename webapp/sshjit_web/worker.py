"""The worker process: puts the application together, inside the process in which it runs."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sshjit_web import app as application
from sshjit_web import config, security, services, structured_log, supervised
from sshjit_web.ca_client import CaClient
from sshjit_web.config import CONFIG_VARIABLE, WebConfig
from sshjit_web.gateway import Gateway
from sshjit_web.server.admission import Admission
from sshjit_web.server.api_calls import ApiCalls
from sshjit_web.server.application import Application
from sshjit_web.store import open_engine
from sshjit_web.wsgi_middleware import Middleware

if TYPE_CHECKING:
    from flask import Flask

    from sshjit_web.spans import Spans

PR_SET_PDEATHSIG = 1
"""From ``linux/prctl.h``."""


def make() -> Application:
    """The application, inside the worker; Granian calls it."""
    _end_with_parent()
    settings = config.load(Path(os.environ[CONFIG_VARIABLE]))
    _lean_log()
    structured_log.to_stderr(settings.log)
    started_by = supervised.supervisor()
    app = application.from_config(settings, serving=True)
    outermost, have = cast("Middleware", app.wsgi_app), services.of(app)
    gateway = outermost.gateway
    spans = None if settings.traces is None else _trace(settings.traces, app, outermost)
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it again and again would hold up every thread
    made = Application(
        outermost.inner,
        gateway,
        threads=settings.threads,
        proxies=settings.proxies,
        admission=Admission(settings.rate_address, settings.rate_session, security.Cookies(settings).session),
        ca_cache=gateway.ca_cache,
        supervisor=started_by,
        # Views note what they ask the CA, for spans; what is answered without one does not.
        api_calls=ApiCalls(have.sessions, cast("CaClient", have.ca)) if spans is None else None,
    )
    if settings.metrics is not None:
        _count(settings, gateway, made, spans)
    return made


def _trace(collector: str, app: Flask, outermost: Middleware) -> Spans:
    """Tells a collector of each request."""
    from sshjit_web import spans  # noqa: PLC0415 - whoever has no spans does without it

    sender = spans.Spans(collector)
    sender.start()
    spans.note_routes(app)
    outermost.inner = spans.recorded(outermost.inner)
    outermost.gateway.observers.append(sender.observe)
    return sender


def _count(settings: WebConfig, gateway: Gateway, made: Application, spans: Spans | None) -> None:
    """Counts, and tells Prometheus, at an address of its own."""
    from sshjit_web.metrics import Metrics  # noqa: PLC0415 - whoever does not count does without it

    ca = CaClient(*map(Path, settings.ca_socket), keep=1)
    notifications = None if settings.notify is None else open_engine(settings.database)
    counted = Metrics(ca, lambda: made.unfinished, notifications=notifications)
    if spans is not None:
        counted.add_spans(spans)
    counted.listen(*settings.metrics_address)
    gateway.observers.append(counted.observe)


def _end_with_parent() -> None:
    """The worker ends when the parent is killed and cannot tell it (Linux: ``PR_SET_PDEATHSIG``)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _lean_log() -> None:
    """Nothing is collected for a line that the line does not show ("Optimization" in Python's logging HOWTO)."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - as the HOWTO says
