"""What is asked of the CA, once it was read at a socket."""

from __future__ import annotations

from dataclasses import dataclass

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.ca_protocol.table import Message
from sshjit_ca.sockets import Socket


@dataclass(frozen=True, slots=True)
class Question:
    """A message that was read at a socket, and what was prepared for it."""

    message: Message
    socket: Socket
    prepared: object = None
    trace: str = ""
    """The trace id that the asker named (``sshjit/traces.py``), or nothing."""


def in_words(message: m.Message) -> str:
    """What was asked, in a few words."""
    match message:
        case m.Ask():
            login = f"{message.login}@" if message.login else ""
            what = "" if message.action == "shell" else f" for {message.action}"
            return ascii(f"{login}{', '.join(message.hosts[:3])}{what}")[1:-1]
        case m.SignUser():
            return f"a certificate of {ascii(message.request)[1:-1]}"
        case m.Approve() | m.Deny():
            return f"a decision on {ascii(message.request)[1:-1]}"
        case _:
            return wire.type_name(type(message)).replace("_", " ")
