"""The operator's side of ``admin.sock``: one message, one answer."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TypeVar

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import FAMILIES, Failed, Refused

TIMEOUT = 30.0
R = TypeVar("R")


def call(path: Path, message: m.Message, reply: type[R]) -> R:
    """Says ``message`` to the CA and returns its answer.

    Raises:
        SshJitError: what the CA answered, or ``ca_down``, ``wrong_user``.

    """
    frame = {
        "v": m.PROTOCOL_VERSION,
        "id": 1,
        "type": wire.type_name(type(message)),
        "body": wire.encode(message),
    }
    text = json.dumps(frame, separators=(",", ":")).encode("utf-8")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            connection.sendall(len(text).to_bytes(4, "big") + text)
            raw = _exactly(connection, int.from_bytes(_exactly(connection, 4), "big"))
    except PermissionError:
        said = f"Unix user {os.geteuid()} may not connect to {path}"
        raise Refused("wrong_user", said, hint="run it as root or as the CA's own user") from None
    except OSError as error:
        raise Failed("ca_down", f"the CA does not answer at {path}: {error}", hint="is ssh-jit-ca running?") from None
    answer = wire.loads(raw, limit=m.MAX_REPLY)
    if answer["type"] == "error":
        error_reply = wire.decode(m.ErrorReply, answer["body"])
        family = FAMILIES.get(error_reply.family, Failed)
        raise family(error_reply.code, error_reply.message, hint=error_reply.hint)
    return wire.decode(reply, answer["body"])


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 16))
        if not part:
            raise Failed("ca_down", "the CA closed the connection without an answer")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
