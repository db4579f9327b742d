"""How the front end's client authenticates at a token endpoint (RFC 6749, 2.3.1).

By the standard both halves of HTTP Basic are form-encoded first. Some providers compare them as they come, so an
operator can say ``token_endpoint_auth = "basic_raw"``; a secret without special characters is the same in both forms.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote_plus

from sshjit.discovery import Discovery
from sshjit.errors import Invalid
from sshjit.providers import Provider, TokenEndpointAuth

HINT = "openssl rand -hex 32 makes a secret that every provider reads alike"
_STANDARD: dict[str, TokenEndpointAuth] = {"client_secret_basic": "basic", "client_secret_post": "post"}


def choose(provider: Provider, discovery: Discovery) -> TokenEndpointAuth:
    """What ``providers.toml`` says, else the first that the provider's metadata offers.

    Raises:
        Invalid: ``bad_discovery``: the provider offers nothing that we can do.

    """
    if provider.token_endpoint_auth is not None:
        return provider.token_endpoint_auth
    for name, method in _STANDARD.items():
        if name in discovery.token_endpoint_auth_methods:
            return method
    offered = ", ".join(discovery.token_endpoint_auth_methods)
    raise Invalid("bad_discovery", f"it takes no client secret at its token endpoint, but: {offered}")


def written_differently(client_id: str, secret: str) -> bool:
    """Whether ``basic`` and ``basic_raw`` would send different bytes."""
    return (quote_plus(client_id), quote_plus(secret)) != (client_id, secret)


def basic(client_id: str, secret: str, *, raw: bool = False) -> str:
    """The header ``Authorization`` of ``basic``, or of ``basic_raw``."""
    halves = (client_id, secret) if raw else (quote_plus(client_id), quote_plus(secret))
    return f"Basic {b64encode(':'.join(halves).encode()).decode()}"


def credentials(method: TokenEndpointAuth, client_id: str, secret: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a request to the token endpoint carries: headers, and fields of its form."""
    if method == "post":
        return {}, {"client_id": client_id, "client_secret": secret}
    return {"Authorization": basic(client_id, secret, raw=method == "basic_raw")}, {}
