"""Signatures by the login's key over what a person saw: answers to requests, and acts that need one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sshjit import signed_actions
from sshjit.api.action_signature import ActionSignature
from sshjit.api.views import RequestView
from sshjit.errors import Failed
from sshjit.signed_actions import Act
from sshjit_client.api.full import FullApi
from sshjit_client.identity import login_key
from sshjit_client.storage.machine import Machine, Session


@dataclass(frozen=True, slots=True)
class Signer:
    """A sign-in with its key, and the server whose challenges are signed."""

    machine: Machine
    session: Session
    api: FullApi

    def answer(
        self, request: RequestView, verdict: Literal["approve", "deny"], comment: str, duration: int | None = None
    ) -> ActionSignature | None:
        """The answer to what ``request`` shows; the text is made from the very view that was printed.

        ``None``, and the person is told so, if the key cannot sign now: whether that is enough, the CA decides.
        """
        challenge, installation = self.api.challenge(), self.machine.settings().installation
        text = signed_actions.approval_text(request, verdict, comment, challenge, installation, duration=duration)
        try:
            return login_key.sign(self.machine, self.session, challenge, signed_actions.APPROVE_NAMESPACE, text)
        except Failed as error:
            login_key.unsigned(self.machine, "approval" if verdict == "approve" else "denial", error)
            return None

    def act(self, message: Act) -> ActionSignature:
        """An act; the text is made from the message itself."""
        challenge, installation = self.api.challenge(), self.machine.settings().installation
        text = signed_actions.act_text(message, challenge, installation)
        return login_key.sign(self.machine, self.session, challenge, signed_actions.ACT_NAMESPACE, text)
