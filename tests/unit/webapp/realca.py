"""The pages over a whole CA in this process: real sign-ins, real policy, real log, and a clock that the test moves."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit_web import migrate
from sshjit_web.app import create_app
from sshjit_web.ca_client import Carried
from sshjit_web.config import parse
from sshjit_web.security import Cookies
from sshjit_web.store import Store, open_engine
from tests.support import glass
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.issuer import Issuer
from tests.unit.webapp.conftest import KEY, ORIGIN, config_text

R = TypeVar("R")
EVE = Person("e-5", ("Auditors",), "eve@example.com")
MORE_POLICY = (
    'lock = ["lead"]\naudit = ["lead"]\n',
    'lock = ["lead"]\nunlock = ["lead"]\naudit = ["auditor"]\nexplain = ["lead"]\nreview = ["lead", "auditor"]\n',
)
ROLES = ("[permissions]", 'auditor = ["acme/group:Auditors"]\n[permissions]')
EXTEND = ('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\nextend = { count = 1, by = "30m" }\ngrant = "1h"')


def policy(text: str) -> str:
    """The test installation's policy, with everything that the pages show."""
    for old, new in (MORE_POLICY, ROLES, EXTEND):
        assert old in text
        text = text.replace(old, new)
    return f"{text}\n{glass.RULE}"


class InProcess:
    """The authority without the socket, one message at a time."""

    def __init__(self, ca: Installation) -> None:
        self.ca = ca
        self.heard: list[m.Message] = []
        self._lock = threading.Lock()

    def call(self, message: m.Message, reply: type[R]) -> R:
        with self._lock:
            self.heard.append(message)
            return self.ca.say(message, reply)

    def carry(self, message: m.Message, reply: type[m.Reply]) -> Carried:
        raise NotImplementedError("pages read what they show")


@dataclass
class RealWorld:
    """Everything of one test. ``browsers`` are signed in, by the person's subject."""

    ca: Installation
    authority: InProcess
    app: Flask
    store: Store
    cookie: str
    origin: str
    browsers: dict[str, FlaskClient] = field(default_factory=dict)

    def browser(self, person: Person, **claims: Any) -> FlaskClient:
        """A browser that is signed in as ``person``; the first time with these claims."""
        if person.sub not in self.browsers:
            named = {"name": person.email.partition("@")[0].capitalize(), **claims}
            client = self.app.test_client()
            session = self.session(self.ca.web(replace(person, claims=named)))
            client.set_cookie(self.cookie, session, domain="127.0.0.1")
            self.browsers[person.sub] = client
        return self.browsers[person.sub]

    def session(self, login_id: str) -> str:
        """The cookie's value of a session for this sign-in."""
        token, login = f"session-{login_id}-" + "t" * 30, self.ca.logins[login_id]
        self.store.add_session(token, "page", login_id, now=int(self.ca.time), expires=login.expires)
        return token

    def get(self, person: Person, path: str) -> TestResponse:
        return self.browser(person).get(path)

    def page(self, person: Person, path: str) -> str:
        """The text of a page that there must be."""
        answer = self.get(person, path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, person: Person, path: str, **fields: str | list[str]) -> TestResponse:
        """Sends a form as the pages do."""
        client = self.browser(person)
        token = client.get("/requests").text.split('name="form_token" value="')[1].split('"')[0]
        return client.post(path, data={"form_token": token, **fields}, headers={"Origin": self.origin})

    def ask(self, person: Person, host: str, **fields: str | list[str]) -> str:
        """Asks for a host; the request's id."""
        answer = self.post(person, "/requests/new", host=[host], **{"reason": "CHG-7 add index", **fields})
        assert answer.status_code in (200, 303), answer.text
        found = re.search(r"/requests/(req-\w+)", answer.location or answer.text)
        assert found is not None
        return found[1]

    def view(self, person: Person, request_id: str) -> m.RequestView:
        """The request as the CA has it now."""
        self.browser(person)
        login = next(each for each in reversed(self.ca.logins.values()) if each.person.email == person.email)
        return self.ca.say(m.ReadRequest(login.id, request_id), m.RequestReply).request


def _at(origin: str) -> type[FlaskClient]:
    """A browser that opens this address."""

    class Browser(FlaskClient):
        def open(self, *args: Any, **kwargs: Any) -> TestResponse:
            return super().open(*args, **{"base_url": origin, **kwargs})

    return Browser


@contextmanager
def build(
    folder: Path, issuers: dict[str, Issuer], text: str, *, time: float = 1_800_000_000.0, origin: str = ORIGIN
) -> Iterator[RealWorld]:
    """A CA by this policy with three hosts, and the front end before it."""
    home = folder / "ca-home"
    home.mkdir()
    ca = Installation(home, issuers, time=time, policy=text)
    ca.add_host("db1", env="prod", role="db")
    ca.add_host("web1", env="staging")
    ca.add_host("web2", env="staging")
    config = parse(config_text(folder, public_url=f'"{origin}"', port=origin.rpartition(":")[2]), folder)
    engine = open_engine(config.database)
    migrate.upgrade(engine)
    store, authority = Store(engine), InProcess(ca)
    app = create_app(config, authority, store, {}, key=KEY, clock=lambda: ca.time)
    app.test_client_class = _at(origin)
    try:
        yield RealWorld(ca, authority, app, store, Cookies(config).session, origin)
    finally:
        store.close()
        ca.stop()


__all__ = ["ALICE", "BOB", "DANA", "EVE", "RealWorld", "build", "policy"]
