"""Signatures by the login's key over what a person saw: answers to requests, and api that need one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sshjit import signed_actions, sshkey
from sshjit.api.bodies import ActionSignature
from sshjit.api.views import RequestView
from sshjit.signed_actions import Act
from sshjit_client import openssh
from sshjit_client.api.full import FullApi
from sshjit_client.machine import Machine, Session


@dataclass(frozen=True, slots=True)
class Signer:
    """A sign-in with its key, and the server whose challenges are signed."""

    machine: Machine
    session: Session
    api: FullApi

    def approval(self, request: RequestView, comment: str, duration: int | None) -> ActionSignature:
        """The approval of what ``request`` shows; the text is made from the very view that was printed."""
        challenge, installation = self.api.challenge(), self.machine.settings().installation
        text = signed_actions.approval_text(request, "approve", comment, challenge, installation, duration=duration)
        return self._signed(challenge, signed_actions.APPROVE_NAMESPACE, text)

    def act(self, message: Act) -> ActionSignature:
        """An act; the text is made from the message itself."""
        challenge, installation = self.api.challenge(), self.machine.settings().installation
        return self._signed(
            challenge, signed_actions.ACT_NAMESPACE, signed_actions.act_text(message, challenge, installation)
        )

    def _signed(self, challenge: str, namespace: str, text: bytes) -> ActionSignature:
        if sshkey.parse_line(self.session.public).hardware:
            self.machine.terminal.say("touch the security key to sign")
        return ActionSignature(challenge, openssh.sign(Path(self.session.key), namespace, text))
