"""Makes a CA whose log holds any number of certificates: ``python -m bench.make_log HOME [--certificates N]``.

The log is a real one, written by the CA's own journal, entry by entry, with its keys and checkpoints: fifty people who
sign in every eight hours, ask for a host, and draw certificates until the next time. Only the certificates themselves
are not signed, and nobody waits for the clock, so that a month is written in a minute or two.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from sshjit import events, sshkey
from sshjit_ca import config, keys
from sshjit_ca.authority import Authority
from sshjit_ca.context import Context
from sshjit_ca.keys import files
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.machine.clock import Clock
from sshjit_ca.service import daemon
from sshjit_ca.storage.store import Store

PEOPLE = 50
SHIFT = 8 * 3600
SPAN = 30 * 24 * 3600
"""Seconds over which the certificates are spread; they end now."""
BATCH = 2000
CA_TOML = """version = 1
installation = "bench"
home = "{home}/ca"
web_socket = "{home}/web.sock"
admin_socket = "{home}/admin.sock"
web_users = []
unsafe_development = true
"""
PROVIDERS = """version = 1
[providers.acme]
title = "Acme"
issuer = "http://127.0.0.1:9"
email_domains = ["example.com"]
algorithms = ["RS256"]
unsafe_http = true
native = { client_id = "ssh-jit-cli", scopes = ["openid"] }
web = { client_id = "ssh-jit-web", client_secret_file = "/dev/null", scopes = ["openid"] }
"""
POLICY = """version = 1
[labels]
env = { values = ["prod", "staging"], required = true }
[roles]
sre = ["acme/group:SRE"]
[[allow]]
name = "staging"
roles = ["sre"]
hosts = { env = "staging" }
logins = ["deploy"]
approvals = []
grant = "8h"
certificate = "5m"
"""


@dataclass
class FakeClock:
    """The clock's hand."""

    time: float


def make(home: Path, certificates: int, people: int = PEOPLE) -> Context:
    """A CA in ``home`` with a log of so many certificates. The context that comes back has its database open."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    for name, text in (("ca.toml", CA_TOML.format(home=home)), ("providers.toml", PROVIDERS), ("policy.toml", POLICY)):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    settings = config.load(home / "ca.toml")
    (settings.home / "keys").mkdir(parents=True, mode=0o700)
    for purpose in keys.PURPOSES:
        files.make(settings.key_file(purpose))
    store = Store(settings.database)
    store.migrate()
    hand = FakeClock(time.time() - SPAN - 60)
    context = daemon.open_context(settings, store, KeyLocations(), Clock(lambda: hand.time, lambda: hand.time))
    Authority(context).begin()
    _fill(context, certificates, people, int(hand.time))
    return context


def _fill(context: Context, certificates: int, people: int, began: int) -> None:
    open_to: dict[int, tuple[str, str, int]] = {}
    for number in range(certificates):
        now = began + number * SPAN // certificates
        person = number % people
        login, request, ends = open_to.get(person, ("", "", 0))
        if now >= ends:
            login, request, ends = open_to[person] = open_window(context, person, now)
        context.journal.record(recorded(context, person, login, request, min(now + 300, ends)), now)
        if number % BATCH == BATCH - 1:
            context.journal.commit()
    context.journal.commit()


def recorded(context: Context, person: int, login: str, request: str, until: int) -> events.Issued:
    """What the log says of a certificate."""
    serial = context.journal.next_serial()
    return events.Issued(
        serial=serial,
        request=request,
        login_id=login,
        certificate=hashlib.sha256(serial.to_bytes(8, "big")).hexdigest(),
        valid_before=until,
        policy=context.policy.digest,
        rule="staging",
        person=f"acme/person{person}@example.com",
        login="deploy",
        hosts=(f"web{person % 10}",),
        key=_fingerprint(person),
    )


def open_window(context: Context, person: int, now: int) -> tuple[str, str, int]:
    """Somebody signs in and is let in until the end of the shift: login, request, end."""
    login, request, host = context.new_id("login"), context.new_id("req"), f"web{person % 10}"
    subject, line = f"sub-{person:016d}", context.keys.public("user_ca").line
    token = hashlib.sha256(login.encode("ascii")).hexdigest()
    opened = events.LoginOpened(
        login, subject, "native", token, _fingerprint(person), now, now, now + SHIFT, mfa=True,
        provider="acme", claim=f"p-{person}", name=f"Person {person}", email=f"person{person}@example.com",
        verified=True, groups=("SRE",), own=None, key_line=line, address="192.0.2.7",
    )  # fmt: skip
    fields = {
        "request": request, "subject": subject, "login_id": login, "via": "native", "rule": "staging",
        "policy": context.policy.digest, "duration": SHIFT, "pending": 1800, "use_by": 1800, "certificate": 300,
        "hosts": (host,), "host_ids": (host,), "login": "deploy", "action": "shell", "command": None,
        "start": None, "break_glass": False, "review_within": None, "notify": (), "extends": None,
        "reason": "CHG-7 deploy", "address": "192.0.2.7", "forwarding": (), "source": (), "verify_required": False,
        "fresh_login": None, "mfa": False, "ends_by": None, "steps": (),
    }  # fmt: skip
    asked = events.Asked(**fields)  # type: ignore[arg-type]
    for event in (opened, asked, events.Opened(request, "automatic", now + SHIFT)):
        context.journal.record(event, now)
    return login, request, now + SHIFT


def _fingerprint(person: int) -> str:
    return sshkey.fingerprint(str(person).encode("ascii"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.make_log", description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path, metavar="HOME")
    parser.add_argument("--certificates", type=int, default=1_000_000, metavar="N", help="[1000000]")
    options = parser.parse_args()
    began = time.monotonic()
    context = make(options.home.resolve(), options.certificates)
    print(f"{context.state.size} entries in {time.monotonic() - began:.0f} s; SSH_JIT_CA_CONFIG={options.home}/ca.toml")


if __name__ == "__main__":
    main()
