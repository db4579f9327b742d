"""A CA for tests: real keys, a real database, a real policy, and a clock that the test moves.

Everything but the sockets: messages go to the authority as the server hands them over, one batch at a time.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar, cast

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit import sshkey
from sshjit.errors import SshJitError
from sshjit_ca import config, keys
from sshjit_ca.authority import Answer, Authority
from sshjit_ca.keys import files
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.machine.clock import Clock, Kept
from sshjit_ca.question import Question
from sshjit_ca.routes import ROUTES
from sshjit_ca.service import daemon
from sshjit_ca.sockets import Socket
from sshjit_ca.storage.limits import SERVING
from sshjit_ca.storage.store import Store
from tests.support.issuer import NATIVE_CLIENT, WEB_CLIENT, Issuer

R = TypeVar("R")
POLICY = """
version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
role = {}
[roles]
sre = ["acme/group:SRE"]
dba = ["acme/group:Database", "partner/email:dana@example.com"]
lead = ["acme/group:SRE Leads"]
[permissions]
lock = ["lead"]
audit = ["lead"]
[actions.migrate]
command = "/opt/app/bin/migrate"
title = "Run the database migration"
[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "8h"
certificate = "5m"
[[allow]]
name = "database"
roles = ["dba"]
hosts = { env = "prod", role = "db" }
logins = ["postgres"]
actions = ["shell", "migrate"]
reason = { pattern = "(INC|CHG)-[0-9]+", prompt = "Incident or change number" }
approvals = [{ from = "lead", count = 1 }]
pending = "30m"
use_by = "15m"
grant = "1h"
certificate = "5m"
"""


@dataclass
class Person:
    """Somebody who can sign in. The key is made by ssh-keygen when it is first needed."""

    sub: str
    groups: tuple[str, ...] = ()
    email: str = ""
    verified: bool = True
    provider: str = "acme"
    claims: dict[str, Any] = field(default_factory=dict)


ALICE = Person("a-1", ("SRE",), "alice@example.com")
BOB = Person("b-2", ("SRE Leads",), "bob@example.com")
CAROL = Person("c-3", (), "carol@example.com")
DANA = Person("d-4", (), "dana@example.com", provider="partner")


@dataclass
class Installation:
    """One CA under test."""

    home: Path
    issuers: dict[str, Issuer]
    time: float = 1_800_000_000.0
    boot: float = 5_000.0
    policy: str = POLICY
    logins: dict[str, m.LoginView] = field(default_factory=dict)
    sign_ins: int = 0
    places: KeyLocations = field(default_factory=KeyLocations)
    reserve_mib: int = 1
    own: dict[str, str] = field(default_factory=dict)
    """Provider -> the entries of its table of Unix names."""
    settings: dict[str, str] = field(default_factory=dict)
    """Provider -> further lines of its table in ``providers.toml``."""
    providers: str = ""
    """The whole text of ``providers.toml``; empty: one that is made of the issuers."""
    workloads: str = ""
    """The tables ``[workloads.NAME]`` of ``providers.toml``."""
    database: str | None = None
    """The address of an empty, migrated database; ``None``: a new SQLite file in the CA's home."""
    sources: str = ""
    """``[tickets]`` and ``[rotas]`` of ``ca.toml``."""

    def __post_init__(self) -> None:
        self.home.chmod(0o700)
        listed = "".join(
            _provider(name, issuer, self.own, self.settings.get(name, "")) for name, issuer in self.issuers.items()
        )
        self._write("providers.toml", self.providers or f"version = 1\n{listed}{self.workloads}")
        self._write("policy.toml", self.policy)
        self._write(
            "ca.toml",
            f'version = 1\ninstallation = "test"\nhome = "{self.home}/ca"\nweb_socket = "{self.home}/web.sock"\n'
            f'admin_socket = "{self.home}/admin.sock"\nweb_users = ["nobody"]\ndisk_reserve_mib = {self.reserve_mib}\n'
            f'syslog = "{self.home}/log"\n'
            + (f'database = "{self.database}"\n' if self.database else "")
            + f"unsafe_development = true\n{self.sources}",
        )
        self.config = config.load(self.home / "ca.toml")
        self._make_home()
        self.start()

    def _make_home(self) -> None:
        """What ``ssh-jit-ca init`` makes: the keys, and a database without entries."""
        (self.home / "ca" / "keys").mkdir(parents=True)
        for purpose in keys.PURPOSES:
            files.make(self.config.key_file(purpose))
        if self.database is None:
            shutil.copy(_empty_database(), self.home / "ca" / "ca.db")

    def start(self) -> None:
        """A new process, as it were: everything is read from disk again."""
        self.store = Store(self.config.database, bounds=SERVING)
        kept = Kept(self.home / "ca" / "clock", "this-start")
        clock = Clock(lambda: self.time, lambda: self.boot, kept)
        self.context = daemon.open_context(self.config, self.store, self.places, clock)
        self.authority = Authority(self.context)
        self.authority.begin()

    def stop(self) -> None:
        """Closes the database; nothing else is left open."""
        self.store.close()

    def restart(self) -> None:
        """Stops and starts."""
        self.stop()
        self.start()

    def later(self, seconds: float) -> None:
        """Lets time pass, for both clocks."""
        self.time += seconds
        self.boot += seconds

    def say(self, message: m.Message, reply: type[R], socket: Socket = "web") -> R:
        """Says one message; raises what the CA answers if that is an error."""
        (answer,) = self.say_all([message], socket)
        if isinstance(answer, SshJitError):
            raise answer
        assert type(answer) is reply
        return cast("R", answer)

    def say_all(self, messages: list[m.Message], socket: Socket = "web") -> list[Answer]:
        """Says messages that arrive together: one batch."""
        return self.authority.answer([self.prepared(message, socket) for message in messages])

    def prepared(self, message: m.Message, socket: Socket = "web") -> Question:
        """A message with what is done for it before its batch; raises what that raises."""
        route = ROUTES[type(message)]
        need = route.need(self.context, message) if route.need else message
        done = None if route.prepare is None or need is None else route.prepare(self.context, need, int(self.time))
        return Question(message, socket, done)

    def token(self, person: Person, audience: str, wanted_nonce: str, **changed: Any) -> str:
        """An ID token of a sign-in just now; ``changed`` claims replace the honest ones, ``None`` removes one."""
        now = int(self.time)
        issuer = self.issuers[person.provider]
        claims = {
            "iss": issuer.url,
            "sub": person.sub,
            "aud": audience,
            "iat": now,
            "exp": now + 600,
            "auth_time": now - 5,
            "nonce": wanted_nonce,
            "name": person.sub,
            "email": person.email,
            "email_verified": person.verified,
            "groups": list(person.groups),
            **person.claims,
            **changed,
        }
        return issuer.sign({name: value for name, value in claims.items() if value is not None})

    def web(self, person: Person) -> str:
        """Signs in through the pages; the login's id."""
        self.sign_ins += 1
        nonce = f"nonce-{self.sign_ins}"
        message = m.LoginWeb(person.provider, self.token(person, WEB_CLIENT, nonce), nonce, "192.0.2.7")
        return self._signed_in(self.say(message, m.LoginReply))

    def native(self, person: Person, key: Path | None = None) -> str:
        """Signs in by the native client, with the person's key; the login's id."""
        return self._signed_in(self.say(self.native_message(person, key), m.LoginReply))

    def native_message(self, person: Person, key: Path | None = None) -> m.LoginNative:
        """What ``ssh-jit login`` sends."""
        key = key or self.key(person)
        self.sign_ins += 1
        salt = self.sign_ins.to_bytes(16, "big")
        line = key.with_suffix(".pub").read_text()
        token = self.token(person, NATIVE_CLIENT, binding.nonce(sshkey.parse_line(line).blob, salt))
        signature = ssh_sign(key, binding.NAMESPACE, binding.signed_text(token))
        return m.LoginNative(person.provider, token, line, binding.b64url(salt), signature, "192.0.2.7")

    def key(self, person: Person) -> Path:
        """The person's private key."""
        return make_key(self.home / f"{person.provider}-{person.sub}")

    def add_host(self, name: str, **labels: str) -> m.HostReply:
        """Enrols a host."""
        pairs = tuple(labels.items())
        return self.say(m.AddHost(name, (), "127.0.0.1", 22, pairs, ()), m.HostReply, "admin")

    def ask(self, login_id: str, host: str, **changed: Any) -> m.AskReply:
        """Asks for a shell, or what is changed of that."""
        fields: dict[str, Any] = {
            "hosts": (host,),
            "login": None,
            "action": "shell",
            "command": None,
            "duration": None,
            "reason": "CHG-7 add index",
            "certificate": True,
            "address": "192.0.2.7",
        }
        return self.say(m.Ask(login_id, **{**fields, **changed}), m.AskReply)

    def approve(self, login_id: str, request: m.RequestView, comment: str = "") -> m.RequestView:
        """Approves what is shown."""
        return self.say(m.Approve(login_id, request.id, request.digest, comment, None), m.RequestReply).request

    def change_policy(self, old: str, new: str) -> None:
        """Replaces a part of the policy and puts it in force."""
        assert old in self.policy
        self.policy = self.policy.replace(old, new)
        self.authority.change_policy(self.authority.look_at_policy(self.policy))

    def say_policy(self, text: str, *, accept: bool) -> m.PolicyLoadReply:
        """Writes another policy file, and loads it as the operator does."""
        self.policy = text
        self._write("policy.toml", text)
        return self.say(m.LoadPolicy(dry_run=False, accept=accept), m.PolicyLoadReply, "admin")

    def kinds(self) -> list[str]:
        """The kinds of all durable entries, in order."""
        return [row.entry.kind for row in self.store.rows()]

    def _signed_in(self, reply: m.LoginReply) -> str:
        self.logins[reply.login.id] = reply.login
        return reply.login.id

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)


