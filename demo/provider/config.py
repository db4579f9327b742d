"""What a development provider is told: its people and its clients, from a TOML or JSON file.

This file decides what a valid configuration is, and which redirect addresses a client may use. It does no HTTP.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from urllib.parse import SplitResult, urlsplit

SCOPES = ("openid", "profile", "email", "groups")
T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person who can sign in. ``claims`` are further claims, as they are."""

    id: str
    sub: str
    name: str
    email: str
    email_verified: bool = True
    groups: tuple[str, ...] = ()
    amr: tuple[str, ...] = ("pwd",)
    claims: dict[str, Any] = field(default_factory=dict)

    def about(self, scope: str) -> dict[str, Any]:
        """Claims about this person for the granted ``scope`` (OpenID Connect Core 5.4, and ``groups``)."""
        granted = scope.split()
        claims: dict[str, Any] = {"sub": self.sub}
        if "profile" in granted:
            claims |= {"name": self.name, "preferred_username": self.id}
        if "email" in granted:
            claims |= {"email": self.email, "email_verified": self.email_verified}
        if "groups" in granted:
            claims["groups"] = list(self.groups)
        return claims | self.claims


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client; the methods are those that Authlib asks of one.

    Without a secret it is a public client: PKCE is then required, and its loopback redirects may use any port (RFC
    8252, 7.3).
    """

    id: str
    redirect_uris: tuple[str, ...]
    secret: str | None = None

    @property
    def public(self) -> bool:
        """Whether it has no secret."""
        return self.secret is None

    def get_client_id(self) -> str:
        """The identifier in ``client_id`` and ``aud``."""
        return self.id

    def get_default_redirect_uri(self) -> None:
        """None: OpenID Connect requires ``redirect_uri`` in every request."""
        return

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What of the wished scope is granted; ``None`` when nothing is left."""
        allowed = [wish for wish in (scope or "").split() if wish in SCOPES]
        return " ".join(allowed) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Registered letter by letter, except for a public client's loopback port."""
        if redirect_uri in self.redirect_uris:
            return True
        return self.public and any(same_but_port(known, redirect_uri) for known in self.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Compared in constant time; a public client has none to give."""
        return self.secret is not None and secrets.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """``none`` for public clients, HTTP Basic for the others, at every endpoint."""
        del endpoint
        return method == ("none" if self.public else "client_secret_basic")

    def check_response_type(self, response_type: str) -> bool:
        """Only the code flow."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Only the code flow, so no refresh tokens either."""
        return grant_type == "authorization_code"


@dataclass(frozen=True, slots=True)
class Config:
    """A whole provider. Lifetimes are seconds."""

    id: str
    title: str
    port: int
    people: dict[str, Person]
    clients: dict[str, Client]
    address: str = "127.0.0.1"
    code_lifetime: int = 60
    token_lifetime: int = 300
    session_lifetime: int = 3600

    def __post_init__(self) -> None:
        try:
            loopback = ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise ConfigError(f"{self.address}: a development provider binds a loopback address only")
        if not (self.id.isascii() and self.id.isalnum()):
            raise ConfigError("id must be letters and digits")
        if not self.people or not self.clients:
            raise ConfigError("there must be people and clients")

    @property
    def issuer(self) -> str:
        """The issuer identifier: an origin, without a slash at its end."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


def same_but_port(registered: str, asked: str) -> bool:
    """Whether both are ``http`` to the same loopback IP literal and differ in the port alone (RFC 8252, 7.3)."""
    try:
        known, wish = urlsplit(registered), urlsplit(asked)
        port = wish.port
    except ValueError:
        return False
    if known.hostname not in {"127.0.0.1", "::1"} or port == 0 or not asked.isascii() or asked != asked.strip():
        return False
    return _without_port(known) == _without_port(wish) and "\\" not in asked


def _without_port(parts: SplitResult) -> tuple[object, ...]:
    return (parts.scheme, parts.hostname, parts.path, parts.query, parts.fragment, parts.username, parts.password)


def read(path: Path) -> Config:
    """The configuration in ``path`` (``.json``, else TOML). Raises ``ConfigError``."""
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        people = {key: _build(Person, id=key, **value) for key, value in data.pop("people").items()}
        clients = {client.id: client for client in map(_client, data.pop("clients"))}
        return _build(Config, people=people, clients=clients, **data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _client(data: dict[str, Any]) -> Client:
    if secret_file := data.pop("secret_file", None):
        data["secret"] = Path(secret_file).read_text(encoding="ascii").strip()
    return _build(Client, **data)


def _build(kind: type[T], **fields: Any) -> T:
    """Makes a record of what a file said: lists become tuples, and every plain type is checked."""
    for name, hint in get_type_hints(kind).items():
        value = fields.get(name)
        if isinstance(value, list):
            fields[name] = tuple(value)
        elif name in fields and hint in {str, int, bool} and type(value) is not hint:
            raise TypeError(f"{name} must be {hint.__name__}")
    return kind(**fields)
