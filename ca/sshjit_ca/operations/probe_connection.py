"""One host, as a stranger sees it: what it shows, and which certificates it takes. The one place that uses asyncssh.

The wrong certificates are offered first and the right one last, all in one connection: where a host enforces, that
connection ends with a login, and costs the source address nothing (``PerSourcePenalties``). Only a host that ends it
early, or takes what it must refuse, is connected to again.

asyncssh carries the protocol; what a certificate says is the CA's, and what the host's says is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncssh
from asyncssh.public_key import SSHLocalKeyPair

from sshjit import sshcert
from sshjit.api.hosts import HostView
from sshjit.ca_protocol.probes import ProbeView
from sshjit.errors import Invalid
from sshjit.sshwire import Reader
from sshjit_ca.operations.probe_judgement import Offer, Sighting

_MOST_FAILED = 2
"""Connections that may end without a login before the right certificate is shown alone."""
_LONGEST = 64 * 1024
"""Bytes that are looked through for the host's first packet, and bytes of a command's output."""
_KEXINIT = 20
_NOT_PERMITTED = 1
"""The code by which a server refuses a channel that is not permitted (RFC 4254, section 5.1)."""
_NO_EXCHANGE = ("ext-info-", "kex-strict-")
"""How the words begin that stand among the key exchanges, and are none."""
_NOBODY = "probe"
"""The account whose ways of signing in are asked for where the CA knows none."""
_VERSION = "ssh-jit-probe"
_METHODS = ("publickey", "hostbased", "gssapi-keyex", "gssapi-with-mic", "keyboard-interactive", "password")
_CERTIFICATES = tuple(
    f"{name}-cert-v01@openssh.com"
    for name in (
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    )
)
_KEY_TYPES = (*_CERTIFICATES, *(name.removesuffix("-cert-v01@openssh.com") for name in _CERTIFICATES))
"""In the order of OpenSSH's clients: certificates before plain keys."""


@dataclass(slots=True)
class Prober:
    """Shows certificates for one key to hosts. ``private``: the key in OpenSSH's format, which never leaves."""

    private: bytes
    seconds: float = 10.0
    """For one host."""
    _key: Any = field(init=False)

    def __post_init__(self) -> None:
        self._key = asyncssh.import_private_key(self.private)

    async def look(self, probe: ProbeView, offers: Sequence[Offer]) -> Sighting:
        """What a host shows and takes. Raises nothing that a host could cause."""
        seen = Sighting()
        try:
            async with asyncio.timeout(self.seconds):
                async with self._way(probe, seen) as opener:
                    if opener is not None:
                        await self._knock(probe, list(offers), seen, opener)
        except TimeoutError:
            if not seen.taken and seen.refused != {offer.what for offer in offers}:
                seen.unreachable, seen.detail = "no_answer", f"within {self.seconds:.0f} s"
        return seen

    @asynccontextmanager
    async def _way(self, probe: ProbeView, seen: Sighting) -> AsyncIterator[Any]:
        """What opens connections to the host: the loop, or a connection to its bastion; ``None``: there is none.

        Who the bastion is, is not looked at: nothing said to the host can be read or changed on the way.
        """
        if probe.way is None:
            yield asyncio.get_running_loop()
            return
        bastion = probe.way.host
        attempt = _Attempt([Offer("enters", probe.way.certificate)], self._key, Sighting())
        try:
            connection = await _connected(asyncio.get_running_loop(), bastion, bastion.jump_login, attempt)
        except Exception as error:  # noqa: BLE001 - whatever a bastion sends, it says nothing about the other hosts
            seen.unreachable, seen.detail = "no_bastion", f"{bastion.name}: {_plain(str(error))}"
            yield None
            return
        try:
            yield connection
        finally:
            connection.abort()
            with suppress(Exception):
                await connection.wait_closed()

    async def _knock(self, probe: ProbeView, offers: list[Offer], seen: Sighting, opener: Any) -> None:
        """Connects until every certificate was taken or refused, or too many connections failed."""
        failed = 0
        while True:
            attempt = _Attempt(offers, self._key, seen)
            over = await self._connect(probe, attempt, opener)
            if seen.unreachable or seen.open_to_all or not offers:
                return
            offers = [offer for offer in offers if offer.what not in seen.taken | seen.refused]
            failed += not attempt.entered
            if over or not offers or failed > _MOST_FAILED:
                return
            if failed == _MOST_FAILED:
                offers = [offer for offer in offers if offer.what == "enters"]

    async def _connect(self, probe: ProbeView, attempt: _Attempt, opener: Any) -> bool:
        """One connection; whether another would show no more."""
        seen = attempt.seen
        try:
            connection = await _connected(opener, probe.host, probe.login or _NOBODY, attempt)
        except asyncssh.PermissionDenied:
            attempt.ended()
            return True
        except Exception as error:  # noqa: BLE001 - whatever a host sends, it says nothing about the other hosts
            attempt.ended(lost=not isinstance(error, asyncssh.DisconnectError) or _is_loss(error))
            if not seen.host_key:
                seen.unreachable, seen.detail = _why(error, seen), _plain(str(error))
            return not attempt.shown
        try:
            attempt.take()
            if "enters" in seen.taken:
                seen.broken = ["no_session"]  # until the end of what follows shows that there is one
                seen.broken = await _beyond(connection, probe.host.port)
        finally:
            connection.abort()
            with suppress(Exception):
                await connection.wait_closed()
        return False


