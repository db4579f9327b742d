"""Renewing this host's certificates before they end (``docs/protocol.md``, section 7).

Certificates stand beside sshd's host keys, as ``KEY-cert.pub``; those that a CA of the bundle signed are ours to renew,
once half of their time is over. Each key proves itself, by the host's own ``ssh-keygen``. What comes back is held
against the key, the names of the certificate before it and the bundle: a front end can withhold, and nothing else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sshjit_host.config import Config
from sshjit_host.errors import BundleRefused, HostError, Unreachable
from sshjit_host.formats import certificate_types, sshkey, strictjson
from sshjit_host.formats.bundle import Bundle
from sshjit_host.formats.certificate_types import POST_QUANTUM
from sshjit_host.front_end import fetch
from sshjit_host.machine import files
from sshjit_host.openssh import sshdconf
from sshjit_host.openssh.dropin import DropIn, Say
from sshjit_host.openssh.host_keys import HostKey
from sshjit_host.openssh.keygen import is_signed, sign
from sshjit_host.times import day

NAMESPACE = "renew@ssh-jit"
PAUSE = 600
"""Seconds between two tries."""
WORRY = 3 * 24 * 3600
"""Seconds before the end at which a certificate that was not renewed is warned about."""
_HOST = 2
"""The type of a host's certificate (PROTOCOL.certkeys of OpenSSH)."""


@dataclass(frozen=True)
class Certificate:
    """A host certificate, read. ``key`` is the plain key's blob, ``ca`` that of the key that signed it."""

    line: str
    key: bytes
    kind: int
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    ca: bytes
    key_id: str = ""


@dataclass(frozen=True)
class Due:
    """A host key and the certificate beside it that is to be renewed."""

    path: Path
    line: str
    certificate: Certificate

    @property
    def place(self) -> Path:
        """Where the certificate stands."""
        return Path(f"{self.path}-cert.pub")

    @property
    def post_quantum(self) -> bool:
        """Whether it is the post-quantum key, which the CA may cease to certify."""
        return self.line.split(" ")[0] == POST_QUANTUM


def read(text: str) -> Certificate:
    """Read a certificate's line. Raises ``ValueError`` if it is none."""
    words = text.split()
    kind, blob = words[0], base64.b64decode(words[1], validate=True)
    reader = sshkey.Reader(blob)
    plain = certificate_types.plain(kind)
    if reader.string() != kind.encode("ascii"):
        raise ValueError("has another type inside")
    reader.string()  # the nonce
    parts = [reader.string() for _ in range(certificate_types.strings_of(plain))]
    reader.number(8)  # the serial
    what = reader.number(4)
    key_id = reader.string().decode("utf-8", "replace")
    names, inside = [], sshkey.Reader(reader.string())
    while inside:
        names.append(inside.string().decode("ascii"))
    after, before = reader.number(8), reader.number(8)
    for _ in range(3):  # critical options, extensions, reserved
        reader.string()
    key = sshkey.string(plain.encode("ascii")) + b"".join(sshkey.string(part) for part in parts)
    return Certificate(f"{kind} {words[1]}", key, what, tuple(names), after, before, reader.string(), key_id)


def is_host(certificate: Certificate) -> bool:
    """Whether a certificate is a host's."""
    return certificate.kind == _HOST


def ours(dropin: DropIn, bundle: Bundle) -> Iterator[Due]:
    """The host keys of sshd's configuration that have a certificate by a CA of the bundle."""
    layout, cas = sshdconf.layout(dropin.config.sshd_config), bundle.ca_keys()
    for path in dropin.host_keys(layout):
        data, public = files.read(Path(f"{path}-cert.pub")), files.read(Path(f"{path}.pub"))
        if data is None or public is None:
            continue
        try:
            certificate = read(data.decode("ascii"))
            line = " ".join(public.decode("utf-8", "replace").split()[:2])
            line.encode("ascii")
        except (ValueError, IndexError):
            continue
        if certificate.kind == _HOST and certificate.ca in cas:
            yield Due(Path(path), line, certificate)