def _provider(name: str, issuer: Issuer, own: dict[str, str], settings: str) -> str:
    return f"""
[providers.{name}]
title = "{name}"
own_claim = "preferred_username"
own_names = {{ {own.get(name, "")} }}
issuer = "{issuer.url}"
email_domains = ["example.com"]
algorithms = ["RS256", "ES256"]
unsafe_http = true
{settings}
native = {{ client_id = "{NATIVE_CLIENT}", scopes = ["openid"] }}
web = {{ client_id = "{WEB_CLIENT}", client_secret_file = "/dev/null", scopes = ["openid"] }}
"""


def make_key(path: Path, kind: str = "ed25519", bits: int | None = None) -> Path:
    """A key by ssh-keygen, made once."""
    if not path.exists():
        size = ["-b", str(bits)] if bits else []
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-f", path], check=True)
    return path


def ssh_sign(key: Path, namespace: str, message: bytes) -> str:
    """An armoured signature by ``ssh-keygen -Y sign``."""
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", key], input=message, capture_output=True, check=True
    )
    return done.stdout.decode()


@cache
def _empty_database() -> Path:
    """A migrated database without entries, made once and copied for each test."""
    folder = Path(mkdtemp(prefix="ssh-jit-test-"))
    atexit.register(shutil.rmtree, folder)
    path = folder / "empty.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    store.close()
    return path
