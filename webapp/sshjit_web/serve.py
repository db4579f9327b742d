"""Starts the front end: looks at everything first, then becomes the process that listens (``listener.py``)."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from pathlib import Path

from sshjit.errors import Failed, Invalid
from sshjit_web import app as application
from sshjit_web import config, listener, migrate
from sshjit_web.config import CONFIG_VARIABLE, WebConfig
from sshjit_web.store import MIGRATION, open_engine


def run(path: Path) -> None:
    """Serves until SIGTERM or SIGINT.

    The process goes on as another program with the same number: what was loaded to look at everything, a hundred
    megabytes, would stay in memory for nothing.

    Raises:
        SshJitError: when the configuration is wrong or the database cannot be used.

    """
    os.umask(0o077)
    settings = config.load(path)
    _prepare(settings)
    _require_certificate(settings)
    os.environ[CONFIG_VARIABLE] = str(path.resolve())
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, "-P", "-m", listener.__name__, os.environ[CONFIG_VARIABLE]]
    os.execv(sys.executable, command)  # noqa: S606 - no shell


def _require_certificate(settings: WebConfig) -> None:
    """The files of certificate and key are good: Granian's error would be a trace.

    Raises:
        Invalid: ``unsafe_file``, ``unreadable_file``, ``bad_certificate``.

    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return
    files = Path(settings.tls_certificate), Path(settings.tls_key)
    config.read_trusted(files[0])
    config.read_trusted(files[1], secret=True)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
    except (OSError, ValueError) as error:
        text = f"{files[0]} and {files[1]} are not a certificate and its key (PEM): {error}"
        raise Invalid("bad_certificate", text, hint="the key must have no passphrase") from None


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
