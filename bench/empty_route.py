"""The yardstick of everything over HTTP: an empty Flask route on the front end's own server, with its settings.

``python -m bench.empty_route PORT THREADS`` serves it until SIGTERM.
"""

from __future__ import annotations

import os
import sys

from flask import Flask, Response

from sshjit_web import listener
from sshjit_web.gateway import Answer, Gateway, Head
from sshjit_web.server.application import Application

_THREADS = "SSH_JIT_BENCH_THREADS"


class Bare(Gateway):
    """Adds nothing to an answer, and logs nothing."""

    def __init__(self) -> None:
        """It knows no CA."""

    def answer(self, head: Head) -> Answer | None:
        """Leaves everything to the route."""

    def finish(self, head: Head, status: int, headers: list[tuple[str, str]]) -> None:
        """Adds nothing."""


def make() -> Application:
    """An application that says one thing."""
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"])
    def empty() -> Response:
        return Response('{"ok": true}', mimetype="application/json")

    return Application(app.wsgi_app, Bare(), threads=int(os.environ[_THREADS]))


if __name__ == "__main__":
    os.environ[_THREADS] = sys.argv[2]
    listener.listen("bench.empty_route:make", "127.0.0.1", int(sys.argv[1]))
