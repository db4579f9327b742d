"""A server that offers whatever bundle it is told to, older ones and other roots' too, which no real one does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sshjit import bundle
from sshjit_client.storage.machine import HeldBundle
from tests.unit.client.installation_keys import InstallationKeys


class ScriptedBundles:
    """What is offered at ``url``: ``offer``, or else the installation's bundle under the number ``sequence``."""

    def __init__(self, installation: InstallationKeys) -> None:
        self.installation = installation
        self.url = ""
        self.sequence = 7
        self.offer: HeldBundle | None = None
        self.refusal: dict[str, Any] | None = None
        """What is answered instead, with ``status``."""
        self.status = 426
        self.calls: list[str] = []
        self.tags: list[str | None] = []
        """``If-None-Match`` of each question for a bundle."""
        self.refused_tags: set[str] = set()
        """Values of ``If-None-Match`` that are answered with 400."""

    def bundle(self) -> HeldBundle:
        """The bundle that is offered now."""
        if self.offer is not None:
            return self.offer
        text = bundle.write(self.installation.bundle(self.url, sequence=self.sequence))
        return HeldBundle(self.sequence, text, self.installation.sign(text), "")


@contextmanager
def serving(offers: ScriptedBundles) -> Iterator[ScriptedBundles]:
    """Puts it on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            offers.calls.append(self.path)
            if offers.refusal is not None:
                return self._answer(offers.status, json.dumps(offers.refusal).encode())
            tag = f'"{offers.sequence}"'
            offers.tags.append(self.headers.get("If-None-Match"))
            if self.path == "/elsewhere/bundle":
                return self._answer(302, b"", Location="/bundle")
            if self.headers.get("If-None-Match") in offers.refused_tags:
                return self._answer(400, b"")
            if self.headers.get("If-None-Match") == tag:
                return self._answer(304, b"")
            offer = offers.bundle()
            body = {"sequence": offer.sequence, "bundle": offer.bundle, "signature": offer.signature}
            return self._answer(200, json.dumps(body).encode(), ETag=tag)

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    offers.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield offers
    finally:
        server.shutdown()
        server.server_close()