class _Attempt(asyncssh.SSHClient):
    """What one connection shows, a certificate at a time, and what becomes of each."""

    def __init__(self, offers: list[Offer], key: Any, seen: Sighting) -> None:
        self.seen = seen
        self.shown: list[Offer] = []
        self.entered = False
        self._offers = list(offers)
        self._key = key
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        self._connection = conn

    def public_key_auth_requested(self) -> Any:
        """The next certificate. That it is asked for says that the one before was refused."""
        self._note_methods()
        self.ended()
        if not self._offers:
            return None
        offer = self._offers.pop(0)
        self.shown.append(offer)
        return SSHLocalKeyPair(self._key, None, asyncssh.import_certificate(offer.certificate), None)

    def password_auth_requested(self) -> None:
        """No password is ever said."""
        self._note_methods()

    def kbdint_auth_requested(self) -> None:
        """Nor is any question answered."""
        self._note_methods()

    def ended(self, *, lost: bool = False) -> None:
        """The host took none of what was shown so far; ``lost``: of the last one nobody knows."""
        self.seen.refused.update(offer.what for offer in (self.shown[:-1] if lost else self.shown))

    def take(self) -> None:
        """The host let us in by the certificate that was shown last."""
        self.entered = True
        if not self.shown:
            self.seen.open_to_all = True
            return
        self.seen.taken.add(self.shown[-1].what)

    def _note_methods(self) -> None:
        if not self.seen.methods:
            self.seen.methods = tuple(self._connection.get_server_auth_methods())


class _Connection(asyncssh.SSHClientConnection):
    """A connection that notes what the host says first, and takes whatever key it shows: that is judged elsewhere."""

    seen: Sighting
    _first = b""

    def data_received(self, data: bytes, datatype: Any = None) -> None:
        if not self.seen.key_types and len(self._first) < _LONGEST:
            self._first += data
            with suppress(Invalid, ValueError, IndexError):
                _read_first(self._first, self.seen)
        super().data_received(data, datatype)

    def validate_server_host_key(self, key_data: bytes) -> Any:
        """Notes the key, or the certificate, whose signature is verified with that."""
        key = super().validate_server_host_key(key_data)
        self.seen.host_key = sshcert.line(key_data)
        return key


