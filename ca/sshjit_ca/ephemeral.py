"""What the CA keeps in memory alone and may forget at any restart: challenges, replays, and what was written lately."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sshjit.errors import Refused
from sshjit.login import b64url

CHALLENGE_LIFETIME = 180
"""Seconds that a person has to read, confirm, and touch a key."""
OFFER_LIFETIME = 600
"""Seconds in which a passkey has to be made and signed for."""
CHALLENGE_BYTES = 24
MOST_CHALLENGES = 8
"""Challenges that one login may hold; the oldest gives way."""
SKEW = 300
"""Seconds that a host's clock may differ from ours."""
RENEWAL_PAUSE = 60
"""Seconds between two renewals of one host."""
REPORT_PAUSE = 5
"""Seconds between two reports of one host."""
PROBE_PAUSE = 30
"""Seconds between two probes of one host: longer than a run's refusals cost the source address (PerSourcePenalties)."""
REPORT_AGAIN = 3600
"""Seconds after which a report that says nothing new is written down again."""


@dataclass(slots=True)
class Challenges:
    """The challenges that are out."""

    _out: dict[str, dict[str, int]] = field(default_factory=dict)
    """Login -> challenge -> when it is over."""

    def make(self, login_id: str, raw: bytes, now: int) -> tuple[str, int]:
        """A challenge for this login from fresh random bytes, and when it is over."""
        self._forget(now)
        out = self._out.setdefault(login_id, {})
        if len(out) >= MOST_CHALLENGES:
            del out[next(iter(out))]
        challenge = b64url(raw)
        out[challenge] = now + CHALLENGE_LIFETIME
        return challenge, out[challenge]

    def take(self, login_id: str, challenge: str, now: int) -> bool:
        """Whether the challenge is out for this login; from now on it is not."""
        ends = self._out.get(login_id, {}).pop(challenge, None)
        return ends is not None and now < ends

    def _forget(self, now: int) -> None:
        for login_id, out in list(self._out.items()):
            for challenge in [each for each, ends in out.items() if ends <= now]:
                del out[challenge]
            if not out:
                del self._out[login_id]


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey that a browser made, as its authenticator says; ``credential`` and ``public_key`` are base64url."""

    rp_id: str
    credential: str
    public_key: str
    device_bound: bool
    backed_up: bool
    counter: int


@dataclass(frozen=True, slots=True)
class PasskeyOffer:
    """A registration of a passkey that a terminal began."""

    code: str
    subject: str
    login_id: str
    challenge: str
    ends: int
    made: Made | None = None
    """What a browser made for it."""


@dataclass(slots=True)
class PasskeyOffers:
    """The registrations that are under way, one of each native login."""

    _open: dict[str, PasskeyOffer] = field(default_factory=dict)
    """Code -> registration."""

    def put(self, offer: PasskeyOffer, now: int) -> None:
        """Keeps a registration: a new one in place of the login's one before, or one that got further."""
        kept = {code: each for code, each in self._open.items() if now < each.ends and each.login_id != offer.login_id}
        self._open = kept | {offer.code: offer}

    def find(self, code: str, subject: str, now: int) -> PasskeyOffer | None:
        """The registration with this code, if this person began it and it is not over."""
        offer = self._open.get(code)
        return offer if offer is not None and offer.subject == subject and now < offer.ends else None

    def drop(self, code: str) -> None:
        """It is done."""
        self._open.pop(code, None)


@dataclass(slots=True)
class ReplayCache:
    """By host id and kind of message: the time that was said last, and when; reports not written down since."""

    _last: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)

    def check(self, host: str, kind: str, time: int, now: int, pause: int) -> None:
        """Whether a text of the time ``said`` may be taken now.

        Raises:
            Refused: ``not_fresh``, ``too_soon``.

        """
        last, when = self._last.get((host, kind), (0, 0))
        if abs(now - time) > SKEW or time <= last:
            raise Refused("not_fresh", "the host's statement was signed at another time", hint="check the host's clock")
        if now - when < pause:
            raise Refused("too_soon", f"the host sent this less than {pause} s ago")

    def note(self, host: str, kind: str, said: int, now: int) -> None:
        """It was taken."""
        self._last[host, kind] = (said, now)

    def waiting(self, host: str, *, written: bool) -> int:
        """Reports of a host that the next entry stands for, this one included."""
        count = self._waiting.get(host, 0) + 1
        self._waiting[host] = 0 if written else count
        return count


