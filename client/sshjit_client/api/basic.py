"""The part of the server's API (``docs/protocol.md``, section 2) that a connection needs.

``full.py`` has the rest. Every answer becomes a dataclass of ``sshjit/api`` or an error of ``sshjit/errors.py``.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from sshjit import names, traces, versions, wire
from sshjit.api.ask import AskReply
from sshjit.api.views import CertificateView, RequestView
from sshjit.errors import FAMILIES, Failed, Invalid, SshJitError
from sshjit_client.network import http_client, trace

if TYPE_CHECKING:  # loaded where they are used: most connections need none of them
    from collections.abc import Callable

    from sshjit.api.ask import AskBody
    from sshjit.api.session import LoginView
    from sshjit.api.sign_in import LoggedIn, LoginBody, WorkloadBody

T = TypeVar("T")
_GATEWAY = {
    502: "a proxy answers that it can't reach the ssh-jit server behind it",
    503: "a proxy answers that the ssh-jit server behind it is not available",
    504: "a proxy answers that the ssh-jit server behind it did not answer in time",
}
"""What stands between us and the server says, where the server itself would send JSON."""
_TRY_LATER = "try again in a minute; if it goes on, tell the operator"


SAME_CLOCK = 2
"""Seconds of difference between two clocks that are none: a ``Date`` header has whole seconds."""


class Away(Failed):
    """The server or the CA can't be reached. ``run.py`` adds what still works, where there is something."""


class BasicApi:
    """One server, with one token.

    ``skew``: the server's clock minus ours in seconds, as of its last answer. ``version``: what it speaks, as of its
    last answer that was no error (0 before the first).
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.skew = 0
        self.version = 0

    @property
    def certain_skew(self) -> int:
        """The ``skew``, where it is certain that there is one; else 0."""
        return self.skew if abs(self.skew) > SAME_CLOCK else 0

    def login(self, proof: LoginBody) -> LoggedIn:
        """Sends the proof of a sign-in; the server answers with a token."""
        from sshjit.api.sign_in import LoggedIn  # noqa: PLC0415

        return self.call(LoggedIn, "POST", "login", proof)

    def login_workload(self, proof: WorkloadBody) -> LoggedIn:
        """Sends a workload's token; the server answers with a token of its own."""
        from sshjit.api.sign_in import LoggedIn  # noqa: PLC0415

        return self.call(LoggedIn, "POST", "login/workload", proof)

    def logout(self) -> None:
        """Ends the sign-in."""
        self.send("POST", "logout")

    def whoami(self) -> LoginView:
        """The sign-in as the server knows it."""
        from sshjit.api.session import LoginView  # noqa: PLC0415

        return self.call(LoginView, "GET", "whoami")

    def ask(self, body: AskBody, meanwhile: Callable[[], object] | None = None) -> AskReply:
        """Requests access. ``meanwhile`` is called while the server works on it."""
        return self.call(AskReply, "POST", "requests", body, meanwhile)

    def request(self, request: str) -> RequestView:
        """One request."""
        from sshjit.api.details import RequestReply  # noqa: PLC0415

        return self.call(RequestReply, "GET", path_of(request)).request

    def certificate(self, request: str) -> CertificateView:
        """Issues a certificate for an approved request."""
        return self.call(CertificateView, "POST", f"{path_of(request)}/certificate")

    def page_of(self, request: str) -> str:
        """The address of the page of a request."""
        return f"{self.url}/{path_of(request)}"

    def call(
        self, cls: type[T], method: str, path: str, body: Any = None, meanwhile: Callable[[], object] | None = None
    ) -> T:
        """One call, whose answer is a ``cls``."""
        text = self.send(method, path, body, meanwhile)
        try:
            return wire.decode_answer(cls, wire.loads(text, limit=http_client.LIMIT))
        except Invalid as error:
            raise Failed("bad_answer", f"can't read the server's answer: {error}") from None

    def send(self, method: str, path: str, body: Any = None, meanwhile: Callable[[], object] | None = None) -> bytes:
        """One call; returns the bytes of the answer. ``body`` is a dataclass of ``sshjit/api``.

        Raises:
            SshJitError: what the server answered; ``too_old``, where it does not know what the call needs.

        """
        headers = {"Accept": "application/json", traces.HEADER: trace.parent()}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(self._known(body)).encode()
        answer = self._exchange(method, path, body=payload, headers=headers, meanwhile=meanwhile)
        if answer.date is not None:
            self.skew = answer.date - int(time.time())
        if answer.status not in (200, 201, 204):
            raise self._of_request(error_of(answer), path)
        self.version = answer.version
        versions.require("the server", answer.version)
        return answer.body

    def _of_request(self, error: SshJitError, path: str) -> SshJitError:
        """The error with the address of the request that the call was about, where the server knows that one."""
        part, _, rest = path.partition("?")[0].partition("/")
        if part == "requests" and rest and not isinstance(error, Away) and error.code != "unknown_request":
            error.at(self.page_of(unquote(rest.partition("/")[0])))
        return error

    def _exchange(self, method: str, path: str, **more: Any) -> http_client.Answer:
        """One exchange."""
        try:
            return http_client.exchange(method, f"{self.url}/api/v1/{path}", **more)
        except Failed as error:
            raise Away(error.code, error.message, hint=error.hint) from None

    def _known(self, body: Any) -> Any:
        """The body as the server knows it: without fields that came later, unless one limits what is asked."""
        if wire.needs(body) == 1:
            return wire.encode_for(body, 1, "the server")
        if not self.version:
            answer = self._exchange("GET", "version")
            if answer.status >= 500:
                raise error_of(answer)
            self.version = answer.version
        return wire.encode_for(body, self.version, "the server")


def path_of(request: str) -> str:
    """The path of a request. Raises ``Invalid`` if this is not the id of one."""
    return f"requests/{quote(names.identifier(request), safe='')}"


def error_of(answer: http_client.Answer) -> SshJitError:
    """The error that an answer carries."""
    from sshjit.api.errors import ErrorReply  # noqa: PLC0415

    try:
        reply = wire.loads(answer.body)
        error = wire.decode_answer(
            ErrorReply, reply["error"] if isinstance(reply, dict) and "error" in reply else reply
        )
    except Invalid:
        if answer.status in _GATEWAY:
            return Away("bad_gateway", f"{_GATEWAY[answer.status]} (HTTP {answer.status})", hint=_TRY_LATER)
        what = "a redirect" if 300 <= answer.status < 400 else f"HTTP {answer.status}"
        return Failed(
            "bad_answer", f"the server answered with {what}", hint="is this the address of an ssh-jit server?"
        )
    if error.code == "ca_down":
        return Away(error.code, error.message)
    return FAMILIES.get(error.family, Failed)(error.code, error.message, hint=error.hint)
