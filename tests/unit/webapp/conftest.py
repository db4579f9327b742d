"""The front end in this process, with a real database, and an authority behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sshjit_web import migrate
from sshjit_web.app import create_app
from sshjit_web.ca_client import CaClient
from sshjit_web.config import WebConfig, parse
from sshjit_web.security import Cookies
from sshjit_web.store import Store, open_engine
from tests.support.issuer import Issuer, serving
from tests.support.waiting import PATIENCE
from tests.unit.webapp.standin import Standin
from tests.unit.webapp.standin_server import Server

ORIGIN = "http://127.0.0.1:8080"
KEY = b"k" * 64


@dataclass
class Clock:
    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Browser(FlaskClient):
    """Opens our own address."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"base_url": ORIGIN, **kwargs})


@dataclass
class World:
    """Everything of one test. ``people`` are signed-in browsers by name."""

    app: Flask
    config: WebConfig
    store: Store
    standin: Standin
    server: Server
    clock: Clock
    folder: Path
    people: dict[str, FlaskClient] = field(default_factory=dict)

    def anybody(self) -> FlaskClient:
        return self.app.test_client()

    def browser(self, name: str) -> FlaskClient:
        """A browser that is signed in as ``name``."""
        if name not in self.people:
            client = self.anybody()
            client.set_cookie(self.cookie, self.token(name, "page"), domain="127.0.0.1")
            self.people[name] = client
        return self.people[name]

    def token(self, name: str, kind: str) -> str:
        login = self.standin.sign_in(name, "web" if kind == "page" else "native")
        token = f"{name}-{kind}-{len(self.standin.logins)}-" + "t" * 30
        now = int(self.clock())
        self.store.add_session(token, "page" if kind == "page" else "api", login.id, now=now, expires=login.expires)
        return token

    @property
    def cookie(self) -> str:
        return Cookies(self.config).session

    def post(self, name: str, path: str, **fields: str | list[str]) -> TestResponse:
        """Sends a form as the pages do: with the token of a page that the browser opened, and its origin."""
        client = self.browser(name)
        return client.post(path, data={"form_token": self.form_token(client), **fields}, headers={"Origin": ORIGIN})

    @staticmethod
    def form_token(client: FlaskClient) -> str:
        text = client.get("/requests").text
        return text.split('name="form_token" value="')[1].split('"')[0]


def config_text(folder: Path, **changes: str) -> str:
    values = {
        "address": '"127.0.0.1"',
        "port": "8080",
        "public_url": f'"{ORIGIN}"',
        "ca_socket": '"web.sock"',
        "database": f'"sqlite:///{folder}/web.db"',
        "providers": '"providers.toml"',
        "session_key_file": '"session.key"',
        "unsafe_http": "true",
    }
    return "version = 1\n" + "".join(f"{key} = {value}\n" for key, value in {**values, **changes}.items())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = Clock()
    standin = Standin(clock)
    server = Server(tmp_path / "web.sock", standin)
    config = parse(config_text(tmp_path), tmp_path)
    engine = open_engine(config.database)
    migrate.upgrade(engine)
    store, ca = Store(engine), CaClient(tmp_path / "web.sock", timeout=PATIENCE)
    app = create_app(config, ca, store, {}, key=KEY, clock=clock)
    app.test_client_class = Browser
    yield World(app, config, store, standin, server, clock, tmp_path)
    ca.close()
    server.stop()
    store.close()


@pytest.fixture(scope="session")
def issuers() -> Iterator[dict[str, Issuer]]:
    """Two issuers that listen for the whole run."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(serving()) for name in ("acme", "partner")}
