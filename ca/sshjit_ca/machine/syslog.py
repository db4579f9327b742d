"""Syslog as others take it: one message of RFC 5424, and how it gets there.

Over TCP and TLS each message has its length in front (RFC 6587 octet counting, RFC 5425), so that a line end in it ends
nothing. A Unix socket takes a datagram. Neither tells whether a message was kept: what was written before a connection
broke may be lost, which the caller has to allow for.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sshjit.errors import Failed
from sshjit_ca.machine import outgoing_tcp
from sshjit_ca.place_config import SyslogAddress

AUTHPRIV = 10
"""The facility (RFC 5424, section 6.2.1)."""
ALERT, NOTICE, INFO = 1, 5, 6
"""Severities."""
TIMEOUT = 10.0
"""Seconds to connect, and for each message."""
SD_ID = "ssh-jit@32473"
"""The name of our structured data. 32473 is the number that RFC 5612 keeps for examples: we have none of our own."""
MAX_DATAGRAM = 64 * 1024
_ESCAPED = re.compile(r'(["\\\]])')


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``time`` is seconds since the epoch; ``data`` are parameters of the one structured element."""

    severity: int
    time: int
    host: str
    kind: str
    """MSGID: printable ASCII, 32 letters at most."""
    data: Mapping[str, str]
    text: str
    program: str = "ssh-jit-ca"
    process: str = "-"

    def write(self) -> bytes:
        """The message as RFC 5424 has it, without its length."""
        when = datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        head = f"<{AUTHPRIV * 8 + self.severity}>1 {when} {self.host} {self.program} {self.process} {self.kind}"
        parameters = "".join(f' {name}="{_ESCAPED.sub(_BACKSLASHED, value)}"' for name, value in self.data.items())
        text = self.text.replace("\r", " ").replace("\n", " ")
        return f"{head} [{SD_ID}{parameters}] \N{BOM}{text}".encode()


_BACKSLASHED = r"\\\1"


@dataclass(slots=True)
class Sender:
    """Sends messages to one address, over one connection as long as it holds."""

    address: SyslogAddress
    _socket: socket.socket | None = field(default=None)

    def send(self, message: Message) -> None:
        """Hands a message over; connects first if need be.

        Raises:
            Failed: ``syslog_down``: it did not go out whole. The connection is closed then.

        """
        data = message.write()
        try:
            channel = self._socket or self._connect()
            self._socket = channel
            if self.address.path:
                channel.send(data[:MAX_DATAGRAM])
            else:
                self._require_open(channel)
                channel.sendall(b"%d " % len(data) + data)
        except (OSError, ValueError) as error:
            self.close()
            why = getattr(error, "strerror", None) or getattr(error, "verify_message", None) or str(error)
            raise Failed("syslog_down", f"syslog at {self.address.shown} does not take it: {why}") from None

    def close(self) -> None:
        """Ends the connection, after what was sent."""
        channel, self._socket = self._socket, None
        if channel is not None:
            with contextlib.suppress(OSError, ValueError):
                channel.close()

    def _connect(self) -> socket.socket:
        if self.address.path:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            channel.settimeout(TIMEOUT)
            try:
                channel.connect(self.address.path)
            except BaseException:
                channel.close()
                raise
            return channel
        plain = outgoing_tcp.connect(self.address.host, self.address.port, TIMEOUT)
        if not self.address.tls:
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=self.address.host)
        except BaseException:
            plain.close()
            raise

    @staticmethod
    def _require_open(channel: socket.socket) -> None:
        """A receiver never speaks: what can be read is its end, and what is written then would be lost."""
        channel.settimeout(0)
        try:
            if channel.recv(1) == b"":
                raise ConnectionResetError(0, "the connection was closed")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            channel.settimeout(TIMEOUT)
