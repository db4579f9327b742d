"""Places outside that keep checkpoints of the log: ``[[checkpoint]]`` of ``ca.toml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sshjit import names
from sshjit.errors import Invalid

_NAME = re.compile("[a-z0-9][a-z0-9-]{0,31}")
_HTTP = ("https:", "http:")
PORTS = {"syslog": 601, "syslogs": 6514}
"""RFC 6587 and RFC 5425."""


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """Where syslog is taken: a Unix socket's path, or host and port; ``tls``: and the host must prove its name."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False

    @property
    def shown(self) -> str:
        """For people."""
        return self.path or f"{self.host} port {self.port}{' by TLS' if self.tls else ''}"


def parse_syslog(text: str) -> SyslogAddress:
    """``syslog:///dev/log``, ``syslog://logs.example.com:601``, ``syslogs://logs.example.com`` (TLS).

    Raises:
        Invalid: ``bad_address``.

    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _bad_address(text) from None
    if parts.scheme == "syslog" and not parts.netloc and parts.path.startswith("/"):
        return SyslogAddress(path=parts.path)
    if parts.scheme not in PORTS or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise _bad_address(text)
    return SyslogAddress(host=host, port=port, tls=parts.scheme == "syslogs")


def _bad_address(text: str) -> Invalid:
    hint = "syslog:///dev/log, syslog://HOST:601, or syslogs://HOST:6514 for TLS"
    return Invalid("bad_address", f"{names.show(text)} is no address of a syslog", hint=hint)


@dataclass(frozen=True, slots=True)
class PlaceFile:
    """``[[checkpoint]]`` as it is written."""

    name: str
    to: str
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place: one of ``file``, ``url`` and ``syslog``; ``token_file`` holds a bearer token for ``url``."""

    name: str
    file: Path | None = None
    url: str = ""
    syslog: SyslogAddress | None = None
    token_file: Path | None = None


def places(written: tuple[PlaceFile, ...], where: Path, *, plain_http: bool) -> tuple[Place, ...]:
    """The places of ``ca.toml``; ``where`` is that file.

    Raises:
        Invalid: ``bad_config``.

    """
    checked = tuple(_place(one, where, plain_http=plain_http) for one in written)
    if len({place.name for place in checked}) < len(checked):
        raise Invalid("bad_config", f"{where.name}: two places for checkpoints have the same name")
    return checked


def _place(written: PlaceFile, where: Path, *, plain_http: bool) -> Place:
    if not _NAME.fullmatch(written.name):
        raise Invalid("bad_config", f"{where.name}: checkpoint: a name has small letters, digits and '-'")
    about = f"{where.name}: checkpoint {written.name!r}"
    token = None if written.token_file is None else where.parent / written.token_file
    if written.to.startswith("/"):
        place = Place(written.name, file=Path(written.to))
    elif written.to.startswith((*_HTTP, "syslog:", "syslogs:")):
        try:
            place = _elsewhere(written, token, plain_http=plain_http)
        except Invalid as error:
            raise Invalid("bad_config", f"{about}: {error.message}", hint=error.hint) from None
    else:
        hint = 'to = "/mnt/archive/checkpoints", "https://…", "syslog:///dev/log" or "syslogs://HOST"'
        raise Invalid("bad_config", f"{about}: {names.show(written.to)} is no place", hint=hint)
    if token is not None and not place.url:
        raise Invalid("bad_config", f"{about}: 'token_file' is for an address of https")
    return place


def _elsewhere(written: PlaceFile, token: Path | None, *, plain_http: bool) -> Place:
    if written.to.startswith(_HTTP):
        return Place(written.name, url=names.url(written.to, plain_http=plain_http), token_file=token)
    return Place(written.name, syslog=parse_syslog(written.to))
