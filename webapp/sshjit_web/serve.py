"""Runs the front end: one worker process with threads, by Granian."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from sshjit_web import app as application
from sshjit_web import config, migrate
from sshjit_web.config import WebConfig
from sshjit_web.store import open_engine

CONFIG_VARIABLE = "SSH_JIT_WEB_CONFIG"
"""The environment variable that names ``web.toml``."""


def run(path: Path) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        SshJitError: when the configuration is wrong or the database cannot be used.

    """
    os.umask(0o077)
    settings = config.load(path)
    _prepare(settings)
    os.environ[CONFIG_VARIABLE] = str(path.resolve())
    server = Server(
        f"{__name__}:make",
        address=settings.address,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=settings.threads,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 * 1024),
        websockets=False,
        factory=True,
        log_access=False,
        log_level=LogLevels.error,
    )
    server.serve()


def make() -> Flask:
    """The application, inside the worker; Granian calls it."""
    _log_to_stderr()
    return application.from_config(config.load(Path(os.environ[CONFIG_VARIABLE])))


def _prepare(settings: WebConfig) -> None:
    """Everything that can fail is tried before a worker starts, so that the error is a line and not a trace."""
    engine = open_engine(settings.database)
    migrate.upgrade(engine)
    engine.dispose()
    application.from_config(settings)


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
