"""The front end's server around a WSGI application that does what a test says.

``python -m tests.support.waiting_server PORT FOLDER UNREAD WAIT HEAD`` serves it. In seconds, ``UNREAD`` is how long an
answer may be left unread, ``WAIT`` how long a request may wait for its turn, ``HEAD`` how long its headers may take.
``/wait`` answers when ``FOLDER/go`` exists; ``/note`` writes its query into ``FOLDER/notes``; ``/large`` is an answer
of 30 MB; ``/exit`` ends its thread, if it may; everything else shows what the application was given, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sshjit_web import listener, worker
from sshjit_web.ca_cache import CaCache
from sshjit_web.ca_client import CaClient
from sshjit_web.gateway import Gateway
from sshjit_web.proxies import Proxies
from sshjit_web.server import connections, threads
from sshjit_web.server.application import Application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FOLDER, UNREAD, WAIT = "TEST_FOLDER", "TEST_UNREAD", "TEST_WAIT"
HOPS = "TEST_HOPS"
"""How many proxies stand in front; 1 where it is not set. Or their networks, with commas between."""
THREADS = 2
LIMIT = 1000
LARGE = 30_000_000


def make() -> Application:
    """The application, in the worker."""
    worker._end_with_parent()
    connections.UNREAD_TIME = int(os.environ[UNREAD])
    threads.WAIT_TIME = float(os.environ[WAIT])
    cache = CaCache(CaClient(Path(os.environ[FOLDER]) / "nobody.sock"), time.time)
    hops = os.environ.get(HOPS, "0")
    proxies = Proxies(int(hops)) if hops.isdecimal() else Proxies(networks=tuple(hops.split(",")))
    return Application(_answer, Gateway(cache, https=False), threads=THREADS, limit=LIMIT, proxies=proxies)


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
        case "/exit":
            sys.exit(1)
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
    os.environ[FOLDER], os.environ[UNREAD], os.environ[WAIT] = sys.argv[2:5]
    listener.listen("tests.support.waiting_server:make", "127.0.0.1", int(sys.argv[1]), head_time=float(sys.argv[5]))
