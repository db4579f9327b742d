"""One HTTP question to a witness: answered in time, with little, and from where it was asked.

No redirect is followed. The system's certificate authorities count (``SSL_CERT_FILE`` names others), and a proxy of the
environment is used, but never to an address of this machine.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sshjit import names
from sshjit.errors import Failed

TIMEOUT = 5
"""Seconds to wait for the next byte."""
DEADLINE = 15
"""Seconds until the whole answer must be there."""
MAX_ANSWER = 16 * 1024
_DOWN = "witness_down"


@dataclass(frozen=True, slots=True)
class Answer:
    """Its status, its type in lower case without parameters, and its body."""

    status: int
    kind: str
    body: str


def post(url: str, body: bytes) -> Answer:
    """The answer of a witness, whatever its status.

    Raises:
        Failed: ``witness_down``, with why there is none.

    """
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "text/plain"})  # noqa: S310 - checked
    try:
        try:
            answer = _opener(url).open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Answer(answer.status, answer.headers.get_content_type(), _body(answer))
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Failed(_DOWN, f"its TLS certificate is not trusted: {cause.verify_message}") from None
        raise Failed(_DOWN, f"it cannot be reached: {cause}") from None


def _body(answer: http.client.HTTPResponse) -> str:
    body, late = bytearray(), time.monotonic() + DEADLINE
    while part := answer.read1(MAX_ANSWER):
        body += part
        if len(body) > MAX_ANSWER:
            raise Failed(_DOWN, f"its answer has more than {MAX_ANSWER} bytes")
        if time.monotonic() > late:
            raise Failed(_DOWN, f"its answer takes more than {DEADLINE} s")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Failed(_DOWN, "its answer is not text") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A witness that moved must be configured anew, not followed."""

    def redirect_request(self, *_: Any) -> None:
        """Follows nothing: the answer stays what it is."""


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Goes through the proxy of the environment, if there is one, except to this machine."""
    direct = names.is_loopback(urlsplit(url).hostname or "")
    proxies = [urllib.request.ProxyHandler({})] if direct else []
    return urllib.request.build_opener(_NoRedirect, *proxies)
