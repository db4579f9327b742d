"""An OpenID issuer for tests: a real one over HTTP on loopback, which also signs what no honest provider would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
            return dict(KeySet(list(self.keys)).as_dict(private=False))
        return None

    def sign(
        self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: RSAKey | ECKey | None = None
    ) -> str:
        """A compact JWS over ``claims`` by ``key``, or by the first published one."""
        key = key or self.keys[0]
        return jws.serialize_compact(header or {"alg": "RS256", "kid": key.kid}, json.dumps(claims), key)


@contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer that listens on loopback until the block is left."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = issuer.documents(self.path)
            body = json.dumps(document).encode()
            self.send_response(200 if document is not None else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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
