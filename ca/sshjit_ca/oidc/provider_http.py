"""HTTP to identity providers: whole answers, in time, of bounded size; no redirect is followed.

The system's certificate authorities count (``SSL_CERT_FILE`` names others), and a proxy of the environment is used, but
never to an address of this machine.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from sshjit.provider_check import Answer, NoAnswerError, Question
from sshjit_ca.machine.outgoing_http import opener

TIMEOUT = 5
"""Seconds to wait for a provider's next byte."""
DEADLINE = 10
"""Seconds until a whole answer must be there."""
MAX_DOCUMENT = 512 * 1024


class Unanswered(Exception):
    """Why there is no answer, as a clause: ``it answers 503 Service Unavailable``. ``trusted``: its TLS key is."""

    def __init__(self, why: str, *, trusted: bool = True) -> None:
        super().__init__(why)
        self.trusted = trusted


@dataclass(frozen=True, slots=True)
class Document:
    """The body of an answer 200, and its type in lower case, without parameters."""

    body: bytes
    kind: str


def fetch(url: str, monotonic: Callable[[], float], *, bearer: str | None = None) -> Document:
    """What is at a checked URL (``names.url``).

    Raises:
        Unanswered: there is no such answer.

    """
    headers = {"Accept": "application/json", **({} if bearer is None else {"Authorization": f"Bearer {bearer}"})}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 -- https, or http to this machine
        with opener(url).open(request, timeout=TIMEOUT) as answer:
            body = _body(answer, monotonic)
            return Document(body, answer.headers.get_content_type())
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            raise Unanswered(f"it answers {error.code} {error.reason}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Unanswered(f"its TLS certificate is not trusted: {cause.verify_message}", trusted=False) from None
        raise Unanswered(str(cause)) from None


def ask(question: Question, monotonic: Callable[[], float]) -> Answer:
    """The answer to a question of ``sshjit/provider_check.py``, whatever its status; no redirect is followed.

    Raises:
        NoAnswerError: nobody answered.

    """
    data = None if question.form is None else urllib.parse.urlencode(question.form).encode()
    try:
        request = urllib.request.Request(question.url, data=data, headers=dict(question.headers))  # noqa: S310 -- as above
        with opener(question.url).open(request, timeout=TIMEOUT) as answer:
            return Answer(answer.status, "", _body(answer, monotonic))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers.get("Location", ""), error.read(MAX_DOCUMENT))
    except Unanswered as error:
        raise NoAnswerError(str(error)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"its TLS certificate is not trusted: {cause.verify_message}"
            raise NoAnswerError(why, "add its authority to the system's, or name it in SSL_CERT_FILE") from None
        raise NoAnswerError(str(cause)) from None


def _body(answer: http.client.HTTPResponse, monotonic: Callable[[], float]) -> bytes:
    """The answer, if it comes in time: who drips bytes must not hold up others."""
    body, late = bytearray(), monotonic() + DEADLINE
    while len(body) <= MAX_DOCUMENT and (part := answer.read1(1 << 16)):
        body += part
        if monotonic() > late:
            raise TimeoutError("its answer takes too long")
    if len(body) > MAX_DOCUMENT:
        raise Unanswered(f"its answer has more than {MAX_DOCUMENT} bytes")
    return bytes(body)
