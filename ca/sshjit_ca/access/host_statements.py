"""The exact texts by which hosts prove what they say (``docs/protocol.md``, section 7).

A joining token never travels: the host shows that it has it by an HMAC over what it says, and that it has each key by a
signature over the same and the HMAC. Later the registered keys speak for the host.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac

from sshjit import canonical, wire
from sshjit.api.hosts import HostReport
from sshjit.login import b64url

JOIN_NAMESPACE = "join@ssh-jit"
RENEW_NAMESPACE = "renew@ssh-jit"
REPORT_NAMESPACE = "report@ssh-jit"


def token(secret: bytes, host_id: str, nonce: str) -> bytes:
    """The one-time token of an invitation: whoever reads the log knows the nonce, and lacks the secret."""
    return hmac.digest(secret, f"ssh-jit invitation v1\n{host_id}\n{nonce}\n".encode("ascii"), "sha256")


def join_mac(key: bytes, installation: str, name: str, lines: tuple[str, ...]) -> str:
    """What shows that the host has the token (its 32 bytes are ``key``)."""
    return b64url(hmac.digest(key, _join(installation, name, lines), hashlib.sha256))


def join_text(installation: str, name: str, lines: tuple[str, ...], mac: str) -> bytes:
    """What each host key signs when the host joins."""
    return _join(installation, name, lines) + f"{mac}\n".encode("ascii")


def renew_text(installation: str, name: str, lines: tuple[str, ...], time: int) -> bytes:
    """What each host key signs when the host renews its certificates."""
    return "\n".join(("ssh-jit renew v1", installation, name, str(time), *lines, "")).encode("ascii")


def report_text(installation: str, report: HostReport) -> bytes:
    """What the host's key signs of a report: everything else in it."""
    said = {each.name: wire.encode(getattr(report, each.name)) for each in dataclasses.fields(report)}
    del said["signature"]
    return f"ssh-jit report v1\n{installation}\n".encode("ascii") + canonical.dumps(said) + b"\n"


def _join(installation: str, name: str, lines: tuple[str, ...]) -> bytes:
    return "\n".join(("ssh-jit join v1", installation, name, *lines, "")).encode("ascii")
