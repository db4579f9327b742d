"""Frames: what a peer says becomes a message, and an answer becomes bytes. ``service/server.py`` carries them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from sshjit import ca_protocol as m
from sshjit import limits, traces, wire
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


MAX_PARTS = 4 * 1024
"""Commas and opening brackets in one frame, in its texts too: more than any message has. It is looked at no further."""


class Origin(NamedTuple):
    """Where an answer goes: the question's number, and the version of whoever reads the answer."""

    number: int
    version: int
    trace: str = ""
    """The trace id that came with the question."""


NOWHERE = Origin(0, 1)
"""For what is said to a peer that asked nothing that could be read."""


_LOGIN = re.compile(rb'"login_id": ?"([a-z0-9-]{1,64})"').search
_TYPE = re.compile(rb'"type": ?"([a-z_]{1,40})"').search
LOOK = 4 * 1024
"""Bytes of a frame in which it is looked for who asks."""


def asker(frame: bytes) -> str:
    """In whose name a frame asks, at a glance: by the login that it names, else by the kind of its message.

    It orders questions and decides nothing: who lies here shares a turn with somebody else.
    """
    match = _LOGIN(frame, 0, LOOK) or _TYPE(frame, 0, LOOK)
    return match[1].decode("ascii") if match else ""


def read(frame: bytes, allows: Callable[[type[m.Message]], bool]) -> tuple[Origin, m.Message | Invalid]:
    """Origin and message of a frame; ``allows`` says whether a message is taken where it came in.

    A body that does not fit is returned as the error to answer.

    Raises:
        Invalid: ``bad_json``, ``bad_frame``, ``unknown_message``: with such a peer there is no going on.

    """
    if frame.count(b",") + frame.count(b"{") + frame.count(b"[") > MAX_PARTS:
        return _refused_unread(frame)
    return _read_usual(frame, allows) or _read_strictly(frame, allows)


def _refused_unread(frame: bytes) -> tuple[Origin, Invalid]:
    """The answer to a frame with too much in it, of which nothing but its number is read."""
    try:
        head = _decode_frame(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        head = None
    if head is None or not 0 < head.id < 2**53 or head.version < 1:
        raise Invalid("bad_json", "the message is not JSON as we take it, or holds too much")
    return Origin(head.id, head.version), Invalid("too_large", "the message holds too many values")


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    id: int
    type: str
    body: msgspec.Raw
    version: int = 1
    trace: str = ""


_decode_frame = msgspec.json.Decoder(_Frame).decode
_encode = msgspec.json.Encoder().encode
_LARGE = re.compile(rb"\d{19}").search
"""A number that 64 bits may not hold, or a text that looks like one."""


_DECODERS = {name: msgspec.json.Decoder(cls).decode for name, cls in m.MESSAGES.items()}


def _read_usual(frame: bytes, allows: Callable[[type[m.Message]], bool]) -> tuple[Origin, m.Message] | None:
    """A frame spelt as our own programs spell it, in an eighth of the time; ``None`` for all others.

    What was read is written again and must be the very bytes that came: so no field is unknown, missing or there twice.
    What is longer than it may be is left to the strict reader, which says so.
    """
    try:
        head = _decode_frame(frame)
        cls = m.MESSAGES[head.type]
        message: m.Message = _DECODERS[head.type](head.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    if not limits.within(message):
        return None
    again = {"v": m.PROTOCOL_VERSION, "id": head.id, "type": head.type, "body": message}
    if head.version > 1:
        again["version"] = head.version
    if head.trace:
        if not traces.is_trace(head.trace):
            return None
        again["trace"] = head.trace
    if not 0 < head.id < 2**53 or _LARGE(frame) or not allows(cls) or _encode(again) != frame:
        return None
    return Origin(head.id, _reader(message, head.version), head.trace), message


def _reader(message: m.Message, version: int) -> int:
    """The version of whoever reads the answer.

    The first question of a connection says it in its body, since a CA of version 1 does not know the frame's field.
    """
    return max(version, message.version) if isinstance(message, m.Health) else version


def _read_strictly(frame: bytes, allows: Callable[[type[m.Message]], bool]) -> tuple[Origin, m.Message | Invalid]:
    value = wire.loads(frame, limit=m.MAX_FRAME)
    if not isinstance(value, dict) or value.keys() - {"version", "trace"} != _FIELDS:
        raise Invalid("bad_frame", "a frame has the fields v, id, type and body")
    number, kind, version, trace = value["id"], value["type"], value.get("version", 1), value.get("trace", "")
    if (type(value["v"]), type(number), type(kind), type(version), type(trace)) != (int, int, str, int, str):
        raise Invalid("bad_frame", "a frame's v, id and version are whole numbers, its type and trace are text")
    if trace and not traces.is_trace(trace):
        raise Invalid("bad_frame", "a frame's trace is 32 hexadecimal digits")
    if value["v"] != m.PROTOCOL_VERSION or not 0 < number < 2**53 or version < 1:
        raise Invalid(
            "bad_frame", f"unsupported protocol version (this socket speaks {m.PROTOCOL_VERSION}), or an id below 1"
        )
    cls = m.MESSAGES.get(kind)
    if cls is None or not allows(cls):
        raise Invalid("unknown_message", f"the message {kind[:40]!r} is not taken at this socket")
    try:
        message: m.Message = wire.decode_bounded(cls, value["body"])
    except Invalid as error:
        return Origin(number, version), error
    return Origin(number, _reader(message, version), trace), message


def write(origin: Origin, answer: Answer) -> bytes:
    """The frame that answers a question."""
    body: m.Reply | m.ErrorReply
    if isinstance(answer, SshJitError):
        reply = m.ErrorReply(answer.family, answer.code, answer.message, answer.hint, answer.retry_after)
        kind, body = b"error", reply
    else:
        kind, body = b"ok", answer
    text = _text(body, origin.version)
    data = b'{"v":%d,"id":%d,"type":"%s","body":%s}' % (m.PROTOCOL_VERSION, origin.number, kind, text)
    return len(data).to_bytes(HEADER, "big") + data


def _text(body: m.Reply | m.ErrorReply, version: int) -> bytes:
    """The answer as this version knows it."""
    return _encode(wire.encode_for(body, version, "the asker") if wire.grew(type(body), version) else body)
