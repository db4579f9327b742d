"""Where the CA asks about tickets and fetches rotas: ``[tickets]`` and ``[rotas]`` of ``ca.toml``.

A policy only names them. So whoever writes a policy can send the CA nowhere, and reads no password.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sshjit import durations, names, sshkey
from sshjit.errors import Invalid

SLOT = "{ticket}"
"""Where the ticket goes in a URL or a body."""
EVERY = 300
"""Seconds between two looks at a rota, if not said."""
_LEAST, _MOST = 10, 24 * 3600
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CheckerFile:
    """``[tickets.jira]`` as it is written."""

    url: str
    socket: str | None = None
    authorization: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class RotaFile:
    """``[rotas.primary]`` as it is written."""

    url: str | None = None
    file: str | None = None
    signers: tuple[str, ...] = ()
    sha256: str | None = None
    every: str | None = None


@dataclass(frozen=True, slots=True)
class CheckerPlace:
    """Where a checker answers. ``body`` is the JSON of a POST, ``None``: it is a GET with the ticket in the path."""

    url: str
    socket: Path | None = None
    authorization: Path | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class RotaPlace:
    """Where a rota is, and what makes its text one to be believed: a signature by one of these keys, or its digest.

    ``every`` is seconds between two looks.
    """

    url: str | None
    file: Path | None
    signers: tuple[sshkey.PublicKey, ...]
    sha256: str | None
    every: int


def checker_place(file: CheckerFile, where: str, *, plain_http: bool) -> CheckerPlace:
    """A checker, whose every part is well formed. ``where`` names it in errors; ``plain_http``: to this machine.

    Raises:
        Invalid: ``bad_config``.

    """
    text = file.url.replace(SLOT, "ticket")
    _url(text, where, plain_http=plain_http or file.socket is not None)
    path = urlsplit(file.url).path
    in_path = path.split("/").count(SLOT)
    if file.url.count(SLOT) != in_path or in_path != (1 if file.body is None else 0):
        hint = f"https://tickets.example.com/changes/{SLOT}"
        raise _bad(where, f"'url' must have {SLOT} once, as a whole segment of its path, or 'body' must have it", hint)
    if file.body is not None and _slots(_json(file.body, where)) != 1:
        raise _bad(where, f"'body' must be JSON with {SLOT} once, as a whole string", '{"ticket": "{ticket}"}')
    socket = None if file.socket is None else _absolute(file.socket, where, "socket")
    secret = None if file.authorization is None else _absolute(file.authorization, where, "authorization")
    return CheckerPlace(file.url, socket, secret, file.body)


def rota_place(file: RotaFile, where: str, *, plain_http: bool) -> RotaPlace:
    """A rota's place, as ``checker_place``."""
    if (file.url is None) == (file.file is None):
        raise _bad(where, "give either 'url' or 'file'")
    if bool(file.signers) == (file.sha256 is not None):
        raise _bad(where, "give either 'signers', whose signature counts, or the 'sha256' of the text")
    if file.url is not None:
        _url(file.url, where, plain_http=plain_http)
        if urlsplit(file.url).query:
            raise _bad(where, "'url' must have no query: the signature is at the same address with .sig")
    if file.sha256 is not None and not _DIGEST.fullmatch(file.sha256):
        raise _bad(where, "'sha256' must be 64 of the characters 0-9a-f")
    try:
        signers = tuple(map(sshkey.parse_line, file.signers))
        every = EVERY if file.every is None else durations.parse(file.every)
    except Invalid as error:
        raise _bad(where, error.message, error.hint) from None
    if not _LEAST <= every <= _MOST:
        raise _bad(where, f"'every' must be from {durations.show(_LEAST)} to {durations.show(_MOST)}")
    path = None if file.file is None else _absolute(file.file, where, "file")
    return RotaPlace(file.url, path, signers, file.sha256, every)


def _slots(value: Any) -> int:
    """How many strings of a JSON value are the ticket's; keys are none."""
    if isinstance(value, dict):
        return sum(map(_slots, value.values()))
    if isinstance(value, list):
        return sum(map(_slots, value))
    return int(value == SLOT)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _bad(where, "'body' is not JSON") from None


def _url(text: str, where: str, *, plain_http: bool) -> None:
    try:
        names.url(text, plain_http=plain_http)
    except Invalid as error:
        raise _bad(where, f"'url': {error.message}", error.hint) from None
    if urlsplit(text).fragment:
        raise _bad(where, "'url' must have no fragment")


def _absolute(text: str, where: str, key: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise _bad(where, f"{key!r} must be an absolute path")
    return path


def _bad(where: str, message: str, hint: str = "") -> Invalid:
    return Invalid("bad_config", f"{where}: {message}", hint=hint)
