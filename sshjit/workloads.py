"""The issuers of workloads that an installation trusts: the tables ``[workloads.NAME]`` of ``providers.toml``.

A workload is a CI job or a machine that signs in without a person. Its token is made for one key: the audience is
``ssh-jit:`` and the hash of that key (``audience_of``). A workload is known by its issuer, its ``sub`` and the claims
that roles may name: another branch is another workload. ``docs/decisions/0056`` says why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sshjit import durations, names, providers, settings
from sshjit.errors import Invalid
from sshjit.login import b64url
from sshjit.policy.model import CLAIM
from sshjit.providers import ASYMMETRIC

AUDIENCE = "ssh-jit:"
"""What the audience of a token begins with that is made for one key."""
SHARED = frozenset(
    {
        "https://token.actions.githubusercontent.com",
        "https://gitlab.com",
        "https://agent.buildkite.com",
        "https://app.terraform.io",
        "https://accounts.google.com",
    }
)
"""Issuers that sign for everybody in the world: an entry must say whose workloads it means."""
UNBOUND = "UNBOUND: its tokens name no key, so whoever sees one (a stolen front end) can use it before the job does"
"""What is said of an issuer with ``unbound = true``."""
MAX_TOKEN_AGE = 50 * 60
"""Seconds: the CA remembers for an hour which tokens it took (``pruning.TOKEN_KEPT``)."""
MAX_LIFETIME = 8 * 3600
_KEYS_HINT = "name the claim that says whose it is, such as repository_owner_id or namespace_id"


@dataclass(frozen=True, slots=True)
class WorkloadIssuer:
    """One trusted issuer of workloads' tokens."""

    title: str
    issuer: str
    algorithms: tuple[str, ...]
    required_claims: Mapping[str, str]
    """What every token must say, letter by letter: whose workloads may sign in. Empty for an issuer of one's own."""
    claims: tuple[str, ...] = ()
    """Claims, or paths to them, that policy may name, beside ``sub``."""
    lifetime: str = "1h"
    """How long a sign-in lives from the token's ``iat`` on; at most ``login_max_age``."""
    max_age: str = "5m"
    """How old a token may be when it arrives."""
    unbound: bool = False
    """Tokens name no key, because the issuer's audience is fixed. Whoever sees such a token can use it first."""
    audience: str | None = None
    """The fixed audience, with ``unbound`` alone."""
    keys_file: str | None = None
    """The issuer's keys (a JWKS) beside this file, where the CA cannot fetch them."""
    unsafe_http: bool = False
    """Plain http, on loopback only: for development."""

    def __post_init__(self) -> None:
        """Refuses what could not be verified later, and what would let in everybody."""
        names.url(self.issuer, plain_http=self.unsafe_http)
        if not self.algorithms or not set(self.algorithms) <= ASYMMETRIC:
            raise Invalid("bad_config", f"algorithms must be some of {', '.join(sorted(ASYMMETRIC))}")
        for name in (*self.claims, *self.required_claims):
            if not CLAIM.fullmatch(name):
                raise Invalid("bad_config", f"{names.show(name)} is not the name of a claim")
        if self.issuer in SHARED and not self.required_claims:
            problem = "'required_claims' is empty, and this issuer signs for everybody in the world"
            raise Invalid("bad_config", problem, hint=_KEYS_HINT)
        if self.lifetime_seconds > MAX_LIFETIME:
            raise Invalid("bad_config", f"lifetime must be at most {durations.show(MAX_LIFETIME)}")
        if self.max_age_seconds > MAX_TOKEN_AGE:
            raise Invalid("bad_config", f"max_age must be at most {durations.show(MAX_TOKEN_AGE)}")
        self._check_audience()

    @property
    def lifetime_seconds(self) -> int:
        """``lifetime`` in seconds."""
        return durations.parse(self.lifetime)

    @property
    def max_age_seconds(self) -> int:
        """``max_age`` in seconds."""
        return durations.parse(self.max_age)

    @property
    def trusted_claims(self) -> tuple[str, ...]:
        """The names of all claims that policy may name, in order."""
        return tuple(sorted({"sub", *self.claims}))

    def _check_audience(self) -> None:
        if not self.unbound and self.audience is not None:
            problem = "an audience that is fixed names no key: whoever sees a token could bind a key of their own to it"
            hint = "leave out 'audience'; where the issuer cannot do without, unbound = true says that you accept this"
            raise Invalid("bad_config", problem, hint=hint)
        if self.unbound and not self.audience:
            raise Invalid("bad_config", "with unbound = true 'audience' says what the tokens are for")
        if self.audience is not None and self.audience.startswith(AUDIENCE):
            raise Invalid("bad_config", f"an audience that begins with {AUDIENCE!r} names a key, and is not fixed")


def audience_of(key_blob: bytes) -> str:
    """The audience of a token for ``key_blob``, a public key in SSH wire format: ``ssh-jit:`` and its SHA-256.

    Base64url without padding, 43 characters.
    """
    return AUDIENCE + b64url(hashlib.sha256(key_blob).digest())


def identity(subject: str, claims: tuple[str, ...]) -> str:
    """By what a workload is known at its issuer: ``sub``, and a digest over it and the trusted claims."""
    text = json.dumps([subject, *sorted(claims)], ensure_ascii=True, separators=(",", ":"))
    return f"{subject}#{hashlib.sha256(text.encode('ascii')).hexdigest()[:32]}"


def load(text: str, *, file: str = "providers.toml") -> dict[str, WorkloadIssuer]:
    """The issuers of workloads by id, in the order of the file.

    Raises:
        Invalid: ``bad_config``, naming file and key.

    """
    people = providers.load(text, file=file)
    tables = settings.parse(text, file).get("workloads", {})
    issuers: dict[str, WorkloadIssuer] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise Invalid("bad_config", f"{file}: 'workloads.{name}' must be a table")
        try:
            names.provider_id(name)
            issuers[name] = settings.fill(WorkloadIssuer, table, file, below=f"workloads.{name}")
        except Invalid as error:
            if error.message.startswith(file):
                raise
            raise Invalid("bad_config", f"{file}: [workloads.{name}]: {error.message}", hint=error.hint) from None
        if name in people:
            hint = "an id means one issuer of one kind, for ever"
            raise Invalid("bad_config", f"{file}: {name!r} is a provider of people already", hint=hint)
    if len({issuer.issuer for issuer in issuers.values()}) != len(issuers):
        raise Invalid("bad_config", f"{file}: two tables of workloads have the same issuer")
    clients = {client.client_id for provider in people.values() for client in (provider.native, provider.web)}
    for name, issuer in issuers.items():
        if issuer.audience in clients:
            problem = f"{file}: [workloads.{name}]: the audience is a client of people, whose tokens would count too"
            raise Invalid("bad_config", problem, hint="give workloads an audience of their own")
    return issuers
