"""Where people's passkeys are used: ``[passkeys]`` of ``ca.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sshjit import names
from sshjit.errors import Invalid


@dataclass(frozen=True, slots=True)
class PasskeyFile:
    """``[passkeys]`` as it is written."""

    rp_id: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PasskeySites:
    """For which name people's passkeys are, and on which pages they may be used."""

    rp_id: str
    """WebAuthn's RP id: the host of the pages, or a domain above it. Passkeys are bound to it for ever."""
    origins: frozenset[str]
    """``https://…`` as browsers say it, without a slash at the end."""


def passkey_sites(table: PasskeyFile | None, path: Path) -> PasskeySites | None:
    """The sites that the file means. Each origin must be one on which browsers take the RP id.

    Raises:
        Invalid: ``bad_config``.

    """
    if table is None:
        return None
    try:
        name = names.host_name(table.rp_id)
        origins = frozenset(names.origin(origin, plain_http=True) for origin in table.origins)
    except Invalid as error:
        raise _wrong(path, error.message, error.hint) from None
    if not origins:
        raise _wrong(path, "'origins' names no page", f"https://{name}")
    for origin in sorted(origins):
        parts = urlsplit(origin)
        host = parts.hostname or ""
        if not (host == name or host.endswith(f".{name}")):
            problem = f"browsers do not take the RP id {name} on {origin}"
            raise _wrong(path, problem, "use that host, or a domain above it")
        if parts.scheme != "https" and host != "localhost":
            raise _wrong(path, f"{origin} is not https: browsers have no passkeys there", "")
    return PasskeySites(name, origins)


def _wrong(path: Path, problem: str, hint: str) -> Invalid:
    return Invalid("bad_config", f"{path.name}: 'passkeys': {problem}", hint=hint)
