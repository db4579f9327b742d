"""What the log alone proves of approvals by a passkey, entry by entry: the third thing that ``log verify`` recomputes.

A passkey is in the log because a sign-in's key signed for it, whose login is in the log. Each use carries what the
browser and the authenticator said, and the text whose SHA-256 they signed; the text must be that of the request, and
the approval itself must be the next entry. Of what was erased there is nothing left to check.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sshjit import sshkey
from sshjit.api.passkeys import PasskeyAssertion
from sshjit.errors import SshJitError
from sshjit.events import (
    Asked,
    Decided,
    Event,
    PasskeyAccepted,
    PasskeyRegistered,
    PasskeyRemoved,
    PasskeyUsed,
)
from sshjit.signed_actions import ACT_NAMESPACE
from sshjit_ca.keys import passkeys as webauthn
from sshjit_ca.keys import sshsig
from sshjit_ca.state import State

_SHOWN = ("hosts", "host_ids", "login", "action", "command", "duration", "reason", "rule", "policy", "extends")
"""The lines of an approval's text that are fields of the ask."""


class PasskeyProofs:
    """One pass over the entries, in order."""

    def __init__(self) -> None:
        self._known: dict[str, PasskeyRegistered] = {}
        self._counts_from: dict[str, int] = {}
        self._counters: dict[str, int] = {}
        self._used: PasskeyUsed | None = None
        """The entry before this one, if it is the use of a passkey."""

    def follow(self, time: int, event: Event, state: State) -> Iterator[str]:
        """What is wrong with one more entry; ``state`` is what was known once it was folded."""
        match event:
            case Decided():
                yield from self._decided(event)
            case PasskeyUsed():
                yield from self._use(time, event, state)
            case PasskeyRegistered():
                self._known[event.passkey] = event
                self._counts_from[event.passkey] = event.counts_from
                self._counters[event.passkey] = event.counter
                yield from _registered(event, state)
            case PasskeyAccepted():
                self._counts_from[event.passkey] = min(time, self._counts_from.get(event.passkey, time))
            case PasskeyRemoved():
                self._known.pop(event.passkey, None)
        self._used = event if isinstance(event, PasskeyUsed) else None

    def _decided(self, event: Decided) -> Iterator[str]:
        """An approval by a passkey comes right after the proof that it is one."""
        used = self._used
        if not event.passkey_id:
            if used is not None:
                yield "the use of a passkey before it is not of this approval"
            return
        if used is None or (used.passkey, used.request, used.subject) != (
            event.passkey_id,
            event.request,
            event.subject,
        ):
            yield "it says that a passkey approved, and no entry before it proves that"
            return
        known = self._known.get(event.passkey_id)
        if known is not None and known.device_bound is not (event.passkey == "device-bound"):
            yield "the passkey is of another kind than it says"
        lines = _lines(used.text)
        said = {"digest": event.digest, "at_most": event.duration, "comment": event.comment}
        erased = not event.comment
        for name, value in said.items():
            if used.text and lines.get(name) != value and not (name == "comment" and erased):
                yield f"the passkey signed another {name}"

    def _use(self, time: int, event: PasskeyUsed, state: State) -> Iterator[str]:
        known = self._known.get(event.passkey)
        if known is None or known.subject != event.subject:
            yield "the passkey is not registered for this person"
            return
        if time < self._counts_from[event.passkey]:
            yield "the passkey did not count yet"
        before = self._counters[event.passkey]
        if (event.counter or before) and event.counter <= before:
            yield "the passkey's counter went back"
        self._counters[event.passkey] = event.counter
        if event.text:
            yield from _proof(event, known, state)


def _proof(event: PasskeyUsed, known: PasskeyRegistered, state: State) -> Iterator[str]:
    """Whether the text is that of the request, and the passkey signed it."""
    given = PasskeyAssertion("", known.credential, event.client_data, event.authenticator_data, event.signature)
    text = event.text.encode("ascii", "replace")
    try:
        signed = webauthn.check_signature(given, known.public_key, known.rp_id)
        if webauthn.signed_challenge(event.client_data) != webauthn.challenge_of(text):
            yield "the passkey signed another text"
        if (signed.counter, signed.backed_up, signed.device_bound) != (
            event.counter,
            event.backed_up,
            known.device_bound,
        ):
            yield "the passkey said otherwise of itself"
    except SshJitError as error:
        yield error.message
        return
    lines, request = _lines(event.text), state.requests.get(event.request)
    if not event.text.startswith("ssh-jit approve v1\n") or lines.get("id") != event.request:
        yield "the text that the passkey signed is not of this request"
    elif request is not None and request.asked.hosts:
        for name in _SHOWN:
            if lines.get(name) != _as_json(request.asked, name):
                yield f"the text that the passkey signed has another {name} than the request"


def _registered(event: PasskeyRegistered, state: State) -> Iterator[str]:
    """Whether the key of a sign-in of its owner signed for it."""
    login = state.logins.get(event.login_id)
    if not event.text or login is None or login.opened.key_line is None:
        return
    lines = _lines(event.text)
    if (lines.get("credential"), lines.get("public_key")) != (event.credential, event.public_key):
        yield "the passkey is not the one that its owner signed for"
    if login.opened.subject != event.subject:
        yield "the passkey was signed for by somebody else"
    try:
        key = sshkey.parse_line(login.opened.key_line)
        sshsig.verify(event.signature, key, ACT_NAMESPACE, event.text.encode("ascii", "replace"))
    except SshJitError as error:
        yield error.message


def _lines(text: str) -> dict[str, Any]:
    """The values of a text that people sign, by their names (``sshjit/signed_actions.py``)."""
    lines = {}
    for line in text.splitlines()[1:]:
        name, _, value = line.partition(": ")
        try:
            lines[name] = json.loads(value)
        except ValueError:
            lines[name] = None
    return lines


def _as_json(asked: Asked, name: str) -> Any:
    value = getattr(asked, name)
    return list(value) if isinstance(value, tuple) else value
