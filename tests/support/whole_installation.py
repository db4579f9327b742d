"""A whole installation as processes: one CA, two front ends before it, and what its log says of what they did.

On SQLite each front end has a database of its own, as on two machines; on PostgreSQL they share one. So a token works
at one front end there, and at both here; people sign in wherever they need to.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.lab.paths import free_ports
from sshjit import ca_protocol as m
from tests.support import postgres
from tests.support.ca_process import CaProcess, run_command
from tests.support.front_ends import Client, Front, started
from tests.support.installation import ALICE, BOB, DANA, Installation, Person
from tests.support.issuer import serving
from tests.support.waiting import wait_until

ERIN = Person("e-5", ("SRE Leads",), "erin@example.com")
DATABASES = ("sqlite", "postgresql")
HOSTS = 150
"""Of each kind: every race has one to itself, since who has access to a host is not asked about it again."""
KINDS = {"web": {"env": "staging"}, "db": {"env": "prod", "role": "db"}, "vault": {"env": "prod", "role": "vault"}}
KINDS |= {role: {"env": "prod", "role": role} for role in ("brief", "told")}
_RULE = """
[[allow]]
name = "{role}"
roles = ["dba"]
hosts = {{ env = "prod", role = "{role}" }}
logins = ["postgres"]
approvals = [{{ from = "lead", count = {count} }}]
pending = "{pending}"
use_by = "15m"
grant = "1h"
certificate = "5m"
"""
POLICY = """
version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
role = {}
[roles]
sre = ["acme/group:SRE"]
dba = ["partner/email:dana@example.com"]
lead = ["acme/group:SRE Leads"]
[permissions]
lock = ["lead"]
[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "8h"
certificate = "5m"
"""
POLICY += _RULE.format(role="db", count=1, pending="30m")
POLICY += _RULE.format(role="vault", count=2, pending="30m")
POLICY += _RULE.format(role="brief", count=1, pending="3s")
POLICY += _RULE.format(role="told", count=1, pending="30m")
WEB = """version = 1
address = "127.0.0.1"
port = {port}
public_url = "http://127.0.0.1:{port}"
ca_socket = "{home}/web.sock"
database = "{database}"
providers = "{home}/web-providers.toml"
session_key_file = "{home}/session.key"
unsafe_http = true
rate_address = 0
rate_session = 0
"""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the log: fact and detail together."""

    index: int
    time: int
    kind: str
    body: dict[str, Any]


@dataclass
class Site:
    """The processes, and who is signed in where."""

    ca: Installation
    running_ca: CaProcess
    fronts: tuple[Front, ...]
    shared: bool
    tokens: dict[tuple[str, int], str] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    """What the log calls people."""
    unused: dict[str, Iterator[int]] = field(default_factory=lambda: {kind: itertools.count(1) for kind in KINDS})

    def host(self, kind: str) -> str:
        """A host of this kind that nobody asked for yet."""
        number = next(self.unused[kind])
        assert number <= HOSTS
        return f"{kind}{number}"

    def sign_in(self, person: Person, front: int) -> str:
        """A new sign-in, with the person's key, which ``client`` uses from now on; its id."""
        self.ca.time = time.time()
        message = self.ca.native_message(person)
        fields = ("provider", "id_token", "key", "salt", "signature")
        said = Client(self.fronts[front].port).call(
            "POST", "/api/v1/login", {name: getattr(message, name) for name in fields}
        )
        assert said.status == 201, said
        for each in range(len(self.fronts)) if self.shared else (front,):
            self.tokens[person.sub, each] = said.body["token"]
        login = said.body["login"]
        self.subjects[person.sub] = login["person"]["id"]
        return str(login["id"])

    def client(self, person: Person, front: int) -> Client:
        """Somebody at a front end, signed in."""
        if (person.sub, front) not in self.tokens:
            self.sign_in(person, front)
        return Client(self.fronts[front].port, self.tokens[person.sub, front])

    def asked(self, person: Person, host: str) -> dict[str, Any]:
        """A new request."""
        said = self.client(person, 0).ask(host)
        assert said.status == 201, said
        found: dict[str, Any] = said.body["request"]
        return found

    def restart(self, program: Sequence[str] | None = None) -> None:
        """Another CA in the place of the one that was, which may be dead already."""
        self.running_ca.end()
        self.running_ca = CaProcess.start(self.running_ca.config, self.running_ca.admin_socket, program)
        wait_until(self.running_ca.ready)

    # ------------------------------------------------------------------------------------------------- the verdict

    def verify(self) -> None:
        """The log must be whole."""
        run_command(self.running_ca.config, "log", "verify")

    def log(self) -> list[Line]:
        """All entries, as ``ssh-jit-ca log show`` tells them."""
        told = json.loads(run_command(self.running_ca.config, "log", "show", "--json", "--limit", "100000"))["entries"]
        told.reverse()  # they come newest first
        assert [each["index"] for each in told] == list(range(len(told)))
        return [_line(each) for each in told]

    def history(self) -> dict[str, list[Line]]:
        """What the log says of each request, in its order."""
        found: dict[str, list[Line]] = {}
        for line in self.log():
            if "request" in line.body:
                found.setdefault(line.body["request"], []).append(line)
        return found


def _line(told: dict[str, Any]) -> Line:
    body = json.loads(told["fact"])["body"] | json.loads(told["detail"] or "{}")
    return Line(told["index"], told["time"], told["kind"], body)


def kinds(lines: list[Line]) -> Counter[str]:
    """How often each kind of entry is there."""
    return Counter(line.kind for line in lines)


@contextmanager
def running(home: Path, database: str) -> Iterator[Site]:
    """Everything up, and down when the block is left."""
    with ExitStack() as stack:
        issuers = {name: stack.enter_context(serving()) for name in ("acme", "partner")}
        server = stack.enter_context(postgres.running()) if database == "postgresql" else None
        ca = prepared(home, issuers, server.new() if server else None)
        shared = server.bare() if server else None
        ports = free_ports(2)
        stores = [shared or f"sqlite:///{home}/front{number}.db" for number in range(len(ports))]
        fronts = tuple(
            Front(web_config(home, number, port, store), port)
            for number, (port, store) in enumerate(zip(ports, stores, strict=True))
        )
        running_ca = CaProcess.start(home / "ca.toml", ca.config.admin_socket)
        site = Site(ca, running_ca, fronts, shared is not None)
        try:
            started(fronts)
            wait_until(running_ca.ready)
            yield site
            site.verify()
        finally:
            for front in fronts:
                front.end()
            site.running_ca.end()


def prepared(home: Path, issuers: dict[str, Any], database: str | None) -> Installation:
    """An installation with its hosts, which is not running."""
    ca = Installation(home, issuers, time=time.time(), boot=time.time(), database=database, policy=POLICY)
    hosts = [(f"{kind}{number}", labels) for kind, labels in KINDS.items() for number in range(1, HOSTS + 1)]
    added = ca.say_all(
        [m.AddHost(name, (), "127.0.0.1", 22, tuple(labels.items()), ()) for name, labels in hosts], "admin"
    )
    assert all(isinstance(each, m.HostReply) for each in added)
    ca.stop()
    for person in (ALICE, BOB, DANA, ERIN):
        ca.key(person)
    secret = _write(home / "web.secret", secrets.token_hex(16))
    _write(home / "session.key", secrets.token_hex(32))
    _write(home / "web-providers.toml", (home / "providers.toml").read_text().replace("/dev/null", str(secret)))
    return ca


def web_config(home: Path, number: int, port: int, database: str) -> Path:
    """The configuration of a front end at ``port``."""
    return _write(home / f"front{number}.toml", WEB.format(port=port, home=home, database=database))


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path
