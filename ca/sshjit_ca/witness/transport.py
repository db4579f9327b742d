"""One HTTP question to a witness: answered in time, with little, and from where it was asked.

Redirects, proxies and certificate authorities: ``machine/outgoing_http.py``.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from sshjit.errors import Failed
from sshjit_ca.machine.outgoing_http import opener

TIMEOUT = 5
"""Seconds to wait for the next byte."""
DEADLINE = 15
"""Seconds until the whole answer must be there."""
MAX_ANSWER = 16 * 1024
_DOWN = "witness_down"


@dataclass(frozen=True, slots=True)
class Answer:
    """Its status and its body."""

    status: int
    body: str


def post(url: str, body: bytes) -> Answer:
    """The answer of a witness, whatever its status.

    Raises:
        Failed: ``witness_down``, with why there is none.

    """
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "text/plain"})  # noqa: S310 - checked
    try:
        try:
            answer = opener(url).open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Answer(answer.status, _body(answer))
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
