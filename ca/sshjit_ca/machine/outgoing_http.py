"""How the CA asks other people's web servers: it follows no redirect.

A proxy of the environment is used, but never to an address of this machine. The system's certificate authorities count
(``SSL_CERT_FILE`` names others).
"""

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.parse import urlsplit

from sshjit import names


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Who moved must be configured anew, not followed."""

    def redirect_request(self, *_: Any) -> None:
        """Follows nothing: the answer stays the error that it is."""


def opener(url: str) -> urllib.request.OpenerDirector:
    """What opens a checked URL (``names.url``)."""
    direct = names.is_loopback(urlsplit(url).hostname or "")
    proxies = [urllib.request.ProxyHandler({})] if direct else []
    return urllib.request.build_opener(_NoRedirect, *proxies)
