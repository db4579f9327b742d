"""One HTTP exchange, with limits.

It follows no redirect: the person's set-up or the verified bundle decides whom we talk to, never an answer.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from sshjit import versions
from sshjit.errors import Failed
from sshjit_client.network.timed_socket import Deadline, TimedSocket

TIMEOUT = 15.0
"""Seconds for connecting, and for each read."""
DEADLINE = 60.0
"""Seconds for everything that is sent and received, headers too."""
LIMIT = 16 * 1024 * 1024
"""Bytes of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``date``: the server's clock in seconds since the epoch, ``None`` if the answer has none.

    ``version`` is what the server speaks (``sshjit/versions.py``).
    """

    status: int
    body: bytes
    etag: str
    date: int | None
    version: int


def exchange(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Answer:
    """Sends one request to a checked URL (``sshjit.names.url``). What came from others in ``headers`` is checked too.

    ``meanwhile`` is called once the request is sent, while the server works on it.

    Raises:
        Failed: ``unreachable`` when there is no answer, ``bad_answer`` when it is too long.

    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
    )
    deadline = Deadline(TIMEOUT, DEADLINE)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        sent = {"User-Agent": "ssh-jit", versions.HEADER: str(versions.PROTOCOL), **(headers or {})}
        connection.connect()
        connection.sock = TimedSocket(connection.sock, deadline)
        connection.request(method, path, body=body, headers=sent)
        if meanwhile is not None:
            meanwhile()
        with connection.getresponse() as answer:
            text = answer.read(LIMIT + 1)
        spoken = versions.parse(answer.headers.get(versions.HEADER))
        result = Answer(answer.status, text, answer.headers.get("ETag", ""), _date(answer.headers.get("Date")), spoken)
    except ssl.SSLCertVerificationError as error:
        raise Failed("unreachable", f"the TLS certificate of {host} is not valid: {error.verify_message}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Failed(
            "unreachable", f"can't reach {parts.scheme}://{parts.netloc}: {_reason(error, deadline)}"
        ) from None
    finally:
        connection.close()
    if len(text) > LIMIT:
        raise Failed("bad_answer", f"{parts.netloc} sent more than {LIMIT} bytes")
    return result


def _reason(error: Exception, deadline: Deadline) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer in {deadline.total:g} s" if deadline.over else f"no answer in {deadline.patience:g} s"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _date(text: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) if text else None
    except (ValueError, OverflowError, OSError):
        return None
