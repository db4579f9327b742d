"""The identity providers that an installation trusts: ``providers.toml``.

One file for the CA and the front end. Each provider has an id of its own, bound to one issuer, and two registrations:
``native``, a public client that people's own machines run, and ``web``, the confidential client of the pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sshjit import addresses, names, settings
from sshjit.errors import Invalid

ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signature algorithms that may be allowed (RFC 7518, RFC 8037): never ``none``, never a shared secret."""
CHANGEABLE = frozenset(
    {
        *("email", "preferred_username", "upn", "unique_name", "phone_number"),
        *("name", "given_name", "family_name", "nickname"),
    }
)
"""Claims that are changed, and go to somebody else one day (OpenID Connect Core, 5.7)."""

TokenEndpointAuth = Literal["basic", "basic_raw", "post"]
"""How the web client shows its secret: HTTP Basic as RFC 6749 (2.3.1) has it, with both halves form-encoded; HTTP Basic
with both halves as they are; or in the body."""
MAX_REDIRECT_PORTS = 8

_WHO = 'write "sub:<subject>" or "email:<address>"'


class Issuer(Protocol):
    """What is believed of an issuer of tokens, of people's or of workloads'."""

    # ruff: noqa: D102 - each is the field of that name
    @property
    def title(self) -> str: ...
    @property
    def issuer(self) -> str: ...
    @property
    def algorithms(self) -> tuple[str, ...]: ...
    @property
    def unsafe_http(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class NativeClient:
    """The public client: loopback redirect and PKCE, no secret."""

    client_id: str
    scopes: tuple[str, ...]
    redirect_ports: tuple[int, ...] = ()
    """Ports of ``http://127.0.0.1:PORT/callback`` that the provider allows, tried in turn; none: any."""
    client_secret: str | None = None
    """What some providers call a secret and give to every copy of a program (Google): it is public."""

    def __post_init__(self) -> None:
        for port in self.redirect_ports:
            names.port(port)
        if len(self.redirect_ports) > MAX_REDIRECT_PORTS:
            raise Invalid("bad_config", f"redirect_ports are at most {MAX_REDIRECT_PORTS}")
        if self.client_secret is not None and not names.printable_ascii(self.client_secret):
            raise Invalid("bad_config", "native.client_secret must be printable ASCII")


@dataclass(frozen=True, slots=True)
class WebClient:
    """The confidential client; its secret is in a file that only the front end reads."""

    client_id: str
    client_secret_file: str
    scopes: tuple[str, ...]
    post_logout_redirect: bool = True
    """Whether the provider is asked to send people back after signing out; Hydra refuses that without an ID token."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One trusted issuer. Everything that decides who somebody is stands here, nothing in the provider's metadata."""

    title: str
    issuer: str
    native: NativeClient
    web: WebClient
    algorithms: tuple[str, ...]
    subject_claim: str = "sub"
    groups_claim: tuple[str, ...] = ("groups",)
    """Where the groups are: each is a claim's name or a path (``realm_access.roles``). They are taken together."""
    email_domains: tuple[str, ...] = ()
    """Domains in lower case whose verified addresses may match roles; none: no address of this provider does."""
    own_claim: str | None = None
    """The claim that holds the person's Unix name, for ``@own``."""
    own_names: Mapping[str, str] = field(default_factory=dict)
    """``sub:<subject>`` or ``email:<verified address>`` -> the person's Unix name. It comes before ``own_claim``."""
    mfa_values: tuple[str, ...] = ("mfa", "otp", "hwk", "swk")
    """Values of ``amr`` (RFC 8176) or ``acr`` that count as a second factor."""
    unsafe_http: bool = False
    """Plain http, on loopback only: for development."""
    required_claims: Mapping[str, str] = field(default_factory=dict)
    """What the ID token must say besides: a tenant, a hosted domain."""
    claims_from: Literal["id_token", "userinfo"] = "id_token"
    """``userinfo``: the provider tells groups and e-mail only there, and the CA asks for them."""
    token_endpoint_auth: TokenEndpointAuth | None = None
    """``None``: as the provider's metadata says, ``basic`` first."""
    icon: str | None = None
    """A file (PNG or SVG) that the sign-in page shows beside the title; the front end reads it."""

    def __post_init__(self) -> None:
        """Refuses what could not be verified later."""
        names.url(self.issuer, plain_http=self.unsafe_http)
        if not self.algorithms or not set(self.algorithms) <= ASYMMETRIC:
            raise Invalid("bad_config", f"algorithms must be some of {', '.join(sorted(ASYMMETRIC))}")
        if self.subject_claim.casefold() in CHANGEABLE:
            raise Invalid(
                "bad_config",
                f"'subject_claim' cannot be {self.subject_claim!r}: "
                "who has it next would be taken for who had it before",
                hint="'sub' never changes; where each registration sees another one, 'oid' (Entra ID) does not either",
            )
        for domain in self.email_domains:
            names.host_name(domain)
        for client in (self.native, self.web):
            if "openid" not in client.scopes:
                raise Invalid("bad_config", "the scopes of both clients must hold 'openid'")
        if self.icon is not None and not self.icon.endswith((".png", ".svg")):
            raise Invalid("bad_config", "'icon' must name a .png or .svg file")
        if not all(self.groups_claim):
            raise Invalid("bad_config", "'groups_claim' has an empty name")
        self._check_own_names()
        if self.native.client_id == self.web.client_id:
            raise Invalid("bad_config", "native and web must be two registrations", hint="a key binds to native only")

    def confirms(self, email: str) -> str | None:
        """A verified address as it is compared to permit something; ``None``: it permits nothing at this provider."""
        exact = addresses.exact(email)
        return exact if exact is not None and addresses.domain_of(exact) in self.email_domains else None

    def _check_own_names(self) -> None:
        for who, name in self.own_names.items():
            names.login_name(name)
            kind, _, rest = who.partition(":")
            if kind not in ("sub", "email") or not rest:
                raise Invalid("bad_config", f"own_names: {names.show(who)} is nobody", hint=_WHO)
            if kind == "email" and (who != addresses.exact(who) or self.confirms(rest) is None):
                hint = "write it in lower case, with one of the provider's email_domains"
                raise Invalid("bad_config", f"own_names: {names.show(who)} can never be a verified address", hint=hint)


def load(text: str, *, file: str = "providers.toml") -> dict[str, Provider]:
    """The providers by id, in the order of the file.

    Raises:
        Invalid: ``bad_config``, naming file and key.

    """
    tables = settings.parse(text, file)
    listed, workloads = tables.pop("providers", None), tables.pop("workloads", {})  # ``workloads.load`` reads those
    if tables or not isinstance(listed, dict) or not listed or not isinstance(workloads, dict):
        raise Invalid("bad_config", f"{file}: expected tables [providers.NAME] and [workloads.NAME], and nothing else")
    providers: dict[str, Provider] = {}
    for name, table in listed.items():
        if not isinstance(table, dict):
            raise Invalid("bad_config", f"{file}: 'providers.{name}' must be a table")
        try:
            names.provider_id(name)
            if isinstance(table.get("groups_claim"), str):
                table["groups_claim"] = [table["groups_claim"]]
            providers[name] = settings.fill(Provider, table, file, below=f"providers.{name}")
        except Invalid as error:
            if error.message.startswith(file):
                raise
            raise Invalid("bad_config", f"{file}: [providers.{name}]: {error.message}", hint=error.hint) from None
    issuers = [provider.issuer for provider in providers.values()]
    own = [name for provider in providers.values() for name in provider.own_names.values()]
    if len(set(own)) != len(own):
        raise Invalid("bad_config", f"{file}: own_names: two people have one name", hint="a Unix name is one person's")
    if len(set(issuers)) != len(issuers):
        raise Invalid("bad_config", f"{file}: two providers have the same issuer")
    return providers
