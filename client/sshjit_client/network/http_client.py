"""One HTTP exchange, with limits.

It follows no redirect: the person's set-up or the verified bundle decides whom we talk to, never an answer.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from sshjit import names, versions
from sshjit.errors import Failed
from sshjit_client.network.timed_socket import Deadline, TimedSocket

TIMEOUT = 15.0
"""Seconds for connecting, and for each read."""
DEADLINE = 60.0
"""Seconds for everything that is sent and received, headers too."""
LIMIT = 16 * 1024 * 1024
"""Bytes of an answer."""
_ROOTS = "SSL_CERT_FILE names a file with your organisation's certificate authority"


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
    roots: str | None = None,
) -> Answer:
    """Sends one request to a checked URL (``sshjit.names.url``). What came from others in ``headers`` is checked too.

    ``meanwhile`` is called once the request is sent, while the server works on it. ``roots``: a file with certificate
    authorities, which alone are believed then.

    Raises:
        Failed: ``unreachable`` when there is no answer, ``bad_answer`` when it is too long.

    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = _connection(parts.scheme, host, parts.port, roots)
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
        problem = f"the TLS certificate of {host} is not trusted: {error.verify_message}"
        raise Failed("unreachable", problem, hint=_ROOTS) from None
    except (OSError, http.client.HTTPException) as error:
        raise Failed(
            "unreachable", f"can't reach {parts.scheme}://{parts.netloc}: {_reason(error, deadline)}"
        ) from None
    finally:
        connection.close()
    if len(text) > LIMIT:
        raise Failed("bad_answer", f"{parts.netloc} sent more than {LIMIT} bytes")
    return result


def _connection(scheme: str, host: str, port: int | None, roots: str | None = None) -> http.client.HTTPConnection:
    """A connection that is not open yet, through the proxy of ``https_proxy`` if there is one for this host.

    Plain http goes to this machine alone, and nothing for this machine goes to a proxy.
    """
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        context = ssl.create_default_context(cafile=roots)
    except OSError as error:
        raise Failed("unreachable", f"the certificate authorities of {host} cannot be read: {roots}: {error}") from None
    proxy = None if names.is_loopback(host) else _proxy(host)
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise Failed(
            "unreachable", "the proxy in https_proxy is not understood", hint="write it like http://proxy:3128"
        )
    through = http.client.HTTPSConnection(parts.hostname, parts.port or 3128, timeout=TIMEOUT, context=context)
    through.set_tunnel(host, port or 443, _credentials(parts.username, parts.password))
    return through


def _proxy(host: str) -> str | None:
    """The proxy for ``host`` that the environment names, in the spellings that curl takes."""
    if not any(name.lower() in ("https_proxy", "all_proxy") for name in os.environ):
        return None
    import urllib.request as environment  # noqa: PLC0415  # 10 ms that few machines need

    proxies = environment.getproxies_environment()
    if environment.proxy_bypass_environment(host, proxies):  # type: ignore[attr-defined]
        return None
    return proxies.get("https") or proxies.get("all")


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _reason(error: Exception, deadline: Deadline) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer in {deadline.total:g} s" if deadline.over else f"no answer in {deadline.patience:g} s"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _date(text: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) if text else None
    except (ValueError, OverflowError, OSError):
        return None
