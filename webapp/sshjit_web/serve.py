"""Runs the front end: one worker process, with an event loop in front of threads, by Granian."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import cast

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from sshjit.errors import Failed, Invalid
from sshjit_web import app as application
from sshjit_web import config, migrate, security, services, structured_log, supervised
from sshjit_web.ca_client import CaClient
from sshjit_web.config import CONFIG_VARIABLE, WebConfig
from sshjit_web.gateway import Gateway
from sshjit_web.server import connections
from sshjit_web.server.admission import Admission
from sshjit_web.server.api_calls import ApiCalls
from sshjit_web.server.application import Application
from sshjit_web.server.bodies import HEAD_TIME
from sshjit_web.store import MIGRATION, open_engine
from sshjit_web.wsgi_middleware import Middleware

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""
END_TIME = 40
"""Seconds until a worker that was told to end is killed; what has begun is over before."""
PR_SET_PDEATHSIG = 1
"""From ``linux/prctl.h``."""


def run(path: Path) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        SshJitError: when the configuration is wrong or the database cannot be used.

    """
    os.umask(0o077)
    settings = config.load(path)
    _prepare(settings)
    os.environ[CONFIG_VARIABLE] = str(path.resolve())
    listen(f"{__name__}:make", settings.address, settings.port, tls=_tls(settings))


def _tls(settings: WebConfig) -> tuple[Path, Path] | None:
    """The files of certificate and key, looked at first: Granian's error would be a trace.

    Raises:
        Invalid: ``unsafe_file``, ``unreadable_file``, ``bad_certificate``.

    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    files = Path(settings.tls_certificate), Path(settings.tls_key)
    config.read_trusted(files[0])
    config.read_trusted(files[1], secret=True)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
    except (OSError, ValueError) as error:
        text = f"{files[0]} and {files[1]} are not a certificate and its key (PEM): {error}"
        raise Invalid("bad_certificate", text, hint="the key must have no passphrase") from None
    return files


def listen(
    target: str, address: str, port: int, *, head_time: float = HEAD_TIME, tls: tuple[Path, Path] | None = None
) -> None:
    """Serves an RSGI application until SIGTERM or SIGINT; ``target`` names the function that makes it in the worker.

    ``tls``: the files of certificate and key.
    """
    server = Server(
        target,
        address=address,
        port=port,
        interface=Interfaces.RSGI,
        workers=1,
        backpressure=connections.allow_many(),
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=round(head_time * 1000), max_buffer_size=MAX_HEAD),
        websockets=False,
        factory=True,
        ssl_cert=None if tls is None else tls[0],
        ssl_key=None if tls is None else tls[1],
        log_access=False,
        log_level=LogLevels.error,
        workers_kill_timeout=END_TIME,
    )
    server.serve()


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
        api_calls=ApiCalls(have.sessions, cast("CaClient", have.ca)),
    )
    if settings.metrics is not None:
        _count(settings, gateway, made)
    return made


def _count(settings: WebConfig, gateway: Gateway, made: Application) -> None:
    """Counts, and tells Prometheus, at an address of its own."""
    from sshjit_web.metrics import Metrics  # noqa: PLC0415 - whoever does not count does without it

    ca = CaClient(*map(Path, settings.ca_socket), keep=1)
    counted = Metrics(ca, lambda: made.unfinished)
    counted.listen(*settings.metrics_address)
    gateway.observe = counted.observe


def _prepare(settings: WebConfig) -> None:
    """Everything that can fail is tried before a worker starts, so that the error is a line and not a trace."""
    engine = open_engine(settings.database, seconds=MIGRATION)
    migrate.upgrade(engine)
    engine.dispose()
    application.from_config(settings)
    _refuse_taken(settings.address, settings.port)
    if settings.metrics is not None:
        _refuse_taken(*settings.metrics_address)


def _refuse_taken(address: str, port: int) -> None:
    """Granian would share a taken port with another program of the same user, and each would get half the requests."""
    try:
        socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET).close()
    except OSError as error:
        raise Failed("port_taken", f"cannot listen on {address} port {port}: {error.strerror or error}") from None


def _end_with_parent() -> None:
    """The worker ends when the parent is killed and cannot tell it (Linux: ``PR_SET_PDEATHSIG``)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _lean_log() -> None:
    """Nothing is collected for a line that the line does not show ("Optimization" in Python's logging HOWTO)."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - as the HOWTO says
