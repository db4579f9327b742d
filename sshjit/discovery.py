"""The discovery document of an identity provider (OpenID Connect Discovery 1.0, sections 3 and 4; RFC 8414).

The CA and the front end each fetch it themselves and read it here. It says where a provider is, and never who may be
believed: issuer, algorithms and clients are those of ``providers.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sshjit import names
from sshjit.errors import Invalid

_ISSUER_HINT = "the administrator corrects the setting `issuer`: each character counts, a slash at the end too"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What we need of the document. All endpoints are URLs that ``names.url`` accepts."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None
    """Where the keys are; the CA cannot do without, and the front end does not need it."""
    token_endpoint_auth_methods: tuple[str, ...]
    sends_iss: bool
    """RFC 9207: whether the answer to a sign-in always carries ``iss``."""
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    """Where a browser signs out at the provider (OpenID Connect RP-Initiated Logout 1.0); ``None``: nowhere."""


def discovery_url(issuer: str) -> str:
    """Where the document of an issuer is (OpenID Connect Discovery 1.0, 4.1)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def parse_discovery(document: Mapping[str, object], issuer: str, *, plain_http: bool) -> Discovery:
    """Reads the document that ``issuer`` answered; ``plain_http`` allows http to a loopback address.

    Raises:
        Invalid: ``bad_discovery``, with what is wrong as a clause: ``its metadata has no token_endpoint``.
            ``other_issuer``, with both issuers.

    """
    _require_issuer(document, issuer)
    offered = document.get("token_endpoint_auth_methods_supported")
    methods = [method for method in offered if isinstance(method, str)] if isinstance(offered, list) else []
    return Discovery(
        authorization_endpoint=_endpoint(document, "authorization_endpoint", plain_http=plain_http),
        token_endpoint=_endpoint(document, "token_endpoint", plain_http=plain_http),
        jwks_uri=_endpoint(document, "jwks_uri", plain_http=plain_http) if "jwks_uri" in document else None,
        token_endpoint_auth_methods=tuple(methods) or ("client_secret_basic",),  # what a silent provider supports
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        userinfo_endpoint=_optional(document, "userinfo_endpoint", plain_http=plain_http),
        end_session_endpoint=_optional(document, "end_session_endpoint", plain_http=plain_http),
    )


def parse_keys_uri(document: Mapping[str, object], issuer: str, *, plain_http: bool) -> str:
    """Where the keys of an issuer are that signs for workloads: it signs nobody in, so it has no endpoints for that.

    Raises:
        Invalid: as ``parse_discovery``.

    """
    _require_issuer(document, issuer)
    return _endpoint(document, "jwks_uri", plain_http=plain_http)


def _require_issuer(document: Mapping[str, object], issuer: str) -> None:
    stated = document.get("issuer")
    if stated != issuer:
        said = f"its metadata says {names.show(stated, 300)}" if isinstance(stated, str) else "its metadata says none"
        problem = f"the issuer is set to {names.show(issuer, 300)}, and {said}"
        raise Invalid("other_issuer", problem, hint=_ISSUER_HINT)


def _endpoint(document: Mapping[str, object], key: str, *, plain_http: bool) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise Invalid("bad_discovery", f"its metadata has no {key}")
    try:
        return names.url(value, plain_http=plain_http)
    except Invalid as error:
        raise Invalid("bad_discovery", f"its {key}: {error.message}") from None


def _optional(document: Mapping[str, object], key: str, *, plain_http: bool) -> str | None:
    """An endpoint that sign-in works without: one that we could not go to is as good as none."""
    try:
        return _endpoint(document, key, plain_http=plain_http)
    except Invalid:
        return None
