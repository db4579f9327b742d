"""Signatures by the key of the sign-in, over what the person was shown."""

from __future__ import annotations

from pathlib import Path

from sshjit import sshkey
from sshjit.api.action_signature import ActionSignature
from sshjit.errors import Failed
from sshjit_client.ssh import openssh
from sshjit_client.storage.machine import Machine, Session


def sign(machine: Machine, session: Session, challenge: str, namespace: str, text: bytes) -> ActionSignature:
    """A signature over ``text``, in which ``challenge`` stands.

    A key file without a passphrase signs without a question; an agent or a hardware key may ask the person.

    Raises:
        Failed: ``openssh_failed``, ``openssh_missing``: the key cannot sign now.

    """
    if sshkey.parse_line(session.public, post_quantum=True).hardware:
        machine.terminal.say("touch the security key to sign")
    return ActionSignature(challenge, openssh.sign(Path(session.key), namespace, text))


def unsigned(machine: Machine, what: str, error: Failed) -> None:
    """Says that ``what`` goes without a signature, because the key cannot sign now."""
    machine.terminal.say(f"your key can't sign this {what}: {error.message}")
    machine.terminal.say(f'the {what} is sent without a signature, and is marked "not signed"')
