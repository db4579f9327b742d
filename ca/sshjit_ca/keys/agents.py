"""Keys of an ssh-agent (draft-ietf-sshm-ssh-agent): any agent that speaks the protocol at a Unix socket.

Two questions are all that is asked: which keys are there, and sign this. Each has a connection of its own, so that an
agent which was restarted is simply used again, and a time limit, so that one which hangs holds nobody up for long.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from sshjit import sshkey
from sshjit.errors import Failed, Invalid
from sshjit.sshkey import PublicKey
from sshjit.sshwire import Reader, string, u32
from sshjit_ca.keys.signatures import ours

PATIENCE = 5.0
"""Seconds that the agent has for one answer."""
MAX_ANSWER = 256 * 1024
_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_RSA_SHA2_512 = 4  # a flag of _SIGN


class Agent:
    """The agent at a socket."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience

    def held(self) -> list[bytes]:
        """The blobs of all keys that the agent holds, certificates among them."""
        answer = self._ask(_LIST, b"", _LISTED)
        keys = []
        for _ in range(answer.u32()):
            keys.append(answer.string())
            answer.string()  # the comment
        answer.finish()
        return keys

    def sign(self, blob: bytes, data: bytes, flags: int) -> bytes:
        """The signature blob over ``data`` by the key ``blob``."""
        answer = self._ask(_SIGN, string(blob) + string(data) + u32(flags), _SIGNED)
        signature = answer.string()
        answer.finish()
        return signature

    def _ask(self, kind: int, body: bytes, wanted: int) -> Reader:
        try:
            answer = self._exchange(string(bytes([kind]) + body))
        except TimeoutError:
            raise self._down(f"did not answer within {self._patience:.0f} s") from None
        except OSError as error:
            raise self._down(f"is out of reach: {error.strerror or error}") from None
        if answer[:1] != bytes([wanted]):
            raise Failed(
                "not_signing",
                f"the ssh-agent at {self._path} refused the request (answer {answer[:1].hex()})",
                hint=f"is it locked, or was the key removed? SSH_AUTH_SOCK={self._path} ssh-add -l",
            )
        return Reader(answer[1:])

    def _exchange(self, frame: bytes) -> bytes:
        until = time.monotonic() + self._patience
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._patience)
            connection.connect(str(self._path))
            connection.sendall(frame)
            length = int.from_bytes(_exactly(connection, 4, until), "big")
            if not 0 < length <= MAX_ANSWER:
                raise ConnectionError(f"it announced an answer of {length} bytes")
            return _exactly(connection, length, until)

    def _down(self, why: str) -> Failed:
        return Failed("not_signing", f"the ssh-agent at {self._path} {why}", hint="is it running, and not locked?")


class AgentKey:
    """A key that an agent holds."""

    def __init__(self, agent: Agent, fingerprint: str) -> None:
        """Looks for the key.

        Raises:
            Failed: ``not_signing``, when the agent is out of reach or does not hold it.

        """
        try:
            blobs = [blob for blob in agent.held() if sshkey.fingerprint(blob) == fingerprint]
            if not blobs:
                raise Failed(
                    "not_signing", f"the ssh-agent does not hold {fingerprint}", hint="ssh-add, then try again"
                )
            self.public: PublicKey = sshkey.parse_blob(blobs[0], post_quantum=True)
        except Invalid as error:
            raise Failed("not_signing", f"the ssh-agent's key {fingerprint} cannot be used: {error}") from None
        self._agent = agent

    def sign(self, data: bytes) -> bytes:
        """The signature blob over ``data``, checked."""
        flags = _RSA_SHA2_512 if self.public.type == sshkey.RSA else 0
        try:
            signature = self._agent.sign(self.public.blob, data, flags)
        except Invalid:
            raise Failed("not_signing", "the ssh-agent's answer does not follow its protocol") from None
        return ours(self.public, data, signature, "the ssh-agent")


def _exactly(connection: socket.socket, length: int, until: float) -> bytes:
    parts = []
    while length:
        connection.settimeout(_left(until))
        part = connection.recv(min(length, 1 << 16))
        if not part:
            raise ConnectionResetError("it closed the connection")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