async def _connected(opener: Any, host: HostView, login: str, attempt: _Attempt) -> Any:
    """A connection that is signed in, opened by the loop or through a bastion.

    Raises what asyncssh, the system and ``Invalid`` have to say.
    """
    loop = asyncio.get_running_loop()
    options = await asyncssh.SSHClientConnectionOptions.construct(
        host=host.address,
        port=host.port,
        username=login,
        client_factory=lambda: attempt,
        client_version=_VERSION,
        client_keys=None,
        known_hosts=None,
        x509_trusted_certs=None,
        server_host_key_algs=_KEY_TYPES,
        preferred_auth=_METHODS,
        agent_path=None,
        gss_host=None,
        config=None,
        password=None,
        env=None,
    )
    options.waiter = loop.create_future()

    def made() -> _Connection:
        connection = _Connection(loop, options, wait="auth")
        connection.seen = attempt.seen
        return connection

    _, connection = await opener.create_connection(made, host.address, host.port)
    try:
        await options.waiter
    except BaseException:
        connection.abort()
        raise
    return connection


async def _beyond(connection: Any, port: int) -> list[str]:
    """What the certificate permits beyond ``true``."""
    codes = []
    mark = f"ssh-jit-probe-{secrets.token_hex(8)}"
    try:
        process = await connection.create_process(f"echo {mark}", stdin=asyncssh.DEVNULL, encoding=None)
        output = await _output(process)
        await process.wait_closed()
        if mark.encode("ascii") in output:
            codes.append("not_true")
        elif process.exit_status != 0:
            codes.append("no_session")
    except Exception:  # noqa: BLE001 - whatever a host sends, it says nothing about the other hosts
        codes.append("no_session")
    if await _opens(connection.create_process("true", term_type="xterm", stdin=asyncssh.DEVNULL)):
        codes.append("terminal")
    if await _opens(connection.open_connection("127.0.0.1", port), but=_NOT_PERMITTED):
        codes.append("forwarding")
    return codes


async def _output(process: Any) -> bytes:
    """What a command prints, as far as anybody cares."""
    output = b""
    while len(output) < _LONGEST and (part := await process.stdout.read(_LONGEST)):
        output += part
    process.close()
    return output


async def _opens(channel: Any, *, but: int | None = None) -> bool:
    """Whether the host opens what it should not. ``but``: it refuses with this code; any other means that it tried."""
    try:
        await channel
    except asyncssh.ChannelOpenError as error:
        return but is not None and error.code != but
    except Exception:  # noqa: BLE001 - whatever a host sends, it says nothing about the other hosts
        return False
    return True


def _read_first(data: bytes, seen: Sighting) -> None:
    """Reads how the host names itself and its first packet (RFC 4253, sections 4.2 and 7.1). Raises if it is cut."""
    start = data.index(b"SSH-") if data.startswith(b"SSH-") else data.index(b"\nSSH-") + 1
    end = data.index(b"\n", start)
    seen.banner = _plain(data[start:end].decode("ascii", "replace"))
    packet = Reader(data[end + 1 :]).string()
    if packet[1] != _KEXINIT:
        raise Invalid("bad_packet", "the host's first packet is not its offer")
    lists = Reader(packet[18:])
    exchanges, types = lists.text(), lists.text()
    seen.key_exchanges = tuple(_plain(name) for name in exchanges.split(",") if not name.startswith(_NO_EXCHANGE))
    seen.key_types = tuple(_plain(name) for name in types.split(","))


def _is_loss(error: Exception) -> bool:
    """Whether a connection was lost, without a word of the host's."""
    return isinstance(error, OSError | asyncssh.ConnectionLost)


def _why(error: Exception, seen: Sighting) -> str:
    """The code of why nothing was seen of a host."""
    if isinstance(error, asyncssh.ChannelOpenError):
        return "no_bastion" if error.code == _NOT_PERMITTED else "no_connection"
    if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError | BrokenPipeError):
        return "dropped" if not seen.banner else "no_ssh"
    return "no_connection" if isinstance(error, OSError) else "no_ssh"


def _plain(text: str) -> str:
    """What a host said, without what could move a terminal."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text.strip())[:200]
