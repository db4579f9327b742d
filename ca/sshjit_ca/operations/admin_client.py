"""The operator's side of ``admin.sock``: one message, one answer."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TypeVar

from sshjit import ca_protocol as m
from sshjit import versions, wire
from sshjit.errors import FAMILIES, Failed, Invalid, Refused

TIMEOUT = 30.0
R = TypeVar("R")


def call(path: Path, message: m.Message, reply: type[R]) -> R:
    """Says ``message`` to the CA and returns its answer.

    Raises:
        SshJitError: what the CA answered, or ``ca_down``, ``wrong_user``; ``outcome_unknown`` when a message that
            changes something was sent and not answered.

    """
    sent = False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            version = _version(connection)
            sent = not isinstance(message, m.READS)
            return _ask(connection, message, reply, version)
    except PermissionError:
        said = f"Unix user {os.geteuid()} may not connect to {path}"
        raise Refused("wrong_user", said, hint="run it as root or as the CA's user") from None
    except TimeoutError:
        silent = f"the CA was connected to at {path} and gave no answer within {TIMEOUT:.0f} s"
        raise _unanswered(
            silent, "it is busy, or hangs: journalctl -u ssh-jit-ca shows its own log", sent=sent
        ) from None
    except OSError as error:
        raise _unanswered(f"the CA does not answer at {path}: {error}", _LOOK, sent=sent) from None


_LOOK = "systemctl status ssh-jit-ca shows whether it runs; ssh-jit-ca doctor, what keeps it from starting"


def _version(connection: socket.socket) -> int:
    """Which version the CA speaks: the one that runs may be older than this command, or newer."""
    try:
        return _ask(connection, m.Health(versions.PROTOCOL), m.HealthReply, versions.PROTOCOL, plain=True).version
    except Invalid as error:
        if error.code != "bad_message":
            raise
        return 1


def _ask(connection: socket.socket, message: m.Message, reply: type[R], version: int, *, plain: bool = False) -> R:
    """One question and its answer. A ``plain`` frame is one that a CA of any version takes."""
    frame = {
        "v": m.PROTOCOL_VERSION,
        "id": 1,
        "type": wire.type_name(type(message)),
        "body": wire.encode_for(message, version, "the CA that runs"),
        **({} if plain or version == 1 else {"version": versions.PROTOCOL}),
    }
    text = json.dumps(frame, separators=(",", ":")).encode("utf-8")
    connection.sendall(len(text).to_bytes(4, "big") + text)
    answer = wire.loads(_exactly(connection, int.from_bytes(_exactly(connection, 4), "big")), limit=m.MAX_REPLY)
    if answer["type"] == "error":
        error_reply = wire.decode_answer(m.ErrorReply, answer["body"])
        family = FAMILIES.get(error_reply.family, Failed)
        raise family(error_reply.code, error_reply.message, hint=error_reply.hint)
    return wire.decode_answer(reply, answer["body"])


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 16))
        if not part:
            raise ConnectionError("it closed the connection")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _unanswered(what: str, hint: str, *, sent: bool) -> Failed:
    """``sent``: the message reached the CA, or may have, and changes something."""
    if sent:
        return Failed("outcome_unknown", what, hint="it may have been done: ssh-jit-ca log tail shows it, or not")
    return Failed("ca_down", what, hint=hint)
