"""The process that listens and keeps the worker: Granian and the settings, and nothing else, so that it stays small.

``python -m sshjit_web.listener WEB_TOML`` is what ``serve.py`` becomes once it has looked at everything.
"""

from __future__ import annotations

import sys
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from sshjit_web import config
from sshjit_web.server import connections
from sshjit_web.server.bodies import HEAD_TIME

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""
END_TIME = 40
"""Seconds until a worker that was told to end is killed; what has begun is over before."""


def run(path: Path) -> None:
    """Serves until SIGTERM or SIGINT. The files of ``web.toml`` were looked at before."""
    settings = config.load(path)
    files = settings.tls_certificate, settings.tls_key
    tls = None if files[0] is None or files[1] is None else (Path(files[0]), Path(files[1]))
    listen("sshjit_web.worker:make", settings.address, settings.port, tls=tls)


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


if __name__ == "__main__":
    run(Path(sys.argv[1]))
