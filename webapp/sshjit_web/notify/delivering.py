"""Gives what is owed to the channels: a few threads for each, so that a slow or dead one holds up nobody else.

Nothing here touches the database: what became of each delivery is put into one queue for the loop in ``running.py``.
A delivery that hangs counts as failed after ``PATIENCE``; its thread stays taken until it comes back, and if it then
says that it did deliver, that counts.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sshjit.errors import SshJitError
from sshjit_web.notify import words
from sshjit_web.notify.ledger import Owed
from sshjit_web.notify.way import Message, Way

LOG = logging.getLogger(__name__)
THREADS = 4
"""For each channel."""
PATIENCE = 60.0
"""Seconds until a delivery that does not come back counts as failed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one delivery."""

    owed: Owed
    problem: str = ""
    """Empty: it was delivered."""
    final: bool = False
    """It is of no use to try again."""


class Delivery:
    """The threads of all channels. ``clock`` gives seconds since the epoch, ``monotonic`` seconds of this machine."""

    def __init__(
        self, ways: Mapping[str, Way], clock: Callable[[], int], monotonic: Callable[[], float], threads: int = THREADS
    ) -> None:
        self._ways = ways
        self._clock = clock
        self._monotonic = monotonic
        self._threads = threads
        self._begun: dict[str, tuple[Owed, float]] = {}
        self._hanging: dict[str, str] = {}
        self.allowed_until = 0.0
        """Nothing is sent after this moment (``monotonic``): the lease may be somebody else's then."""
        self.results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()

    def room(self, channel: str) -> int:
        """How many more deliveries this channel can begin now."""
        busy = sum(owed.channel == channel for owed, _ in self._begun.values())
        return self._threads - busy - sum(name == channel for name in self._hanging.values())

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._begun)

    def begin(self, owed: Owed) -> None:
        """Starts a delivery, for which there is room."""
        self._begun[owed.id] = (owed, self._monotonic())
        threading.Thread(target=self._deliver, args=(owed,), name=f"to {owed.channel}", daemon=True).start()

    def finished(self, result: Result) -> bool:
        """Takes note of a result; whether it is the first about this delivery, or tells that it did succeed."""
        late = self._hanging.pop(result.owed.id, None)
        known = self._begun.pop(result.owed.id, None)
        return known is not None or (late is not None and not result.problem)

    def hanging(self) -> list[Result]:
        """Deliveries that did not come back in time, each once; they count as failed."""
        since = self._monotonic() - PATIENCE
        found = [owed for owed, begun in self._begun.values() if begun < since]
        for owed in found:
            del self._begun[owed.id]
            self._hanging[owed.id] = owed.channel
        return [Result(owed, f"no answer in {PATIENCE:.0f} s") for owed in found]

    def _deliver(self, owed: Owed) -> None:
        problem, final = "", False
        mail, chat = words.mail(owed.words), words.chat(owed.words)
        message = Message(owed.id, owed.recipient, mail, chat, owed.body)
        if self._monotonic() >= self.allowed_until:
            self.results.put(Result(owed, "this process was too slow, and another may do it"))
            return
        try:
            self._ways[owed.channel].send(message, self._clock())
        except SshJitError as error:
            problem, final = error.message, error.code == "gone"
        except Exception as error:  # noqa: BLE001 -- a plug-in of somebody else's: whatever it raises, it did not deliver
            LOG.warning("the channel %s broke: %s", owed.channel, type(error).__name__)
            problem = f"the channel broke ({type(error).__name__})"
        self.results.put(Result(owed, problem, final))
