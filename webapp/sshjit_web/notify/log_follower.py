"""Reads what happened from the CA, by position, and writes down what follows from it.

The position moves in the transaction that writes what is owed: a crash between the two does not exist, and whatever was
read and not written is read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sshjit import versions
from sshjit.ca_protocol.feed import FeedReply, ReadFeed
from sshjit.errors import Invalid
from sshjit_web.ca_client import Authority
from sshjit_web.notify import planner
from sshjit_web.notify.ledger import Ledger
from sshjit_web.notify_config import NotifyConfig

LOG = logging.getLogger(__name__)
AT_ONCE = 100
"""Items of one question, the most that the CA gives."""


class LogFollower:
    """Follows one CA's log into one ledger."""

    def __init__(
        self, ca: Authority, ledger: Ledger, config: NotifyConfig, origin: str, clock: Callable[[], int]
    ) -> None:
        self._ca = ca
        self._ledger = ledger
        self._config = config
        self._origin = origin
        self._clock = clock

    def step(self) -> bool:
        """Reads a page; whether there is more to read at once. Raises ``SshJitError``: nothing was written."""
        after = self._ledger.position()
        try:
            reply = self._ca.call(ReadFeed(after, AT_ONCE, versions.PROTOCOL), FeedReply)
        except Invalid as error:
            if error.code != "bad_position":
                raise
            return self._begin_again(after)
        now = self._clock()
        plans = [planner.plan(self._config, self._origin, item, now) for item in reply.items]
        if reply.read != after:
            self._ledger.record(plans, now, position=reply.read)
        return reply.read < reply.size - 1

    def remind(self) -> None:
        """Writes down which reviews are to be reminded of now."""
        now = self._clock()
        due = self._ledger.due_reminders(now)
        if due:
            self._ledger.record(
                [planner.plan_reminder(self._config, self._origin, reminder, now) for reminder in due], now
            )

    def _begin_again(self, after: int) -> bool:
        """The log is shorter than what we read of it: it was restored. What was told is not told again."""
        LOG.warning("the log ends before entry %d, which was read already: reading it again from the beginning", after)
        self._ledger.record([], self._clock(), position=-1)
        return True
