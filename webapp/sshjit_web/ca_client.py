"""Asks the CA over its Unix socket.

This file decides how connections are kept, when a question may be asked again, and what is an answer. How frames travel
is ``ca_socket.py``'s; what the answers mean is left to the views. A question that may have changed something is never
sent twice: if the connection breaks after it was out, the person is told to look before asking again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import msgspec

from sshjit import ca_protocol, versions
from sshjit.ca_protocol.operating import Health, HealthReply
from sshjit.errors import FAMILIES, Failed, Invalid, Refused, SshJitError
from sshjit.lineage import Traced
from sshjit_web.ca_pool import Pool
from sshjit_web.ca_socket import Answer, Broken, Connection, Unsent

R = TypeVar("R")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Carried:
    """An answer that is handed on as it came: a JSON object with every field of its class that has no default.

    The values of the fields are not checked here: the program that reads them checks them, as ``ssh-jit`` does.
    """

    text: str
    """All of it."""
    parts: Mapping[str, msgspec.Raw]

    def part(self, name: str) -> str:
        """The JSON of one field."""
        return bytes(self.parts[name]).decode()


class Authority(Protocol):
    """The CA as the views know it: something that answers messages."""

    def call(self, message: ca_protocol.Message, reply: type[R]) -> R:
        """The answer to ``message``, of the class ``reply``; raises ``SshJitError``."""

    def carry(self, message: ca_protocol.Message, reply: type[ca_protocol.Reply], reader: int) -> Carried:
        """The same for those who only hand it on, to a reader of this version; raises ``SshJitError``."""

    @property
    def version(self) -> int:
        """What it speaks, as far as is known; 1 before anything was asked."""


class CaClient:
    """Connections to ``web.sock`` (of several CAs: to each one's), safe to share between threads.

    A thread has a connection to itself while it waits for an answer; at most ``keep`` idle ones are kept.
    ``connect_timeout`` and ``timeout`` are seconds.
    """

    def __init__(self, *paths: Path, connect_timeout: float = 1.0, timeout: float = 10.0, keep: int = 32) -> None:
        self._connect_timeout = connect_timeout
        self.timeout = timeout
        self._pool = Pool([str(path) for path in paths], self._connect, keep=keep)
        self.version = 1
        """What the CA spoke on the newest connection."""
        self.newest = Traced()
        """The newest checkpoint of the log that is known here; each CA that is greeted hears of it."""

    def remember(self, traced: Traced) -> None:
        """A checkpoint that the CA signed; what is not newer, or none, is passed over.

        A smaller one is newer once the CA shows an accepted loss under it that is not under the one that is held.
        """
        if traced != self.newest and traced.rank > self.newest.rank:
            self.newest = traced

    def follow(self) -> None:
        """From now on a thread goes after the CA that writes, if there are several."""
        self._pool.follow(self._is_well)

    def call(self, message: ca_protocol.Message, reply: type[R]) -> R:
        """Asks the CA.

        Raises:
            SshJitError: what the CA said, in its family.
            Failed: ``ca_down`` when it cannot be reached, or does not answer what changes nothing; ``outcome_unknown``
                when it does not answer what it may have done; ``ca_protocol`` for nonsense.

        """
        return read_answer(reply, self._body(message, versions.PROTOCOL))

    def carry(self, message: ca_protocol.Message, reply: type[ca_protocol.Reply], reader: int) -> Carried:
        """Asks the CA, and reads of its answer only what must not be wrong. Raises as ``call``.

        The answer is as a ``reader`` of this version knows it.
        """
        return carried(reply, self._body(message, reader))

    def open(self, *, besides: str = "") -> Connection:
        """A connection of its own for whoever asks on it by himself (``server/async_ca_client.py``), to be dropped.

        To the CA at ``besides`` only if no other answers. Raises what ``call`` raises where there is no CA.
        """
        return self._pool.new(besides=besides)

    def drop(self, connection: Connection) -> None:
        """Ends a connection."""
        self._pool.drop(connection)

    def is_fenced(self, answer: Answer) -> bool:
        """Whether one of several CAs says that another one writes the log, and so did nothing."""
        if answer.type != "error" or len(self._pool.addresses) == 1:
            return False
        try:
            opened(answer)
        except SshJitError as error:
            return error.code == "fenced"
        return False

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()

    def _body(self, message: ca_protocol.Message, reader: int) -> bytes:
        connection = self._pool.take()
        try:
            answer = connection.ask(message, reader)
        except (Unsent, Broken) as error:
            self._pool.drop(connection)
            require_repeatable(message, error)
            answer = self._again(message, reader)
        except TimeoutError:
            self._pool.drop(connection)
            raise self.unanswered(message) from None
        except (Invalid, Refused):
            self._pool.give(connection)
            raise
        else:
            self._pool.give(connection)
        if self.is_fenced(answer):
            answer = self._again(message, reader, besides=connection.path)
        return opened(answer)

    def _again(self, message: ca_protocol.Message, reader: int, *, besides: str = "") -> Answer:
        """One more try, on a connection that is certainly new; to the CA at ``besides`` only if no other answers."""
        connection = self._pool.new(besides=besides)
        try:
            answer = connection.ask(message, reader)
        except TimeoutError:
            self._pool.drop(connection)
            raise self.unanswered(message) from None
        except (Unsent, Broken) as error:
            self._pool.drop(connection)
            raise broken(message, error) from None
        self._pool.give(connection)
        return answer

    def unanswered(self, message: ca_protocol.Message) -> Failed:
        """What is wrong when a message was sent and no answer came in time."""
        return _no_answer(f"no answer in {self.timeout:g} s", may_be_done=not isinstance(message, ca_protocol.READS))

    def _connect(self, path: str) -> Connection:
        """A new connection to one CA. Where there are others, one that does not answer soon is passed over."""
        timeout = self.timeout if len(self._pool.addresses) == 1 else min(GREETING, self.timeout)
        connection = self._open(path, timeout)
        try:
            refusal = connection.greet(self.newest)
        except (Unsent, Broken, TimeoutError) as error:
            connection.close()
            late = isinstance(error, TimeoutError)
            raise unreachable(f"no answer in {timeout:g} s" if late else "") from None
        if refusal is not None:
            connection.close()
            _refuse_greeting(refusal)
        connection.wait_for(self.timeout)
        self.version = connection.version
        self.remember(connection.traced)
        return connection

    def _open(self, path: str, timeout: float) -> Connection:
        try:
            return Connection(path, connect_timeout=self._connect_timeout, timeout=timeout)
        except PermissionError:
            _log.warning("Unix user %d may not connect to %s: see web_users in ca.toml", os.geteuid(), path)
            raise unreachable() from None
        except OSError:
            raise unreachable() from None

    def _is_well(self, path: str) -> bool:
        """Whether the CA there can sign just now, by its own word."""
        try:
            connection = self._open(path, GREETING)
        except SshJitError:
            return False
        try:
            return read_answer(HealthReply, opened(connection.ask(Health(), 1))).ready
        except (SshJitError, Unsent, Broken, TimeoutError):
            return False
        finally:
            connection.close()


GREETING = 1.5
"""Seconds in which one of several CAs has to answer who is greeted, or asked how it is."""


_read_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def carried(reply: type[ca_protocol.Reply], body: bytes) -> Carried:
    """A good answer for those who only hand it on.

    Raises:
        Failed: ``ca_protocol``.

    """
    try:
        parts, text = _read_parts(body), body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _nonsense(str(error)) from None
    if missing := _required(cast("Any", reply)) - parts.keys():
        raise _nonsense(f"{min(missing)} is missing")
    return Carried(text, parts)


@cache
def _required(reply: Any) -> frozenset[str]:
    """The fields that every answer of this class has."""
    return frozenset(field.name for field in fields(reply) if field.default is MISSING)


@cache
def _reader(reply: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(reply).decode


def read_answer(reply: type[R], body: bytes) -> R:
    """Reads an answer by the rules of ``wire.decode_answer``, but faster; of equal names the last counts.

    Raises:
        Failed: ``ca_protocol``.

    """
    try:
        return cast("R", _reader(cast("Any", reply))(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid) as error:
        raise _nonsense(str(error)) from None


def opened(answer: Answer) -> bytes:
    """The body of a good answer; the error that another carries is raised."""
    body = bytes(answer.body)
    if answer.type == "ok":
        return body
    if answer.type != "error":
        raise _nonsense("it is neither good nor an error")
    error = read_answer(ca_protocol.ErrorReply, body)
    refusal = FAMILIES.get(error.family, Failed)(error.code, error.message, hint=error.hint)
    raise refusal.again_after(error.retry_after)


def _refuse_greeting(refusal: Answer) -> None:
    """Raises what a CA says that does not let this program in, which is for the operator of both, not for people."""
    try:
        opened(refusal)
    except Refused as error:
        _log.warning("the CA refused the connection: %s (%s)", error, error.hint or error.code)
        raise unreachable() from None


def _nonsense(problem: str) -> Failed:
    _log.warning("the CA's answer is not understood: %s", ascii(problem))
    return Failed(
        "ca_protocol",
        "the CA's answer is not understood",
        hint="try again in a minute; if it goes on, tell the operator: the versions may differ",
    )


def unreachable(why: str = "") -> Failed:
    """The error where nothing was done, since the CA is away."""
    hint = "open sessions and live certificates keep working; nothing new is issued until the CA is back"
    return Failed("ca_down", f"can't reach the CA{f' ({why})' if why else ''}", hint=hint)


def _no_answer(why: str, *, may_be_done: bool) -> Failed:
    """The error where something was sent and no answer came: perhaps it was done all the same."""
    if not may_be_done:
        return unreachable(why)
    hint = "check your requests before you try again: it may have been done"
    return Failed("outcome_unknown", f"it is not known whether the CA did this ({why})", hint=hint)


def require_repeatable(message: ca_protocol.Message, error: Unsent | Broken) -> None:
    """Passes over a message that may be sent again after this error: the CA has not acted on it.

    Raises:
        Failed: ``outcome_unknown``.

    """
    if isinstance(error, Broken) and not isinstance(message, ca_protocol.READS):
        raise broken(message, error) from None


def broken(message: ca_protocol.Message, error: Unsent | Broken) -> Failed:
    """What is wrong when a connection broke, and the message is not sent again."""
    if isinstance(error, Unsent):
        return unreachable()
    return _no_answer(_BROKE, may_be_done=not isinstance(message, ca_protocol.READS))


_BROKE = "the connection broke before it answered"