@dataclass(slots=True)
class SessionBudget:
    """How many events about sessions each host may still have written down in this hour: a log is kept for ever."""

    most: int = 3_600
    _spent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def spend(self, host: str, count: int, now: int) -> None:
        """Take so many off.

        Raises:
            Refused: ``too_many``; the host keeps its events and sends them later.

        """
        hour, spent = self._spent.get(host, (0, 0))
        spent = count + (spent if hour == now // 3600 else 0)
        if count and spent > self.most:
            raise Refused("too_many", f"the host told of more than {self.most} beginnings and ends in an hour")
        self._spent[host] = (now // 3600, spent)


@dataclass(slots=True)
class TakenOnce:
    """What is taken once within the time in which it could come again, in a batch that became durable."""

    _until: dict[str, int] = field(default_factory=dict)
    _in_batch: list[str] = field(default_factory=list)

    def take(self, what: str, now: int, lifetime: int) -> bool:
        """Whether ``what`` was not taken in the last ``lifetime`` seconds; now it is."""
        self._until = {known: until for known, until in self._until.items() if until > now}
        if what in self._until:
            return False
        self._until[what] = now + lifetime
        self._in_batch.append(what)
        return True

    def settle(self) -> None:
        """After a batch became durable."""
        self._in_batch.clear()

    def forget(self) -> None:
        """After a batch that was lost: what it took may come again."""
        for what in self._in_batch:
            self._until.pop(what, None)
        self._in_batch.clear()


@dataclass(slots=True)
class GroupClaims:
    """Which claims with groups the sign-ins since the start had, by provider."""

    _seen: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)

    def note(self, provider: str, paths: Iterable[str]) -> None:
        """A sign-in had these."""
        count, known = self.of(provider)
        self._seen[provider] = (count + 1, known.union(paths))

    def of(self, provider: str) -> tuple[int, frozenset[str]]:
        """How many sign-ins there were, and the claims that some of them had."""
        return self._seen.get(provider, (0, frozenset()))


@dataclass(slots=True)
class ProbePauses:
    """When each host was probed last."""

    _last: dict[str, int] = field(default_factory=dict)

    def left(self, host: str, now: int) -> int:
        """In how many seconds a host may be probed again; 0: now."""
        return max(0, self._last.get(host, now - PROBE_PAUSE) + PROBE_PAUSE - now)

    def note(self, host: str, now: int) -> None:
        """It is probed now."""
        self._last = {known: last for known, last in self._last.items() if now - last < PROBE_PAUSE}
        self._last[host] = now


@dataclass(slots=True)
class RefusalThrottle:
    """Which refusals were written down lately, so that a flood of them cannot fill the log."""

    pause: int = 60
    _seen: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)

    def count(self, subject: str, message: str, code: str, now: int) -> int:
        """How many refusals the next entry stands for; 0: write none now, one was written within the pause."""
        key = (subject, message, code)
        written, waiting = self._seen.get(key, (now - self.pause, 0))
        if now - written < self.pause:
            self._seen[key] = (written, waiting + 1)
            return 0
        self._seen[key] = (now, 0)
        return waiting + 1


class LogThrottle:
    """Lets one line a minute about the same thing through, so that nobody outside can fill the daemon's log."""

    PAUSE = 60.0

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._written: dict[str, float] = {}

    def allows(self, topic: str) -> bool:
        """Whether a line about this topic may be written now."""
        now = self._monotonic()
        self._written = {key: when for key, when in self._written.items() if now - when < self.PAUSE}
        if topic in self._written:
            return False
        self._written[topic] = now
        return True


@dataclass(frozen=True, slots=True)
class SignedBundle:
    """A bundle that was signed. ``content`` is what it says, to see whether there is something new."""

    content: tuple[object, ...]
    sequence: int
    issued: int
    documents: dict[int, tuple[str, str]]
    """Format -> text and signature: the same bundle for readers of every age."""


@dataclass(slots=True)
class BundleCache:
    """The newest signed bundle, and the newest whose entry is in the log."""

    newest: SignedBundle | None = None
    in_log: SignedBundle | None = None

    def settle(self) -> None:
        """After a batch became durable."""
        self.in_log = self.newest

    def forget(self) -> None:
        """After a batch that was lost: the bundle that it signed was never recorded."""
        self.newest = self.in_log
