"""One-time tokens for hosts that are to join.

A token is derived from a secret file of the CA and a nonce in the log, so the log can tell that there was one without
telling it. It is shown at the admin door alone, counts for an hour, and dies with the joining.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sshjit.api.hosts import Invitation
from sshjit.errors import Failed
from sshjit.events import HostInvited
from sshjit.login import b64url
from sshjit_ca.access import host_statements
from sshjit_ca.context import Context
from sshjit_ca.state import Host

LIFETIME = 3600
"""Seconds that a token counts."""
NONCE_BYTES = 16
SECRET_BYTES = 32


def invite(context: Context, host: Host) -> Invitation:
    """Makes a new token for a host; an older one is worth nothing from here on."""
    nonce = b64url(context.random(NONCE_BYTES))
    raw = token_of(context, host.id, nonce)
    context.record(HostInvited(nonce, context.now + LIFETIME, host.id, host.name))
    return Invitation(b64url(raw), context.now + LIFETIME)


def token_of(context: Context, host_id: str, nonce: str) -> bytes:
    """The token of an invitation."""
    return host_statements.token(_secret(context.config.home / "invitation-secret", context), host_id, nonce)


def _secret(path: Path, context: Context) -> bytes:
    """The secret, made when it is first needed. Losing it costs the invitations that are out."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(context.random(SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES or path.stat().st_mode & 0o077:
        raise Failed("bad_secret", f"{path} is damaged, or readable by others", hint="remove it, and invite again")
    return secret
