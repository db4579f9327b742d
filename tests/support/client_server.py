"""A server for the command line's tests: the real front end before a real CA, in this process, served on loopback.

People sign in at an issuer with the code flow of a native client. What the tests ask for beyond that is written down
here: which calls arrived, a CA that is away, and a front end that lies about certificates.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from werkzeug.wrappers import Response

from sshjit import ca_protocol as m
from sshjit.api.views import RequestState, RequestView
from sshjit.login import b64url
from sshjit_ca.sockets import Socket
from tests.support import in_process_ca, soft_authenticator
from tests.support.in_process_ca import BEA, EVE, FrontEnd, named
from tests.support.installation import BOB, CAROL, POLICY, Person
from tests.support.issuer import NATIVE_CLIENT, Issuer, listening
from tests.support.waiting import wait_until

R = TypeVar("R")
ALICE = Person("a-1", ("SRE", "Database"), "alice@example.com")
PEOPLE = {person.email.partition("@")[0]: person for person in (ALICE, BOB, BEA, CAROL, EVE)}
HOSTS = {
    "web1": {"env": "staging"},
    "db1": {"env": "prod", "role": "db"},
    "vault1": {"env": "prod", "role": "vault"},
    "web2": {"env": "staging"},
}
"""Alice gets web1 at once, waits for db1, and is denied vault1."""
NAMES = [name for host in HOSTS for name in (host, f"{host}.lab")]
"""What the hosts are called."""
_CHANGES = (
    ('grant = "8h"', 'extend = { count = 2, by = "30m" }\ngrant = "8h"'),
    ('logins = ["deploy"]', 'logins = ["deploy", "guest"]'),
    ("[permissions]", 'security = ["acme/group:Security"]\n[permissions]'),
)
_VAULT = """
[[allow]]
name = "vault"
roles = ["security"]
hosts = { role = "vault" }
logins = ["vault"]
approvals = []
grant = "1h"
certificate = "5m"
"""


def policy() -> str:
    """The policy of ``in_process_ca``, with more time and a second account for staging, and hosts Alice cannot have."""
    text = POLICY
    for old, new in _CHANGES:
        assert old in text
        text = text.replace(old, new, 1)
    return in_process_ca.policy(text) + _VAULT


class SignInProvider(Issuer):
    """An issuer at which people sign in: the code flow with PKCE. Who comes is said by ``login_hint``; else Alice."""

    def __init__(self) -> None:
        super().__init__()
        self.front: FrontEnd | None = None
        self.sent_issuer = ""
        """What it calls itself when it answers, if not by its name."""
        self.asked: list[dict[str, str]] = []
        """How ``ssh-jit`` asked for each sign-in."""
        self.claims: dict[str, Any] = {}
        """What it says of sign-ins in which nobody had to prove who they are."""
        self.fresh_claims: dict[str, Any] = {}
        """What it says of the others."""
        self._codes: dict[str, dict[str, str]] = {}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The two endpoints of the code flow beside what every issuer has."""
        parts = urlsplit(path)
        if (method, parts.path) == ("GET", "/authorize"):
            return 302, {"Location": self._authorize(dict(parse_qsl(parts.query)))}, b""
        if (method, parts.path) == ("POST", "/token"):
            return (
                200,
                {"Content-Type": "application/json"},
                json.dumps(self._token(dict(parse_qsl(body.decode())))).encode(),
            )
        return super().answer(method, path, body)

    def _authorize(self, query: dict[str, str]) -> str:
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        self.asked.append(query)
        back = {"code": code, "state": query["state"], "iss": self.sent_issuer or self.url}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def _token(self, form: dict[str, str]) -> dict[str, Any]:
        query = self._codes.pop(form["code"])
        challenge = b64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        assert (challenge, form["redirect_uri"]) == (query["code_challenge"], query["redirect_uri"])
        assert self.front is not None
        person = named(PEOPLE[query.get("login_hint", "alice")])
        with self.front.authority.lock:
            self.front.authority.tick()
            more = self.fresh_claims if query.get("prompt") == "login" else self.claims
            more = {name: said() if callable(said) else said for name, said in more.items()}
            token = self.front.ca.token(person, NATIVE_CLIENT, query["nonce"], **more)
        return {"id_token": token, "token_type": "Bearer", "expires_in": 3599.5}


