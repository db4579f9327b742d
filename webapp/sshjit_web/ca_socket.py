"""Frames of the CA's socket, and one connection for one question at a time: how it is asked, and how it breaks.

``sshjit/ca_protocol`` describes the frame. Here it is only known to be one: its number, its kind, and JSON as body.
When a question may be asked again, and what an answer means, is decided in ``ca_client.py``.

Each system call lets other threads in, and coming back to Python then means waiting for them. So a question is one
``send`` and one ``recv``, with the kernel's own time limits: Python's would call ``poll`` before each.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Mapping
from itertools import count

import msgspec

from sshjit import ca_protocol, versions, wire
from sshjit.errors import Invalid
from sshjit.lineage import Traced
from sshjit_web.structured_log import TRACE

_FIRST = 16 * 1024
"""Bytes that the first read has room for; nearly every answer fits."""
_MORE = 1 << 20


class Unsent(Exception):
    """The connection was over before the whole question was out: the CA cannot have acted on it."""


class Broken(Exception):
    """The connection ended, or answered nonsense, after the question was out. It is thrown away."""


class Answer(msgspec.Struct):
    """The frame of an answer. ``body`` is JSON that was checked to be JSON, and nothing more."""

    v: int
    id: int
    type: str
    body: msgspec.Raw


_read = msgspec.json.Decoder(Answer).decode
_write = msgspec.json.Encoder().encode


class _Health(msgspec.Struct):
    version: int = 1
    checkpoint: str = ""
    lineage: str = ""


class _Error(msgspec.Struct):
    code: str


_read_health = msgspec.json.Decoder(_Health).decode
_read_code = msgspec.json.Decoder(_Error).decode


def write_question(number: int, message: ca_protocol.Message, version: int, reader: int) -> bytes:
    """A question's frame for a CA of ``version``; the answer may be handed on to a ``reader`` of an older one.

    Raises:
        Invalid: ``too_large``.
        Refused: ``too_old``, where the CA does not know what the question needs.

    """
    known = min(reader, version)
    body = wire.encode_for(message, version, "the CA") if wire.grew(type(message), version) else message
    extra: dict[str, int | str] = {"version": known} if known > 1 else {}
    if version > 1 and not isinstance(message, ca_protocol.READS) and (trace := TRACE.get()):
        extra["trace"] = trace
    return _frame(number, wire.type_name(type(message)), body, extra)


def _frame(number: int, kind: str, body: object, extra: Mapping[str, int | str]) -> bytes:
    data = _write({"v": ca_protocol.PROTOCOL_VERSION, "id": number, "type": kind, "body": body, **extra})
    if len(data) > ca_protocol.MAX_FRAME:
        raise Invalid("too_large", f"the message has {len(data)} bytes, the limit is {ca_protocol.MAX_FRAME}")
    return len(data).to_bytes(4, "big") + data


def read_answer(text: bytes | memoryview) -> Answer:
    """What stands in the frame of an answer.

    Raises:
        Broken: it is none of our protocol's.

    """
    try:
        answer = _read(text)
    except (RecursionError, msgspec.DecodeError, UnicodeDecodeError):
        raise Broken from None
    if answer.v != ca_protocol.PROTOCOL_VERSION:
        raise Broken
    return answer


class Connection:
    """A connected socket; ``timeout`` is how many seconds an answer may take to begin, and then to arrive."""

    def __init__(self, path: str, *, connect_timeout: float, timeout: float) -> None:
        """Connects; raises ``OSError`` when nobody answers."""
        self.path = path
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._timeout = timeout
        try:
            self._channel.settimeout(connect_timeout)
            self._channel.connect(path)
            self._channel.settimeout(None)
            self._limit(socket.SO_RCVTIMEO, timeout)
            self._limit(socket.SO_SNDTIMEO, timeout)
        except OSError:
            self._channel.close()
            raise
        self._ids = count(1)
        self.version = 1
        """What the CA speaks, once ``greet`` asked."""
        self.traced = Traced()
        """The newest checkpoint of its log then."""

    def greet(self, newest: Traced) -> Answer | None:
        """Learns which version the CA speaks. One of version 1 does not know the question's fields, and says so.

        ``newest`` is the newest checkpoint of its log that is known here: one that lost entries hears of it first.
        Returns any other error that the CA answers: then its version is not known.

        Raises:
            Unsent, Broken: the connection is over.
            TimeoutError: there was no answer in time.

        """
        held = {"checkpoint": newest.note, "lineage": newest.lineage}
        fields = {"version": versions.PROTOCOL, **{name: text for name, text in held.items() if text}}
        number = next(self._ids)
        answer = self._exchange(number, _frame(number, "health", fields, {}))
        try:
            if answer.type != "ok":
                return None if _read_code(answer.body).code == "bad_message" else answer
            health = _read_health(answer.body)
            self.version = max(1, health.version)
            self.traced = Traced(health.checkpoint, health.lineage)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Broken from None
        return None

    def wait_for(self, seconds: float) -> None:
        """From now on an answer may take so long."""
        if seconds != self._timeout:
            self._timeout = seconds
            self._limit(socket.SO_RCVTIMEO, seconds)
            self._limit(socket.SO_SNDTIMEO, seconds)

    def ask(self, message: ca_protocol.Message, reader: int) -> Answer:
        """Sends a question and waits for its answer, which may be handed on to a ``reader`` of an older version.

        Raises:
            Invalid: ``too_large``; nothing was sent.
            Refused: ``too_old``, where the CA does not know what the question needs; nothing was sent.
            Unsent, Broken: the connection is over.
            TimeoutError: there was no answer in time.

        """
        number = next(self._ids)
        return self._exchange(number, write_question(number, message, self.version, reader))

    def _exchange(self, number: int, frame: bytes) -> Answer:
        self._send(frame)
        try:
            answer = read_answer(self._heard())
        except BlockingIOError:
            raise TimeoutError from None
        except OSError:
            raise Broken from None
        if answer.id != number:
            raise Broken
        return answer

    def release(self) -> socket.socket:
        """The socket, for somebody who sends and reads by himself: it blocks no more. ``close`` still ends it."""
        self._channel.settimeout(0)
        return self._channel

    def abort(self) -> None:
        """Ends it under another thread that waits for an answer, for which it is ``Broken`` then."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _send(self, frame: bytes) -> None:
        try:
            self._channel.sendall(frame)
        except BlockingIOError:
            raise TimeoutError from None
        except OSError:
            raise Unsent from None

    def _heard(self) -> memoryview:
        """The text of the next frame, which must be all that was sent."""
        data = bytearray(self._channel.recv(_FIRST))
        size = 4 + int.from_bytes(data[:4], "big") if len(data) >= 4 else 0
        if not size or len(data) < size:
            size = self._read_rest(data)
        if len(data) > size:
            raise Broken
        return memoryview(data)[4:size]

    def _read_rest(self, data: bytearray) -> int:
        """Reads what is missing of a frame, whose size it returns: all of it within one time limit."""
        until, size = time.monotonic() + self._timeout, 4
        try:
            while len(data) < 4 or len(data) < (size := 4 + int.from_bytes(data[:4], "big")):
                left = until - time.monotonic()
                if left <= 0:
                    raise BlockingIOError
                self._limit(socket.SO_RCVTIMEO, left)
                part = self._channel.recv(_MORE)
                if not part or size > 4 + ca_protocol.MAX_REPLY:
                    raise Broken
                data += part
        finally:
            self._limit(socket.SO_RCVTIMEO, self._timeout)
        return size

    def _limit(self, option: int, seconds: float) -> None:
        """The kernel's time limit for each call; 0 would be none."""
        microseconds = max(1000, int(seconds * 1e6))
        limit = struct.pack("@ll", microseconds // 1_000_000, microseconds % 1_000_000)
        self._channel.setsockopt(socket.SOL_SOCKET, option, limit)
