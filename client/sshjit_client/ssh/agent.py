"""An ssh-agent, spoken to in its own protocol (draft-ietf-sshm-ssh-agent, and OpenSSH's PROTOCOL.agent).

``ssh-add`` cannot do what is needed here: it adds the plain key beside the certificate. With that beside it OpenSSH up
to 10.0 signs by the plain key, which no host knows and which a destination constraint does not allow; and the person's
own key would be gone if we took it out again. (``ssh-add -C`` came late, and fails where it has added.) One message of
the protocol adds the certificate alone, in one step, to an agent of any age.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace

from sshjit import sshcert, sshkey
from sshjit.errors import Failed, Invalid
from sshjit.sshwire import Reader, string, text, u32
from sshjit_client.ssh.private_key import PrivateKey

PATIENCE = 5
"""Seconds for the whole of an agent's answer; one that hangs keeps nobody from a host."""
_MOST = 256 * 1024
"""Bytes of a message, as in ssh-agent itself."""
_SUCCESS, _LIST, _LISTED, _REMOVE, _ADD = 6, 11, 12, 18, 25
"""Messages, by the protocol's numbers; ``_ADD`` is the one with constraints."""
_LIFETIME, _EXTENSION = 1, 255
"""Constraints of a key."""
_DESTINATION = "restrict-destination-v00@openssh.com"
_ECDSA_NUMBER = 2
"""Where the private number of an ECDSA key is; curve and point are in the certificate."""
_NOBODYS = string(b"ssh-ed25519") + string(b"\x58" + b"\x66" * 31)
"""A valid public key that nobody has: the base point of the curve itself (RFC 8032, section 5.1)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The only host at which a certificate may be used, and the account there.

    ``name``: the name by which ssh knows the host. ``keys``: public key lines, and whether each is a CA's.
    """

    login: str
    name: str
    keys: tuple[tuple[str, bool], ...]

    def classical(self) -> Destination:
        """The same for an agent that knows no post-quantum key, and refuses what names one."""
        return replace(self, keys=tuple(key for key in self.keys if key[0].split()[0] != sshkey.MLDSA44_ED25519))


class Agent:
    """The agent that listens on the socket at ``path``. Every method raises ``Failed``: ``agent_failed``."""

    def __init__(self, path: str) -> None:
        self.path = path

    def held(self) -> list[bytes]:
        """The blobs of all keys and certificates that it holds."""
        reader = self._asked(bytes((_LIST,)))
        try:
            if reader.u8() != _LISTED:
                raise Failed("agent_failed", f"the agent {self.path} does not say what it holds")
            return [(reader.string(), reader.string())[0] for _ in range(reader.u32())]
        except Invalid as error:
            raise Failed("agent_failed", f"the agent {self.path} sends an answer that is none: {error}") from None

    def add(
        self, certificate: bytes, key: PrivateKey, comment: str, seconds: int, destination: Destination | None
    ) -> bool:
        """Adds a certificate for so many seconds, without its plain key; whether the agent said yes."""
        whole = key.kind in (sshkey.ED25519, sshkey.MLDSA44_ED25519)
        private = key.parts if whole else key.parts[_ECDSA_NUMBER:]
        body = (text(sshcert.certificate_type(key.kind)), string(certificate), *map(string, private), text(comment))
        limits = bytes((_LIFETIME,)) + u32(max(seconds, 1))
        if destination is not None:
            limits += bytes((_EXTENSION,)) + text(_DESTINATION) + string(_constraint(destination))
        return self._says_yes(bytes((_ADD,)) + b"".join(body) + limits)

    def remove(self, blob: bytes) -> bool:
        """Removes a key or certificate; whether the agent said that it did."""
        return self._says_yes(bytes((_REMOVE,)) + string(blob))

    @property
    def keeps_plain_keys(self) -> bool:
        """Whether it is like gpg-agent, which says yes to removing what it never had.

        That one asks the person for a passphrase, writes the plain key to the disk, and forgets the certificate.
        """
        return self.remove(_NOBODYS)

    def _says_yes(self, message: bytes) -> bool:
        return self._asked(message).u8() == _SUCCESS

    def _asked(self, message: bytes) -> Reader:
        """The answer to one message, over a connection of its own; it has a byte at least."""
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                until = time.monotonic() + PATIENCE
                channel.settimeout(PATIENCE)
                channel.connect(self.path)
                channel.sendall(string(message))
                length = int.from_bytes(_received(channel, 4, until), "big")
                return Reader(_received(channel, length, until))
        except TimeoutError:
            raise Failed("agent_failed", f"the agent {self.path} does not answer") from None
        except (OSError, AttributeError, ValueError) as error:  # Windows has no such sockets
            raise Failed("agent_failed", f"no agent answers at {self.path}: {error}") from None


def _received(channel: socket.socket, length: int, until: float) -> bytes:
    """So many bytes of an answer, which is here as a whole by ``until``. Raises ``ValueError``, ``OSError``."""
    if not 0 < length <= _MOST:
        raise ValueError(f"it sends {length} bytes")
    data = b""
    while len(data) < length:
        left = until - time.monotonic()
        if left <= 0:  # one that drips would have as long for each byte
            raise TimeoutError
        channel.settimeout(left)
        part = channel.recv(length - len(data))
        if not part:
            raise ValueError("it hung up")
        data += part
    return data


def _constraint(destination: Destination) -> bytes:
    """From this machine to that host, and no further: a host to which the agent is forwarded cannot use it."""
    keys = ((sshkey.parse_line(line, post_quantum=True), is_ca) for line, is_ca in destination.keys)
    known = (string(key.blob) + bytes((is_ca,)) for key, is_ca in keys)
    here, there = _hop("", "", b""), _hop(destination.login, destination.name, b"".join(known))
    return string(here + there + string(b""))


def _hop(login: str, name: str, keys: bytes) -> bytes:
    return string(text(login) + text(name) + string(b"") + keys)