@dataclass
class ClientServer:
    """The front end at ``url``, and what a test may know of it and do to it."""

    url: str
    front: FrontEnd
    provider: SignInProvider
    calls: list[str] = field(default_factory=list)
    """What arrived: ``POST /api/v1/requests`` and so on."""
    bodies: list[bytes] = field(default_factory=list)
    """What each of the calls carried."""
    lies: dict[str, Any] = field(default_factory=dict)
    """Fields that the front end changes in every certificate's answer."""
    alter: Any = None
    """Changes any other answer of the front end: its path and value go in, the value that is sent comes out."""
    _auditor: str = ""

    @property
    def root(self) -> str:
        """The fingerprint of the root, which machines pin."""
        return self.front.ca.context.keys.public("bundle").fingerprint

    def say(self, message: m.Message, reply: type[R], socket: Socket = "web") -> R:
        """Says something to the CA, between the calls of the front end."""
        with self.front.authority.lock:
            self.front.authority.tick()
            return self.front.ca.say(message, reply, socket)

    def host(self, name: str, port: int) -> None:
        """Enrols one of ``HOSTS``."""
        labels = tuple(HOSTS[name].items())
        self.say(m.AddHost(name, (f"{name}.lab",), "127.0.0.1", port, labels, ()), m.HostReply, "admin")

    def sign_in(self, person: Person) -> str:
        """Signs a person in through the pages; the sign-in's id."""
        with self.front.authority.lock:
            self.front.authority.tick()
            return self.front.ca.web(named(person))

    def requests(self) -> list[str]:
        """The ids of all requests, oldest first."""
        return list(self.front.ca.context.state.requests)

    def view(self, request: str) -> RequestView:
        """A request as an auditor sees it."""
        self._auditor = self._auditor or self.sign_in(EVE)
        return self.say(m.ReadRequest(self._auditor, request), m.RequestReply).request

    def state(self, request: str) -> RequestState:
        """How a request stands."""
        return self.view(request).state

    def decide(self, request: str, verdict: str = "approve", comment: str = "", by: Person = BOB) -> None:
        """Approves or denies a request as it stands."""
        message = m.Approve if verdict == "approve" else m.Deny
        login, view = self.sign_in(by), self.view(request)
        self.say(message(login, request, view.digest, comment, None), m.RequestReply)

    def away(self, *, away: bool = True) -> None:
        """Takes the CA away from the front end, or gives it back."""
        if away:
            self.front.authority.stop()
        else:
            self.front.authority.go_on()

    def wait_for(self, call: str, times: int = 1) -> None:
        """Waits until so many calls that begin like this have arrived."""
        wait_until(lambda: sum(c.startswith(call) for c in self.calls) >= times, lambda: self.calls)

    def app(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """The front end, with its calls written down and its answers perhaps changed."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.calls.append(f"{method} {path}")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        self.bodies.append(body)
        if not self.lies and self.alter is None:
            return self.front.app.wsgi_app(environ, start)
        answer = Response.from_app(self.front.app.wsgi_app, environ)
        body = answer.get_data()
        value = self._changed(path, json.loads(body) if body.startswith(b"{") else None)
        if value is not None:
            answer.set_data(json.dumps(value))
        return answer(environ, start)

    def _changed(self, path: str, value: Any) -> Any:
        if value is None or not path.startswith("/api/"):
            return None
        certificate = value if path.endswith("/certificate") else value.get("certificate")
        if isinstance(certificate, dict):
            certificate.update(self.lies)
        return self.alter(path, value) if self.alter is not None else value


@contextmanager
def client_server(folder: Path, changes: Iterable[tuple[str, str]] = (), workloads: str = "") -> Iterator[ClientServer]:
    """The whole of it, in a folder; hosts are enrolled by the test, which knows their ports.

    ``changes``: what is replaced in the policy; ``workloads``: the tables of issuers of workloads.
    """
    text = policy().replace(', "partner/email:dana@example.com"', "")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with listening(SignInProvider()) as provider, in_process_ca.on_loopback() as http:
        url = f"http://127.0.0.1:{http.server_port}"
        issuers: dict[str, Issuer] = {"acme": provider}
        running = in_process_ca.front_end(
            folder,
            issuers,
            text,
            time=time.time(),
            origin=url,
            hosts={},
            ticking=True,
            workloads=workloads,
            sources=soft_authenticator.PASSKEYS,
        )
        with running as front:
            server = ClientServer(url, front, provider)
            provider.front = front
            front.ca.context.published["acme"].refresh()
            http.app = server.app
            yield server
