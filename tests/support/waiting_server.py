"""The front end's server around a WSGI application that does what a test says.

``python -m tests.support.waiting_server PORT FOLDER UNREAD`` serves it; ``UNREAD`` is how many seconds an answer may be
left unread. ``/wait`` answers when ``FOLDER/go`` exists; ``/note`` writes its query into ``FOLDER/notes``; ``/large``
is an answer of 30 MB; everything else shows what the application was given, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sshjit_web import serve
from sshjit_web.ca_cache import CaCache
from sshjit_web.ca_client import CaClient
from sshjit_web.gateway import Gateway
from sshjit_web.server import connections
from sshjit_web.server.application import Application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FOLDER, UNREAD = "TEST_FOLDER", "TEST_UNREAD"
THREADS = 2
LIMIT = 1000
LARGE = 30_000_000


def make() -> Application:
    """The application, in the worker."""
    serve._end_with_parent()
    connections.UNREAD_TIME = int(os.environ[UNREAD])
    cache = CaCache(CaClient(Path(os.environ[FOLDER]) / "nobody.sock"), time.time)
    return Application(_answer, Gateway(cache, https=False), threads=THREADS, limit=LIMIT, hops=1)


def _answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    folder = Path(os.environ[FOLDER])
    match environ["PATH_INFO"]:
        case "/wait":
            with (folder / "begun").open("a") as file:
                file.write("x")
            while not (folder / "go").exists():
                time.sleep(0.02)
            text = b"waited"
        case "/note":
            with (folder / "notes").open("a") as file:
                file.write(environ["QUERY_STRING"] + "\n")
            text = b"noted"
        case "/large":
            text = b"x" * LARGE
        case _:
            given = {key: value for key, value in environ.items() if isinstance(value, str)}
            given["body"] = environ["wsgi.input"].read().decode("latin-1")
            text = json.dumps(given).encode()
    head = environ["REQUEST_METHOD"] == "HEAD"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [b"" if head else text]


if __name__ == "__main__":
    os.environ[FOLDER], os.environ[UNREAD] = sys.argv[2], sys.argv[3]
    serve.listen("tests.support.waiting_server:make", "127.0.0.1", int(sys.argv[1]))
