"""An OpenID issuer for tests: a real one over HTTP on loopback, which also signs what no honest provider would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, KeySet, RSAKey

WEB_CLIENT = "ssh-jit-web"
NATIVE_CLIENT = "ssh-jit-cli"


@dataclass
class Issuer:
    """Publishes its metadata and keys; ``sign`` signs any claims under any header."""

    url: str = ""
    keys: list[RSAKey | ECKey] = field(
        default_factory=lambda: [RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})]
    )
    metadata: dict[str, Any] = field(default_factory=dict)
    fetched: int = 0
    """How often the keys were asked for."""
    down: bool = False
    extra: tuple[dict[str, Any], ...] = ()
    """Further keys, as they are published."""

    def documents(self, path: str) -> dict[str, Any] | None:
        """What is served at a path."""
        if self.down:
            return None
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
                **self.metadata,
            }
        if path == "/jwks":
            self.fetched += 1
            return {"keys": [*KeySet(list(self.keys)).as_dict(private=False)["keys"], *self.extra]}
        return None

    def answer(self, method: str, path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a request; more than documents is for those who inherit from it."""
        asked = dict(parse_qsl(urlsplit(path).query))
        if not self.down and path.startswith("/authorize?") and asked.get("prompt") == "none":  # nobody is signed in
            refusal = urlencode({"error": "login_required", "state": asked["state"]})
            return 302, {"Location": f"{asked['redirect_uri']}?{refusal}"}, b""
        document = self.documents(path) if method == "GET" else None
        return 200 if document is not None else 503, {}, json.dumps(document).encode()

    def sign(
        self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: RSAKey | ECKey | None = None
    ) -> str:
        """A compact JWS over ``claims`` by ``key``, or by the first published one."""
        key = key or self.keys[0]
        header = header or {"alg": "RS256", "kid": key.kid}
        return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[str(header.get("alg"))])


K = TypeVar("K", bound=Issuer)


@contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer that listens on loopback until the block is left."""
    with listening(Issuer()) as issuer:
        yield issuer


@contextmanager
def listening(issuer: K) -> Iterator[K]:
    """Puts an issuer of any kind on loopback until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = issuer.answer(self.command, self.path, sent)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
