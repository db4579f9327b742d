"""The yardstick of everything over HTTP: an empty Flask route on the front end's own server, with its settings.

``python -m bench.empty_route PORT THREADS`` serves it until SIGTERM.
"""

from __future__ import annotations

import sys

from flask import Flask, Response
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server


def make() -> Flask:
    """An application that says one thing."""
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"])
    def empty() -> Response:
        return Response('{"ok": true}', mimetype="application/json")

    return app


if __name__ == "__main__":
    Server(
        "bench.empty_route:make",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=int(sys.argv[2]),
        http=HTTPModes.http1,
        websockets=False,
        factory=True,
        log_access=False,
        log_level=LogLevels.error,
    ).serve()
