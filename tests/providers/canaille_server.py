"""Canaille with one person, one group and our two clients, in memory; for the Python that has Canaille."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from canaille import create_app  # type: ignore[import-not-found]
from canaille.app import models  # type: ignore[import-not-found]
from canaille.backends import Backend  # type: ignore[import-not-found]


class Quiet(WSGIRequestHandler):
    """No line for each request."""

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def main() -> None:
    """Serves until it is killed."""
    settings = json.loads(os.environ["CANAILLE_TEST"])
    port: int = settings["port"]
    app = create_app(
        {
            "SECRET_KEY": "only for tests, on loopback, for minutes",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False},
            # After signing out it sends people back to a trusted domain, whatever a client has registered.
            "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["127.0.0.1"]},
        }
    )
    with app.app_context():
        backend = Backend.instance
        alice = models.User(
            user_name="alice",
            formatted_name="Alice A",
            family_name="A",
            emails=["alice@example.com"],
            password=settings["password"],
        )
        backend.save(alice)
        backend.save(models.Group(display_name="SRE", members=[alice]))
        for client in settings["clients"]:
            made = models.Client(**client, client_id_issued_at=dt.datetime.now(dt.UTC), audience=[])
            backend.save(made)
            made.audience = [made]
            backend.save(made)
    with make_server("127.0.0.1", port, app, handler_class=Quiet) as server:
        print("ready", flush=True)
        server.serve_forever()


main()
