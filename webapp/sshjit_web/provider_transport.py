"""HTTP to identity providers: every answer in time and of bounded size, no redirect, the system's certificates.

A proxy of the environment (``https_proxy``, ``no_proxy``) is used, never for an address of this machine; nothing else
of the environment is, no ``.netrc`` either. Certificate authorities are those of ``tls_roots``, else those that the
system trusts (``SSL_CERT_FILE`` names others).
"""

from __future__ import annotations

import ssl
import time
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from sshjit import names
from sshjit.errors import Failed

TIMEOUT = (3.0, 5.0)
"""Seconds to reach a provider, and to wait for its next bytes."""
DEADLINE = 10.0
"""Seconds for the whole body of an answer."""
MAX_ANSWER = 1024 * 1024
"""Bytes of a provider's answer."""
S = TypeVar("S", bound=requests.Session)


class _Transport(HTTPAdapter):
    """Requests to providers: always with a timeout and a deadline, never more than ``MAX_ANSWER`` bytes."""

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        url = request.url or ""
        options |= {"stream": True, "timeout": TIMEOUT, "proxies": _proxies(url)}
        response = super().send(request, **options)
        try:
            response._content = _read(response.raw)  # noqa: SLF001 -- as requests does when it reads the body itself
        finally:
            response.close()
        return response


def prepare(session: S, roots: str | None) -> S:
    """Makes a session one that talks to providers; ``roots`` is a file of certificate authorities."""
    session.trust_env = False
    session.verify = roots or system_roots() or True
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Transport())
    return session


def system_roots() -> str | None:
    """The file or folder of certificate authorities that Python's own TLS uses, as the CA and laptops do."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath


def unreachable(title: str, error: BaseException) -> Failed:
    """What somebody is told of an exchange that failed."""
    if isinstance(error, requests.exceptions.SSLError):
        return Failed(
            "provider_untrusted",
            f"the TLS certificate of {title} is not trusted",
            hint="the administrator names its certificate authority with the setting `tls_roots`",
        )
    if isinstance(error, (ValueError, TypeError)) and not isinstance(error, requests.HTTPError):
        hint = "tell your administrator: is there a proxy, or a page about maintenance, before the provider?"
        return Failed("bad_provider_answer", f"{title} answers with something that is not OpenID Connect", hint=hint)
    hint = "try again, or use another provider"
    return Failed("provider_down", f"{title} cannot be reached for sign-in", hint=hint)


def _proxies(url: str) -> dict[str, str]:
    if names.is_loopback(urlsplit(url).hostname or ""):
        return {}
    return dict(get_environ_proxies(url))


def _read(raw: Any) -> bytes:
    """A provider's answer, whole and in time: who drips bytes must not hold up a thread."""
    body, late = bytearray(), time.monotonic() + DEADLINE
    while part := raw.read1(1 << 16, decode_content=True):
        body += part
        if len(body) > MAX_ANSWER:
            raise requests.RequestException("the answer is too large")
        if time.monotonic() > late:
            raise requests.RequestException("the answer takes too long")
    return bytes(body)
