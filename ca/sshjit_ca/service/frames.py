"""Frames: what a peer says becomes a message, and an answer becomes bytes. ``service/server.py`` carries them."""

from __future__ import annotations

from collections.abc import Callable

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


def read(frame: bytes, allows: Callable[[type[m.Message]], bool]) -> tuple[int, m.Message | Invalid]:
    """Number and message of a frame; ``allows`` says whether a message is taken where it came in.

    A body that does not fit is returned as the error to answer.

    Raises:
        Invalid: ``bad_json``, ``bad_frame``, ``unknown_message``: with such a peer there is no going on.

    """
    value = wire.loads(frame, limit=m.MAX_FRAME)
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise Invalid("bad_frame", "a frame has the fields v, id, type and body")
    number, kind = value["id"], value["type"]
    if (type(value["v"]), type(number), type(kind)) != (int, int, str):
        raise Invalid("bad_frame", "a frame's v and id are whole numbers, its type is text")
    if value["v"] != m.PROTOCOL_VERSION or not 0 < number < 2**53:
        raise Invalid(
            "bad_frame", f"unsupported protocol version (this socket speaks {m.PROTOCOL_VERSION}), or an id below 1"
        )
    cls = m.MESSAGES.get(kind)
    if cls is None or not allows(cls):
        raise Invalid("unknown_message", f"the message {kind[:40]!r} is not taken at this socket")
    try:
        return number, wire.decode(cls, value["body"])
    except Invalid as error:
        return number, error


def write(number: int, answer: Answer) -> bytes:
    """The frame that answers question ``number``."""
    body: m.Reply | m.ErrorReply
    if isinstance(answer, SshJitError):
        kind, body = "error", m.ErrorReply(answer.family, answer.code, answer.message, answer.hint)
    else:
        kind, body = "ok", answer
    text = f'{{"v":{m.PROTOCOL_VERSION},"id":{number},"type":"{kind}","body":{json_text.dumps(body)}}}'.encode()
    return len(text).to_bytes(HEADER, "big") + text
