"""What the doctor says of providers: each is tried from here, as ``ssh-jit-web check`` tries it from the front end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sshjit import ca_protocol as m
from sshjit import provider_check, providers
from sshjit.errors import SshJitError
from sshjit.providers import Provider
from sshjit_ca.config import Config, read_trusted
from sshjit_ca.oidc import provider_http
from sshjit_ca.operations.finding import Finding

MANY = 3
"""Sign-ins after which a group claim that none of them had is a warning."""


def examine(config: Config, front_end: str | None) -> Iterator[Finding]:
    """Tries every provider of ``providers.toml``. ``front_end``: the address of the pages, if it was told."""
    for name, provider in providers.load(read_trusted(config.providers), file=config.providers.name).items():
        redirect = None if front_end is None else f"{front_end.rstrip('/')}/auth/{name}/callback"
        secret = _secret(config.providers.parent / provider.web.client_secret_file)
        fetch = partial(provider_http.ask, monotonic=time.monotonic)
        for each in provider_check.check(provider, fetch, web_redirect=redirect, secret=secret):
            yield Finding("provider", each.level, f"{name}: {each.text}", each.hint)


def missing_groups(config: Config, reply: m.StatusReply) -> Iterator[Finding]:
    """A groups claim that no sign-in since the CA's start had."""
    known: dict[str, Provider] = providers.load(read_trusted(config.providers), file=config.providers.name)
    for seen in reply.providers:
        for path in seen.groups_missing if seen.sign_ins >= MANY and seen.id in known else ():
            text = f"{seen.id}: none of its {seen.sign_ins} sign-ins had the claim {path!r} (groups_claim)"
            yield Finding("provider", "warning", text, "the administrator adds a mapper or a scope, or corrects it")


def _secret(path: Path) -> str | None:
    """The front end's secret, if this process may read it, as root may."""
    try:
        return path.read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError, SshJitError):
        return None
