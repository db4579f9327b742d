"""What the front end reads from the CA for everybody: the bundle, the hosts, the policy.

Answers are kept for a moment. Of the bundle, which every host polls, the CA tells where somebody follows it
(``server/bundle_follower.py``). Nothing here is decided by the front end; what it makes of the policy is
``policy_preview.py``'s.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sshjit import versions
from sshjit.api.bundle import BundleReply
from sshjit.api.hosts import HostsReply, HostView
from sshjit.bundle import FORMATS, format_for
from sshjit.ca_protocol.hosts import ReadHosts
from sshjit.ca_protocol.operating import PolicyReply, ReadBundle, ReadPolicy
from sshjit.errors import Failed, SshJitError
from sshjit.policy import Policy, PolicyError, load
from sshjit_web.ca_client import Authority

K = TypeVar("K")
V = TypeVar("V")

BUNDLE_LIFETIME = 0.5
"""Seconds for which a bundle is given out without asking; a revocation reaches the hosts that much later."""
FOLLOW = 5
"""Seconds that the CA lets us wait for a newer bundle, before it says that there is none."""
FOLLOWED = FOLLOW + 3.0
"""Seconds for which what the CA said then counts. If it ends, its connection breaks, and we know at once."""
HOSTS_LIFETIME = 2.0
POLICY_LIFETIME = 5.0


class Recent(Generic[K, V]):
    """Values by key, each for ``lifetime`` seconds of ``clock`` at most; a clock that jumps back forgets them."""

    def __init__(self, clock: Callable[[], float], lifetime: float, *, most: int = 10_000) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._most = most
        self._values: dict[K, tuple[float, V]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value of ``key`` if it is recent enough."""
        entry = self._values.get(key)
        if entry is None or not 0 <= self._clock() - entry[0] < self._lifetime:
            return None
        return entry[1]

    def put(self, key: K, value: V) -> V:
        """Remembers ``value`` and returns it."""
        with self._lock:
            if len(self._values) >= self._most:
                self._values.clear()
            self._values[key] = (self._clock(), value)
        return value

    def drop(self, key: K) -> None:
        """Forgets ``key``."""
        with self._lock:
            self._values.pop(key, None)


@dataclass(frozen=True, slots=True)
class CarriedBundle:
    """The bundle as it is given out."""

    sequence: int
    tag: str
    """The ``ETag``: of the text itself, so that another installation's bundle of the same number is another one."""
    body: bytes
    """The JSON answer, ready to send."""
    checkpoint: str
    """The signed note inside it."""


class CaCache:
    """Asks the CA and remembers for a moment. Raises what the CA says."""

    def __init__(self, ca: Authority, clock: Callable[[], float]) -> None:
        self._ca = ca
        self._bundle: Recent[int, CarriedBundle] = Recent(clock, BUNDLE_LIFETIME)
        """By the format of the document."""
        self._last: dict[int, CarriedBundle] = {}
        self._followed: dict[int, CarriedBundle] = {}
        """The newest, in each format; written by the one thread that follows."""
        self._followed_until = 0.0
        """By the monotonic clock."""
        self._asking = threading.Lock()
        self._failures = 0
        self._failure: SshJitError | None = None
        self._hosts: Recent[str, tuple[HostView, ...]] = Recent(clock, HOSTS_LIFETIME, most=200)
        self._policy: Recent[str, Policy] = Recent(clock, POLICY_LIFETIME)
        self._read: Policy | None = None

    @property
    def version(self) -> int:
        """The version that this front end and the CA both speak, as far as is known."""
        return min(versions.PROTOCOL, self._ca.version)

    def bundle(self, reader: int = versions.PROTOCOL) -> CarriedBundle:
        """The newest bundle, for a reader of this version.

        One thread asks; the others wait for its answer, also when that is an error. Otherwise, while the CA
        hangs, every poll would wait out its own time after all those before it, and soon no thread were left to say so.
        """
        number = format_for(reader)
        if bundle := self._bundle.get(number):
            return bundle
        failures = self._failures
        with self._asking:
            if bundle := self._bundle.get(number):
                return bundle
            if self._failure is not None and failures != self._failures:
                raise _again(self._failure)
            try:
                return self._bundle.put(number, self._ask(number))
            except SshJitError as error:
                self._failures, self._failure = self._failures + 1, error
                raise

    def _ask(self, number: int) -> CarriedBundle:
        last = self._last.get(number)
        reply = self._ca.call(ReadBundle(last.sequence if last else None, number), BundleReply)
        if reply.bundle is not None or last is None:
            last = self._last[number] = _carry(reply)
        return last

    def follow(self) -> bool:
        """Asks for a bundle newer than the last, for which the CA may let us wait; whether there is one.

        For one thread. After an error, which is raised, ``newest`` knows of no bundle until the next answer.
        """
        number, held = FORMATS[-1], self._followed
        have = held[number].sequence if held else None
        try:
            reply = self._ca.call(ReadBundle(have, number, FOLLOW), BundleReply)
            if changed := reply.bundle is not None or not held:
                others = {each: _carry(self._ca.call(ReadBundle(None, each), BundleReply)) for each in FORMATS[:-1]}
                self._followed = others | {number: _carry(reply)}
        except SshJitError:
            self._followed_until = 0.0
            raise
        self._followed_until = time.monotonic() + FOLLOWED
        return changed

    def newest(self, reader: int) -> CarriedBundle | None:
        """The newest bundle, or ``None`` when somebody has to ask first."""
        number = format_for(reader)
        if time.monotonic() < self._followed_until:
            return self._followed[number]
        return self._bundle.get(number)

    def hosts(self, login_id: str) -> tuple[HostView, ...]:
        """The hosts that this login may know of, by name."""
        found = self._hosts.get(login_id)
        if found is not None:
            return found
        return self._hosts.put(login_id, self._ca.call(ReadHosts(login_id), HostsReply).hosts)

    def policy(self) -> Policy:
        """The policy in force, read once for each text.

        Raises:
            Failed: ``ca_protocol`` when it is one of another version, which this front end cannot read.

        """
        if found := self._policy.get(""):
            return found
        reply = self._ca.call(ReadPolicy(), PolicyReply)
        if self._read is None or self._read.digest != reply.digest:
            self._read = _policy(reply)
        return self._policy.put("", self._read)


def _again(error: SshJitError) -> SshJitError:
    """The same error for another thread: an exception carries the trace of the one that raised it."""
    return type(error)(error.code, error.message, hint=error.hint)


def _carry(reply: BundleReply) -> CarriedBundle:
    if reply.bundle is None or reply.signature is None:
        raise Failed("ca_protocol", "the CA sent no bundle")
    body = json.dumps({"sequence": reply.sequence, "bundle": reply.bundle, "signature": reply.signature}).encode()
    try:
        checkpoint = json.loads(reply.bundle)["checkpoint"]
    except (ValueError, LookupError, TypeError):
        raise Failed("ca_protocol", "the CA's bundle is not understood") from None
    return CarriedBundle(reply.sequence, f'"{hashlib.sha256(body).hexdigest()[:32]}"', body, str(checkpoint))


def _policy(reply: PolicyReply) -> Policy:
    try:
        return load(reply.text)
    except PolicyError as error:
        hint = "ask on the command line; the operator has to upgrade this front end"
        raise Failed("ca_protocol", "the policy in force is not understood here", hint=hint) from error
