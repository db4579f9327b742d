"""How hosts prove what they say: by exact texts (``docs/protocol.md``, section 7), and at first by a one-time token.

A joining token never travels: the host shows that it has it by an HMAC over what it says, and that it has each key by a
signature over the same and the HMAC. Later the registered keys speak for the host. A token is derived from a secret
file of the CA and a nonce in the log, so the log can show that there was one without telling it. It is shown at the
admin socket alone, counts for an hour, and dies with the joining.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
from pathlib import Path

from sshjit import canonical, sshkey, wire
from sshjit.api.hosts import HostReport, Invitation, JoinHost, LeaveHost, SignHost
from sshjit.errors import Failed, Invalid
from sshjit.events import HostInvited
from sshjit.login import b64url
from sshjit.sshkey import PublicKey
from sshjit_ca.context import Context
from sshjit_ca.machine.durable import write_durably
from sshjit_ca.state import Host
from sshjit_ca.state import keys as folded

_log = logging.getLogger(__name__)
JOIN_NAMESPACE = "join@ssh-jit"
RENEW_NAMESPACE = "renew@ssh-jit"
REPORT_NAMESPACE = "report@ssh-jit"
LEAVE_NAMESPACE = "leave@ssh-jit"
INVITATION_LIFETIME = 3600
"""Seconds that a token counts."""
NONCE_BYTES = 16
SECRET_BYTES = 32
MAX_HOST_KEYS = 8
"""Keys of one host."""


def certifies_post_quantum(context: Context) -> bool:
    """Whether a key signs post-quantum host certificates."""
    return folded.active(context.state, "host_ca", post_quantum=True) is not None


def certifiable(context: Context, lines: tuple[str, ...]) -> tuple[tuple[PublicKey, ...], tuple[str, ...]]:
    """The host keys of OpenSSH lines that this CA certifies, and the types of the others: a host joins without those.

    A post-quantum key is never the only one: most clients know no other than a classical one.

    Raises:
        Invalid: ``bad_key`` and others of ``sshkey``; ``bad_key_type``, if it certifies none of them.

    """
    post_quantum = certifies_post_quantum(context)
    known, left_out = sshkey.known_lines(tuple(map(without_comment, lines)), post_quantum=post_quantum)
    keys = different(tuple(sshkey.parse_line(line, post_quantum=post_quantum) for line in known))
    if lines and all(key.post_quantum for key in keys):
        left_out = (*left_out, *(key.type for key in keys))
        raise Invalid("bad_key_type", f"the host has no key that this CA certifies: {', '.join(left_out)}")
    return keys, left_out


def without_comment(line: str) -> str:
    """``type base64`` of an OpenSSH line: a comment may be in any characters, and says nothing to us."""
    return " ".join(line.split(None, 2)[:2])


def different(keys: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
    """The keys. Raises ``Invalid`` (``bad_key``) if one is there twice."""
    if len({key.blob for key in keys}) != len(keys):
        raise Invalid("bad_key", "a host key is listed twice")
    return keys


def token(secret: bytes, host_id: str, nonce: str) -> bytes:
    """The one-time token of an invitation: whoever reads the log knows the nonce, and lacks the secret."""
    return hmac.digest(secret, f"ssh-jit invitation v1\n{host_id}\n{nonce}\n".encode("ascii"), "sha256")


def fleet_token(secret: bytes, invitation: str, nonce: str) -> bytes:
    """The token of a fleet's invitation, made in the same way."""
    return hmac.digest(secret, f"ssh-jit fleet invitation v1\n{invitation}\n{nonce}\n".encode("ascii"), "sha256")


def join_texts(installation: str, message: JoinHost) -> tuple[bytes, ...]:
    """What the MAC of a joining host may be over: the text of version 1 where nothing is said that came later."""
    said = wire.encode_said(message)
    del said["mac"], said["signatures"]
    later = f"ssh-jit join v2\n{installation}\n".encode("ascii") + canonical.dumps(said) + b"\n"
    if wire.needs(message) > 1:
        return (later,)
    lines = map(without_comment, message.host_keys)
    return "\n".join(("ssh-jit join v1", installation, message.name, *lines, "")).encode(), later


def join_mac(key: bytes, text: bytes) -> str:
    """What shows that the host has the token (its 32 bytes are ``key``)."""
    return b64url(hmac.digest(key, text, hashlib.sha256))


def join_proof(text: bytes, mac: str) -> bytes:
    """What each host key signs when the host joins."""
    return text + f"{mac}\n".encode("ascii")


def leave_text(installation: str, message: LeaveHost) -> bytes:
    """What a host's key signs when the host leaves."""
    return "\n".join(("ssh-jit leave v1", installation, message.name, str(message.time), "")).encode()


def renew_text(installation: str, name: str, lines: tuple[str, ...], time: int) -> bytes:
    """What each host key signs when the host renews its certificates."""
    return "\n".join(("ssh-jit renew v1", installation, name, str(time), *lines, "")).encode("ascii")


def renew_proof(installation: str, message: SignHost) -> bytes:
    """What each host key signs of a message: the text of version 1 where nothing is said that came later."""
    if wire.needs(message) == 1:
        lines = tuple(sshkey.parse_line(line, post_quantum=True).line for line in message.host_keys)
        return renew_text(installation, message.name, lines, message.time)
    said = wire.encode_said(message)
    del said["signatures"]
    return f"ssh-jit renew v2\n{installation}\n".encode("ascii") + canonical.dumps(said) + b"\n"


def report_text(installation: str, report: HostReport) -> bytes:
    """What the host's key signs of a report: everything else in it."""
    said = wire.encode_said(report)
    del said["signature"]
    return f"ssh-jit report v1\n{installation}\n".encode("ascii") + canonical.dumps(said) + b"\n"


def invite(context: Context, host: Host) -> Invitation:
    """Makes a new token for a host; an older one is worth nothing from here on."""
    nonce = b64url(context.random(NONCE_BYTES))
    raw = token_of(context, host.id, nonce)
    context.record(HostInvited(nonce, context.now + INVITATION_LIFETIME, host.id, host.name))
    return Invitation(b64url(raw), context.now + INVITATION_LIFETIME)


def token_of(context: Context, host_id: str, nonce: str) -> bytes:
    """The token of an invitation."""
    return token(_secret(context.config.home / "invitation-secret", context), host_id, nonce)


def fleet_token_of(context: Context, invitation: str, nonce: str) -> bytes:
    """The token of a fleet's invitation."""
    return fleet_token(_secret(context.config.home / "invitation-secret", context), invitation, nonce)


def _secret(path: Path, context: Context) -> bytes:
    """The secret, made when it is first needed, and anew when it is damaged. That costs the invitations that are out.

    Raises:
        Failed: ``bad_secret``.

    """
    try:
        secret = _read_secret(path)
        if secret is None or len(secret) != SECRET_BYTES or not any(secret):  # a power cut leaves zeros too
            if secret is not None:
                _log.warning("%s was damaged and is made anew: invitations that are out count no more", path)
            secret = context.random(SECRET_BYTES)
            write_durably(path, secret)
    except OSError as error:
        raise Failed("bad_secret", f"{path}: {error.strerror}", hint="ssh-jit-ca doctor") from None
    return secret


def _read_secret(path: Path) -> bytes | None:
    """What is in the file, whole or not; ``None`` if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            text = f"{path} can be read by other users, or belongs to one"
            raise Failed("bad_secret", text, hint=f"remove it, and invite again: rm {path}")
        return file.read(SECRET_BYTES + 1)
