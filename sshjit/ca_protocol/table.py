"""Which messages there are, what answers each of them, and how large a frame may be."""

from __future__ import annotations

from importlib import import_module

from sshjit import wire
from sshjit.api import host_sessions, signed
from sshjit.api import hosts as said_by_hosts
from sshjit.api import passkeys as signed_of_passkeys
from sshjit.api.message import Message, Reply
from sshjit.ca_protocol import (
    explain,
    feed,
    hosts,
    inventory,
    keys,
    locks,
    log,
    logins,
    metrics,
    operating,
    passkeys,
    probes,
    requests,
)

__all__ = ["MAX_FRAME", "MAX_REPLY", "MESSAGES", "PROTOCOL_VERSION", "READS", "REPLIES", "Message", "Reply"]

PROTOCOL_VERSION = 1
"""The version of the frame (``docs/protocol.md``, section 1). It changes only when the frame itself does."""
MAX_FRAME = 256 * 1024
"""Bytes of one frame, in both directions, except replies that carry a bundle or a page of the log."""
MAX_REPLY = 16 * 1024 * 1024
_FOR_PEOPLE = (logins, requests, explain, feed, locks, signed, passkeys, signed_of_passkeys)
_TOPICS = (*_FOR_PEOPLE, hosts, inventory, said_by_hosts, host_sessions, keys, log, metrics, operating, probes)


def _answer(message: type[Message]) -> type[Reply]:
    """The class of the answer; one of the same module stands there by its name."""
    named = message.answer
    return vars(import_module(message.__module__))[named] if isinstance(named, str) else named


MESSAGES: dict[str, type[Message]] = {
    wire.type_name(kind): kind
    for topic in _TOPICS
    for kind in vars(topic).values()
    if isinstance(kind, type) and issubclass(kind, Message) and kind.__module__ == topic.__name__
}
"""Messages by their ``type`` on the wire."""
REPLIES: dict[type[Message], type[Reply]] = {kind: _answer(kind) for kind in MESSAGES.values()}
"""The reply that each message gets when all is well."""
_NAMED_READ = tuple(kind for kind in MESSAGES.values() if kind.__name__.startswith("Read"))
READS = (*_NAMED_READ, explain.Explain, operating.Health, operating.Status)
"""Messages that change nothing: one that was not answered was not done either, and may be sent again."""
