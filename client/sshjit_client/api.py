"""The server's API (``docs/protocol.md``, section 2) as functions.

Answers become dataclasses of ``sshjit/messages.py`` or errors of ``sshjit/errors.py``; nothing in between is passed on.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from sshjit import names, wire
from sshjit.api import AskBody, DecisionBody, LoggedIn, LoginBody
from sshjit.errors import FAMILIES, Failed, Invalid, SshJitError
from sshjit.messages import (
    AskReply,
    CertificateView,
    ChallengeReply,
    Consent,
    ErrorReply,
    HostView,
    LoginView,
    RequestReply,
    RequestsReply,
)
from sshjit.messages import RequestView as Request
from sshjit_client import fetch

T = TypeVar("T")
Scope = Literal["mine", "approve", "all"]
PAGE = 100


class Api:
    """One server, with one token. ``skew`` is its clock minus ours in seconds, from its last answer."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.skew = 0

    def login(self, proof: LoginBody) -> LoggedIn:
        """Hands a token in."""
        return self._call(LoggedIn, "POST", "login", wire.encode(proof))

    def logout(self) -> None:
        """Ends the login."""
        self._send("POST", "logout")

    def whoami(self) -> LoginView:
        """The login as the server knows it."""
        return self._call(LoginView, "GET", "whoami")

    def hosts(self) -> tuple[HostView, ...]:
        """The enrolled hosts."""
        from sshjit.messages import HostsReply  # noqa: PLC0415  # a connection does without it

        return self._call(HostsReply, "GET", "hosts").hosts

    def ask(self, wanted: AskBody) -> AskReply:
        """Asks for access."""
        return self._call(AskReply, "POST", "requests", wire.encode(wanted))

    def requests(self, scope: Scope) -> tuple[Request, ...]:
        """Requests, newest first, at most ``PAGE``."""
        return self._call(RequestsReply, "GET", f"requests?scope={scope}&limit={PAGE}").requests

    def request(self, request: str) -> Request:
        """One request."""
        return self._call(RequestReply, "GET", _path(request)).request

    def challenge(self) -> ChallengeReply:
        """Something fresh to sign."""
        return self._call(ChallengeReply, "POST", "challenge")

    def decide(
        self, verdict: Literal["approve", "deny"], request: Request, comment: str, consent: Consent | None = None
    ) -> Request:
        """Approves or denies what ``request`` shows, by its digest and, where a step asks for one, a signature."""
        body = DecisionBody(request.digest, comment, consent)
        return self._call(Request, "POST", f"{_path(request.id)}/{verdict}", wire.encode(body))

    def close(self, how: Literal["cancel", "end"], request: str) -> Request:
        """Takes a pending request back, or ends an approved one."""
        return self._call(Request, "POST", f"{_path(request)}/{how}")

    def certificate(self, request: str) -> CertificateView:
        """Draws a certificate from an approved request."""
        return self._call(CertificateView, "POST", f"{_path(request)}/certificate")

    def _call(self, cls: type[T], method: str, path: str, body: Any = None) -> T:
        text = self._send(method, path, body)
        try:
            return wire.decode(cls, wire.loads(text, limit=fetch.LIMIT))
        except Invalid as error:
            raise Failed("bad_answer", f"the server's answer is not understood: {error}") from None

    def _send(self, method: str, path: str, body: Any = None) -> bytes:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        answer = fetch.exchange(method, f"{self.url}/api/v1/{path}", body=payload, headers=headers)
        if answer.date is not None:
            self.skew = answer.date - int(time.time())
        if answer.status not in (200, 201, 204):
            raise _error(answer)
        return answer.body


def _path(request: str) -> str:
    return f"requests/{quote(names.identifier(request), safe='')}"


@dataclass(frozen=True, slots=True)
class _ErrorBody:
    error: ErrorReply


def _error(answer: fetch.Answer) -> SshJitError:
    try:
        error = wire.decode(_ErrorBody, wire.loads(answer.body)).error
    except Invalid:
        what = "a redirect" if 300 <= answer.status < 400 else f"HTTP {answer.status}"
        return Failed(
            "bad_answer", f"the server answered with {what}", hint="is this the address of an ssh-jit server?"
        )
    family = FAMILIES.get(error.family, Failed)
    return family(error.code, error.message, hint=error.hint)
