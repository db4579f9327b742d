"""Frames: what a peer says becomes a message, and an answer becomes bytes. ``service/server.py`` carries them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from sshjit import ca_protocol as m
from sshjit import json_text, wire
from sshjit.errors import Invalid, SshJitError
from sshjit_ca.authority import Answer

HEADER = 4
"""Bytes of the length that stands before each frame."""
_FIELDS = frozenset({"v", "id", "type", "body"})


def length_of(header: bytes | bytearray) -> int:
    """The length of the frame behind these four bytes.

    Raises:
        Invalid: ``too_large``.

    """
    length = int.from_bytes(header, "big")
    if length > m.MAX_FRAME:
        raise Invalid("too_large", f"a frame has {length} bytes, the limit is {m.MAX_FRAME}")
    return length


class Origin(NamedTuple):
    """Where an answer goes: the question's number, and the version of whoever reads the answer."""

    number: int
    version: int


NOWHERE = Origin(0, 1)
"""For what is said to a peer that asked nothing that could be read."""


def read(frame: bytes, allows: Callable[[type[m.Message]], bool]) -> tuple[Origin, m.Message | Invalid]:
    """Origin and message of a frame; ``allows`` says whether a message is taken where it came in.

    A body that does not fit is returned as the error to answer.

    Raises:
        Invalid: ``bad_json``, ``bad_frame``, ``unknown_message``: with such a peer there is no going on.

    """
    value = wire.loads(frame, limit=m.MAX_FRAME)
    if not isinstance(value, dict) or value.keys() - {"version"} != _FIELDS:
        raise Invalid("bad_frame", "a frame has the fields v, id, type and body")
    number, kind, version = value["id"], value["type"], value.get("version", 1)
    if (type(value["v"]), type(number), type(kind), type(version)) != (int, int, str, int):
        raise Invalid("bad_frame", "a frame's v, id and version are whole numbers, its type is text")
    if value["v"] != m.PROTOCOL_VERSION or not 0 < number < 2**53 or version < 1:
        raise Invalid(
            "bad_frame", f"unsupported protocol version (this socket speaks {m.PROTOCOL_VERSION}), or an id below 1"
        )
    cls = m.MESSAGES.get(kind)
    if cls is None or not allows(cls):
        raise Invalid("unknown_message", f"the message {kind[:40]!r} is not taken at this socket")
    try:
        message: m.Message = wire.decode(cls, value["body"])
    except Invalid as error:
        return Origin(number, version), error
    if isinstance(message, m.Health):  # the first question: its body says the version, which a CA of version 1 bears
        version = max(version, message.version)
    return Origin(number, version), message


def write(origin: Origin, answer: Answer) -> bytes:
    """The frame that answers a question."""
    body: m.Reply | m.ErrorReply
    if isinstance(answer, SshJitError):
        kind, body = "error", m.ErrorReply(answer.family, answer.code, answer.message, answer.hint)
    else:
        kind, body = "ok", answer
    text = f'{{"v":{m.PROTOCOL_VERSION},"id":{origin.number},"type":"{kind}","body":{_text(body, origin.version)}}}'
    data = text.encode()
    return len(data).to_bytes(HEADER, "big") + data


def _text(body: m.Reply | m.ErrorReply, version: int) -> str:
    """The answer as this version knows it."""
    if wire.grew(type(body), version):
        return json.dumps(wire.encode_for(body, version, "the asker"), separators=(",", ":"), ensure_ascii=False)
    return json_text.dumps(body)
