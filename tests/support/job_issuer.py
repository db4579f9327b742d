"""An issuer of workloads' tokens: what GitHub, GitLab and Kubernetes are to a job, on loopback, over TLS or without.

It publishes keys and signs nobody in. It also answers where a job asks for a token: as GitHub Actions does, and as the
API server of Kubernetes does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sshjit import ca_protocol as m
from sshjit import login as binding
from sshjit import sshkey, workloads
from tests.support.installation import Installation, make_key, ssh_sign
from tests.support.issuer import Issuer
from tests.support.tls import tls_server

MAIN = {
    "sub": "repo:acme/app:environment:production",
    "repository": "acme/app",
    "repository_owner_id": "4711",
    "ref": "refs/heads/main",
    "environment": "production",
}
"""What GitHub says of a job of the main branch that deploys."""
POD = {"sub": "system:serviceaccount:ci:deployer", "kubernetes.io": {"namespace": "ci", "pod": {"name": "job-1"}}}
"""What Kubernetes says of a pod."""
BEARER = "job-secret"
"""By which a job shows that it is one."""
TABLE = """
[workloads.{name}]
title = "{title}"
issuer = "{url}"
algorithms = ["RS256"]
{settings}
"""
CLAIMS = 'required_claims = { repository_owner_id = "4711" }\nclaims = ["repository", "ref", "environment"]\n'


@dataclass
class JobIssuer(Issuer):
    """Publishes no endpoints; ``job`` is what it says of whoever asks it for a token."""

    job: dict[str, Any] = field(default_factory=lambda: dict(MAIN))
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Paths, and the audience, of what jobs asked."""
    refuses: int = 0
    """The status of its answer to jobs, if that is not a token."""

    def documents(self, path: str) -> dict[str, Any] | None:
        """Its metadata: as GitHub's, without endpoints."""
        document = super().documents(path)
        if document is None or "jwks_uri" not in document:
            return document
        return {key: value for key, value in document.items() if not key.endswith("_endpoint")}

    def token(self, audience: str, now: float | None = None, **changed: Any) -> str:
        """A token that it made just now; ``changed`` claims replace its own, ``None`` removes one."""
        at = int(time.time() if now is None else now)
        claims = {"iss": self.url, "aud": audience, "iat": at, "nbf": at - 60, "exp": at + 300, "jti": f"j-{at}"}
        claims |= {**self.job, **changed}
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def for_job(self, method: str, path: str, bearer: str, body: bytes) -> tuple[int, bytes] | None:
        """What a job is answered that asks for a token; ``None`` where nothing is asked so."""
        parts = urlsplit(path)
        if parts.path == "/github" and method == "GET":
            audience = parse_qs(parts.query)["audience"][0]
            made: Any = {"count": 9, "value": self.token(audience)}
        elif parts.path.endswith("/token") and method == "POST":
            (audience,) = json.loads(body)["spec"]["audiences"]
            made = {"kind": "TokenRequest", "status": {"token": self.token(audience)}}
        else:
            return None
        self.asked.append((path, audience))
        if bearer != f"Bearer {BEARER}" and not bearer.endswith(".pod"):
            return 401, b"{}"
        return (self.refuses, b"{}") if self.refuses else (201 if method == "POST" else 200, json.dumps(made).encode())


@contextmanager
def over_tls(issuer: JobIssuer, folder: Path) -> Iterator[Path]:
    """Puts the issuer on loopback, over TLS, until the block is left; the value is the certificate to trust."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = issuer.for_job(self.command, self.path, self.headers.get("Authorization", ""), sent)
            if answer is None:
                status, _, body = issuer.answer(self.command, self.path, sent)
                answer = status, body
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    folder.mkdir(exist_ok=True)
    with tls_server(folder, Handler) as (port, trusted):
        issuer.url = f"https://localhost:{port}"
        yield trusted


def table(name: str, issuer: Issuer, settings: str = CLAIMS) -> str:
    """The table of ``providers.toml`` for an issuer."""
    plain = "unsafe_http = true\n" if issuer.url.startswith("http:") else ""
    return TABLE.format(name=name, title=name.capitalize(), url=issuer.url, settings=plain + settings)


def message(ca: Installation, name: str, token: str, key: Path, signer: Path | None = None) -> m.LoginWorkload:
    """What ``ssh-jit login --workload`` sends."""
    line = key.with_suffix(".pub").read_text().strip()
    signature = ssh_sign(signer or key, binding.NAMESPACE, binding.signed_text(token))
    return m.LoginWorkload(name, token, line, signature, "192.0.2.7")


def key_and_audience(folder: Path, name: str = "job") -> tuple[Path, str]:
    """A new key, and what a token for it must be for."""
    key = make_key(folder / name)
    return key, workloads.audience_of(sshkey.parse_line(key.with_suffix(".pub").read_text()).blob)
