"""Hands deliveries to the channels, with a few threads for each, so that a slow or dead one delays no other.

Nothing here touches the database: what became of each delivery is put into one queue for the loop in ``notifier.py``.
A delivery that hangs counts as failed after ``PATIENCE``; its thread stays taken until it comes back, and if it then
says that it did deliver, that counts.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sshjit.errors import SshJitError
from sshjit_web.notify import messages
from sshjit_web.notify.ledger import Owed

LOG = logging.getLogger(__name__)
THREADS = 4
"""For each channel."""
PATIENCE = 60.0
"""Seconds until a delivery that does not come back counts as failed."""
FIRST, LONGEST = 2, 3600
"""Seconds of the first pause and of the longest; each is twice the one before."""
MOST_TRIES = 40
LONGEST_LIFE = 86_400
"""Seconds after which nobody wants to hear of it any more."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered: for people a title and a text, for programs a body."""

    id: str
    """The same each time that it is tried."""
    recipient: str
    """A mail address; empty for a channel as such."""
    mail: tuple[str, str]
    chat: tuple[str, str]
    body: str


class Channel(Protocol):
    """A way out: mail, a chat, a webhook."""

    def send(self, message: Message, now: int) -> None:
        """Delivers, or raises ``Failed``: ``not_delivered``, or ``gone`` when it is of no use to try again."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one delivery."""

    owed: Owed
    problem: str = ""
    """Empty: it was delivered."""
    final: bool = False
    """Another try is of no use."""


class Delivery:
    """The threads of all channels. ``clock`` gives seconds since the epoch, ``monotonic`` seconds of this machine."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        threads: int = THREADS,
    ) -> None:
        self._channels = channels
        self._clock = clock
        self._monotonic = monotonic
        self._threads = threads
        self._begun: dict[str, tuple[Owed, float]] = {}
        self._hanging: dict[str, str] = {}
        self.allowed_until = 0.0
        """Nothing is sent after this moment (``monotonic``): the lease may be somebody else's then."""
        self.results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()

    def free_threads(self, channel: str) -> int:
        """How many more deliveries this channel can begin now."""
        busy = sum(owed.channel == channel for owed, _ in self._begun.values())
        return self._threads - busy - sum(name == channel for name in self._hanging.values())

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._begun)

    def begin(self, owed: Owed) -> None:
        """Starts a delivery, for which a thread is free."""
        self._begun[owed.id] = (owed, self._monotonic())
        threading.Thread(target=self._deliver, args=(owed,), name=f"to {owed.channel}", daemon=True).start()

    def finished(self, result: Result) -> bool:
        """Takes note of a result; whether it is the first of this delivery, or a late success."""
        late = self._hanging.pop(result.owed.id, None)
        known = self._begun.pop(result.owed.id, None)
        return known is not None or (late is not None and not result.problem)

    def hanging(self) -> list[Result]:
        """Deliveries that did not come back in time, each once; they count as failed."""
        since = self._monotonic() - PATIENCE
        stuck = [owed for owed, begun in self._begun.values() if begun < since]
        for owed in stuck:
            del self._begun[owed.id]
            self._hanging[owed.id] = owed.channel
        return [Result(owed, f"no answer in {PATIENCE:.0f} s") for owed in stuck]

    def _deliver(self, owed: Owed) -> None:
        problem, final = "", False
        mail, chat = messages.mail(owed.content), messages.chat(owed.content)
        message = Message(owed.id, owed.recipient, mail, chat, owed.body)
        if self._monotonic() >= self.allowed_until:
            self.results.put(Result(owed, "this process was too slow; another one may send it"))
            return
        try:
            self._channels[owed.channel].send(message, self._clock())
        except SshJitError as error:
            problem, final = error.message, error.code == "gone"
        except Exception as error:  # noqa: BLE001 -- a plug-in of somebody else's: whatever it raises, it did not deliver
            LOG.warning("the channel %s failed: %s", owed.channel, type(error).__name__)
            problem = f"the channel failed ({type(error).__name__})"
        self.results.put(Result(owed, problem, final))


def next_try(tries: int, due: int, now: int, chance: float) -> int | None:
    """The time of the next try, or ``None``: it is dead.

    ``tries`` were made, the first could be made at ``due``; ``chance`` is 0 to 1. Half of each pause is left to chance,
    so that many that failed together do not come back together.
    """
    if tries >= MOST_TRIES or now - due >= LONGEST_LIFE:
        return None
    pause = min(LONGEST, FIRST << min(tries - 1, 20))
    return now + max(1, round(pause * (0.5 + chance / 2)))
