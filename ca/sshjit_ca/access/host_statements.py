"""How hosts prove what they say: by exact texts (``docs/protocol.md``, section 7), and at first by a one-time token.

A joining token never travels: the host shows that it has it by an HMAC over what it says, and that it has each key by a
signature over the same and the HMAC. Later the registered keys speak for the host. A token is derived from a secret
file of the CA and a nonce in the log, so the log can show that there was one without telling it. It is shown at the
admin socket alone, counts for an hour, and dies with the joining.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress
from pathlib import Path

from sshjit import canonical, wire
from sshjit.api.hosts import HostReport, Invitation
from sshjit.errors import Failed
from sshjit.events import HostInvited
from sshjit.login import b64url
from sshjit_ca.context import Context
from sshjit_ca.state import Host

JOIN_NAMESPACE = "join@ssh-jit"
RENEW_NAMESPACE = "renew@ssh-jit"
REPORT_NAMESPACE = "report@ssh-jit"
INVITATION_LIFETIME = 3600
"""Seconds that a token counts."""
NONCE_BYTES = 16
SECRET_BYTES = 32
MAX_HOST_KEYS = 8
"""Keys of one host."""


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
    said = wire.encode_said(report)
    del said["signature"]
    return f"ssh-jit report v1\n{installation}\n".encode("ascii") + canonical.dumps(said) + b"\n"


def _join(installation: str, name: str, lines: tuple[str, ...]) -> bytes:
    return "\n".join(("ssh-jit join v1", installation, name, *lines, "")).encode("ascii")


def invite(context: Context, host: Host) -> Invitation:
    """Makes a new token for a host; an older one is worth nothing from here on."""
    nonce = b64url(context.random(NONCE_BYTES))
    raw = token_of(context, host.id, nonce)
    context.record(HostInvited(nonce, context.now + INVITATION_LIFETIME, host.id, host.name))
    return Invitation(b64url(raw), context.now + INVITATION_LIFETIME)


def token_of(context: Context, host_id: str, nonce: str) -> bytes:
    """The token of an invitation."""
    return token(_secret(context.config.home / "invitation-secret", context), host_id, nonce)


def _secret(path: Path, context: Context) -> bytes:
    """The secret, made when it is first needed. Losing it costs the invitations that are out."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(context.random(SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES or path.stat().st_mode & 0o077:
        raise Failed("bad_secret", f"{path} is damaged, or other users can read it", hint="remove it, and invite again")
    return secret