def fetched(dropin: DropIn, bundle: Bundle, now: float, say: Say) -> dict[Path, bytes]:
    """New certificates by the place where they belong; what is wrong is said, for the old ones still count."""
    config = dropin.config
    due = [
        host_key
        for host_key in ours(dropin, bundle)
        if now > (host_key.certificate.valid_after + host_key.certificate.valid_before) / 2
    ]
    if not due:
        return {}
    tried = config.home / "renewal.tried"
    problem = ""
    if not is_soon(tried, now):
        files.write(tried, f"{int(now)}\n".encode("ascii"))
        try:
            return _renewed(config, bundle, due, int(now))
        except (HostError, ValueError) as error:
            problem = f": {error}"
    for host_key in due:
        end = host_key.certificate.valid_before
        if problem or now > end - WORRY:
            verb = "ended" if now >= end else "ends"
            say(f"warning: the host certificate {host_key.place} {verb} {day(end)} and was not renewed{problem}")
    return {}


def is_soon(tried: Path, now: float) -> bool:
    """Whether the time in this file is of a try that was just made."""
    return now - PAUSE < _time(files.read(tried)) <= now


def text(installation: str, name: str, lines: list[str], time: int) -> bytes:
    """What each host key signs."""
    return "\n".join(("ssh-jit renew v1", installation, name, str(time), *lines, "")).encode("ascii")


def identity_text(installation: str, message: dict[str, Any]) -> bytes:
    """What each host key signs of a message that also says whether the host shows its certificates."""
    said = json.dumps(message, sort_keys=True, separators=(",", ":"))
    return f"ssh-jit renew v2\n{installation}\n{said}\n".encode("ascii")


def asked(
    config: Config, bundle: Bundle, keys: Sequence[HostKey | Due], time: int, *, shows: bool | None = None
) -> tuple[str, ...]:
    """The lines of new certificates for keys that are enrolled, as they came. Raises ``HostError``.

    ``shows``: whether the host shows its certificates from now on; ``None``: as before.
    """
    lines = [key.line for key in keys]
    message: dict[str, Any] = {"name": config.name, "host_keys": lines, "time": time}
    signed = text(bundle.installation, config.name, lines, time)
    if shows is not None:
        message["host_certificates"] = shows
        signed = identity_text(bundle.installation, message)
    signatures = [sign(config.ssh_keygen, key.path, signed, NAMESPACE) for key in keys]
    return posted(config, "renew", {**message, "signatures": signatures})


def posted(config: Config, place: str, fields: dict[str, Any]) -> tuple[str, ...]:
    """The lines of certificates that the CA answers a message with. Raises ``Refusal`` or ``Unreachable``."""
    answer = fetch.post(config.url, place, fields)
    try:
        return tuple(strictjson.strings(strictjson.loads(answer), "certificates"))
    except (ValueError, KeyError):
        raise Unreachable("the front end's answer to the host keys is not the CA's: it holds no certificates") from None


def _renewed(config: Config, bundle: Bundle, due: list[Due], time: int) -> dict[Path, bytes]:
    certificates = asked(config, bundle, due, time)
    classical = [host_key for host_key in due if not host_key.post_quantum]
    if len(certificates) == len(classical):  # the CA certifies no post-quantum key any more
        due = classical
    if len(certificates) != len(due):
        raise BundleRefused("the answer holds another number of certificates than was asked for")
    return {host_key.place: _checked(config, bundle, host_key, line, time) for host_key, line in zip(due, certificates)}


def _checked(config: Config, bundle: Bundle, due: Due, line: str, now: int) -> bytes:
    """The certificate as it is written. Raises ``BundleRefused`` unless it is the old one with a later end."""
    old = due.certificate
    try:
        new = read(line)
    except (ValueError, IndexError):
        raise BundleRefused("what came is no certificate") from None
    right = (
        new.kind == _HOST
        and new.key == old.key
        and set(new.principals) == set(old.principals)
        and config.name in new.principals
        and new.ca in _cas(bundle, due)
        and new.valid_after <= now + 300
        and new.valid_before > max(now, old.valid_before)
    )
    if not right or not is_signed(config.ssh_keygen, new.line):
        raise BundleRefused("what came is not a new certificate for this host's key and names")
    return f"{new.line}\n".encode("ascii")


def _cas(bundle: Bundle, due: Due) -> set[bytes]:
    """The keys that may certify a host key: each kind is certified by its own."""
    apart = bundle.post_quantum.host_ca if bundle.post_quantum else ()
    return {key.blob for key in (apart if due.post_quantum else bundle.host_ca)}


def _time(data: bytes | None) -> int:
    try:
        return int(data or b"0")
    except ValueError:
        return 0
