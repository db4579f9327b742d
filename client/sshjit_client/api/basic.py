"""The server's API (``docs/protocol.md``, section 2) as functions: what a connection needs.

The rest is in ``api/full.py``.

Answers become dataclasses of ``sshjit/api`` or errors of ``sshjit/errors.py``; nothing in between is passed on.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from sshjit import names, wire
from sshjit.api.ask import AskReply
from sshjit.api.views import CertificateView, RequestView
from sshjit.errors import FAMILIES, Failed, Invalid, SshJitError
from sshjit_client import http_client

if TYPE_CHECKING:  # these classes are made where they are needed: most connections need none of them
    from sshjit.api.ask import AskBody
    from sshjit.api.session import LoggedIn, LoginBody, LoginView

T = TypeVar("T")


class BasicApi:
    """One server, with one token. ``skew`` is its clock minus ours in seconds, from its last answer."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.skew = 0

    def login(self, proof: LoginBody) -> LoggedIn:
        """Hands a token in."""
        from sshjit.api.session import LoggedIn  # noqa: PLC0415

        return self.call(LoggedIn, "POST", "login", wire.encode(proof))

    def logout(self) -> None:
        """Ends the login."""
        self.send("POST", "logout")

    def whoami(self) -> LoginView:
        """The login as the server knows it."""
        from sshjit.api.session import LoginView  # noqa: PLC0415

        return self.call(LoginView, "GET", "whoami")

    def ask(self, wanted: AskBody) -> AskReply:
        """Asks for access."""
        return self.call(AskReply, "POST", "requests", wire.encode(wanted))

    def request(self, request: str) -> RequestView:
        """One request."""
        from sshjit.api.details import RequestReply  # noqa: PLC0415

        return self.call(RequestReply, "GET", path_of(request)).request

    def certificate(self, request: str) -> CertificateView:
        """Draws a certificate from an approved request."""
        return self.call(CertificateView, "POST", f"{path_of(request)}/certificate")

    def call(self, cls: type[T], method: str, path: str, body: Any = None) -> T:
        """One call whose answer is a ``cls``."""
        text = self.send(method, path, body)
        try:
            return wire.decode(cls, wire.loads(text, limit=http_client.LIMIT))
        except Invalid as error:
            raise Failed("bad_answer", f"the server's answer is not understood: {error}") from None

    def send(self, method: str, path: str, body: Any = None) -> bytes:
        """One call; the answer's bytes."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        answer = http_client.exchange(method, f"{self.url}/api/v1/{path}", body=payload, headers=headers)
        if answer.date is not None:
            self.skew = answer.date - int(time.time())
        if answer.status not in (200, 201, 204):
            raise _error(answer)
        return answer.body


def path_of(request: str) -> str:
    """Where a request lives, whose id is checked."""
    return f"requests/{quote(names.identifier(request), safe='')}"


def _error(answer: http_client.Answer) -> SshJitError:
    from sshjit.api.errors import ErrorReply  # noqa: PLC0415

    try:
        said = wire.loads(answer.body)
        error = wire.decode(ErrorReply, said.get("error") if isinstance(said, dict) and len(said) == 1 else said)
    except Invalid:
        what = "a redirect" if 300 <= answer.status < 400 else f"HTTP {answer.status}"
        return Failed(
            "bad_answer", f"the server answered with {what}", hint="is this the address of an ssh-jit server?"
        )
    family = FAMILIES.get(error.family, Failed)
    return family(error.code, error.message, hint=error.hint)
