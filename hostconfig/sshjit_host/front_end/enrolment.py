"""What this host and the CA say to each other when it joins and when it leaves (``docs/protocol.md``, section 7).

A joining token never travels: it makes the HMAC over what is said, and each host key signs that. Of the answer nothing
is believed but certificates: by a host CA of the bundle, for this host's own keys and its name. The host's id is what
they say (``host <id>``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshjit_host.config import HOST_ID, Config
from sshjit_host.errors import BundleRefused, ConfigError, HostError
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end import fetch, renewal
from sshjit_host.front_end.renewal import Certificate
from sshjit_host.front_end.signed_posts import Kind, send
from sshjit_host.openssh.host_keys import HostKey
from sshjit_host.openssh.keygen import is_signed, sign

JOIN = "join@ssh-jit"
LEAVE = "leave@ssh-jit"
_HOST = 2
FRESH = 600
"""Seconds by which the CA's clock and this host's may differ."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}=?", re.ASCII)


@dataclass(frozen=True)
class Ask:
    """What the joining line says for the CA, besides the host's name and keys. Address and port are of fleets."""

    token: str
    invitation: str = ""
    address: str = ""
    port: int = 0


@dataclass(frozen=True)
class Enrolled:
    """The host's id, and the certificate of each key by the place where it stands."""

    host_id: str
    certificates: dict[Path, bytes]


def token(text: str) -> bytes:
    """The token's bytes. Raises ``ConfigError`` if it is none."""
    word = text.strip()
    if not _TOKEN.fullmatch(word):
        raise ConfigError("that is no joining token", hint="take the whole line that `ssh-jit-ca host add` printed")
    try:
        return base64.urlsafe_b64decode(f"{word.rstrip('=')}=")
    except binascii.Error:
        raise ConfigError("that is no joining token") from None


def join(config: Config, bundle: Bundle, keys: tuple[HostKey, ...], ask: Ask, now: int) -> Enrolled:
    """Enrol the host's keys with the CA. A host whose keys are enrolled already gets new certificates for them.

    Raises ``Refusal`` with the CA's reason, ``Unreachable``, ``BundleRefused`` for an answer that is not believed.
    """
    message: dict[str, Any] = {"name": config.name, "host_keys": [key.line for key in keys]}
    message["logins"] = list(config.logins)
    of_fleets = {"invitation": ask.invitation, "address": ask.address, "port": ask.port}
    message.update((name, value) for name, value in of_fleets.items() if value)
    if not config.host_certificates:
        message["host_certificates"] = False
    if config.jump_login:
        message["jump_login"] = config.jump_login
    text = join_text(bundle.installation, message)
    mac = _base64url(hmac.new(token(ask.token), text, hashlib.sha256).digest())
    signed = text + f"{mac}\n".encode("ascii")
    signatures = [sign(config.ssh_keygen, key.path, signed, JOIN) for key in keys]
    body = {**message, "mac": mac, "signatures": signatures}
    try:
        lines = renewal.posted(config, "join", body)
    except fetch.Refusal as error:
        if error.code != "join_refused":
            raise
        try:
            return renew(config, bundle, keys, now)
        except HostError:
            raise error from None
    return _checked(config, bundle, keys, lines, now)


def renew(
    config: Config, bundle: Bundle, keys: tuple[HostKey, ...], now: int, *, shows: bool | None = None
) -> Enrolled:
    """New certificates for keys that are enrolled. Raises as ``join`` does.

    ``shows``: what the CA is told of whether this host shows them from now on; clients know it by them, or by its keys.
    """
    return _checked(config, bundle, keys, renewal.asked(config, bundle, keys, now, shows=shows), now)


def leave(config: Config, bundle: Bundle, now: int) -> None:
    """Tell the CA that this host leaves. Raises ``HostError``."""
    send(config, bundle, Kind("leave", LEAVE, _leave_text), {"name": config.name, "time": now})


def _leave_text(installation: str, message: dict[str, Any]) -> bytes:
    return "\n".join(("ssh-jit leave v1", installation, message["name"], str(message["time"]), "")).encode("ascii")


def join_text(installation: str, message: dict[str, Any]) -> bytes:
    """What the MAC is over: the message without MAC and signatures, as canonical JSON."""
    said = json.dumps(message, sort_keys=True, separators=(",", ":"))
    return f"ssh-jit join v2\n{installation}\n{said}\n".encode("ascii")


def _checked(config: Config, bundle: Bundle, keys: tuple[HostKey, ...], lines: tuple[str, ...], now: int) -> Enrolled:
    """The certificates, by the places of the keys that they are for. Raises ``BundleRefused``."""
    places = {base64.b64decode(key.line.split()[1]): key.certificate for key in keys}
    cas = {key.blob for key in bundle.host_ca}
    enrolled: dict[Path, bytes] = {}
    ids = set()
    for line in lines:
        certificate = _read(config, line)
        _require(certificate.ca in cas, "is not signed by a host CA of the bundle")
        _require(certificate.kind == _HOST, "is not a host's")
        _require(certificate.key in places, "is not for a key of this host")
        _require(_names(config, certificate), f"does not name {config.name}, or names more than hosts")
        _require(certificate.valid_after <= now + FRESH, "is for later; compare this machine's clock with the CA's")
        recent = certificate.valid_after >= now - FRESH and certificate.valid_before > now
        _require(recent, "is an old one; compare this machine's clock with the CA's")
        word, _, host_id = certificate.key_id.partition(" ")
        _require(word == "host" and HOST_ID.fullmatch(host_id) is not None, "names no host id")
        _require(host_id == config.name or host_id.startswith(f"{config.name}~"), "is of another host's id")
        enrolled[places[certificate.key]] = f"{certificate.line}\n".encode("ascii")
        ids.add(host_id)
    if len(ids) != 1:
        raise BundleRefused("the CA's answer holds no certificates of one host")
    return Enrolled(ids.pop(), enrolled)


def _read(config: Config, line: str) -> Certificate:
    """The certificate, whose signature by its CA is right: ``ssh-keygen`` verifies it when it reads one."""
    try:
        certificate = renewal.read(line)
    except (ValueError, IndexError, binascii.Error):
        raise BundleRefused("the CA's answer holds something that is no certificate") from None
    _require(is_signed(config.ssh_keygen, certificate.line), "is not signed by its CA")
    return certificate


def _names(config: Config, certificate: Certificate) -> bool:
    """This host's name is there, and nothing that stands for more than one host."""
    return config.name in certificate.principals and not any(set("*?!, ") & set(n) for n in certificate.principals)


def _require(right: bool, wrong: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not right:
        raise BundleRefused(f"a certificate of the CA's answer {wrong}")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
