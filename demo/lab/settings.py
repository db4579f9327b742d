"""The lab's configuration files: providers, policy, CA, front end.

The policy is the one of the documentation without days, hours, fresh sign-ins and second factors, so that the story
can be told at any time. Where hosts cannot have accounts of their own, every rule names the current user.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from demo.lab.paths import Paths, write


@dataclass(frozen=True, slots=True)
class Someone:
    """One of the demo's people, as a provider knows them."""

    provider: str
    groups: tuple[str, ...]


PEOPLE = {
    "alice": Someone("acme", ("SRE",)),
    "bob": Someone("acme", ("SRE Leads",)),
    "carol": Someone("acme", ()),
    "dana": Someone("partner", ()),
}
PROVIDERS = {"acme": "Acme", "partner": "Partner"}
NATIVE, WEB = "ssh-jit-cli", "ssh-jit-web"
PAGER = '#!/bin/sh\n{ cat; echo; } >> "$1"\n'
"""Where an organisation would call somebody, the lab's CA writes its alarms into a file: a lab wakes nobody."""
SCOPES = ["openid", "email", "profile", "groups"]


@dataclass(frozen=True, slots=True)
class Ports:
    """The lab's ports on 127.0.0.1."""

    web: int
    providers: dict[str, int]
    hosts: dict[str, int]

    @property
    def url(self) -> str:
        """The front end's address."""
        return f"http://127.0.0.1:{self.web}"

    def issuer(self, provider: str) -> str:
        """A provider's issuer."""
        return f"http://127.0.0.1:{self.providers[provider]}"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Unix accounts on the hosts, and what the action ``migrate`` runs there."""

    web: str
    database: str
    root: str
    migrate: str


def write_all(paths: Paths, ports: Ports, accounts: Accounts, web_user: str) -> None:
    """Writes every configuration file of the lab."""
    for provider in PROVIDERS:
        secret = secrets.token_urlsafe(32)
        write(paths.web / f"{provider}.secret", secret + "\n", 0o600)
        write(paths.providers / f"{provider}.json", _provider(provider, ports, secret), 0o600)
    write(paths.etc / "providers.toml", _trusted(paths, ports))
    write(paths.etc / "policy.toml", policy(accounts))
    write(paths.pager, PAGER, 0o700)
    write(paths.etc / "ca.toml", _ca(paths, ports, web_user))
    write(paths.etc / "web.toml", _web(paths, ports))


def _provider(provider: str, ports: Ports, secret: str) -> str:
    """What a development provider is told about itself."""
    people = {
        name: {
            "sub": f"{provider}-{secrets.token_hex(8)}",
            "name": name.capitalize(),
            "email": f"{name}@example.com",
            "groups": list(someone.groups),
        }
        for name, someone in PEOPLE.items()
        if someone.provider == provider
    }
    clients = [
        {"id": WEB, "secret": secret, "redirect_uris": [f"{ports.url}/auth/{provider}/callback"]},
        {"id": NATIVE, "redirect_uris": ["http://127.0.0.1/callback"]},
    ]
    return json.dumps(
        {
            "id": provider,
            "title": PROVIDERS[provider],
            "port": ports.providers[provider],
            "people": people,
            "clients": clients,
        },
        indent=2,
    )


def _trusted(paths: Paths, ports: Ports) -> str:
    """``providers.toml``: whom CA and front end believe."""
    lines = ["version = 1"]
    scopes = json.dumps(SCOPES)
    for provider, title in PROVIDERS.items():
        secret = _text(paths.web / f"{provider}.secret")
        lines += [
            "",
            f"[providers.{provider}]",
            f"title = {_text(title)}",
            f"issuer = {_text(ports.issuer(provider))}",
            'subject_claim = "sub"',
            'groups_claim = "groups"',
            'email_domains = ["example.com"]',
            'algorithms = ["RS256"]',
            "unsafe_http = true",
            f"native = {{ client_id = {_text(NATIVE)}, scopes = {scopes} }}",
            f"web = {{ client_id = {_text(WEB)}, client_secret_file = {secret}, scopes = {scopes} }}",
        ]
    return "\n".join([*lines, ""])


def _ca(paths: Paths, ports: Ports, web_user: str) -> str:
    return f"""version = 1
installation = "lab"
home = {_text(paths.ca)}
front_end = {_text(ports.url)}
web_socket = {_text(paths.web_socket)}
admin_socket = {_text(paths.admin_socket)}
web_users = [{_text(web_user)}]
policy = "policy.toml"
providers = "providers.toml"
certificate_max = "15m"
login_max_age = "8h"
syslog = {_text(paths.ca / "syslog")}
alert_command = [{_text(paths.pager)}, {_text(paths.log / "alarms")}]
unsafe_development = true
"""


def _web(paths: Paths, ports: Ports) -> str:
    return f"""version = 1
address = "127.0.0.1"
port = {ports.web}
public_url = {_text(ports.url)}
ca_socket = {_text(paths.web_socket)}
database = {_text(f"sqlite:///{paths.web}/web.db")}
providers = "providers.toml"
session_key_file = {_text(paths.web / "session.key")}
rate_address = 0
rate_session = 0
unsafe_http = true
"""


def policy(accounts: Accounts) -> str:
    """The text of ``policy.toml``."""
    web = json.dumps(list(dict.fromkeys([accounts.web, "@own"])) if accounts.web == "deploy" else [accounts.web])
    emergency = json.dumps(list(dict.fromkeys([accounts.database, accounts.root])))
    return f"""version = 1

[labels]
env  = {{ values = ["prod", "staging"], required = true }}
role = {{}}

[roles]
sre      = ["acme/group:SRE"]
dba      = ["acme/group:Database", "partner/email:dana@example.com"]
sre-lead = ["acme/group:SRE Leads"]
auditor  = [{{ from = "partner/email:eve@example.com", until = 2099-12-31 }}]

[permissions]
hosts   = ["sre-lead"]
lock    = ["sre-lead"]
unlock  = ["sre-lead"]
audit   = ["auditor", "sre-lead"]
explain = ["sre-lead"]
review  = ["sre-lead"]

[actions.migrate]
command = {_text(accounts.migrate)}
title   = "Run the database migration"

[[allow]]
name        = "staging"
roles       = ["sre", "dba"]
hosts       = {{ env = "staging" }}
logins      = {web}
approvals   = []
grant       = "8h"
certificate = "5m"

[[allow]]
name        = "prod-database"
roles       = ["dba"]
hosts       = {{ env = "prod", role = "db" }}
logins      = [{_text(accounts.database)}]
actions     = ["shell", "migrate"]
reason      = {{ pattern = "(INC|CHG)-[0-9]+", prompt = "Incident or change number" }}
approvals   = [{{ from = "sre-lead", count = 1 }}]
pending     = "30m"
use_by      = "15m"
grant       = "1h"
certificate = "5m"
max_hosts   = 4
extend      = {{ count = 2, by = "30m" }}

[[break_glass]]
name          = "on-call"
roles         = ["sre"]
hosts         = {{ env = "prod" }}
logins        = {emergency}
grant         = "30m"
certificate   = "5m"
review_within = "24h"
"""


def _text(value: str | Path) -> str:
    """A TOML string: JSON's escapes are TOML's."""
    return json.dumps(str(value))
