"""How Authlib authenticates at a token endpoint; the forms themselves are ``sshjit/token_endpoint_auth.py``'s."""

from __future__ import annotations

from typing import Any

from sshjit import token_endpoint_auth
from sshjit.providers import TokenEndpointAuth


def encode(method: TokenEndpointAuth) -> Any:
    """The name or function that Authlib's ``token_endpoint_auth_method`` takes."""
    return {"basic": _basic, "basic_raw": _basic_raw, "post": "client_secret_post"}[method]


def _basic(client: Any, _: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    headers["Authorization"] = token_endpoint_auth.basic(client.client_id, client.client_secret)
    return uri, headers, body


def _basic_raw(client: Any, _: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    headers["Authorization"] = token_endpoint_auth.basic(client.client_id, client.client_secret, raw=True)
    return uri, headers, body
