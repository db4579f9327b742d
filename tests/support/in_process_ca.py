"""The front end before a whole CA, all in this process: real policy, keys and log, and a clock that a test moves.

``front_end`` makes both; ``on_loopback`` serves the pages and the API at an address, for programs that need one. The CA
itself is ``tests/support/installation.py``; its real sockets are in ``tests/support/ca_sockets.py``.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from sshjit import ca_protocol as m
from sshjit import versions, wire
from sshjit.errors import SshJitError
from sshjit_ca.public_errors import public_error
from sshjit_web import migrate
from sshjit_web.app import create_app
from sshjit_web.ca_client import CaClient, Carried
from sshjit_web.config import WebConfig, parse
from sshjit_web.security import Cookies
from sshjit_web.store import Store, open_engine
from tests.support import break_glass
from tests.support.installation import POLICY, Installation, Person
from tests.support.issuer import Issuer

R = TypeVar("R")
ORIGIN = "http://127.0.0.1:8080"
KEY = b"k" * 64
"""The session key."""
BEA = Person("b-3", ("SRE Leads",), "bea@example.com")
EVE = Person("e-5", ("Auditors",), "eve@example.com")
HOSTS: Mapping[str, Mapping[str, str]] = {
    "db1": {"env": "prod", "role": "db"},
    "web1": {"env": "staging"},
    "web2": {"env": "staging"},
}
"""Name -> labels of the hosts that there are at first."""
_CHANGES = (
    (
        'lock = ["lead"]\naudit = ["lead"]\n',
        'lock = ["lead"]\nunlock = ["lead"]\naudit = ["auditor"]\nexplain = ["lead"]\nreview = ["lead", "auditor"]\n',
    ),
    ("[permissions]", 'auditor = ["acme/group:Auditors"]\n[permissions]'),
    ('use_by = "15m"\ngrant = "1h"', 'use_by = "15m"\nextend = { count = 1, by = "30m" }\ngrant = "1h"'),
)


def policy(text: str = POLICY) -> str:
    """The test installation's policy, with permissions, more time and break-glass: everything that the pages show."""
    for old, new in _CHANGES:
        assert old in text
        text = text.replace(old, new)
    return f"{text}\n{break_glass.RULE}"


class InProcessCa:
    """The CA without its socket, one message at a time: what the front end has in place of ``CaClient``.

    With ``ticking`` the CA's clock is set to the real one before each message.
    """

    def __init__(self, ca: Installation, *, ticking: bool = False) -> None:
        self.ca = ca
        self.messages: list[m.Message] = []
        """All that the front end ever sent, in order."""
        self._ticking = ticking
        self.lock = threading.Lock()
        """Held during each message; a test that speaks to the CA itself while the front end does holds it too."""
        self._stopped: CaClient | None = None

    def stop(self) -> None:
        """From now on the front end asks a socket where nobody listens."""
        self._stopped = CaClient(self.ca.home / "nobody-listens.sock")

    def go_on(self) -> None:
        """From now on the front end reaches the CA again."""
        self._stopped = None

    def call(self, message: m.Message, reply: type[R]) -> R:
        """The CA's answer; raises what it answers if that is an error."""
        if self._stopped is not None:
            return self._stopped.call(message, reply)
        with self.lock:
            self.messages.append(message)
            self.tick()
            try:
                return self.ca.say(message, reply)
            except SshJitError as error:
                raise public_error(error) from error  # as the socket carries it

    def tick(self) -> None:
        """Sets the CA's clock, if it ticks."""
        if self._ticking:
            self.ca.later(max(0.0, time.time() - self.ca.time))

    def clock(self) -> float:
        """What the front end's clock says: the real time if it ticks, and else what the test made the CA's."""
        return max(self.ca.time, time.time()) if self._ticking else self.ca.time

    version = versions.PROTOCOL

    def carry(self, message: m.Message, reply: type[m.Reply], reader: int) -> Carried:
        """The answer as text, as the socket carries it for a reader of this version."""
        text = json.dumps(wire.encode_for(self.call(message, reply), reader, "the reader"))
        return Carried(text, msgspec.json.decode(text, type=dict[str, msgspec.Raw]))


@dataclass
class FrontEnd:
    """A front end and the CA behind it. ``browsers`` are signed in, by the person's subject."""

    ca: Installation
    authority: InProcessCa
    app: Flask
    store: Store
    config: WebConfig
    folder: Path
    browsers: dict[str, FlaskClient] = field(default_factory=dict)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return Cookies(self.config).session

    @property
    def origin(self) -> str:
        """The address that people open."""
        return self.config.origin

    def stranger(self) -> FlaskClient:
        """A browser, or a command line, that is not signed in."""
        return self.app.test_client()

    def browser(self, person: Person, **claims: Any) -> FlaskClient:
        """A browser that is signed in as ``person``; the first time with these claims."""
        if person.sub not in self.browsers:
            client = self.app.test_client()
            session = self.session(self.ca.web(named(person, **claims)))
            client.set_cookie(self.cookie, session, domain="127.0.0.1")
            self.browsers[person.sub] = client
        return self.browsers[person.sub]

    def session(self, login_id: str) -> str:
        """The cookie's value of a session for this sign-in."""
        token, login = f"session-{login_id}-" + "t" * 30, self.ca.logins[login_id]
        self.store.add_session(token, "page", login_id, now=int(self.ca.time), expires=login.expires)
        return token

    def get(self, person: Person, path: str) -> TestResponse:
        """Opens a page."""
        return self.browser(person).get(path)

    def page(self, person: Person, path: str) -> str:
        """The text of a page that there must be."""
        answer = self.get(person, path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, person: Person, path: str, **fields: str | list[str]) -> TestResponse:
        """Sends a form as the pages do: with the token of a page that the browser opened, and its origin."""
        client = self.browser(person)
        return client.post(path, data={"form_token": form_token(client), **fields}, headers={"Origin": self.origin})

    def ask(self, person: Person, host: str, **fields: str | list[str]) -> str:
        """Asks for a host; the request's id."""
        answer = self.post(person, "/requests/new", host=[host], **{"reason": "CHG-7 add index", **fields})
        assert answer.status_code in (200, 303), answer.text
        match = re.search(r"/requests/(req-\w+)", answer.location or answer.text)
        assert match is not None
        return match[1]

    def view(self, person: Person, request_id: str) -> m.RequestView:
        """The request as the CA has it now."""
        self.browser(person)
        login = next(login for login in reversed(self.ca.logins.values()) if login.person.email == person.email)
        return self.ca.say(m.ReadRequest(login.id, request_id), m.RequestReply).request


class CommandLine:
    """A command line with a token and a key, which speaks the JSON API."""

    def __init__(self, world: FrontEnd, person: Person) -> None:
        self.world, self.person = world, person
        self.login = world.ca.native(named(person))
        self.token, expires = f"api-{self.login}-" + "t" * 30, world.ca.logins[self.login].expires
        world.store.add_session(self.token, "api", self.login, now=int(world.ca.time), expires=expires)
        self.client, self.headers = world.app.test_client(), {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str) -> TestResponse:
        """Reads what stands below ``/api/v1/``."""
        return self.client.get(f"/api/v1/{path}", headers=self.headers)

    def post(self, path: str, body: Any = None) -> TestResponse:
        """Sends a body, or nothing."""
        content = {} if body is None else {"json": body}
        return self.client.post(f"/api/v1/{path}", headers=self.headers, **content)


def named(person: Person, **claims: Any) -> Person:
    """Somebody whose provider knows their name: that of the address, with a capital letter."""
    return replace(person, claims={"name": person.email.partition("@")[0].capitalize(), **person.claims, **claims})


def form_token(client: FlaskClient) -> str:
    """The token of the forms that this browser gets."""
    return client.get("/requests").text.split('name="form_token" value="')[1].split('"')[0]


def outdated(token: str) -> str:
    """This form token in a browser whose session is another one by now, or none; the form is still that person's."""
    return "0" * 64 + token[64:]


def config_text(folder: Path, **changes: str) -> str:
    """A ``web.toml``; each value as TOML writes it."""
    values = {
        "address": '"127.0.0.1"',
        "port": "8080",
        "public_url": f'"{ORIGIN}"',
        "ca_socket": '"web.sock"',
        "database": f'"sqlite:///{folder}/web.db"',
        "providers": '"providers.toml"',
        "session_key_file": '"session.key"',
        "unsafe_http": "true",
        "session_idle": '"24h"',
        "session_max_age": '"24h"',
        "rate_address": "0",
        "rate_session": "0",
    }
    return "version = 1\n" + "".join(f"{key} = {value}\n" for key, value in {**values, **changes}.items())


@contextmanager
def front_end(
    folder: Path,
    issuers: dict[str, Issuer],
    text: str,
    *,
    time: float = 1_800_000_000.0,
    origin: str = ORIGIN,
    hosts: Mapping[str, Mapping[str, str]] = HOSTS,
    ticking: bool = False,
    settings: Mapping[str, str] | None = None,
    sources: str = "",
    workloads: str = "",
) -> Iterator[FrontEnd]:
    """A CA by this policy, with these hosts, and the front end before it, whose address is ``origin``.

    ``settings``: further lines of a provider's table in ``providers.toml``; ``sources``: where checkers and rotas are;
    ``workloads``: the tables of issuers of workloads.
    """
    home = folder / "ca-home"
    home.mkdir()
    extra = dict(settings or {})
    ca = Installation(home, issuers, time=time, policy=text, settings=extra, sources=sources, workloads=workloads)
    for name, labels in hosts.items():
        ca.add_host(name, **labels)
    config = parse(config_text(folder, public_url=f'"{origin}"', port=origin.rpartition(":")[2]), folder)
    engine = open_engine(config.database)
    migrate.upgrade(engine)
    store, authority = Store(engine), InProcessCa(ca, ticking=ticking)
    app = create_app(config, authority, store, {}, key=KEY, clock=authority.clock)
    app.test_client_class = client_of(origin)
    try:
        yield FrontEnd(ca, authority, app, store, config, folder)
    finally:
        store.close()
        ca.stop()


def client_of(origin: str) -> type[FlaskClient]:
    """A browser that opens this address."""

    class Browser(FlaskClient):
        def open(self, *args: Any, **kwargs: Any) -> TestResponse:
            return super().open(*args, **{"base_url": origin, **kwargs})

    return Browser


class _Quiet(WSGIRequestHandler):
    """Tests are quiet."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 -- the name that werkzeug gives it
        """Says nothing."""


@contextmanager
def on_loopback(port: int = 0) -> Iterator[BaseWSGIServer]:
    """A server on a port, or on a free one, in threads; give it its ``app`` when you know the port.

    It answers every request with nothing before that.
    """

    def empty(_: Any, start: Any) -> Iterable[bytes]:
        start("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]

    server = make_server("127.0.0.1", port, empty, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
